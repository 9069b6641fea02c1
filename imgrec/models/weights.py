"""Weights files: where they are, and how they are obtained: found, or fetched → verified → renamed into place.

Weights are in `assets/models/` (the bundled ones), in an installed Python package, none of whose code is run, or,
shared with Keras, in `KERAS_HOME/models/`. A file is verified: its digests are computed, compared with the publisher's
where the catalog has one, else with those of its first reading, and recorded under `IMGREC_HOME/weights/` with the
file's size and time, so that it is read once a day at most. A file that is not the expected one is named, and replaced
only on request (`repair`).
"""

import hashlib
import importlib.metadata
import json
import struct
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

from imgrec import json_files
from imgrec.errors import CorruptWeightsError, ImgrecError, PackageError, StorageError
from imgrec.files import replacing, sha256_of, sole_holder, storage_errors
from imgrec.models.catalog import COMPACT_SUFFIX, ModelSpec
from imgrec.models.downloads import Progress, discard, download, offline_error, publish, watch
from imgrec.settings import ASSETS, Settings

State = Literal["bundled", "installed", "downloaded", "missing"]

BUNDLED = ASSETS / "models"

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"

# A disk may change a file without a new time of change; the whole file is read again after so long.
DAY_S = 86_400

# Allowed where md5 is disabled for security.
_md5 = partial(hashlib.md5, usedforsecurity=False)

# Where the superblock of each version keeps the address of the end of the file (HDF5 File Format, II.A).
HDF5_END_OFFSETS = {0: 40, 1: 44, 2: 28, 3: 28}


@dataclass(frozen=True, slots=True)
class Record:
    """The facts about a weights file; valid while `path`, `size_bytes` and `mtime_ns` are those of the file.

    `published_hash` is the publisher's hash that the file matched, None where there is none; `url` and `fetched_at`
    are None for a file that imgrec did not fetch. `checked_at` is when it was last read whole, seconds since 1970.
    """

    path: str
    size_bytes: int
    mtime_ns: int
    sha256: str
    published_hash: str | None
    url: str | None = None
    fetched_at: str | None = None
    checked_at: float = 0.0


def target_path(spec: ModelSpec, settings: Settings) -> Path:
    """Return the place of the downloaded weights of `spec`, whether they are there or not."""
    return settings.keras_home / "models" / spec.weights.filename


def locate(spec: ModelSpec, settings: Settings) -> Path | None:
    """Return the weights file of `spec`, unread; None if there is none."""
    places = [target_path(spec, settings)]
    if (file := spec.weights.package_file) is not None:
        package = _find_package(file.package)
        places = [] if package is None else [Path(str(package.locate_file(file.path)))]
    elif spec.bundled:
        places.insert(0, BUNDLED / spec.weights.filename)
    return next((path for path in places if path.is_file()), None)


def state_of(spec: ModelSpec, settings: Settings) -> State:
    """Return where the weights of `spec` are, without reading them."""
    path = locate(spec, settings)
    if path is None:
        return "missing"
    if spec.weights.package_file is not None:
        return "installed"
    return "bundled" if path.parent == BUNDLED else "downloaded"


def get_record(spec: ModelSpec, settings: Settings, *, recheck: bool = False) -> Record | None:
    """Return the facts about the verified weights of `spec`; None if there are none on this machine.

    Reads the whole file the first time; with `recheck` also the first time of each day.

    Raises:
        CorruptWeightsError: It is not the file that the catalog describes.
        StorageError: It cannot be read.
    """
    if (path := locate(spec, settings)) is None:
        return None
    with storage_errors(path):
        stat = path.stat()
    since = int(time.time()) // DAY_S * DAY_S if recheck else 0
    return _examine(path, stat.st_size, stat.st_mtime_ns, spec, settings, since)


def find(spec: ModelSpec, settings: Settings) -> Path | None:
    """Return the path of the weights of `spec`, verified today, as `get_record`: to be loaded."""
    record = get_record(spec, settings, recheck=True)
    return None if record is None else Path(record.path)


