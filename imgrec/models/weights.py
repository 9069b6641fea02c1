"""Where a model's weights lie, and how they get there: found, or fetched → verified → renamed into place.

Weights lie in `assets/models/` (the bundled ones), in an installed Python package, none of whose code is run, or,
shared with Keras, in `KERAS_HOME/models/`. A file is trusted once: its digests are computed, compared with the
publisher's where the catalog has one, and recorded under `IMGREC_HOME/weights/` together with the file's size and
time, so that the next look costs no reading.
A file of the user's that is not what it should be is named, never deleted.
"""

import hashlib
import importlib.metadata
import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from imgrec.errors import CorruptWeightsError, PackageError, StorageError
from imgrec.files import replacing, storage_errors
from imgrec.models.catalog import ModelSpec, PackageFile
from imgrec.models.downloads import Progress, discard, download, offline_error, publish
from imgrec.settings import ASSETS, Settings

State = Literal["bundled", "installed", "downloaded", "missing"]

BUNDLED = ASSETS / "models"

# How often somebody who waits for another thread's or process' download looks again.
LOCK_POLL_S = 0.1

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"

# Where the superblock of each version keeps the address of the end of the file (HDF5 File Format, II.A).
HDF5_END_OFFSETS = {0: 40, 1: 44, 2: 28, 3: 28}


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a weights file; valid while `path`, `size_bytes` and `mtime_ns` are still those of the file.

    `published_hash` is the publisher's hash that the file matched, None where there is none; `url` and
    `fetched_at` are None for a file that imgrec found and did not fetch.
    """

    path: str
    size_bytes: int
    mtime_ns: int
    sha256: str
    published_hash: str | None
    url: str | None = None
    fetched_at: str | None = None


# Records of this process: they spare the disk, and stand in for it where IMGREC_HOME cannot be written.
_RECORDS: dict[Path, Record] = {}


def target_path(spec: ModelSpec, settings: Settings) -> Path:
    """Where downloaded weights of `spec` belong (whether they are there or not)."""
    return settings.keras_home / "models" / spec.weights.filename


def locate(spec: ModelSpec, settings: Settings) -> Path | None:
    """Return the weights file of `spec` as it lies there, unread; None if there is none."""
    package_file = spec.weights.package_file
    if package_file is not None:
        return find_in_package(package_file)
    places = [target_path(spec, settings)]
    if spec.bundled:
        places.insert(0, BUNDLED / spec.weights.filename)
    return next((path for path in places if path.is_file()), None)


def find_in_package(package_file: PackageFile) -> Path | None:
    """Return the path of the file; None where the package is not installed or lacks it. Runs no code of the package."""
    try:
        path = Path(str(importlib.metadata.distribution(package_file.package).locate_file(package_file.path)))
    except importlib.metadata.PackageNotFoundError:
        return None
    return path if path.is_file() else None


def state_of(spec: ModelSpec, settings: Settings) -> State:
    """Where the weights of `spec` are, without reading them; whether they are loaded is the pool's to say."""
    path = locate(spec, settings)
    if path is None:
        return "missing"
    if spec.weights.package_file is not None:
        return "installed"
    return "bundled" if path.parent == BUNDLED else "downloaded"


def find(spec: ModelSpec, settings: Settings) -> Path | None:
    """Return the verified weights file of `spec`, or None if there is none on this machine.

    Reads the whole file the first time it sees it. Raises `CorruptWeightsError` when it is not what the
    catalog says, `StorageError` when it cannot be read.
    """
    path = locate(spec, settings)
    if path is not None:
        _examine(path, spec, settings)
    return path


def get_record(spec: ModelSpec, settings: Settings) -> Record | None:
    """Return what is known of the weights of `spec`: sha256, where from, when. As `find` in all else."""
    path = locate(spec, settings)
    return None if path is None else _examine(path, spec, settings)


def sha256(spec: ModelSpec, settings: Settings) -> str | None:
    """Return the sha256 of the weights of `spec`, 64 hexadecimal digits. As `find` in all else."""
    record = get_record(spec, settings)
    return None if record is None else record.sha256


def fetch(spec: ModelSpec, settings: Settings, progress: Progress | None = None) -> Path:
    """Return the verified weights file of `spec`, downloaded unless it is there already.

    However many threads and processes ask at once, one of them downloads and the others wait for it. The
    address is the catalogue's, or that of the mirror in `settings.weights_url`.

    Raises `PackageError` for weights that are in a package, `OfflineError`, `DownloadError`, `CorruptWeightsError`,
    `StorageError`, and `CanceledError` after `progress.cancel()`.
    """
    progress = progress or Progress()
    if (found := find(spec, settings)) is not None:
        return found
    if spec.weights.package_file is not None:
        raise PackageError(_missing_package(spec.title, spec.weights.package_file))
    target = target_path(spec, settings)
    url = spec.weights.url
    if settings.weights_url:
        url = f"{settings.weights_url.rstrip('/')}/{spec.weights.filename}"
    if settings.offline:
        raise offline_error(url, target, "IMGREC_OFFLINE=1")
    progress.total_bytes = progress.total_bytes or spec.weights.size_bytes
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with _sole_downloader(target, progress):
        if (found := find(spec, settings)) is not None:
            return found
        part = download(url, target, progress, allow_http=settings.weights_url is not None)
        try:
            digest = _verify(part, spec)
        except CorruptWeightsError as error:
            discard(target)
            raise CorruptWeightsError(
                f"{error} It came from {url} and was thrown away; fetch it again, or from another address "
                "(IMGREC_WEIGHTS_URL)."
            ) from None
        publish(target)
        _remember(_record_of(target, spec, digest, url=url), settings)
    return target


