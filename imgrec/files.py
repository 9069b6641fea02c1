"""Files on this machine: written whole or not at all, identified by their sha256; a failure is a sentence."""

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imgrec.errors import StorageError
from imgrec.settings import MIB

# The interval between two looks at a lock that another one holds.
LOCK_POLL_S = 0.1

FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def storage_errors(path: Path, needed_bytes: int | None = None) -> Iterator[None]:
    """Turn any `OSError` of the block into a `StorageError` that names `path`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if error.errno not in FULL_ERRNOS:
            raise StorageError(f"Expected access to {path}. Received: {reason}.") from error
        needed = f"{needed_bytes / MIB:,.1f} MiB of" if needed_bytes else "more"
        raise StorageError(
            f"Expected {needed} room in {path.parent}. Received: {reason}, {_free_text(path)}."
        ) from error


@contextmanager
def replacing(path: Path, needed_bytes: int | None = None) -> Iterator[Path]:
    """Return a path beside `path` to write to; it becomes `path` when the block ends well, and goes when it does not.

    Any number of threads and processes may replace the same file: each writes to a hidden one of its own. Raises
    `StorageError` for every `OSError` of the block.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    with storage_errors(path, needed_bytes):
        try:
            yield beside
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)


@contextmanager
def sole_holder(path: Path, while_waiting: Callable[[], object]) -> Iterator[None]:
    """Hold the lock file at `path`, as one thread of one process at a time; the kernel frees it when that is killed.

    `while_waiting` is called several times a second until then; an error that it raises ends the wait.
    """
    import filelock  # 20 ms, for few commands

    lock = filelock.FileLock(path, thread_local=False)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        while not lock.is_locked:
            try:
                lock.acquire(timeout=LOCK_POLL_S)
            except filelock.Timeout:
                while_waiting()
    try:
        yield
    finally:
        lock.release()


def check_disk(folder: Path, needed_bytes: int, purpose: str = "") -> None:
    """Raise `StorageError` with the figures unless `needed_bytes` are free where `folder` is or will be."""
    with storage_errors(folder):
        there = next(path for path in [folder, *folder.parents] if path.exists())
        free = shutil.disk_usage(there).free
    if free < needed_bytes:
        raise StorageError(
            f"Expected {needed_bytes / MIB:,.0f} MiB of room in {there}{purpose}. Received: {free / MIB:,.0f} MiB free."
        )


def sha256_of(path: Path) -> str:
    """In hexadecimal; raises `StorageError` when the file cannot be read."""
    with storage_errors(path):
        # Opening a pipe would wait for its writer.
        if path.exists() and not path.is_file():
            raise StorageError(f"Expected a file at {path}. Received: a folder, a device or a pipe.")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _free_text(path: Path) -> str:
    try:
        return f"{shutil.disk_usage(path.parent).free / MIB:,.1f} MiB free"
    except OSError:
        return "none free"
