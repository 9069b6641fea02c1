"""Datasets that are arrays: an .npz, and CIFAR-10 as its publishers pack it, in pickles of which none is run."""

import io
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from imgrec.data.classes import MAX_NAMED_EMPTY, check_classes, no_classes, untested
from imgrec.data.dataset import ArrayDataset, Images
from imgrec.data.folders import class_name
from imgrec.errors import CorruptWeightsError, InputError, MemoryBudgetError
from imgrec.files import sha256_of, storage_errors
from imgrec.models.downloads import Progress, download, offline_error, publish
from imgrec.settings import MIB, Settings, available_memory_bytes

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

PUBLISHED = "five training batches of 10,000 and one test batch"

# The share of the memory that this process may use which arrays may take; the rest is for the network.
MEMORY_SHARE = 0.4

# What numpy and the unpackers raise on a file that is no .npz of plain arrays, or damaged.
_DAMAGED = (ValueError, EOFError, SyntaxError, zipfile.BadZipFile, zlib.error, RuntimeError, MemoryError)

# Pixels uint8 (N, 32, 32, 3) and targets int64 (N,).
Arrays = tuple[np.ndarray, np.ndarray]


def from_npz(path: Path, name: str) -> ArrayDataset:
    """Return the arrays `x_train`, `y_train`, and if there is one `x_test`, `y_test`, `class_names`.

    A class without training images is left out, and the others move up; each keeps its name.
    """
    found = read_npz(path, int(available_memory_bytes() * MEMORY_SHARE))
    try:
        train = Images(found["x_train"], found["y_train"].reshape(-1))
        test = Images(found["x_test"], found["y_test"].reshape(-1)) if "x_test" in found else None
    except KeyError as error:
        raise InputError(
            f"Expected the arrays x_train and y_train in {path.name}, and y_test where there is x_test. "
            f"Received: {', '.join(found) or 'none'}."
        ) from error
    names = [class_name(str(label)) for label in found["class_names"]] if "class_names" in found else None
    targets = np.concatenate([part.targets for part in (train, test) if part is not None])
    count = int(targets.max(initial=-1)) + 1 if names is None else len(names)
    if not np.all((targets >= 0) & (targets < count)):
        raise InputError(f"Expected targets from 0 to {count - 1} in {path.name}. Received: others.")
    if names is not None and len(set(names)) < len(names):
        raise InputError(f"Expected a name of its own for each class in {path.name}. Received: one name twice.")
    if test is not None and test.pixels.shape[1:] != train.pixels.shape[1:]:
        raise InputError(f"Expected images of one size in {path.name}. Received: two sizes.")

    def label(target: int) -> str:
        return f"class {target}" if names is None else names[target]

    kept, counts = np.unique(train.targets, return_counts=True)
    labels = tuple(map(label, kept.tolist()))
    present = set(kept.tolist())
    # Only the first of them: targets may be numbers of millions.
    absent = list(islice((i for i in range(count) if i not in present), MAX_NAMED_EMPTY))
    missing = [*no_classes([*map(label, absent)], count - len(kept) - len(absent))]
    check_classes(path.name, dict(zip(labels, counts.tolist(), strict=True)), missing)
    not_tested: list[str] = []
    if test is not None:
        known = np.isin(test.targets, kept)
        if not known.all():
            missing.append(f"x_test: {np.sum(~known):,} of {len(test):,} images left out, being of no class")
            test = test.take(np.flatnonzero(known))
        if len(test):
            test = Images(test.pixels, np.searchsorted(kept, test.targets))
            not_tested = untested(labels, test.targets)
        else:
            missing.append("x_test: no image to test on")
            test = None
    train = Images(train.pixels, np.searchsorted(kept, train.targets))
    notes = (*missing, *not_tested)
    return ArrayDataset(name, labels, train, test, str(path), notes=notes, missing=tuple(missing))


def read_npz(path: Path, limit_bytes: int) -> dict[str, np.ndarray]:
    """Return every array in `path` by its name; nothing pickled is run.

    Raises:
        InputError: The file is no .npz of plain arrays.
        MemoryBudgetError: The arrays have more than `limit_bytes`, as their headers say.
        StorageError: The file cannot be read.
    """
    try:
        with storage_errors(path):
            with zipfile.ZipFile(path) as archive:
                needed_bytes = sum(member.file_size for member in archive.infolist())
            if needed_bytes > limit_bytes:
                raise MemoryBudgetError(
                    f"Expected arrays of at most {limit_bytes / MIB:,.0f} MiB in {path.name}. "
                    f"Received: {needed_bytes / MIB:,.0f} MiB; as a folder of images they would be kept on the disk."
                )
            with np.load(path, allow_pickle=False) as arrays:
                found = dict(arrays)
        if not all(isinstance(array, np.ndarray) for array in found.values()):
            raise ValueError("a member that is no array")
        return found
    except _DAMAGED as error:
        raise InputError(f"Expected {path.name} to be an .npz file of plain arrays. Received: {error}.") from error


def cifar10(settings: Settings, progress: Progress) -> ArrayDataset:
    """Return CIFAR-10: from an .npz of it in `KERAS_HOME/datasets/` if there is one, else as its publishers pack it."""
    if (packed := settings.keras_home / "datasets" / "cifar10.npz").is_file():
        found = from_npz(packed, "cifar10")
        if len(found.classes) != len(CLASSES):
            raise InputError(
                f"Expected the {len(CLASSES)} classes of CIFAR-10 in {packed}. Received: {len(found.classes)}."
            )
        train, test, source = found.train, found.test, str(packed)
    else:
        train, test = (Images(*part) for part in _published(settings, progress))
        source = URL
    return ArrayDataset("cifar10", CLASSES, train, test, source, label_space="cifar_10", published=PUBLISHED)


def _published(settings: Settings, progress: Progress) -> tuple[Arrays, Arrays]:
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
