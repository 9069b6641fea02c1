"""Data sets: every way to bring images, what is refused before the first epoch, and fair splits."""

import errno
import io
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from imgrec.data import array_files, classes, dataset
from imgrec.data.training_arrays import load
from imgrec.errors import InputError, MemoryBudgetError, StorageError
from imgrec.settings import Settings


def image(value: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 10), (value, 0, 0)).save(file, "PNG")
    return file.getvalue()


def make(place: Path, counts: dict[str, int]) -> Path:
    for label, count in counts.items():
        folder = place / label
        folder.mkdir(parents=True)
        for i in range(count):
            (folder / f"{i}.png").write_bytes(image(i))
    return place


def test_a_folder_of_class_folders(tmp_path: Path, settings: Settings) -> None:
    data = load(str(make(tmp_path / "set", {"dogs": 3, "cats": 2})), settings, (8, 6))
    assert data.classes == ("cats", "dogs")
    assert data.train.pixels.shape == (5, 8, 6, 3)
    assert data.train.targets.tolist() == [0, 0, 1, 1, 1]
    assert data.test is None
    assert data.counts() == {"cats": (2, 0), "dogs": (3, 0)}


def test_training_and_test_folders_are_kept_apart(tmp_path: Path, settings: Settings) -> None:
    counts = {"training_set/cats": 2, "training_set/dogs": 3, "test_set/cats": 1, "test_set/birds": 1}
    data = load(str(make(tmp_path / "set", counts)), settings, (8, 8))
    assert data.counts() == {"cats": (2, 1), "dogs": (3, 0)}
    assert any("birds" in note for note in data.notes)


@pytest.mark.parametrize(
    ("counts", "found", "remark"),
    [
        pytest.param(
            {f"{part}/{c}": 2 for part in ("train", "val", "test") for c in ("cats", "dogs")},
            {"cats": (2, 2), "dogs": (2, 2)},
            "The validation part (4 files) is left out",
            id="three parts",
        ),
        pytest.param(
            {"train/cats": 2, "train/dogs": 2, "val/cats": 1},
            {"cats": (2, 1), "dogs": (2, 0)},
            "The validation part (1 file) is taken as the test part",
            id="no test",
        ),
    ],
)
def test_a_validation_part_is_no_second_test_part(
    counts: dict[str, int], found: dict[str, tuple[int, int]], remark: str, tmp_path: Path, settings: Settings
) -> None:
    data = load(str(make(tmp_path / "set", counts)), settings, (8, 8))
    assert data.counts() == found
    assert data.notes[0].startswith(remark)


@pytest.mark.parametrize("spoil", ["empty", "unreadable"])
def test_a_class_folder_that_yields_nothing_is_named(spoil: str, tmp_path: Path, settings: Settings) -> None:
    folder = make(tmp_path / "set", {"cats": 2, "dogs": 2, "frogs": 2})
    for file in (folder / "frogs").iterdir():
        file.unlink() if spoil == "empty" else file.write_bytes(b"no image")
    data = load(str(folder), settings, (8, 8))
    assert data.classes == ("cats", "dogs")
    assert data.notes[0] == f"frogs{NO_CLASS}"


def test_an_archive_is_the_folder_in_it(tmp_path: Path, settings: Settings) -> None:
    folder = make(tmp_path / "set", {"cats": 2, "dogs": 2})
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, Path("deep") / file.relative_to(folder))
    from_zip = load(str(tmp_path / "set.zip"), settings, (8, 8))
    assert from_zip.sha256 == load(str(folder), settings, (8, 8)).sha256