def sha256(spec: ModelSpec, settings: Settings) -> str | None:
    """Return the sha256 of the weights of `spec`, 64 hexadecimal digits, as `get_record`."""
    record = get_record(spec, settings)
    return None if record is None else record.sha256


def identity(spec: ModelSpec, settings: Settings) -> str | None:
    """Return what the answers of `spec` depend on: the sha256 of its weights, and ".int8" after it for a twin."""
    digest = sha256(spec, settings)
    return digest if digest is None or not spec.is_compact else digest + COMPACT_SUFFIX


def check_digest(path: Path, digest: str, spec: ModelSpec, settings: Settings) -> None:
    """Raise `CorruptWeightsError` where another sha256 than `digest` is recorded of the file at `path`."""
    known = _load(path.name, settings)
    if known is None or known.path != str(path) or known.sha256 == digest:
        return
    # Its size and time are those of the record: without this, the record would be believed again.
    _write(replace(known, mtime_ns=0), settings)
    _examine.cache_clear()
    raise CorruptWeightsError(_changed(known, digest, spec))


def fetch(spec: ModelSpec, settings: Settings, progress: Progress | None = None, *, repair: bool = False) -> Path:
    """Return the path of the verified weights of `spec`, which are downloaded unless they are there.

    With `repair` they are downloaded, too, where the file is not what it should be, and replace it. Of several threads
    and processes that fetch the same file, one downloads and the others wait for it. The address is that of the
    catalog, or of the mirror in `settings.weights_url`.

    Raises:
        PackageError: The weights are in a package that is not installed.
        CorruptWeightsError, StorageError: As `get_record`.
        OfflineError, DownloadError: As `downloads.download`, which can also be canceled.
    """
    progress = progress or Progress()

    def look() -> Path | None:
        try:
            return find(spec, settings)
        except CorruptWeightsError:
            if not (repair and spec.weights.url):
                raise
            return None

    if (found := look()) is not None:
        return found
    if (file := spec.weights.package_file) is not None:
        package = _find_package(file.package)
        received = "It is not installed" if package is None else f"Installed is {package.version}, without that file"
        raise PackageError(
            f"The weights of {spec.title} are in the Python package {file.package} {file.version}. {received}. "
            f"Run: {file.install_command}"
        )
    target = target_path(spec, settings)
    url = spec.weights.url
    if settings.weights_url:
        url = f"{settings.weights_url.rstrip('/')}/{spec.weights.filename}"
    if settings.offline:
        raise offline_error(url, target, "IMGREC_OFFLINE=1")
    progress.total_bytes = progress.total_bytes or spec.weights.size_bytes
    with sole_holder(target.with_name(target.name + ".lock"), partial(watch, target, progress)):
        if (found := look()) is not None:
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
        _remember(target, spec, settings, digest, url, datetime.now(UTC).isoformat(timespec="seconds"))
    return target


def _find_package(name: str) -> importlib.metadata.Distribution | None:
    """Return the installed package, none of whose code is run."""
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None


@lru_cache(maxsize=256)
def _examine(
    path: Path, size_bytes: int, mtime_ns: int, spec: ModelSpec, settings: Settings, checked_since: int
) -> Record:
    """Return the record of the file at `path`: the one on the disk if it is valid, or by reading the file."""
    facts = (str(path), size_bytes, mtime_ns, spec.weights.hash)
    known = _load(path.name, settings)
    if (
        known is not None
        and (known.path, known.size_bytes, known.mtime_ns, known.published_hash) == facts
        # A date in the future is that of a clock that was set back.
        and (not checked_since or checked_since <= known.checked_at < checked_since + 2 * DAY_S)
    ):
        return known
    try:
        digest = _verify(path, spec)
    except CorruptWeightsError as error:
        raise CorruptWeightsError(f"{error} {_way_out(spec)}") from None
    if known is not None and known.sha256 == digest:
        # A file that was only touched or moved is still the one that was fetched.
        return _remember(path, spec, settings, digest, known.url, known.fetched_at)
    if known is not None and known.path == str(path) and spec.weights.hash is None:
        raise CorruptWeightsError(_changed(known, digest, spec))
    return _remember(path, spec, settings, digest)


