"""Data sets: every way to bring pictures, what is refused before the first epoch, and fair splits."""

import hashlib
import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgrec import datasets
from imgrec.datasets import Pictures
from imgrec.errors import CorruptWeightsError, InputError, MemoryBudgetError, OfflineError
from imgrec.settings import Settings


def picture(value: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 10), (value, 0, 0)).save(file, "PNG")
    return file.getvalue()


def make(place: Path, counts: dict[str, int]) -> Path:
    for label, count in counts.items():
        folder = place / label
        folder.mkdir(parents=True)
        for i in range(count):
            (folder / f"{i}.png").write_bytes(picture(i))
    return place


def test_a_folder_of_class_folders(tmp_path: Path, settings: Settings) -> None:
    data = datasets.load(str(make(tmp_path / "set", {"dogs": 3, "cats": 2})), settings, (8, 6))
    assert data.classes == ("cats", "dogs")
    assert data.train.pixels.shape == (5, 8, 6, 3)
    assert data.train.targets.tolist() == [0, 0, 1, 1, 1]
    assert data.test is None
    assert data.counts() == {"cats": (2, 0), "dogs": (3, 0)}


def test_training_and_test_folders_are_kept_apart(tmp_path: Path, settings: Settings) -> None:
    counts = {"training_set/cats": 2, "training_set/dogs": 3, "test_set/cats": 1, "test_set/birds": 1}
    data = datasets.load(str(make(tmp_path / "set", counts)), settings, (8, 8))
    assert data.counts() == {"cats": (2, 1), "dogs": (3, 0)}
    assert any("birds" in note for note in data.notes)


def test_an_archive_is_the_folder_in_it(tmp_path: Path, settings: Settings) -> None:
    folder = make(tmp_path / "set", {"cats": 2, "dogs": 2})
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, Path("deep") / file.relative_to(folder))
    from_zip = datasets.load(str(tmp_path / "set.zip"), settings, (8, 8))
    assert from_zip.sha256() == datasets.load(str(folder), settings, (8, 8)).sha256()


def test_unreadable_files_are_listed_and_the_rest_is_used(tmp_path: Path, settings: Settings) -> None:
    folder = make(tmp_path / "set", {"cats": 2, "dogs": 2})
    (folder / "cats" / "broken.jpg").write_bytes(picture()[:40])
    (folder / "loose.png").write_bytes(picture())
    data = datasets.load(str(folder), settings, (8, 8))
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
    ids=["nothing", "one class only", "a class of one picture"],
)
def test_what_cannot_be_learned_from(counts: dict[str, int], sentence: str, tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(InputError, match=sentence):
        datasets.load(str(make(tmp_path / "set", counts)), settings, (8, 8))


def test_more_pictures_than_memory(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "available_memory_bytes", lambda: 1000)
    with pytest.raises(MemoryBudgetError, match="MiB"):
        datasets.load(str(make(tmp_path / "set", {"cats": 5, "dogs": 5})), settings, (8, 8))


PIXELS = np.zeros((4, 8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"x_train": PIXELS}, "y_train"),
        ({"x_train": PIXELS / 255, "y_train": np.array([0, 0, 1, 1])}, "uint8"),
        ({"x_train": PIXELS, "y_train": np.array([0.0, 0.0, 1.0, 1.0])}, "whole number"),
        ({"x_train": PIXELS, "y_train": np.array([0, 0, 0, 0])}, "two class"),
        ({"x_train": PIXELS, "y_train": np.array([0, 0, -1, 1])}, "targets"),
        ({"x_train": PIXELS, "y_train": np.array([0, 0, 1, None])}, "plain arrays"),
    ],
    ids=["no targets", "floats", "float targets", "one class", "negative", "pickled"],
)
def test_arrays_that_cannot_be_meant(
    arrays: dict[str, np.ndarray], sentence: str, tmp_path: Path, settings: Settings
) -> None:
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(InputError, match=sentence):
        datasets.load(str(tmp_path / "set.npz"), settings)


def test_an_unknown_name_lists_the_known(settings: Settings) -> None:
    with pytest.raises(InputError, match="cifar10"):
        datasets.load("cifar100", settings)


def test_a_split_holds_out_the_same_share_of_each_class() -> None:
    targets = np.repeat([0, 1, 2], [100, 50, 2])
    kept, held_out = datasets.split(targets, 0.1, seed=3)
    assert sorted([*kept.tolist(), *held_out.tolist()]) == list(range(152))
    assert np.bincount(targets[held_out]).tolist() == [10, 5, 1]
    again = datasets.split(targets, 0.1, seed=3)
    np.testing.assert_array_equal(held_out, again[1])
    assert not np.array_equal(held_out, datasets.split(targets, 0.1, seed=4)[1])


@pytest.mark.parametrize("fraction", [0, 1, -0.5])
def test_a_share_that_cannot_be_held_out(fraction: float) -> None:
    with pytest.raises(InputError, match="share"):
        datasets.split(np.array([0, 0, 1, 1]), fraction, seed=0)


@pytest.mark.parametrize(
    ("pixels", "targets"),
    [(np.zeros((2, 4, 4)), np.zeros(2, int)), (np.zeros((2, 4, 4, 3), np.uint8), np.zeros(3, int))],
    ids=["no channels", "other count"],
)
def test_pictures_that_are_none(pixels: np.ndarray, targets: np.ndarray) -> None:
    with pytest.raises(InputError, match="Expected"):
        Pictures(pixels, targets)


# ── CIFAR-10 as its publishers pack it ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def archive(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small archive in the layout of the real one, with its hash where the real one's stands."""
    folder = settings.keras_home / "datasets"
    folder.mkdir(parents=True)
    path = folder / "cifar-10-batches-py-target.tar.gz"
    rows = np.arange(10 * 3072, dtype=np.uint32).astype(np.uint8).reshape(10, 3072)
    with tarfile.open(path, "w:gz") as tar:
        for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
            data = pickle.dumps({b"data": rows, b"labels": list(range(10))})
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    monkeypatch.setattr(datasets, "CIFAR10_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_cifar10_from_its_own_archive(archive: Path, settings: Settings) -> None:
    data = datasets.load("cifar10", settings)
    assert data.label_space == "cifar_10"
    assert data.train.pixels.shape == (50, 32, 32, 3)
    assert data.test is not None
    # Planes one after the other: red of the first pixel is the first number, its green the 1025th.
    assert data.test.pixels[0, 0, 0].tolist() == [0, 1024 % 256, 2048 % 256]


def test_a_changed_archive_is_not_opened(archive: Path, settings: Settings) -> None:
    archive.write_bytes(archive.read_bytes() + b"x")
    with pytest.raises(CorruptWeightsError, match="sha256"):
        datasets.load("cifar10", settings)


def test_a_pickle_that_would_run_something_is_refused(
    archive: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("ran",)

    data = pickle.dumps({b"data": Evil()})
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    monkeypatch.setattr(datasets, "CIFAR10_SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    with pytest.raises(pickle.UnpicklingError, match="print"):
        datasets.load("cifar10", settings)


def test_cifar10_without_a_network_names_the_place(settings: Settings) -> None:
    with pytest.raises(OfflineError, match="datasets"):
        datasets.load("cifar10", settings)