def test_unreadable_files_are_listed_and_the_rest_is_used(tmp_path: Path, settings: Settings) -> None:
    folder = make(tmp_path / "set", {"cats": 2, "dogs": 2})
    (folder / "cats" / "broken.jpg").write_bytes(image()[:40])
    (folder / "loose.png").write_bytes(image())
    data = load(str(folder), settings, (8, 8))
    assert len(data.train) == 4
    assert len(data.notes) == 2
    assert any("broken.jpg" in note for note in data.notes)


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({}, "Received: none"),
        ({"cats": 5}, "only 'cats'"),
        ({"cats": 5, "dogs": 1}, "fewer of dogs"),
    ],
    ids=["nothing", "one class only", "a class of one image"],
)
def test_what_cannot_be_learned_from(counts: dict[str, int], sentence: str, tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(InputError, match=sentence):
        load(str(make(tmp_path / "set", counts)), settings, (8, 8))


def test_the_layout_of_linnaeus_5(tmp_path: Path, settings: Settings) -> None:
    """As published: the set's own folder, then train and test, then five classes of numbered files."""
    classes = ("berry", "bird", "dog", "flower", "other")
    for part, count in (("train", 3), ("test", 2)):
        for label in classes:
            folder = tmp_path / "unpacked" / "Linnaeus 5 256X256" / part / label
            folder.mkdir(parents=True)
            for i in range(1, count + 1):
                (folder / f"{i}_256.jpg").write_bytes(image(i))
    for place in (tmp_path / "unpacked", tmp_path / "unpacked" / "Linnaeus 5 256X256"):
        data = load(str(place), settings, (8, 8))
        assert data.counts() == dict.fromkeys(classes, (3, 2))
        assert data.notes == ()
    assert data.files[:4] == (
        "train/berry/1_256.jpg",
        "train/berry/2_256.jpg",
        "train/berry/3_256.jpg",
        "train/bird/1_256.jpg",
    )


def test_a_split_csv_tells_training_from_test(tmp_path: Path, settings: Settings) -> None:
    folder = make(tmp_path / "set", {"daisy": 4, "rose": 4})
    lines = [
        "file,label,split",
        *(f"{c}/{i}.png,{c},{'test' if i == 0 else 'train'}" for c in ("daisy", "rose") for i in range(4)),
    ]
    (folder / "split.csv").write_text("\n".join(lines[:-1]))
    data = load(str(folder), settings, (8, 8))
    assert data.counts() == {"daisy": (3, 1), "rose": (2, 1)}
    assert data.notes == ("rose/3.png: not in split.csv",)


# ── More than fits ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every dataset lies on the disk."""
    monkeypatch.setattr(dataset, "IN_MEMORY_BYTES", 0)


def test_a_set_on_the_disk_is_the_same_set(tmp_path: Path, settings: Settings, request: pytest.FixtureRequest) -> None:
    folder = make(tmp_path / "set", {"test/cats": 2, "train/birds": 2, "train/cats": 9, "train/dogs": 3})
    for name in ("train/birds/0.png", "train/cats/3.png", "train/cats/8.png"):
        (folder / name).write_bytes(b"no image")
    (folder / "train" / "birds" / "2.png").write_bytes(image(2))
    in_memory = load(str(folder), settings, (8, 8))
    request.getfixturevalue("on_disk")
    on_disk = load(str(folder), settings, (8, 8))
    assert not isinstance(in_memory.train.pixels, np.memmap)
    assert isinstance(on_disk.train.pixels, np.memmap)
    assert on_disk.sha256 == in_memory.sha256
    assert (on_disk.classes, on_disk.notes, on_disk.files) == (in_memory.classes, in_memory.notes, in_memory.files)
    assert on_disk.test is not None
    assert in_memory.test is not None
    np.testing.assert_array_equal(on_disk.test.pixels, in_memory.test.pixels)
    taken = on_disk.train.take(np.array([5, 0, 7]))
    assert isinstance(taken.pixels, np.memmap)
    np.testing.assert_array_equal(taken.pixels, in_memory.train.take(np.array([5, 0, 7])).pixels)
    assert list((settings.home / "pictures").iterdir()) == []  # files without a name


def test_a_class_whose_training_images_cannot_be_read_is_no_class(tmp_path: Path, settings: Settings) -> None:
    folder = make(tmp_path / "set", {f"{part}/{c}": 2 for part in ("train", "test") for c in ("cats", "dogs", "birds")})
    for i in range(2):
        (folder / "train" / "cats" / f"{i}.png").write_bytes(b"")
    data = load(str(folder), settings, (8, 8))
    assert data.counts() == {"birds": (2, 2), "dogs": (2, 2)}
    assert [note for note in data.notes if "an empty file" in note]


@pytest.mark.usefixtures("on_disk")
def test_too_little_room_is_said_before_anything_is_read(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(tmp_path / "set", {"cats": 5, "dogs": 5})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5 * 1024 * 1024))
    with pytest.raises(
        StorageError, match=r"Expected 256 MiB of room .* for 10 images of 8 × 8 px\. Received: 5 MiB free"
    ):
        load(str(folder), settings, (8, 8))


