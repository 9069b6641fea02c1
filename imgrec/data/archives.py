"""Folders, zip and tar archives, and stores, as one thing: a sequence of named files, read in place.

An archive is never unpacked onto the disk, so a member called `../../.ssh/config`, a link or a device has no effect:
only plain files are read, their names only tell classes apart, and no more than `max_bytes` of each is read. What is
left out is listed with its reason. An archive that unpacks to far more than its own size, or has far too many files,
is refused by its headers, before anything is unpacked.
"""

import bz2
import errno
import gzip
import itertools
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from imgrec.data.stores import Store
from imgrec.errors import InputError, StorageError
from imgrec.files import is_there, kind_of, opened, storage_errors
from imgrec.settings import MIB

# More files than any dataset that fits this machine; an archive of millions of empty members is an attack.
MAX_FILES = 200_000

# Images are compressed already, and an archive of them is hardly smaller than they are; even raw bitmaps of
# drawings seldom shrink to a hundredth. Deflate can reach 1,032, xz 7,000. Below a gibibyte it does no harm.
MAX_RATIO = 200
HARMLESS_BYTES = 1024 * MIB
MAX_UNPACKED_BYTES = 64 * 1024 * MIB

# The header of a tar's member may announce names of any length, which are read at once; paths have at most 4 KiB.
MAX_HEADER_BYTES = 1 * MIB

# What operating systems leave in folders and archives.
_CLUTTER = ("__MACOSX", "Thumbs.db", "desktop.ini")

# What a read of a member raises when the archive is damaged.
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
    struct.error,
    UnicodeDecodeError,
    RuntimeError,
)

# What every Python unpacks; newer archivers have more.
_ZIP_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}

# How a tar may be packed, by its first bytes.
_PACKINGS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}

# The list of what a zip has stands at its end: without that only its beginning tells what it was.
_ZIP_START = b"PK\x03\x04"

# Where files are: a folder or an archive of this machine, or a store.
Place = Path | Store

_LINK = "a link, not a file"
_FOLDER = "a folder"
_CLOSED = "no permission to read it"


@dataclass(frozen=True, slots=True)
class Listing:
    """`names` of the files that `files` gives, in its order; `left_out`: a sentence for each of the others.

    `empty` are the folders with nothing in them, as far as an archive mentions its folders.
    """

    names: tuple[PurePosixPath, ...]
    left_out: tuple[str, ...]
    empty: tuple[PurePosixPath, ...] = ()


@dataclass(frozen=True, slots=True)
class _Member:
    """`refusal` is why a member is left out; `read` gives at most so many of its bytes."""

    name: PurePosixPath
    size_bytes: int
    refusal: str | None
    read: Callable[[int], bytes]


def survey(path: Place) -> Listing:
    """Return what a folder, zip, tar or store holds; of a packed tar everything is read, and nothing kept.

    Hidden files and what operating systems leave behind are not mentioned. Raises as `files`.
    """
    if isinstance(path, Store):
        return Listing(tuple(file.name for file in path.list() if not _is_clutter(file.name)), ())
    names, left_out, folders = [], [], []
    used: set[PurePosixPath] = set()
    for member in _members(path):
        used.update(member.name.parents)
        if member.refusal is None:
            names.append(member.name)
        elif member.refusal == _FOLDER:
            folders.append(member.name)
        else:
            left_out.append(f"{member.name}: {member.refusal}")
    return Listing(tuple(names), tuple(left_out), tuple(name for name in folders if name not in used))


def files(
    path: Place,
    *,
    max_bytes: int,
    only: Collection[PurePosixPath] | None = None,
) -> Iterator[tuple[PurePosixPath, bytes | str]]:
    """Yield (name below `path`, content) of each plain file at a place; a sentence for a damaged one.

    Each name comes once; folders come in the order of their names. With `only`, these names alone. A content longer
    than `max_bytes` is cut one byte above, so that a check of its length finds it.

    Raises:
        InputError: The path is neither, holds too many files, unpacks to far more than it is, or is damaged.
        StorageError: It cannot be read.
    """
    if isinstance(path, Store):
        yield from path.files(survey(path).names if only is None else sorted(only), max_bytes)
        return
    for member in _members(path, only):
        if member.refusal is None and (only is None or member.name in only):
            data: bytes | str
            try:
                with _archive_errors(path):
                    data = member.read(max_bytes + 1)
            except InputError as error:
                data = str(error)
            yield member.name, data


