"""A large array that is filled row by row: in memory while it is small, else on a file without a name.

The file is gone as soon as nobody uses the array any more, however the process ends. Rows are written, never stored
into a mapping: a disk that fills then is an error that can be told, where a mapping would end the process.
"""

import math
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np

from imgrec.errors import StorageError
from imgrec.files import storage_errors
from imgrec.settings import MIB

# Larger arrays lie on the disk. What was read lately is in the system's cache anyway, which shrinks when memory is
# needed and which no limit of a container counts against the process.
IN_MEMORY_BYTES = 256 * MIB

# Left free on the disk: whoever trains writes checkpoints too.
HEADROOM_BYTES = 256 * MIB

# Rows are moved in pieces of about this.
CHUNK_BYTES = 16 * MIB


class Rows:
    """`count` rows of uint8 of one `shape`, written in any order; `finish` gives those that were.

    A context: what was not finished is gone at its end. `what` says for people what a row is. Raises `StorageError`
    with the figures when the disk under `folder` has no room for all of them.
    """

    def __init__(self, count: int, shape: tuple[int, ...], folder: Path, what: str = "images") -> None:
        self._shape = shape
        self._row_bytes = math.prod(shape)
        self._written = np.zeros(count, bool)
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
                    f"{count:,} {what} of {' × '.join(map(str, shape[:2]))} px. "
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
        self._written[row] = True
        if self._array is not None:
            self._array[row] = values
        else:
            self._put(row, np.ascontiguousarray(values))

    @property
    def written(self) -> np.ndarray:
        """Which rows were written: bool (count,)."""
        return self._written.copy()

    def finish(self, kept: np.ndarray | None = None) -> np.ndarray:
        """The written rows in their order, uint8 (N, *shape); with `kept`, bool (count,), only these of them.

        An array on the disk is an `np.memmap`, read-only, and keeps its file for as long as it is used.
        """
        which = np.flatnonzero(self._written if kept is None else self._written & kept)
        if self._array is not None:
            return self._array if len(which) == len(self._array) else self._array[which]
        file = self._open_file()
        self._close_gaps(which)
        with storage_errors(self._folder / "rows", self._needed_bytes):
            file.truncate(len(which) * self._row_bytes)
            file.flush()
        if not len(which):
            return np.empty((0, *self._shape), np.uint8)
        return np.memmap(file, np.uint8, "r", shape=(len(which), *self._shape))

    def _close_gaps(self, which: np.ndarray) -> None:
        """Move every row down over those that were never written."""
        file = self._open_file()
        step = max(1, CHUNK_BYTES // self._row_bytes)
        first_moved = int(np.argmax(which != np.arange(len(which)))) if len(which) else 0
        if len(which) and which[first_moved] == first_moved:
            return
        for start in range(first_moved, len(which), step):
            chunk = which[start : start + step]
            with storage_errors(self._folder / "rows"):
                file.seek(int(chunk[0]) * self._row_bytes)
                data = file.read(int(chunk[-1] - chunk[0] + 1) * self._row_bytes)
            rows = np.frombuffer(data, np.uint8).reshape(-1, self._row_bytes)
            self._put(start, rows[chunk - chunk[0]])

    def _put(self, row: int, values: np.ndarray) -> None:
        file = self._open_file()
        with storage_errors(self._folder / "rows", self._needed_bytes):
            file.seek(row * self._row_bytes)
            file.write(values.data)

    def _open_file(self) -> IO[bytes]:
        if self._file is None:
            raise ValueError("Expected rows on the disk. Received: rows in memory.")
        return self._file


def copy(array: np.ndarray, indices: np.ndarray, folder: Path) -> np.ndarray:
    """The rows of uint8 `array` (N, …) at `indices` (K,): in memory while they are few, else on the disk."""
    if len(indices) * math.prod(array.shape[1:]) <= IN_MEMORY_BYTES:
        return np.asarray(array[indices])
    with Rows(len(indices), array.shape[1:], folder) as rows:
        for i, index in enumerate(indices.tolist()):
            rows.write(i, array[index])
        return rows.finish()