@pytest.mark.usefixtures("on_disk")
def test_a_disk_that_fills_leaves_nothing(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path / "set", {"cats": 5, "dogs": 5})

    def fill(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(dataset.os, "posix_fallocate", fill, raising=False)
    with pytest.raises(StorageError, match="room in"):
        load(str(folder), settings, (8, 8))
    assert list((settings.home / "pictures").iterdir()) == []


def test_arrays_larger_than_the_memory(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "set.npz", x_train=PIXELS, y_train=np.array([0, 0, 1, 1]))
    monkeypatch.setattr(array_files, "available_memory_bytes", lambda: 1000)
    with pytest.raises(MemoryBudgetError, match="on the disk"):
        load(str(tmp_path / "set.npz"), settings)


# ── What people and archives bring ────────────────────────────────────────────────────────────────────────────────


def test_what_is_no_image_among_images_is_listed(tmp_path: Path, settings: Settings) -> None:
    folder = make(tmp_path / "set", {"cats": 3, "dogs": 3})
    (folder / "cats" / "papers.pdf").write_bytes(b"%PDF-1.4")
    (folder / "cats" / "list.txt").write_text("cats")
    (folder / "dogs" / "empty.jpg").write_bytes(b"")
    (folder / "dogs" / "more.zip").write_bytes(b"PK\x03\x04")
    (folder / "more.zip").write_bytes(b"PK\x03\x04")
    data = load(str(folder), settings, (8, 8))
    assert data.counts() == {"cats": (3, 0), "dogs": (3, 0)}
    found = "\n".join(data.notes)
    for words in ("PDF", "a text", "an empty file", "a ZIP archive", "more.zip: an archive within"):
        assert words in found


def test_too_many_classes(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes, "MAX_CLASSES", 3)
    with pytest.raises(InputError, match=r"at most 3 classes .* Received: 4"):
        load(str(make(tmp_path / "set", dict.fromkeys("abcd", 2))), settings, (8, 8))


def test_folders_that_differ_in_nothing_seen_are_one_class(tmp_path: Path, settings: Settings) -> None:
    data = load(str(make(tmp_path / "set", {"caf\u00e9": 2, "cafe\u0301": 3, "tea": 2})), settings, (8, 8))
    assert data.counts() == {"caf\u00e9": (5, 0), "tea": (2, 0)}


def test_reading_tells_how_far_it_is(tmp_path: Path, settings: Settings) -> None:
    told: list[tuple[int, int]] = []
    folder = make(tmp_path / "set", {"cats": 3, "dogs": 2})
    load(str(folder), settings, (8, 8), on_read=lambda done, count: told.append((done, count)))
    assert told == [(i, 5) for i in range(1, 6)]


PIXELS = np.zeros((4, 8, 8, 3), np.uint8)
NO_CLASS = ": no readable image to learn from, so it is no class"


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"x_train": PIXELS}, "y_train"),
        ({"x_train": PIXELS / 255, "y_train": np.array([0, 0, 1, 1])}, "uint8"),
        ({"x_train": PIXELS, "y_train": np.array([0.0, 0.0, 1.0, 1.0])}, "whole number"),
        ({"x_train": PIXELS, "y_train": np.array([0, 0, 0, 0])}, "two class"),
        ({"x_train": PIXELS, "y_train": np.array([0, 0, -1, 1])}, "targets"),
        ({"x_train": PIXELS, "y_train": np.array([0, 0, 1, None])}, "plain arrays"),
        ({"x_train": PIXELS[..., 0], "y_train": np.array([0, 0, 1, 1])}, r"\(4, 8, 8\)"),
        ({"x_train": PIXELS[:, :0], "y_train": np.array([0, 0, 1, 1])}, r"\(4, 0, 8, 3\)"),
        ({"x_train": PIXELS, "y_train": np.eye(4, dtype=int)}, "one whole number for each"),
        ({"x_train": PIXELS, "y_train": np.array([0, 0, 1, 1]), "class_names": np.array(["a"])}, "targets from 0 to 0"),
        ({"x_train": PIXELS, "y_train": np.array([0, 0, 1, 1]), "class_names": np.array(["a", "a"])}, "one name twice"),
        (
            {"x_train": PIXELS, "y_train": np.array([0, 0, 1, 1]), "x_test": PIXELS[:1], "y_test": np.array([-1])},
            "targets from 0 to 1",
        ),
        ({"x_train": PIXELS, "y_train": np.array([0, 0, 1, 1]), "x_test": PIXELS}, "y_test"),
    ],
    ids=[
        "no targets",
        "floats",
        "float targets",
        "one class",
        "negative",
        "pickled",
        "no channels",
        "no rows",
        "one-hot",
        "a class without a name",
        "one name twice",
        "negative in the test",
        "a test without targets",
    ],
)
def test_arrays_that_cannot_be_meant(
    arrays: dict[str, np.ndarray], sentence: str, tmp_path: Path, settings: Settings
) -> None:
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(InputError, match=sentence):
        load(str(tmp_path / "set.npz"), settings)