def _members(path: Path, only: Collection[PurePosixPath] | None = None) -> Iterator[_Member]:
    """Yield every file and folder but clutter, each file's name once, within the limits.

    In a folder the files `only` are looked up, which costs nothing for the others.
    """
    limit_bytes = MAX_UNPACKED_BYTES
    if not is_there(path):
        raise InputError(f"Expected a folder, a zip or a tar archive. Received: {path}, which is not there.")
    if path.is_dir():
        found = _in_folder(path) if only is None else _named_in_folder(path, only)
    else:
        with storage_errors(path):
            if (kind := kind_of(path)) is not None:
                raise InputError(f"Expected a folder, a zip or a tar archive. Received: {path}, which is {kind}.")
            limit_bytes = min(limit_bytes, max(HARMLESS_BYTES, MAX_RATIO * path.stat().st_size))
            found = _in_zip(path) if zipfile.is_zipfile(path) else _in_tar(path)
    seen: set[PurePosixPath] = set()
    taken_bytes = 0
    for count, member in enumerate(found):
        if count >= MAX_FILES:
            raise InputError(f"Expected at most {MAX_FILES:,} files in {path.name}. Received: more.")
        taken_bytes += member.size_bytes
        if taken_bytes > limit_bytes:
            raise InputError(
                f"Expected {path.name} to hold at most {limit_bytes / MIB:,.0f} MiB when unpacked. Received: more; "
                "images do not shrink so much, and a dataset so large can be given as a folder."
            )
        if _is_clutter(member.name):
            continue
        if member.refusal is None and member.name in seen:
            yield replace(member, refusal="a second file of this name; the first is used")
            continue
        if member.refusal != _FOLDER:
            seen.add(member.name)
        yield member


def _is_clutter(name: PurePosixPath) -> bool:
    return any(part in _CLUTTER or (part[0] == "." and part != "..") for part in name.parts)


def _in_folder(folder: Path) -> Iterator[_Member]:
    found: list[Path] = []
    closed: list[Path] = []

    def on_error(error: OSError) -> None:
        if error.filename == str(folder):
            raise error
        closed.append(Path(error.filename))

    with storage_errors(folder):
        for root, folders, names in os.walk(folder, onerror=on_error):
            here = Path(root)
            folders[:] = [name for name in folders if not name.startswith(".")]
            # Links to folders are not followed: one to a folder above would never end.
            links = [name for name in folders if os.path.islink(here / name)]
            found += [here / name for name in (*names, *links)]
            if not folders and here != folder:
                found.append(here)
            if len(found) > MAX_FILES:
                raise InputError(f"Expected at most {MAX_FILES:,} files in {folder}. Received: more.")
    for file in sorted({*found, *closed}):
        name = PurePosixPath(file.relative_to(folder).as_posix())
        yield _Member(name, 0, _CLOSED if file in closed else _file_refusal(file), partial(_head, file))


def _named_in_folder(folder: Path, names: Collection[PurePosixPath]) -> Iterator[_Member]:
    """Yield the files called `names`, in the order of `_in_folder`; one that has gone is left out."""
    for file in sorted(folder / name for name in names if _name_refusal(name) is None):
        name = PurePosixPath(file.relative_to(folder).as_posix())
        # A link to a folder is not followed in the middle of a name either.
        through = any((folder / parent).is_symlink() for parent in name.parents if parent.name)
        yield _Member(name, 0, _LINK if through else _file_refusal(file), partial(_head, file))


def _file_refusal(file: Path) -> str | None:
    try:
        kind = kind_of(file)
    except PermissionError:
        return _CLOSED  # also a link to what is in a folder that may not be read
    except OSError:
        return "a link that leads nowhere"
    if kind is None:
        is_open = os.access(file, os.R_OK, effective_ids=os.access in os.supports_effective_ids)
        return None if is_open else _CLOSED
    if file.is_dir():
        return "a link to a folder, which is not followed" if file.is_symlink() else _FOLDER
    return f"{kind}, not a file"


def _head(file: Path, count: int) -> bytes:
    with opened(file) as content:
        return content.read(count)


def _in_zip(path: Path) -> Iterator[_Member]:
    with _archive_errors(path), zipfile.ZipFile(path) as archive:

        def read(member: zipfile.ZipInfo, count: int) -> bytes:
            with archive.open(member) as content:
                return content.read(count)

        for member in archive.infolist():
            name = PurePosixPath(member.filename.replace("\\", "/"))
            refusal = _name_refusal(name)
            if not member.filename:
                refusal = "it has no name"
            elif member.is_dir():
                refusal = _FOLDER
            elif stat.S_ISLNK(member.external_attr >> 16):
                refusal = _LINK
            elif member.flag_bits & 1:
                refusal = "it has a password"
            elif member.compress_type not in _ZIP_METHODS:
                refusal = "packed in a way that cannot be unpacked here"
            yield _Member(name, member.file_size, refusal, partial(read, member))


