"""Arrays on disk: those of an .npz within a memory limit, and images that are too many for the memory.

The latter are in a file without a name, which is gone when its array is no longer used, however the process ends.
"""

import math
import os
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

from imgrec.errors import InputError, MemoryBudgetError, StorageError
from imgrec.files import storage_errors
from imgrec.settings import MIB

# Larger arrays lie on the disk. What was read lately is in the system's cache anyway, which shrinks when memory is
# needed and which no limit of a container counts against the process.
IN_MEMORY_BYTES = 256 * MIB

# Left free on the disk: a training writes checkpoints too.
HEADROOM_BYTES = 256 * MIB

# What numpy and the unpackers raise on a file that is no .npz of plain arrays, or damaged.
_DAMAGED = (ValueError, EOFError, SyntaxError, zipfile.BadZipFile, zlib.error, RuntimeError, MemoryError)


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


def empty(count: int, shape: tuple[int, ...], folder: Path) -> np.ndarray:
    """Return an array for `count` images of one `shape`, uint8: in memory while it is small, else on the disk.

    Raises `StorageError` with the figures when the disk under `folder` has no room.
    """
    needed_bytes = count * math.prod(shape)
    if needed_bytes <= IN_MEMORY_BYTES:
        return np.empty((count, *shape), np.uint8)
    place = folder / "rows"
    with storage_errors(place, needed_bytes):
        folder.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(folder).free
        if free_bytes < needed_bytes + HEADROOM_BYTES:
            raise StorageError(
                f"Expected {(needed_bytes + HEADROOM_BYTES) / MIB:,.0f} MiB of room in {folder} for "
                f"{count:,} images of {' × '.join(map(str, shape[:2]))} px. Received: {free_bytes / MIB:,.0f} MiB free."
            )
        with tempfile.TemporaryFile(dir=folder) as file:
            # Reserved before it is mapped: a disk that is full later would end the process.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, needed_bytes)
            else:
                file.truncate(needed_bytes)
            return np.memmap(file, np.uint8, "r+", shape=(count, *shape))


def take(array: np.ndarray, indices: np.ndarray, folder: Path) -> np.ndarray:
    """Return a copy of the images of uint8 `array` (N, …) at `indices` (K,); one on the disk is read-only."""
    if len(indices) * math.prod(array.shape[1:]) <= IN_MEMORY_BYTES:
        return np.asarray(array[indices])
    found = empty(len(indices), array.shape[1:], folder)
    for row, index in enumerate(indices.tolist()):
        found[row] = array[index]
    found.flags.writeable = False
    return found