def _changed(known: Record, digest: str, spec: ModelSpec) -> str:
    """Return the sentence about a file that has the sha256 `digest` instead of the recorded one."""
    when = "when it was first read" if known.fetched_at is None else f"when it was fetched on {known.fetched_at[:10]}"
    return (
        f"Expected {known.path} to have the sha256 {known.sha256}, as {when}. Received: {digest}; its bytes have "
        f"changed since. {_way_out(spec)}"
    )


def _way_out(spec: ModelSpec) -> str:
    """Return what helps where the weights of `spec` are not what they should be."""
    if (file := spec.weights.package_file) is not None:
        package = _find_package(file.package)
        return (
            f"Installed is {file.package} {package and package.version}, examined was {file.version}. "
            f"Run: {file.install_command} --force-reinstall"
        )
    advice = f"Move that file away and fetch {spec.name} again"
    return f"{advice}, or have it replaced: imgrec fetch {spec.name} --repair" if spec.weights.url else f"{advice}."


def _verify(path: Path, spec: ModelSpec) -> str:
    """Return the sha256 of `path`; raises `CorruptWeightsError` unless it is the file that the catalog describes.

    Where the publisher gives no hash, the file must be HDF5 and as long as its own header says. That finds truncated
    files and error pages that were saved as a file.
    """
    digest, published = sha256_of(path), spec.weights.hash
    with storage_errors(path), path.open("rb") as file:
        size_bytes = path.stat().st_size
        head = file.read(64)
        file.seek(0)
        if published is not None and len(published) == 32:
            kind, received = "md5", hashlib.file_digest(file, _md5).hexdigest()
        else:
            kind, received = "sha256", digest
    if published is not None:
        if received != published:
            raise CorruptWeightsError(
                f"Expected {path} to have the {kind} {published}, which its publisher gives. "
                f"Received: {received}, {size_bytes:,} bytes."
            )
    elif (end := _hdf5_size(head)) is None:
        raise CorruptWeightsError(f"Expected {path} to be an HDF5 file. Received: one that starts with {head[:8]!r}.")
    elif end != size_bytes:
        raise CorruptWeightsError(
            f"Expected {path} to have the {end:,} bytes that its header names. Received: {size_bytes:,}."
        )
    return digest


def _hdf5_size(head: bytes) -> int | None:
    """Return the size in bytes of an HDF5 file by its first 64 bytes; None if they are not HDF5's."""
    if len(head) < 64 or not head.startswith(HDF5_SIGNATURE):
        return None
    offset = HDF5_END_OFFSETS.get(head[8])
    return None if offset is None else int(struct.unpack_from("<Q", head, offset)[0])


def _record_path(filename: str, settings: Settings) -> Path:
    return settings.home / "weights" / f"{filename}.json"


def _load(filename: str, settings: Settings) -> Record | None:
    try:
        path = _record_path(filename, settings)
        return json_files.to_row(Record, json_files.read(path), str(path))
    except ImgrecError:
        return None


def _remember(
    path: Path,
    spec: ModelSpec,
    settings: Settings,
    digest: str,
    url: str | None = None,
    fetched_at: str | None = None,
) -> Record:
    """Write and return the record; where the home cannot be written, the next process reads the file again."""
    stat = path.stat()
    facts = (str(path), stat.st_size, stat.st_mtime_ns, digest, spec.weights.hash, url, fetched_at)
    record = Record(*facts, checked_at=time.time())
    _write(record, settings)
    return record


def _write(record: Record, settings: Settings) -> None:
    file = _record_path(Path(record.path).name, settings)
    with suppress(StorageError), replacing(file) as beside:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(asdict(record), indent=2) + "\n")
