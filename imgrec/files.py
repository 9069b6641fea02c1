"""Files on this machine: written whole or not at all, identified by their sha256; a failure is a sentence.

A path that a person typed may be anything: `typed_path` makes a `Path` of it, and `opened` opens plain files alone. A
pipe would be waited for, and a device may never end.
"""

import errno
import hashlib
import io
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imgrec.errors import InputError, StorageError, shortened
from imgrec.settings import MIB

# The interval between two looks at a lock that another one holds.
LOCK_POLL_S = 0.1

FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})

# What Linux takes; of macOS and Windows it is more than they do.
MAX_PATH_BYTES, MAX_NAME_BYTES = 4095, 255

# What is no file that ends: opened or read, each may wait for ever.
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def typed_path(text: str | Path) -> Path:
    """Return the path that was typed, with `~` as the home; raises `InputError` on one that no file can have.

    A path that comes from here can be looked at: `exists` and `is_dir` are answers, not errors, except where a folder
    above may not be read.
    """
    given = str(text)
    shown = shortened(given)
    try:
        path = Path(given).expanduser()
        encoded = os.fsencode(path)
    except RuntimeError:  # `~name` of a user that there is none of
        raise InputError(f"Expected a path. Received: {shown!r}, and there is no such user.") from None
    except ValueError:
        raise InputError(f"Expected a path. Received: {shown!r}, which has half a character in it.") from None
    if b"\0" in encoded:
        raise InputError(f"Expected a path. Received: {shown!r}, which has the character NUL in it.")
    if len(encoded) > MAX_PATH_BYTES or any(len(os.fsencode(part)) > MAX_NAME_BYTES for part in path.parts):
        raise InputError(
            f"Expected a path of at most {MAX_PATH_BYTES:,} bytes, {MAX_NAME_BYTES} for each name in it. "
            f"Received: {shown!r}, {len(encoded):,} bytes."
        )
    return path


def is_there(path: Path) -> bool:
    """Return whether anything is at `path`; raises `StorageError` where that may not be asked."""
    with storage_errors(path):
        return path.exists()


def is_missing(error: Exception) -> bool:
    """Return whether a `StorageError` says that there is no such file."""
    return isinstance(error.__cause__, FileNotFoundError | NotADirectoryError)


def kind_of(path: Path) -> str | None:
    """Return what is at `path`, such as "a pipe"; None for a plain file. Raises `OSError` where nothing is."""
    return _kind(path.stat())


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """Open the plain file at `path` to read it, without waiting for a pipe or a device.

    Raises `InputError` for what is no plain file, and `StorageError` for every `OSError`, also those of the block.
    """
    typed_path(path)
    with storage_errors(path):
        # Asked before, because opening a device may do something; and after, because it may be another file by then.
        received = kind_of(path)
        if received is None:
            with open(path, "rb", opener=_open_at_once) as file:
                received = _kind(os.fstat(file.fileno()))
                if received is None:
                    yield file
                    return
    raise InputError(f"Expected a file. Received: {path}, which is {received}.")


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _kind(status: os.stat_result) -> str | None:
    if stat.S_ISREG(status.st_mode):
        return None
    return next((words for is_kind, words in _KINDS if is_kind(status.st_mode)), "no plain file")


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
    """In hexadecimal; raises `StorageError` when the file cannot be read, `InputError` where it is no plain file."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _free_text(path: Path) -> str:
    try:
        return f"{shutil.disk_usage(path.parent).free / MIB:,.1f} MiB free"
    except OSError:
        return "none free"
