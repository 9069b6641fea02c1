"""The arrays of an .npz file, read only where they fit into the memory."""

import math
import zipfile
import zlib
from pathlib import Path

import numpy as np

from imgrec.errors import InputError, MemoryBudgetError
from imgrec.files import storage_errors
from imgrec.settings import MIB

# What numpy and the unpackers raise on what is no .npz of plain arrays, or a damaged one.
_DAMAGED = (
    ValueError,
    EOFError,
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
)


def read(path: Path, limit_bytes: int) -> dict[str, np.ndarray]:
    """Every array in `path` by its name; nothing pickled is run.

    Raises `InputError` on what is no .npz of plain arrays, `MemoryBudgetError` when they have more than `limit_bytes`,
    as their headers say, and `StorageError` when the file cannot be read.
    """
    try:
        with storage_errors(path):
            _check_memory(path, limit_bytes)
            with np.load(path, allow_pickle=False) as file:
                return {key: file[key] for key in file.files}
    except _DAMAGED as error:
        raise InputError(f"Expected {path.name} to be an .npz file of plain arrays. Received: {error}.") from error


def _check_memory(path: Path, limit_bytes: int) -> None:
    needed_bytes = 0
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                header = (
                    np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = header(file)
            needed_bytes += math.prod(shape) * dtype.itemsize
    if needed_bytes > limit_bytes:
        raise MemoryBudgetError(
            f"Expected arrays of at most {limit_bytes / MIB:,.0f} MiB in {path.name}. "
            f"Received: {needed_bytes / MIB:,.0f} MiB; as a folder of images they would be kept on the disk."
        )