def _missing_package(title: str, package_file: PackageFile) -> str:
    """Return the sentence that says which package has the weights, and how to install it."""
    installed = _installed_version(package_file)
    received = "It is not installed" if installed is None else f"Installed is {installed}, without that file"
    return (
        f"The weights of {title} are in the Python package {package_file.package} {package_file.version}. {received}. "
        f"Run: {package_file.install_command}"
    )


def _installed_version(package_file: PackageFile) -> str | None:
    try:
        return importlib.metadata.version(package_file.package)
    except importlib.metadata.PackageNotFoundError:
        return None


@contextmanager
def _sole_downloader(target: Path, progress: Progress) -> Iterator[None]:
    """Held by one thread of one process at a time; the kernel frees it when its holder is killed.

    While somebody else downloads, `progress` shows how far they are.
    """
    import filelock  # 20 ms; only who downloads needs it

    lock = filelock.FileLock(target.with_name(target.name + ".lock"), thread_local=False)
    part = target.with_name(target.name + ".part")
    with storage_errors(target):
        while not lock.is_locked:
            progress.check()
            try:
                lock.acquire(timeout=LOCK_POLL_S)
            except filelock.Timeout:
                with suppress(OSError):
                    progress.done_bytes = part.stat().st_size
    try:
        yield
    finally:
        lock.release()


def _examine(path: Path, spec: ModelSpec, settings: Settings) -> Record:
    """Return the valid record of the file at `path`, from memory, from disk, or by reading the file."""
    with storage_errors(path):
        status = path.stat()
    known = [_RECORDS.get(path), _load(spec, settings)]
    for record in known:
        if (
            record is not None
            and (record.path, record.size_bytes, record.mtime_ns) == (str(path), status.st_size, status.st_mtime_ns)
            and record.published_hash == spec.weights.hash
        ):
            _RECORDS[path] = record
            return record
    try:
        digest = _verify(path, spec)
    except CorruptWeightsError as error:
        raise CorruptWeightsError(f"{error} {_advice(spec)}") from None
    # A file that was only touched or moved is still the one that was fetched then.
    same = next((record for record in known if record is not None and record.sha256 == digest), None)
    fetched = {} if same is None else {"url": same.url, "fetched_at": same.fetched_at}
    record = _record_of(path, spec, digest, **fetched)
    _remember(record, settings)
    return record


def _advice(spec: ModelSpec) -> str:
    """Return the sentence that says how to get the right file."""
    package_file = spec.weights.package_file
    if package_file is None:
        return f"Move that file away and fetch {spec.name} again."
    return (
        f"Installed is {package_file.package} {_installed_version(package_file)}, examined was {package_file.version}. "
        f"Run: {package_file.install_command} --force-reinstall"
    )


def _verify(path: Path, spec: ModelSpec) -> str:
    """Return the sha256 of `path`; raises `CorruptWeightsError` unless it is the file that the catalog describes.

    Where the publisher gives no hash, the file must be HDF5 and as long as its own header says, which finds
    every truncated file and every error page saved as a file.
    """
    published = spec.weights.hash
    own, theirs = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with storage_errors(path), path.open("rb") as file:
        head = file.read(64)
        size_bytes = os.fstat(file.fileno()).st_size
        file.seek(0)
        while chunk := file.read(1 << 20):
            own.update(chunk)
            if published is not None and len(published) == 32:
                theirs.update(chunk)
    if published is not None:
        kind, digest = ("md5", theirs) if len(published) == 32 else ("sha256", own)
        if digest.hexdigest() != published:
            raise CorruptWeightsError(
                f"Expected {path} to have the {kind} {published}, which its publisher gives. "
                f"Received: {digest.hexdigest()}, {size_bytes:,} bytes."
            )
    elif (end := _hdf5_size(head)) is None:
        raise CorruptWeightsError(f"Expected {path} to be an HDF5 file. Received: one that starts with {head[:8]!r}.")
    elif end != size_bytes:
        raise CorruptWeightsError(
            f"Expected {path} to have the {end:,} bytes that its header names. Received: {size_bytes:,}."
        )
    return own.hexdigest()


def _hdf5_size(head: bytes) -> int | None:
    """Return the size in bytes that an HDF5 file's first 64 bytes promise; None if they are not HDF5's."""
    if len(head) < 64 or not head.startswith(HDF5_SIGNATURE):
        return None
    offset = HDF5_END_OFFSETS.get(head[8])
    return None if offset is None else int(struct.unpack_from("<Q", head, offset)[0])


def _record_of(
    path: Path, spec: ModelSpec, digest: str, *, url: str | None = None, fetched_at: str | None = None
) -> Record:
    status = path.stat()
    if url is not None and fetched_at is None:
        fetched_at = datetime.now(UTC).isoformat(timespec="seconds")
    return Record(str(path), status.st_size, status.st_mtime_ns, digest, spec.weights.hash, url, fetched_at)


def _record_path(filename: str, settings: Settings) -> Path:
    return settings.home / "weights" / f"{filename}.json"


def _load(spec: ModelSpec, settings: Settings) -> Record | None:
    try:
        return Record(**json.loads(_record_path(spec.weights.filename, settings).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _remember(record: Record, settings: Settings) -> None:
    """Keep the record; a home that cannot be written costs the next process the reading, nothing else."""
    path = Path(record.path)
    _RECORDS[path] = record
    file = _record_path(path.name, settings)
    with suppress(StorageError), replacing(file) as beside:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(asdict(record), indent=2) + "\n")
