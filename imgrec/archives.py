"""Folders, zip and tar archives as one thing: a sequence of named files, read where they lie.

An archive is never unpacked onto the disk, so a member called `../../.ssh/config`, a link or a device can do
nothing: only plain files are looked at, their names only tell classes apart, and no more than `max_bytes` of any
is read.
"""

import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from imgrec.downloads import storage_errors
from imgrec.errors import InputError, StorageError

# More files than any set that fits this memory has; an archive of millions of empty members is an attack.
MAX_FILES = 200_000

# What operating systems leave in folders and archives.
_CLUTTER = ("__MACOSX", "Thumbs.db", "desktop.ini")

# A read of a member may fail in these ways when the archive is damaged.
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError, NotImplementedError)


def files(path: Path, *, max_bytes: int) -> Iterator[tuple[PurePosixPath, bytes]]:
    """(name below `path`, content) of each plain file in a folder, zip or tar; hidden files are left out.

    A content longer than `max_bytes` is cut there, one byte above, so that whoever checks the length sees it.
    Folders come in the order of their names. Raises `InputError` when `path` is neither, holds too many files or
    is damaged, and `StorageError` when it cannot be read.
    """
    if path.is_dir():
        found = _in_folder(path, max_bytes)
    elif not path.is_file():
        raise InputError(f"Expected a folder, a zip or a tar archive. Received: {path}, which is not there.")
    elif zipfile.is_zipfile(path):
        found = _in_zip(path, max_bytes)
    elif tarfile.is_tarfile(path):
        found = _in_tar(path, max_bytes)
    else:
        raise InputError(f"Expected a folder, a zip or a tar archive. Received: {path.name}, which is none of these.")
    for count, (name, data) in enumerate(found):
        if count >= MAX_FILES:
            raise InputError(f"Expected at most {MAX_FILES:,} files in {path.name}. Received: more.")
        yield name, data


def _in_folder(folder: Path, max_bytes: int) -> Iterator[tuple[PurePosixPath, bytes]]:
    for file in sorted(folder.rglob("*")):
        name = PurePosixPath(file.relative_to(folder).as_posix())
        if _is_clutter(name) or not file.is_file():
            continue
        with storage_errors(file), file.open("rb") as opened:
            data = opened.read(max_bytes + 1)
        yield name, data


def _in_zip(path: Path, max_bytes: int) -> Iterator[tuple[PurePosixPath, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                name = PurePosixPath(member.filename.replace("\\", "/"))
                if member.is_dir() or _is_clutter(name):
                    continue
                with archive.open(member) as opened:
                    data = opened.read(max_bytes + 1)
                yield name, data
    except _DAMAGED as error:
        raise _damaged(path, error) from error


def _in_tar(path: Path, max_bytes: int) -> Iterator[tuple[PurePosixPath, bytes]]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                opened = archive.extractfile(member) if member.isreg() and not _is_clutter(name) else None
                if opened is None:
                    continue
                with opened:
                    data = opened.read(max_bytes + 1)
                yield name, data
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    except OSError as error:
        raise StorageError(f"Expected access to {path}. Received: {error.strerror or error}.") from error


def _is_clutter(name: PurePosixPath) -> bool:
    return any(part.startswith(".") or part in _CLUTTER for part in name.parts if part not in {"..", "."})


def _damaged(path: Path, error: BaseException) -> InputError:
    return InputError(f"Expected {path.name} to be a whole archive without a password. Received: {error}.")
