"""Images in Parquet files and in WebDataset's tars, on this machine and in a store."""

import io
import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from imgrec.data import parquet_images
from imgrec.data.dataset import Dataset
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.errors import InputError
from imgrec.settings import Settings

CLASSES = ("red", "green", "blue")


def png(i: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), CLASSES[i % 3]).save(file, "PNG", pnginfo=None)
    return file.getvalue() + b"%d" % i  # after the end of the image


def write_parquet(path: Path, rows: range, *, hub: bool = False, label: Any = None, group: int = 4) -> None:
    images: list[Any] = [{"bytes": png(i), "path": f"{i}.png"} if hub else png(i) for i in rows]
    labels = [i % 3 if hub else CLASSES[i % 3] for i in rows] if label is None else [label] * len(rows)
    table = pyarrow.table({"image": images, "label": labels})
    if hub:
        about = {"info": {"features": {"label": {"names": list(CLASSES), "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path, row_group_size=group)


def write_tar(path: Path, rows: range, label: Any = lambda i: {"cls": CLASSES[i % 3]}, padding: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for i in rows:
            files = {"png": png(i)} | {end: text.encode() for end, text in label(i).items()}
            for end, data in files.items():
                member = tarfile.TarInfo(f"{i:06d}.{end}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def contents(labeled: Dataset) -> dict[str, tuple[str, Any]]:
    names = labeled.label_space.labels
    return {item.id: (names[item.target], item.image) for item in labeled.items()}


def check_slices(labeled: Dataset) -> None:
    """What is sent to a worker reads its own images, and is small."""
    whole = contents(labeled)
    part = labeled.slice(range(3, 7))
    sent = pickle.loads(pickle.dumps(part))  # noqa: S301 (made on this line)
    assert contents(sent) == {id_: whole[id_] for id_ in labeled.ids[3:7]}
    assert len(pickle.dumps(part)) < 2_000
    assert len(labeled.contents) == 32 * len(labeled)
    assert len({labeled.contents[i : i + 32] for i in range(0, 32 * len(labeled), 32)}) == len(labeled)


@pytest.mark.parametrize("hub", [False, True])
def test_rows_of_parquet_are_images(hub: bool, tmp_path: Path, settings: Settings) -> None:
    write_parquet(tmp_path / "paints" / "a.parquet", range(10), hub=hub)
    write_parquet(tmp_path / "paints" / "b.parquet", range(10, 15), hub=hub)
    (tmp_path / "paints" / "_SUCCESS").touch()
    labeled = open_evaluation_split(str(tmp_path / "paints"), settings)
    assert labeled.name == "paints"
    assert labeled.source == str(tmp_path / "paints")
    expected = {f"{'ab'[i >= 10]}.parquet/{i % 10:08d}": (CLASSES[i % 3], png(i)) for i in range(15)}
    assert contents(labeled) == expected
    check_slices(labeled)
    address = open_evaluation_split(f"file://{tmp_path}/paints", settings)
    assert contents(address) == expected
    assert contents(open_evaluation_split(str(tmp_path / "paints" / "b.parquet"), settings)).keys() == {
        id_ for id_ in expected if id_[0] == "b"
    }


def test_only_the_test_part_is_measured(tmp_path: Path, settings: Settings) -> None:
    write_parquet(tmp_path / "paints" / "data" / "train-00000-of-00001.parquet", range(6))
    write_parquet(tmp_path / "paints" / "data" / "test-00000-of-00001.parquet", range(6, 9))
    labeled = open_evaluation_split(f"file://{tmp_path}/paints", settings)
    assert [id_.split("/")[1] for id_ in labeled.ids] == ["test-00000-of-00001.parquet"] * 3


def test_samples_in_tars_are_images(tmp_path: Path, settings: Settings) -> None:
    write_tar(tmp_path / "paints" / "s-000000.tar", range(10))
    write_tar(tmp_path / "paints" / "s-000001.tar", range(10, 15), lambda i: {"json": json.dumps({"label": i % 3})})
    with pytest.raises(InputError, match=r"Expected classnames\.txt beside the images"):
        open_evaluation_split(str(tmp_path / "paints"), settings)
    (tmp_path / "paints" / "classnames.txt").write_text("\n".join(CLASSES))
    labeled = open_evaluation_split(str(tmp_path / "paints"), settings)
    expected = {f"s-00000{i // 10}.tar/{i:06d}.png": (CLASSES[i % 3], png(i)) for i in range(15)}
    assert contents(labeled) == expected
    check_slices(labeled)
    assert len(open_evaluation_split(str(tmp_path / "paints" / "s-000000.tar"), settings)) == 10


def test_a_file_that_changes_is_another_version(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "p.parquet"
    write_parquet(path, range(3))
    before = open_evaluation_split(str(path), settings).contents
    assert open_evaluation_split(str(path), settings).contents == before
    write_parquet(path, range(3, 6))
    assert open_evaluation_split(str(path), settings).contents != before


def test_hostile_files_are_told(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.parquet"
    write_parquet(path, range(8))
    good = path.read_bytes()
    for data, sentence in (
        (b"PAR1 no table PAR1", "Expected p.parquet to be whole"),
        (good[: len(good) // 2], "Expected p.parquet to be whole"),
        (b"", "Expected p.parquet to be whole"),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError, match=sentence):
            open_evaluation_split(str(path), settings)
    parquet.write_table(pyarrow.table({"words": ["a"]}), path)
    with pytest.raises(InputError, match=r"with the bytes of images, such as image.*Received: words\."):
        open_evaluation_split(str(path), settings)
    write_parquet(path, range(3), label=7)
    with pytest.raises(InputError, match=r"Expected classnames\.txt"):
        open_evaluation_split(str(path), settings)
    (tmp_path / "classnames.txt").write_text("red\n")
    with pytest.raises(InputError, match=r"Expected classnames\.txt"):  # of another folder than the file's own
        open_evaluation_split(str(path), settings)
    write_parquet(path, range(8))
    labeled = open_evaluation_split(str(path), settings)
    monkeypatch.setattr(parquet_images, "MAX_GROUP_BYTES", 10)
    assert {image for _, image in contents(labeled).values()} == {
        next(image for _, image in contents(labeled).values())
    }
    assert all("Expected row groups of at most" in image for _, image in contents(labeled).values())


def test_null_and_large_rows_cost_themselves_only(tmp_path: Path, settings: Settings) -> None:
    limit = settings.max_upload_bytes
    table = pyarrow.table({"image": [png(0), None, b"x" * (limit + 50)], "label": ["red", "red", "blue"]})
    parquet.write_table(table, tmp_path / "p.parquet")
    images = [image for _, image in contents(open_evaluation_split(str(tmp_path / "p.parquet"), settings)).values()]
    assert images[0] == png(0)
    assert images[1] == "There are no bytes in this row."
    assert len(images[2]) == limit + 1


def test_tars_that_are_cut_or_packed(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "s.tar"
    write_tar(path, range(6))
    labeled = open_evaluation_split(str(path), settings)
    path.write_bytes(path.read_bytes()[:700])  # after it was listed
    found = [image for _, image in contents(labeled).values()]
    assert found[0] == png(0) or found[0] == "The tar is cut off."
    assert set(found[1:]) == {"The tar is cut off."}
    write_tar(path, range(3), lambda i: {"cls": "red"} if i else {})
    with pytest.raises(InputError, match=r"Expected a class for each image\. Received: none for s\.tar/000000\.png"):
        open_evaluation_split(str(path), settings)
