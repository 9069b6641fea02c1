"""Stores: files at addresses such as s3://bucket/folder, listed, read and written through pyarrow.

A folder of this machine is one too, as file:///data, so that whatever lies in files is read in one way. Credentials
come from the environment of each process, never from an address: addresses stand in results. Only what the machine's
owner types becomes a store.
"""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from imgrec.data.reader import read_ahead
from imgrec.errors import InputError, StorageError, shortened

# With the service that each leads to, and where its credentials come from.
SCHEMES = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "hdfs": "HADOOP_HOME and CLASSPATH",
    "abfss": "AZURE_STORAGE_ACCOUNT_KEY",
    "file": "",
}

# Reads that wait for a store at once: one takes tens of milliseconds, and most of that is waiting.
READERS = 16

# What services say, in words: of a place that there is none of, of one that is closed, and of none that answers.
_NONE = ("no_such_bucket", "no such bucket", "bucket does not exist", "containernotfound", "notfound")
_CLOSED = (
    "access_denied", "access denied", "access is denied", "invalid_access_key", "signature", "forbidden", "credentials",
    "unauthorized", "permission", "anonymous",
)  # fmt: skip
_UNREACHED = ("network_connection", "could not connect", "could not resolve", "timeout")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file below a store; `version` changes with its content: its size and when it was written."""

    name: PurePosixPath
    size_bytes: int
    version: str


@dataclass(frozen=True, slots=True)
class Store:
    """A folder, or a file, at `address`; small, so that workers elsewhere open it by themselves."""

    address: str

    @classmethod
    def of(cls, place: str | Path) -> "Store":
        """Return the store at an address or an absolute path.

        Raises:
            InputError: Another scheme, no bucket, or an address with a password.
        """
        if isinstance(place, Path):
            return cls(f"file://{quote(str(place))}")
        scheme, _, rest = place.partition("://")
        scheme = scheme.lower()
        authority = rest.partition("/")[0]
        if scheme not in SCHEMES or not rest.strip("/"):
            raise InputError(
                f"Expected an address such as s3://bucket/folder, with {', '.join(SCHEMES)}. "
                f"Received: {shortened(f'{scheme}://{rest}') if '@' not in authority else f'{scheme}://…'!r}."
            )
        # Of hdfs and abfss the part before an @ is a user or a container.
        if "@" in authority and (scheme not in ("hdfs", "abfss") or ":" in authority.rpartition("@")[0]):
            raise InputError(
                f"Expected an address without a password: {SCHEMES[scheme] or 'no credentials'}. "
                f"Received: one, in {scheme}://…; addresses stand in results."
            )
        return cls(f"{scheme}://{rest}")

    def __str__(self) -> str:
        """Return the address; of a folder of this machine, its path."""
        return self._path if self.address.startswith("file://") else self.address

    @property
    def name(self) -> str:
        """The last part of the address, without its options."""
        return self.address.partition("?")[0].rstrip("/").rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The suffix of the name."""
        return PurePosixPath(self.name).suffix

    @property
    def _path(self) -> str:
        return str(_connect(self.address)[1])

    def list(self) -> tuple[StoredFile, ...]:
        """Return the files below, or the one that this is (called by its name), sorted by name; no hidden ones.

        A name never leaves the folder: of an object, one with a part such as ".." counts as hidden.

        Raises:
            InputError: There is nothing.
            StorageError: The store cannot be reached, or refuses.
        """
        from pyarrow import fs

        with self._errors():
            system, path = _connect(self.address)
            [here] = system.get_file_info([path])
            if here.type == fs.FileType.File:
                return (_stored(PurePosixPath(self.name), here),)
            found = system.get_file_info(fs.FileSelector(path, recursive=True))
            names = ((PurePosixPath(info.path).relative_to(path), info) for info in found if info.is_file)
            kept = [_stored(name, info) for name, info in names if not any(part[0] == "." for part in name.parts)]
        if not kept:
            raise InputError(f"Expected files at {self}. Received: none.")
        return tuple(sorted(kept, key=lambda file: file.name))

    def read(self, name: PurePosixPath, max_bytes: int) -> bytes:
        """Return the content of a file; of a longer one, `max_bytes` and one more. Raises as `list`."""
        with self.opened(name) as file:
            return bytes(file.read(max_bytes + 1))

    def files(self, names: Iterable[PurePosixPath], max_bytes: int) -> Iterator[tuple[PurePosixPath, bytes]]:
        """Yield (name, content) of files as `read`, several of which are fetched at once; without those that are gone.

        Raises:
            StorageError: The store cannot be reached, or refuses: what it refuses now it may give later.
        """

        def fetch(name: PurePosixPath) -> tuple[PurePosixPath, bytes | None]:
            try:
                return name, self.read(name, max_bytes)
            except InputError:
                return name, None

        return ((name, data) for name, data in read_ahead(names, fetch, READERS) if data is not None)

    @contextmanager
    def opened(self, name: PurePosixPath) -> Iterator[Any]:
        """Open a file to be read, also from its middle; raises `InputError` where there is none, else as `list`."""
        with self._errors(name):
            system, path = _connect(self.address)
            # A file is its own folder: its name is in its address already.
            whole = path if str(name) == self.name and _is_file(self.address) else f"{path}/{name}"
            with system.open_input_file(whole) as file:
                yield file

    def put(self, name: PurePosixPath, data: bytes) -> None:
        """Write a file, which is there whole or not at all: one request to a store, a renaming on a disk.

        Raises:
            StorageError: The store cannot be reached, or refuses.
        """
        with self._errors(name):
            system, path = _connect(self.address)
            if self.address.startswith("file://"):
                target = Path(path, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                beside = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}")
                try:
                    beside.write_bytes(data)
                    beside.replace(target)
                finally:
                    beside.unlink(missing_ok=True)
                return
            with system.open_output_stream(f"{path}/{name}") as stream:
                stream.write(data)

    @contextmanager
    def _errors(self, name: PurePosixPath | None = None) -> Iterator[None]:
        """Turn what pyarrow raises into a sentence."""
        scheme = self.address.partition("://")[0]
        # Not `str(self)`, which opens the store.
        where = f"{self.address.partition('?')[0]}{f'/{name}' if name else ''}"
        try:
            yield
        except OSError as error:
            text = str(error)
            if _says(text, _CLOSED):
                hint = f"; credentials come from {SCHEMES[scheme]}" if SCHEMES[scheme] else ""
                raise StorageError(f"Expected access to {where}. Received: a refusal{hint}.") from error
            if isinstance(error, FileNotFoundError) or _says(text, _NONE):
                raise InputError(f"Expected files at {where}. Received: no such folder, file or bucket.") from error
            reason = "no answer from there" if _says(text, _UNREACHED) else _first_line(text)
            needs = "; it needs Java and Hadoop's native library" if "libjvm" in text or "libhdfs" in text else ""
            raise StorageError(f"Expected access to {where}. Received: {reason}{needs}.") from error
        except ValueError as error:  # pyarrow's, on an address
            raise InputError(
                f"Expected an address that can be used. Received: {where}, {_first_line(str(error))}."
            ) from error


