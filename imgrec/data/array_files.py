"""Arrays on disk: those of an .npz within a memory limit, and images that are too many for the memory.

Rows are written to a file without a name, never stored into a mapping: a full disk is then an error with a sentence,
where a mapping would end the process. The file is gone when its array is no longer used, however the process ends.
"""

import math
import shutil
import tempfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np

from imgrec.errors import InputError, MemoryBudgetError, StorageError
from imgrec.files import storage_errors
from imgrec.settings import MIB

# Larger arrays lie on the disk. What was read lately is in the system's cache anyway, which shrinks when memory is
# needed and which no limit of a container counts against the process.
IN_MEMORY_BYTES = 256 * MIB

# Left free on the disk: a training writes checkpoints too.
HEADROOM_BYTES = 256 * MIB

# Rows are moved in pieces of about this.
CHUNK_BYTES = 16 * MIB

# What numpy and the unpackers raise on a file that is no .npz of plain arrays, or damaged.
_DAMAGED = (
    ValueError,
    EOFError,
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
)


def read_npz(path: Path, limit_bytes: int) -> dict[str, np.ndarray]:
    """Return every array in `path` by its name; nothing pickled is run.

    Raises:
        InputError: The file is no .npz of plain arrays.
        MemoryBudgetError: The arrays have more than `limit_bytes`, as their headers say.
        StorageError: The file cannot be read.
    """
    needed_bytes = 0
    try:
        with storage_errors(path):
            with zipfile.ZipFile(path) as archive:
                for member in archive.infolist():
                    with archive.open(member) as file:
                        is_old = np.lib.format.read_magic(file) == (1, 0)
                        header = np.lib.format.read_array_header_1_0 if is_old else np.lib.format.read_array_header_2_0
                        shape, _, dtype = header(file)
                    needed_bytes += math.prod(shape) * dtype.itemsize
            if needed_bytes > limit_bytes:
                raise MemoryBudgetError(
                    f"Expected arrays of at most {limit_bytes / MIB:,.0f} MiB in {path.name}. "
                    f"Received: {needed_bytes / MIB:,.0f} MiB; as a folder of images they would be kept on the disk."
                )
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
    except _DAMAGED as error:
        raise InputError(f"Expected {path.name} to be an .npz file of plain arrays. Received: {error}.") from error


class Rows:
    """`count` images of one `shape`, uint8, written in any order; `finish` gives those that were written.

    A context: what was not finished is gone at its end. Raises `StorageError` with the figures when the disk under
    `folder` has no room for all of them.
    """

    def __init__(self, count: int, shape: tuple[int, ...], folder: Path) -> None:
        self.written = np.zeros(count, bool)
        self._shape = shape
        self._row_bytes = math.prod(shape)
        self._array: np.ndarray | None = None
        self._file: IO[bytes] | None = None
        self._folder = folder
        self._needed_bytes = count * self._row_bytes
        if self._needed_bytes <= IN_MEMORY_BYTES:
            self._array = np.empty((count, *shape), np.uint8)
            return
        with storage_errors(folder / "rows"):
            folder.mkdir(parents=True, exist_ok=True)
            free_bytes = shutil.disk_usage(folder).free
            if free_bytes < self._needed_bytes + HEADROOM_BYTES:
                raise StorageError(
                    f"Expected {(self._needed_bytes + HEADROOM_BYTES) / MIB:,.0f} MiB of room in {folder} for "
                    f"{count:,} images of {' × '.join(map(str, shape[:2]))} px. "
                    f"Received: {free_bytes / MIB:,.0f} MiB free."
                )
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed by __exit__)

    def __enter__(self) -> "Rows":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with suppress(OSError):  # what was still to be flushed is not wanted any more
                self._file.close()

    def write(self, row: int, values: np.ndarray) -> None:
        """Put uint8 `values` of the rows' shape at `row`."""
        self.written[row] = True
        if self._file is not None:
            self._put(self._file, row, values)
        elif self._array is not None:
            self._array[row] = values

    def finish(self, kept: np.ndarray | None = None) -> np.ndarray:
        """Return the written rows in their order, uint8 (N, *shape); with `kept`, bool (count,), only these of them.

        An array on the disk is an `np.memmap`, read-only, and keeps its file for as long as it is used.
        """
        which = np.flatnonzero(self.written if kept is None else self.written & kept)
        if self._array is not None:
            return self._array if len(which) == len(self._array) else self._array[which]
        if self._file is None or not len(which):
            return np.empty((0, *self._shape), np.uint8)
        self._close_gaps(self._file, which)
        with storage_errors(self._folder / "rows", self._needed_bytes):
            self._file.truncate(len(which) * self._row_bytes)
            self._file.flush()
        return np.memmap(self._file, np.uint8, "r", shape=(len(which), *self._shape))

    def _close_gaps(self, file: IO[bytes], which: np.ndarray) -> None:
        """Move each row down over those that were never written."""
        moved = np.flatnonzero(which != np.arange(len(which)))
        step = max(1, CHUNK_BYTES // self._row_bytes)
        for start in range(int(moved[0]) if len(moved) else len(which), len(which), step):
            chunk = which[start : start + step]
            with storage_errors(self._folder / "rows"):
                file.seek(int(chunk[0]) * self._row_bytes)
                data = file.read(int(chunk[-1] - chunk[0] + 1) * self._row_bytes)
            rows = np.frombuffer(data, np.uint8).reshape(-1, self._row_bytes)
            self._put(file, start, rows[chunk - chunk[0]])

    def _put(self, file: IO[bytes], row: int, values: np.ndarray) -> None:
        with storage_errors(self._folder / "rows", self._needed_bytes):
            file.seek(row * self._row_bytes)
            file.write(np.ascontiguousarray(values).data)


def copy(array: np.ndarray, indices: np.ndarray, folder: Path) -> np.ndarray:
    """Return the rows of uint8 `array` (N, …) at `indices` (K,): in memory while they are few, else on the disk."""
    if len(indices) * math.prod(array.shape[1:]) <= IN_MEMORY_BYTES:
        return np.asarray(array[indices])
    with Rows(len(indices), array.shape[1:], folder) as rows:
        for i, index in enumerate(indices.tolist()):
            rows.write(i, array[index])
        return rows.finish()
