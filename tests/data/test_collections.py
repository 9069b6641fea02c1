"""Collections: what people type never leaves its folder, what they drop is kept, and what cannot be read is listed."""

import io
import os
import shutil
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgrec.data import collections, folders, training_arrays
from imgrec.data.collections import Collection, class_name
from imgrec.errors import ImageError, InputError
from imgrec.images import decoding
from imgrec.settings import MIB, ROOT, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(Settings.from_env({}), home=tmp_path / "imgrec", max_upload_bytes=MIB)


def image(seed: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cat", "cat"),
        ("  big   cats ", "big cats"),
        ("../../etc/passwd", "／..／etc／passwd"),
        ("<script>alert(1)</script>", "＜script＞alert(1)＜／script＞"),
        (".hidden", "hidden"),
        ("\u202e.", None),
        ("naïve 🐈", "naïve 🐈"),
    ],
    ids=["plain", "spaces", "climbing", "markup", "hidden", "dot behind a turn", "unicode"],
)
def test_what_people_type_becomes_a_name(text: str, name: str | None) -> None:
    if name is None:
        with pytest.raises(InputError, match="Expected the name of a class"):
            class_name(text)
    else:
        assert class_name(text) == name


@pytest.mark.parametrize("text", ["", " ", "..", "test", "Train", "VALIDATION"])
def test_what_cannot_be_a_class_gets_a_sentence(text: str) -> None:
    with pytest.raises(InputError, match="Expected the name of a class"):
        class_name(text)


@given(st.text(max_size=100))
def test_a_class_name_is_one_visible_folder_and_stays_itself(text: str) -> None:
    try:
        name = class_name(text)
    except InputError:
        return
    assert Path(name).name == name
    assert not name.startswith(".")
    assert class_name(name) == name


def test_classes_keep_their_order_and_their_images(settings: Settings) -> None:
    collection = collections.create("mine", settings, ("zebra", "ant"))
    assert collection.labels == ["zebra", "ant"]
    assert collection.add("zebra", image(1), max_bytes=MIB)
    assert not collection.add("zebra", image(1), max_bytes=MIB), "the same bytes again"
    assert collection.rename_class("zebra", "<i>horse</i>") == "＜i＞horse＜／i＞"
    assert collection.labels == ["＜i＞horse＜／i＞", "ant"]
    assert collection.counts() == {"＜i＞horse＜／i＞": 1, "ant": 0}
    collection.remove("＜i＞horse＜／i＞", collection.images("＜i＞horse＜／i＞")[0].name)
    assert collection.counts() == {"＜i＞horse＜／i＞": 0, "ant": 0}
    collection.remove_class("ant")
    assert Collection(collection.folder).counts() == {"＜i＞horse＜／i＞": 0}
    with pytest.raises(InputError, match="is there already"):
        collection.add_class("＜I＞HORSE＜／I＞")


def test_a_bad_image_leaves_nothing_behind(settings: Settings) -> None:
    collection = collections.create("mine", settings, ("cat",))
    with pytest.raises(ImageError):
        collection.add("cat", b"no image", max_bytes=MIB, name="x.jpg")
    assert collection.counts() == {"cat": 0}


def test_a_collection_is_a_data_set(settings: Settings) -> None:
    collection = collections.create("mine", settings, ("dog", "cat"))
    for seed in range(6):
        collection.add(("dog", "cat")[seed % 2], image(seed), max_bytes=MIB)
    found = training_arrays.load(str(collection.folder), settings, (8, 8))
    assert found.classes == ("cat", "dog")
    assert len(found.train) == 6
    assert found.notes == ()


def test_names_are_given_once_and_the_last_one_stands_first(settings: Settings) -> None:
    names = [collections.create("set", settings).name for _ in range(3)]
    assert names == ["set", "set 2", "set 3"]
    assert {collection.name for collection in collections.all_collections(settings)} == set(names)
    Collection(collections.home(settings) / "set 2").delete()
    assert {collection.name for collection in collections.all_collections(settings)} == {"set", "set 3"}


@pytest.mark.parametrize("text", ["train", "test", "Training_set", "validation"])
def test_a_set_may_be_called_what_no_class_may(settings: Settings, text: str) -> None:
    collection = collections.create(text, settings, ("cat", "dog"))
    for seed in range(4):
        collection.add(("cat", "dog")[seed % 2], image(seed), max_bytes=MIB)
    assert collection.name == text
    assert training_arrays.load(str(collection.folder), settings, (8, 8)).classes == ("cat", "dog")


@pytest.mark.parametrize("text", ["", " . ", "\u202e"])
def test_what_cannot_be_a_set_gets_a_sentence(settings: Settings, text: str) -> None:
    with pytest.raises(InputError, match="Expected a name for the dataset"):
        collections.create(text, settings)


