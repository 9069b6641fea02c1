"""Images to be classified, from several places as one dataset."""

import pickle
import zipfile
from pathlib import Path

import pytest

from imgrec.data.unlabeled_images import open_images, title
from imgrec.errors import InputError
from imgrec.settings import Settings
from tests.data.test_packed_images import png, write_parquet, write_tar


def test_all_places_are_one_dataset(tmp_path: Path, settings: Settings) -> None:
    folder = tmp_path / "folder"
    for i in range(3):
        (folder / "cats").mkdir(parents=True, exist_ok=True)
        (folder / "cats" / f"{i}.png").write_bytes(png(i))
    (folder / "notes.txt").write_text("notes")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x/3.png", png(3))
    write_parquet(tmp_path / "p.parquet", range(4, 6))
    write_tar(tmp_path / "t" / "t.tar", range(6, 8))
    (tmp_path / "8.png").write_bytes(png(8))
    single, missing = str(tmp_path / "8.png"), str(tmp_path / "9.png")
    names = [f"{folder}/", *(str(tmp_path / name) for name in ("a.zip", "p.parquet", "t")), single, missing]
    images, remarks = open_images([*names, f"file://{folder}"], settings)
    assert [remark for remark in remarks if "notes.txt" in remark]
    assert images.ids == (
        *(f"{folder}/cats/{i}.png" for i in range(3)),
        f"{tmp_path}/a.zip/x/3.png",
        *(f"{tmp_path}/p.parquet/p.parquet/0000000{i}" for i in range(2)),
        *(f"{tmp_path}/t/t.tar/00000{i}.png" for i in (6, 7)),
        single,
        missing,
        *(f"file://{folder}/cats/{i}.png" for i in range(3)),
    )
    found = {item.id: item.image for item in images.items()}
    expected = [*map(png, range(9)), found[missing], *map(png, range(3))]
    assert [found[id_] for id_ in images.ids] == expected
    assert found[missing] == f"Expected an image file. Received: {missing}, No such file or directory."
    assert len(images.contents) == 32 * len(images)
    for start in range(0, len(images), 4):
        part = images.slice(range(start, min(start + 4, len(images))))
        sent = pickle.loads(pickle.dumps(part))  # noqa: S301 (made on this line)
        assert {item.id: item.image for item in sent.items()} == {id_: found[id_] for id_ in part.ids}


def test_an_image_named_twice_is_told(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "1.png").write_bytes(png(1))
    with pytest.raises(InputError, match=r"Expected each image once\. Received: .*1\.png again"):
        open_images([str(tmp_path / "1.png"), str(tmp_path)], settings)


def test_options_of_an_address_are_not_in_titles() -> None:
    assert title("s3://b/f?region=eu-1", "a/1.png") == "s3://b/f/a/1.png"
    assert title("what?/", "1.png") == "what?/1.png"
