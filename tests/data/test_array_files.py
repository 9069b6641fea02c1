"""CIFAR-10 as its publishers pack it: read, checked, and nothing in it run."""

import hashlib
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from imgrec.data import array_files, training_arrays
from imgrec.errors import CorruptWeightsError, OfflineError
from imgrec.settings import Settings


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
    monkeypatch.setattr(array_files, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_cifar10_from_its_own_archive(archive: Path, settings: Settings) -> None:
    data = training_arrays.load("cifar10", settings)
    assert data.label_space == "cifar_10"
    assert data.train.pixels.shape == (50, 32, 32, 3)
    assert data.test is not None
    # Planes one after the other: red of the first pixel is the first number, its green the 1025th.
    assert data.test.pixels[0, 0, 0].tolist() == [0, 1024 % 256, 2048 % 256]


def test_a_changed_archive_is_not_opened(archive: Path, settings: Settings) -> None:
    archive.write_bytes(archive.read_bytes() + b"x")
    with pytest.raises(CorruptWeightsError, match="sha256"):
        training_arrays.load("cifar10", settings)


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
    monkeypatch.setattr(array_files, "SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    with pytest.raises(pickle.UnpicklingError, match="print"):
        training_arrays.load("cifar10", settings)


def test_cifar10_without_a_network_names_the_place(settings: Settings) -> None:
    with pytest.raises(OfflineError, match="datasets"):
        training_arrays.load("cifar10", settings)