@pytest.mark.parametrize(
    ("train", "test", "counts", "notes"),
    [
        pytest.param([0, 0, 2, 2], None, {"class 0": (2, 0), "class 2": (2, 0)}, (f"class 1{NO_CLASS}",), id="a gap"),
        pytest.param(
            [0, 0, 2, 2],
            [0, 1, 1, 2],
            {"class 0": (2, 1), "class 2": (2, 1)},
            (f"class 1{NO_CLASS}", "x_test: 2 of 4 images left out, being of no class"),
            id="a gap that is tested",
        ),
        pytest.param(
            [0, 0, 1, 1],
            [0, 0, 0, 0],
            {"class 0": (2, 4), "class 1": (2, 0)},
            ("class 1: no image to test on",),
            id="not tested",
        ),
        pytest.param(
            [0, 0, 1, 1],
            [2, 2, 2, 2],
            {"class 0": (2, 0), "class 1": (2, 0)},
            (
                f"class 2{NO_CLASS}",
                "x_test: 4 of 4 images left out, being of no class",
                "x_test: no image to test on",
            ),
            id="only others tested",
        ),
        pytest.param(
            [0, 0, 10**12, 10**12],
            None,
            {"class 0": (2, 0), "class 1000000000000": (2, 0)},
            (
                "class 1, class 2, class 3, class 4, class 5 and 999,999,999,994 more: no readable image to learn "
                "from, so they are no classes",
            ),
            id="sparse",
        ),
    ],
)
def test_classes_of_arrays_without_images_are_named_and_left_out(
    train: list[int],
    test: list[int] | None,
    counts: dict[str, tuple[int, int]],
    notes: tuple[str, ...],
    tmp_path: Path,
    settings: Settings,
) -> None:
    arrays = {"x_train": PIXELS, "y_train": np.array(train)}
    arrays |= {} if test is None else {"x_test": PIXELS, "y_test": np.array(test)}
    np.savez(tmp_path / "set.npz", **arrays)
    data = load(str(tmp_path / "set.npz"), settings)
    assert (data.counts(), data.notes) == (counts, notes)


def test_a_class_of_arrays_keeps_its_name(tmp_path: Path, settings: Settings) -> None:
    names = np.array(["cat", "dog", "frog"])
    np.savez(tmp_path / "set.npz", x_train=PIXELS, y_train=np.array([2, 0, 0, 2]), class_names=names)
    data = load(str(tmp_path / "set.npz"), settings)
    assert data.classes == ("cat", "frog")
    assert data.train.targets.tolist() == [1, 0, 0, 1]
    assert data.notes == (f"dog{NO_CLASS}",)


def test_too_many_classes_of_arrays(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes, "MAX_CLASSES", 1)
    np.savez(tmp_path / "set.npz", x_train=PIXELS, y_train=np.array([0, 0, 9, 9]))
    with pytest.raises(InputError, match=r"at most 1 classes .* Received: 2"):
        load(str(tmp_path / "set.npz"), settings)


def test_totals_in_a_sentence(settings: Settings) -> None:
    place = settings.keras_home / "datasets"
    place.mkdir(parents=True)
    pixels, targets = np.zeros((40, 32, 32, 3), np.uint8), np.arange(40) % 10
    np.savez(place / "cifar10.npz", x_train=pixels, y_train=targets, x_test=pixels[:20], y_test=targets[:20])
    data = load("cifar10", settings)
    assert data.summary() == (
        "60 images of 10 classes: 40 to train on, 20 to test on; "
        "published in five training batches of 10,000 and one test batch."
    )
    assert replace(data, test=None, published="").summary() == "40 images of 10 classes, all to train on."


def test_arrays_called_cifar10_have_its_ten_classes(settings: Settings) -> None:
    place = settings.keras_home / "datasets"
    place.mkdir(parents=True)
    np.savez(place / "cifar10.npz", x_train=PIXELS, y_train=np.array([0, 0, 9, 9]))
    with pytest.raises(InputError, match=r"Expected the 10 classes of CIFAR-10 .* Received: 2"):
        load("cifar10", settings)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"], ids=["empty", "text", "cut off"])
def test_a_file_that_is_no_npz(content: bytes, tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "set.npz").write_bytes(content)
    with pytest.raises(InputError, match="plain arrays"):
        load(str(tmp_path / "set.npz"), settings)


def test_a_zip_called_npz(tmp_path: Path, settings: Settings) -> None:
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("cats/a.png", image())
    with pytest.raises(InputError, match="plain arrays"):
        load(str(tmp_path / "set.npz"), settings)


def test_an_unknown_name_lists_the_known(settings: Settings) -> None:
    with pytest.raises(InputError, match="cifar10"):
        load("cifar100", settings)
