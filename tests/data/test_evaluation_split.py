"""Labeled datasets: every layout gives the same items, and what cannot be understood gets a sentence."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgrec.data.dataset import Dataset
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.errors import InputError
from imgrec.predictions.labels import CATS_AND_DOGS
from imgrec.settings import Settings


def png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


FILES = {f"pets/{kind}/{kind}.{i}.png": png(10 * i + len(kind)) for kind in ("cats", "dogs") for i in range(3)}


def laid_out(folder: Path, layout: str, files: dict[str, bytes]) -> Path:
    if layout == "folder":
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return folder / "pets"
    if layout == "zip":
        with zipfile.ZipFile(folder / "pets.zip", "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return folder / "pets.zip"
    with tarfile.open(folder / "pets.tar.gz", "w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return folder / "pets.tar.gz"


def check(found: Dataset) -> None:
    """Items stand in the order that ids and targets promise, and come again when asked again."""
    for _ in range(2):
        items = list(found.items())
        assert tuple(item.id for item in items) == found.ids
        assert tuple(item.target for item in items) == found.targets


def test_a_damaged_member_of_an_archive_is_an_item_with_a_sentence(tmp_path: Path, settings: Settings) -> None:
    path = laid_out(tmp_path, "zip", FILES)
    damaged = bytearray(path.read_bytes())
    place = damaged.index(FILES["pets/cats/cats.0.png"])
    damaged[place + 60] ^= 1
    path.write_bytes(damaged)
    found = open_evaluation_split(str(path), settings, training=str(path))
    check(found)
    told = {item.id: item.image for item in found.items() if isinstance(item.image, str)}
    assert list(told) == ["pets/cats/cats.0.png"]
    assert "cats.0.png" in told["pets/cats/cats.0.png"]
    assert found.images(set(found.ids)).keys() == set(found.ids) - told.keys()


@pytest.mark.parametrize("layout", ["folder", "zip", "tar"])
def test_class_folders(tmp_path: Path, settings: Settings, layout: str) -> None:
    found = open_evaluation_split(str(laid_out(tmp_path, layout, FILES)), settings)
    check(found)
    assert found.name == "pets"
    assert found.label_space is CATS_AND_DOGS
    assert sorted(found.targets) == [0, 0, 0, 1, 1, 1]
    assert {item.image for item in found.items()} == set(FILES.values())


def test_the_test_part_is_measured_on_and_leaks_are_counted(tmp_path: Path, settings: Settings) -> None:
    files = {name.replace("pets/", "pets/training_set/"): data for name, data in FILES.items()}
    files["pets/test_set/cats/a.png"] = png(900)
    files["pets/test_set/dogs/b.png"] = FILES["pets/dogs/dogs.0.png"]
    found = open_evaluation_split(str(laid_out(tmp_path, "folder", files)), settings)
    check(found)
    assert found.ids == ("test_set/cats/a.png", "test_set/dogs/b.png")
    assert found.flaws == ("1 of its images stand in its training part too.",)


def test_a_split_csv_tells_what_is_measured_on(tmp_path: Path, settings: Settings) -> None:
    lines = [
        "file,split",
        *(f"{kind}/{kind}.{i}.png,{'test' if i else 'train'}" for kind in ("cats", "dogs") for i in range(3)),
    ]
    path = laid_out(tmp_path, "folder", FILES | {"pets/split.csv": "\n".join(lines).encode()})
    found = open_evaluation_split(str(path), settings)
    check(found)
    assert found.ids == ("cats/cats.1.png", "cats/cats.2.png", "dogs/dogs.1.png", "dogs/dogs.2.png")


@pytest.mark.parametrize(
    ("table", "targets"),
    [
        pytest.param("file,wnid\ncats/cats.0.png,n02123045\ndogs/dogs.1.png,n02088364\n", (281, 162), id="wnid"),
        pytest.param("file,index\ncats/cats.0.png,281\ndogs/dogs.1.png,162\n", (281, 162), id="index"),
        pytest.param("file,label\ncats/cats.0.png,cat\ndogs/dogs.1.png,dog\n", (0, 1), id="label"),
        pytest.param("file,label\ncats/cats.0.png,cat\ndogs/dogs.1.png,dog\ngone.png,dog\n", (0, 1), id="one is gone"),
    ],
)
def test_a_table_of_labels(tmp_path: Path, settings: Settings, table: str, targets: tuple[int, ...]) -> None:
    path = laid_out(tmp_path, "folder", FILES | {"pets/labels.csv": table.encode()})
    found = open_evaluation_split(str(path), settings)
    check(found)
    assert found.targets == targets


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        pytest.param("name,class\na,b\n", "Expected the columns file and wnid, index or label", id="columns"),
        pytest.param("file,index\ncats/cats.0.png,1000\n", "Received: 1000, not among them", id="index"),
        pytest.param("file,index\ncats/cats.0.png,²\n", "Received: ², not among them", id="a figure that is no number"),
        pytest.param("file,label\ncats/cats.0.png\n", "Received: row 1 without its label", id="a missing cell"),
        pytest.param("file,wnid\n ,n02123045\n", "Received: row 1 without its file", id="an empty cell"),
        pytest.param(
            "file,label\ncats/cats.0.png,cat\ndogs/dogs.1.png,dog\ncats/cats.0.png,dog\n",
            "Expected one class for each file in labels.csv. Received: cat and dog for cats/cats.0.png",
            id="two classes",
        ),
        pytest.param("file,wnid\nnone.png,n02123045\n", "Received: none of 1 is there", id="no images"),
        pytest.param("", "Received: none", id="empty"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path: Path, settings: Settings, table: str, sentence: str) -> None:
    path = laid_out(tmp_path, "folder", FILES | {"pets/labels.csv": table.encode()})
    with pytest.raises(InputError, match=sentence):
        open_evaluation_split(str(path), settings)


def test_listed_images_that_are_not_there_are_said(tmp_path: Path, settings: Settings) -> None:
    lines = ["file,label", "cats/cats.0.png,cat", "dogs/dogs.1.png,dog", "dogs/dogs.1.png,dog"]
    lines += [f"gone/{i}.png,dog" for i in range(3)]
    path = laid_out(tmp_path, "folder", FILES | {"pets/labels.csv": "\n".join(lines).encode()})
    found = open_evaluation_split(str(path), settings)
    assert found.flaws == ("3 of 5 listed images are not there.",)
    assert len(found) == 2


def test_a_set_is_called_as_its_folder_however_one_gets_there(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    pets = laid_out(tmp_path, "folder", FILES)
    pets = pets.rename(tmp_path / "pets.v1")
    for here, name_or_path in ((pets, "."), (pets / "cats", ".."), (tmp_path, "pets.v1"), (tmp_path, "./pets.v1/")):
        monkeypatch.chdir(here)
        found = open_evaluation_split(name_or_path, settings)
        assert (found.name, found.source) == ("pets.v1", str(pets))
        monkeypatch.chdir("/")
        assert len(list(found.items())) == 6


@pytest.mark.parametrize(
    ("file", "name"),
    [
        pytest.param("pets.zip", "pets", id="zip"),
        pytest.param("pets.v1.ZIP", "pets.v1", id="a version"),
        pytest.param("pets.v2.data", "pets.v2.data", id="an unknown suffix"),
    ],
)
def test_a_set_is_called_as_its_archive(tmp_path: Path, settings: Settings, file: str, name: str) -> None:
    path = laid_out(tmp_path, "zip", FILES).rename(tmp_path / file)
    assert open_evaluation_split(str(path), settings).name == name


@pytest.mark.parametrize("layout", ["folder", "zip", "tar"])
def test_the_same_images_have_the_same_sha256_and_others_another(
    tmp_path: Path, settings: Settings, layout: str
) -> None:
    once, again, others = (tmp_path / name for name in ("once", "again", "others"))
    for folder in (once, again, others):
        folder.mkdir()
    found = open_evaluation_split(str(laid_out(once, layout, FILES)), settings)
    same = open_evaluation_split(str(laid_out(again, layout, FILES)), settings)
    changed = open_evaluation_split(str(laid_out(others, layout, FILES | {"pets/cats/cats.1.png": png(900)})), settings)
    assert (found.digest, found.images_sha256) == (same.digest, same.images_sha256)
    assert changed.digest == found.digest
    assert changed.images_sha256 != found.images_sha256


def test_images_are_read_once_for_their_sha256(tmp_path: Path, settings: Settings) -> None:
    path = laid_out(tmp_path, "folder", FILES)
    found = open_evaluation_split(str(path), settings, per_class=2)
    assert found.per_class == 2
    first = found.images_sha256
    assert first != open_evaluation_split(str(path), settings).images_sha256
    os.remove(path / "cats" / "cats.0.png")
    assert found.images_sha256 == first


def test_arrays_have_a_sha256_of_their_pixels(tmp_path: Path, settings: Settings) -> None:
    digests = []
    for value in (0, 0, 1):
        pixels = np.full((4, 4, 4, 3), value, np.uint8)
        np.savez(tmp_path / "toy.v1.npz", x_train=pixels, y_train=np.array([0, 1] * 2))
        found = open_evaluation_split(str(tmp_path / "toy.v1.npz"), settings)
        assert (found.name, found.source) == ("toy.v1", str(tmp_path / "toy.v1.npz"))
        digests.append(found.images_sha256)
    assert digests[0] == digests[1] != digests[2]


def test_arrays(tmp_path: Path, settings: Settings) -> None:
    pixels = np.zeros((6, 4, 4, 3), np.uint8)
    np.savez(
        tmp_path / "toy.npz",
        x_train=pixels,
        y_train=np.array([0, 1] * 3),
        x_test=pixels[:2],
        y_test=np.array([1, 0]),
        class_names=np.array(["dog", "cat"]),
    )
    found = open_evaluation_split(str(tmp_path / "toy.npz"), settings)
    check(found)
    assert found.label_space is CATS_AND_DOGS
    assert found.targets == (0, 1)


def test_only_the_first_of_each_class(tmp_path: Path, settings: Settings) -> None:
    path = str(laid_out(tmp_path, "zip", FILES))
    found = open_evaluation_split(path, settings, per_class=2, flaws=("Small.",))
    check(found)
    assert found.ids == ("pets/cats/cats.0.png", "pets/cats/cats.1.png", "pets/dogs/dogs.0.png", "pets/dogs/dogs.1.png")
    assert found.name == "pets_first_2"
    assert found.flaws == ("Only the first 2 images of each class.", "Small.")
    assert found.digest != open_evaluation_split(path, settings).digest
    with pytest.raises(InputError, match="Received: 0"):
        open_evaluation_split(path, settings, per_class=0)


@pytest.mark.parametrize(
    ("layout", "sentence"),
    [
        pytest.param("nothing", "which is not there", id="nothing"),
        pytest.param("empty folder", "Received: 0 files and neither", id="empty folder"),
        pytest.param("loose files", "Received: 1 files and neither", id="no class folders"),
        pytest.param("text", "which is none of these", id="no archive"),
    ],
)
def test_refuses(tmp_path: Path, settings: Settings, layout: str, sentence: str) -> None:
    path = tmp_path / "x"
    if layout == "text":
        path.write_text("no archive")
    elif layout != "nothing":
        path.mkdir()
    if layout == "loose files":
        (path / "a.png").write_bytes(png(0))
    with pytest.raises(InputError, match=sentence):
        open_evaluation_split(str(path), settings)


@pytest.mark.parametrize(
    ("training", "sentence"),
    [
        pytest.param("training_set", "2 of its 6 images stand in training_set too, byte for byte", id="a folder"),
        pytest.param("others", "None of its images stands in others, byte for byte.", id="nothing in common"),
        pytest.param("parts", "2 of its 6 images stand in parts too, byte for byte", id="its training part"),
    ],
)
def test_images_that_a_model_was_trained_on_are_counted(
    tmp_path: Path, settings: Settings, training: str, sentence: str
) -> None:
    leaked = FILES["pets/dogs/dogs.1.png"]  # which is cats.1.png as well
    for name, data in {
        "training_set/wolves/x.png": leaked,
        "others/wolves/x.png": png(500),
        "parts/train/wolves/x.png": leaked,
        # What stands in another set's test part was not trained on.
        "parts/test/wolves/y.png": FILES["pets/dogs/dogs.2.png"],
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    path = laid_out(tmp_path, "zip", FILES)
    found = open_evaluation_split(str(path), settings, training=str(tmp_path / training))
    assert found.flaws[-1].startswith(sentence)


def test_a_training_set_without_images_is_named(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"Expected images that models were trained on in .*empty\. Received: none"):
        open_evaluation_split(str(laid_out(tmp_path, "zip", FILES)), settings, training=str(tmp_path / "empty"))


def test_arrays_that_a_model_was_trained_on_are_counted(tmp_path: Path, settings: Settings) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), dtype=np.uint8)
    labels = {"class_names": np.array(["dog", "cat"]), "y_train": np.array([0, 1] * 2), "y_test": np.array([1, 0])}
    np.savez(tmp_path / "a.npz", x_train=pixels[:4], x_test=pixels[4:6], **labels)
    np.savez(tmp_path / "b.npz", x_train=pixels[5:9], x_test=pixels[4:6], **labels)
    found = open_evaluation_split(str(tmp_path / "a.npz"), settings, training=str(tmp_path / "b.npz"))
    assert found.flaws[-1].startswith("1 of its 2 images stand in b.npz too")


@pytest.mark.parametrize("layout", ["folder", "zip", "tar"])
def test_single_images_are_looked_up(tmp_path: Path, settings: Settings, layout: str) -> None:
    found = open_evaluation_split(str(laid_out(tmp_path, layout, FILES)), settings)
    wanted = [found.ids[4], found.ids[1], "not there"]
    images = {item.id: item.image for item in found.items()}
    assert found.images(wanted) == {name: images[name] for name in wanted[:2]}