def _in_tar(path: Path) -> Iterator[_Member]:
    with _archive_errors(path), path.open("rb") as packed:
        magic = packed.read(max(map(len, _PACKINGS)))
        packed.seek(0)
        unpack = next((unpack for start, unpack in _PACKINGS.items() if magic.startswith(start)), None)
        bounded: Any = _Bounded(unpack(packed) if unpack else packed)
        try:
            archive = tarfile.open(fileobj=bounded, mode="r:")  # noqa: SIM115 (closed by `with` below)
        except tarfile.ReadError as error:
            if unpack:
                raise
            is_cut = magic.startswith(_ZIP_START)
            received = "a zip that is damaged or cut off" if is_cut else "which is none of these"
            raise InputError(
                f"Expected a folder, a zip or a tar archive. Received: {path.name}, {received}."
            ) from error
        with archive:

            def read(member: tarfile.TarInfo, count: int) -> bytes:
                content = archive.extractfile(member)
                if content is None:
                    raise tarfile.ReadError(f"{member.name} has no content")
                bounded.limit_bytes = max(MAX_HEADER_BYTES, count)
                with content:
                    return content.read(count)

            while (member := archive.next()) is not None:
                bounded.limit_bytes = MAX_HEADER_BYTES
                archive.members.clear()  # type: ignore[attr-defined]  # else all are kept in memory
                name = PurePosixPath(member.name)
                refusal = _name_refusal(name)
                if member.isdir():
                    refusal = _FOLDER
                elif not member.isreg():
                    refusal = _LINK if member.issym() or member.islnk() else "a device, not a file"
                yield _Member(name, member.size + tarfile.BLOCKSIZE, refusal, partial(read, member))


def index_tar(file: IO[bytes], name: str) -> Iterator[tuple[PurePosixPath, int, int]]:
    """Yield (name, offset, bytes) of each plain file in a tar that is not packed, by which it can be read on its own.

    Contents are passed over. Raises `InputError` on a tar that is packed, damaged, or has too many files.
    """
    bounded: Any = _Bounded(file)
    with _archive_errors(Path(name)), tarfile.open(fileobj=bounded, mode="r:") as archive:
        for count in itertools.count():
            bounded.limit_bytes = MAX_HEADER_BYTES
            member = archive.next()
            if member is None:
                return
            if count >= MAX_FILES:
                raise InputError(f"Expected at most {MAX_FILES:,} files in {name}. Received: more.")
            archive.members.clear()  # type: ignore[attr-defined]
            path = PurePosixPath(member.name)
            if member.isreg() and not member.issparse() and not _is_clutter(path) and _name_refusal(path) is None:
                yield path, member.offset_data, member.size


class _Bounded:
    """A file of which never more than `limit_bytes` are read at once, whatever length a header announces."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.limit_bytes = MAX_HEADER_BYTES
        self.seek, self.tell = file.seek, file.tell

    def read(self, count: int = -1) -> Any:
        if not 0 <= count <= self.limit_bytes + tarfile.BLOCKSIZE:
            raise tarfile.ReadError(f"a header of {count / MIB:,.0f} MiB")
        return self._file.read(count)


def _name_refusal(name: PurePosixPath) -> str | None:
    """Return why a member with this name is left out: unpacked by another program, it would land elsewhere."""
    drive = name.parts[0].endswith(":") if name.parts else False
    return "its name leads out of the archive" if name.is_absolute() or drive or ".." in name.parts else None


@contextmanager
def _archive_errors(path: Path) -> Iterator[None]:
    """Turn what a damaged archive raises into an `InputError`, and what the disk raises into a `StorageError`."""
    try:
        yield
    except _DAMAGED as error:
        raise InputError(
            f"Expected {path.name} to be a whole archive without a password. Received: {error}."
        ) from error
    except OSError as error:
        if error.errno in {None, errno.EINVAL}:  # the unpackers raise it too, and offsets before the file's start do
            raise InputError(f"Expected {path.name} to be a whole archive. Received: {error}.") from error
        raise StorageError(f"Expected access to {path}. Received: {error.strerror or error}.") from error