def is_address(text: str) -> bool:
    """Whether `text` is meant as the address of a store, and not as a path or an address on the web."""
    scheme, mark, _ = text.partition("://")
    return bool(mark) and scheme.isalnum() and scheme.lower() not in ("http", "https")


@lru_cache(maxsize=64)
def _connect(address: str) -> tuple[Any, str]:
    """Return the file system and the path in it, once a process."""
    from pyarrow import fs

    if address.startswith("s3://") and "allow_delayed_open" not in address:
        # What is small is sent in one request, and an object is there whole or not at all.
        address += f"{'&' if '?' in address else '?'}allow_delayed_open=true"
    system, path = fs.FileSystem.from_uri(address)
    return system, path.rstrip("/") or "/"


@lru_cache(maxsize=256)
def _is_file(address: str) -> bool:
    system, path = _connect(address)
    return bool(system.get_file_info([path])[0].is_file)


def _stored(name: PurePosixPath, info: Any) -> StoredFile:
    return StoredFile(name, info.size, f"{info.size} {info.mtime_ns}")


def _says(text: str, words: Iterable[str]) -> bool:
    lowered = text.lower()
    return any(word in lowered for word in words)


def _first_line(text: str) -> str:
    return shortened((text.strip() or "no answer").splitlines()[0].rstrip(".:"))
