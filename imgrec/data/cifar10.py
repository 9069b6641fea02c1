"""CIFAR-10 as its publishers pack it: 50,000 + 10,000 images of 32 × 32 px in pickles in a tar, and no pickle run."""

import io
import pickle
import tarfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from imgrec.errors import CorruptWeightsError
from imgrec.files import sha256_of, storage_errors
from imgrec.models.downloads import Progress, download, offline_error, publish
from imgrec.settings import Settings

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

PUBLISHED = "five training batches of 10,000 and one test batch"

# Pixels uint8 (N, 32, 32, 3) and targets int64 (N,).
Arrays = tuple[np.ndarray, np.ndarray]


def load(settings: Settings, progress: Progress) -> tuple[Arrays, Arrays]:
    """Return training and test images from `KERAS_HOME/datasets/`, downloaded from the address that Keras uses.

    Raises `WeightsError` and `StorageError` when they cannot be had.
    """
    # The name under which Keras keeps the archive itself.
    archive = settings.keras_home / "datasets" / "cifar-10-batches-py-target.tar.gz"
    if not archive.is_file():
        if settings.offline:
            raise offline_error(URL, archive, "IMGREC_OFFLINE=1")
        with storage_errors(archive):
            archive.parent.mkdir(parents=True, exist_ok=True)
        download(URL, archive, progress)
        _check_sha256(archive.with_name(archive.name + ".part"))
        publish(archive)
    _check_sha256(archive)
    batches = {}
    with storage_errors(archive), tarfile.open(archive) as tar:
        for member in tar:
            file, name = tar.extractfile(member) if member.isreg() else None, PurePosixPath(member.name).name
            if file is not None and "_batch" in name:
                batches[name] = _ArraysOnly(io.BytesIO(file.read()), encoding="bytes").load()
    return _joined(batches[f"data_batch_{i}"] for i in range(1, 6)), _joined([batches["test_batch"]])


def _check_sha256(path: Path) -> None:
    digest = sha256_of(path)
    if digest != SHA256:
        raise CorruptWeightsError(
            f"Expected {path} to have the sha256 {SHA256}, which Keras gives. Received: {digest}. "
            "Move that file away and start again."
        )


def _joined(batches: Iterable[dict[bytes, Any]]) -> Arrays:
    parts = list(batches)
    # Each row is an image, one channel plane after the other.
    planes = np.concatenate([part[b"data"] for part in parts]).reshape(-1, 3, 32, 32)
    targets = np.concatenate([part[b"labels"] for part in parts])
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), targets


class _ArraysOnly(pickle.Unpickler):
    """Unpickles dictionaries of arrays, and refuses to run anything else.

    The archive's sha256 is checked before; this is a second guard.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module.split(".")[0], name) in {("numpy", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype")}:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"Expected arrays. Received: {module}.{name}.")