def test_of_an_archive_with_a_damaged_image_the_rest_is_used(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "train.zip"
    with zipfile.ZipFile(path, "w") as file:
        for seed, name in enumerate(["cat/1.png", "cat/2.png", "cat/3.png", "dog/4.png", "dog/5.png"]):
            file.writestr(name, image(seed))
    data = bytearray(path.read_bytes())
    data[data.index(image(1)) + 100] ^= 1
    path.write_bytes(data)
    collection, (refused,), _ = collections.unpack(path, "train", settings)
    assert (collection.name, collection.counts()) == ("train", {"cat": 2, "dog": 2})
    assert refused.startswith("cat/2.png: Expected train.zip to be a whole archive")
    found = training_arrays.load(str(path), settings, (8, 8))
    assert (len(found.train), found.notes) == (4, (refused,))


def test_an_archive_becomes_a_collection_and_its_bad_files_a_list(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w") as file:
        for seed, name in enumerate(["a/cat/1.png", "a/cat/2.png", "a/dog/3.png"]):
            file.writestr(name, image(seed))
        file.writestr("a/dog/broken.jpg", b"no image")
        file.writestr("alone.png", image(9))
        file.writestr("b/cat/again.png", image(0))
    collection, refused, copies = collections.unpack(path, "pictures", settings)
    assert collection.counts() == {"cat": 2, "dog": 1}
    assert len(refused) == 2
    assert copies == ["b/cat/again.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["imgrec", "pictures.zip"]


def test_a_test_set_of_its_own_stays_one(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "pictures.tar"
    with tarfile.open(path, "w") as file:
        places = ["train/cat", "train/cat", "train/dog", "train/dog", "test/cat", "test/dog"]
        for seed, place in enumerate(places):
            member = tarfile.TarInfo(f"{place}/{seed}.png")
            member.size = len(image(seed))
            file.addfile(member, io.BytesIO(image(seed)))
    collection, refused, copies = collections.unpack(path, "pictures", settings)
    assert (refused, copies) == ([], [])
    assert (collection.counts(), collection.test_images) == ({"cat": 2, "dog": 2}, 2)
    found = training_arrays.load(str(collection.folder), settings, (8, 8))
    assert found.test is not None
    assert (len(found.train), len(found.test)) == (4, 2)


def test_an_archive_of_too_many_classes_is_refused_unread(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "MAX_CLASSES", 3)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        for label in range(4):
            file.writestr(f"{label}/a.png", image(label))
    monkeypatch.setattr(decoding, "decode", None)
    with pytest.raises(InputError, match=r"Expected at most 3 classes in x.zip. Received: 4; the folder"):
        collections.unpack(tmp_path / "x.zip", "x", settings)
    assert collections.all_collections(settings) == []


def test_the_set_that_was_changed_last_stands_first_and_no_class_is_looked_at(settings: Settings) -> None:
    for name in ("old", "new"):
        collections.create(name, settings, ("cat", "dog"))
        os.utime(collections.home(settings) / name / ".album.json", (1000, 1000 + (name == "new")))
    assert [collection.name for collection in collections.all_collections(settings)] == ["new", "old"]
    old = Collection(collections.home(settings) / "old")
    for change in (
        lambda: old.add("cat", image(0), max_bytes=MIB),
        lambda: old.remove("cat", old.images("cat")[0].name),
        lambda: old.add_class("horse"),
        lambda: old.rename_class("horse", "donkey"),
        lambda: old.remove_class("donkey"),
    ):
        os.utime(old.folder / ".album.json", (1000, 1000))
        change()
        assert [collection.name for collection in collections.all_collections(settings)] == ["old", "new"]


def test_an_archive_without_images_leaves_nothing(settings: Settings, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("cat/notes.txt", "none")
    with pytest.raises(InputError, match="class folders with images"):
        collections.unpack(tmp_path / "x.zip", "x", settings)
    assert collections.all_collections(settings) == []


def test_collections_of_version_0_1_keep_working(settings: Settings, tmp_path: Path) -> None:
    """`tests/old_home` was written by version 0.1."""
    shutil.copytree(ROOT / "tests" / "old_home" / "sets", settings.home / "sets")
    found = {each.name: each for each in collections.all_collections(settings)}
    assert found.keys() == {"My pets", "with test"}
    assert found["My pets"].labels == ["zebra", "＜i＞ant＜／i＞"], "as they were added"
    assert found["My pets"].counts() == {"zebra": 2, "＜i＞ant＜／i＞": 2}
    assert (found["with test"].counts(), found["with test"].test_images) == ({"cat": 2, "dog": 2}, 2)
    known = next((found["My pets"].folder / "zebra").iterdir()).read_bytes()
    assert not found["My pets"].add("zebra", known, max_bytes=MIB), "known by the name of its file"
    assert found["My pets"].rename_class("zebra", "horse") == "horse"
    assert found["My pets"].labels == ["horse", "＜i＞ant＜／i＞"]
    data = training_arrays.load(str(found["with test"].folder), settings, (8, 8))
    assert (len(data.train), data.test and len(data.test)) == (4, 2)
