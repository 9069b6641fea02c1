"""Download one file: resumable, cancelable, with progress; never half a file under the final name.

The bytes go to `<name>.part` beside the destination, with a note (`<name>.part.json`) of their address and of the
server's validator (ETag, or date of change). A later call, in this process or another, continues from there if the
server confirms that it is still the same file (`If-Range`); otherwise it starts over. The caller holds the lock,
verifies `.part`, and renames it (see `weights`).
"""

import errno
import http.client
import json
import os
import re
import socket
import threading
import urllib.error
import urllib.request
from concurrent.futures import CancelledError
from contextlib import suppress
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from imgrec import __version__, json_files
from imgrec.errors import DownloadError, ImgrecError, OfflineError, StorageError
from imgrec.files import check_disk, storage_errors
from imgrec.settings import MIB

# Seconds without an answer, or without one further byte, after which a connection counts as broken.
TIMEOUT_S = 10.0

# Waits before the next try of a broken connection. A try that brought `PROGRESS_BYTES` starts the list anew, so that a
# large file arrives over a bad connection.
BACKOFF_S = (0.5, 1.0, 2.0, 4.0)
PROGRESS_BYTES = 1 * MIB

# Tries of a server that has sent no byte of the file: one that is out of order is left alone.
TRIES_OF_NOTHING = 2

# Large enough to be fast, small enough for a smooth progress bar and a quick cancel.
CHUNK_BYTES = 256 * 1024

# Left free on the disk after the download, for records and the files of the server.
HEADROOM_BYTES = 32 * MIB

# A mirror may redirect to its storage.
MAX_REDIRECTS = 5

# Answers after which another try may succeed.
RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

# Plain http is safe there.
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

# Failures to connect that mean that there is no network.
OFFLINE_ERRNOS = frozenset(
    {errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}
)


class Progress:
    """The state of a download, readable from any thread; `cancel` ends the download at its next step."""

    def __init__(self) -> None:
        self.done_bytes = 0
        self.total_bytes: int | None = None
        self._canceled = threading.Event()

    def cancel(self) -> None:
        """End the download at its next step; the bytes that have arrived are kept."""
        self._canceled.set()

    def check(self) -> None:
        """Raise `CancelledError` once `cancel` was called."""
        self.sleep(0)

    def sleep(self, seconds: float) -> None:
        """Sleep, but raise `CancelledError` at once when `cancel` is called."""
        if self._canceled.wait(seconds):
            raise CancelledError


def download(url: str, destination: Path, progress: Progress, *, allow_http: bool = False) -> Path:
    """Download the file at `url` to `<destination>.part`, and return that path.

    Continues what an earlier call left, and tries again after broken connections (`BACKOFF_S`). Plain http is refused
    unless `allow_http` or on this machine. The folder must exist, and no other call may have the same destination.

    Raises:
        OfflineError: There is no connection; raised at once.
        DownloadError: The server answers, but not with the file.
        StorageError: The file cannot be stored.
        CancelledError: `progress.cancel()` was called.
    """
    _check_address(url, allow_http=allow_http)
    part = _part(destination)
    failures, at_first, has_come = 0, _size(part), False
    while True:
        progress.check()
        before = _size(part)
        try:
            _receive(url, destination, progress)
            return part
        except _BrokenError as broken:
            failures = 1 if _size(part) - before >= PROGRESS_BYTES else failures + 1
            has_come = has_come or _size(part) > before
            is_last = failures > len(BACKOFF_S) or not (has_come or failures < TRIES_OF_NOTHING)
            if broken.offline and (_size(part) <= at_first or is_last):
                raise offline_error(url, destination, str(broken)) from broken
            if is_last:
                raise DownloadError(
                    f"Expected the whole file from {url}. Received: {broken}, given up after {failures} tries. "
                    "What has arrived is kept; fetching again goes on from there."
                ) from broken
        progress.sleep(BACKOFF_S[failures - 1])


def offline_error(url: str, destination: Path, reason: str) -> OfflineError:
    """Return the error of a machine without network, with the address and the place of the missing file."""
    return OfflineError(
        f"Expected a network connection to fetch {url}. Received: {reason}. "
        f"Without one, put that file at {destination}."
    )


def watch(destination: Path, progress: Progress) -> None:
    """Show in `progress` the state of the same download by another thread or process."""
    progress.check()
    progress.done_bytes = _size(_part(destination)) or progress.done_bytes


def discard(destination: Path) -> None:
    """Delete what has arrived for `destination`."""
    for path in (_part(destination), _note(destination)):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def publish(destination: Path) -> None:
    """Give the verified `.part` its final name; after a power cut there is the old file or the new one."""
    part = _part(destination)
    with storage_errors(destination):
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, destination)
    discard(destination)


class _BrokenError(Exception):
    """A connection that failed (`offline`) or ended early; another try may succeed."""

    def __init__(self, reason: str, *, offline: bool = False) -> None:
        super().__init__(reason)
        self.offline = offline


def _part(destination: Path) -> Path:
    return destination.with_name(destination.name + ".part")


def _note(destination: Path) -> Path:
    return destination.with_name(destination.name + ".part.json")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _validator(destination: Path, url: str) -> str | None:
    """Return the server's validator of the part; None where it cannot be continued."""
    try:
        note = json_files.read(_note(destination))
    except ImgrecError:
        return None
    is_whole = json_files.fits(note, dict[str, str | None]) and {"url", "validator"} <= set(note)
    return note["validator"] or None if is_whole and note["url"] == url else None


def _begin(destination: Path, url: str, headers: Message) -> None:
    """Delete the part, and note the address and the validator of the next one."""
    etag = headers.get("ETag", "")
    # Files with the same weak ETag may have different bytes.
    validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
    with storage_errors(_part(destination)):
        # In this order, so that a crash in between cannot join two versions.
        _part(destination).unlink(missing_ok=True)
        _note(destination).write_text(json.dumps({"url": url, "validator": validator}))


def _receive(url: str, destination: Path, progress: Progress) -> None:
    """Send one request, and receive from the end of the part to the end of the file."""
    offset = _size(_part(destination))
    headers = {"User-Agent": f"imgrec/{__version__}", "Accept-Encoding": "identity"}
    if offset and (validator := _validator(destination, url)):
        headers |= {"Range": f"bytes={offset}-", "If-Range": validator}
    else:
        offset = 0
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (the scheme is checked)
    try:
        response = urllib.request.build_opener(_Redirects).open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            reason = f"HTTP {error.code} {error.reason}"
            if error.code == 416 and offset:
                if error.headers.get("Content-Range") == f"bytes */{offset}":
                    return  # the part is complete: the last call was stopped after the last byte
                discard(destination)
            elif error.code not in RETRIED_STATUSES:
                raise DownloadError(f"Expected the file at {url}. Received: {reason}.") from error
        raise _BrokenError(reason) from error
    except OSError as error:
        raise _broken(error, url) from error
    except http.client.HTTPException as error:
        raise _BrokenError(f"{type(error).__name__}, no proper answer") from error
    with response:
        if response.status == 206 and offset:
            found = re.fullmatch(rf"bytes {offset}-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
            if found is None:
                discard(destination)
                raise _BrokenError("another part of the file")
            size = found[1]
        elif response.status == 200:
            # Also the answer of a server without ranges, or with another version of the file.
            offset, size = 0, response.headers.get("Content-Length", "")
            _begin(destination, url, response.headers)
        else:
            raise DownloadError(f"Expected the file at {url}. Received: HTTP {response.status}.")
        total = int(size) if size.isdigit() else None
        progress.done_bytes, progress.total_bytes = offset, total or progress.total_bytes
        _copy(response, destination, progress, None if total is None else total - offset)
    if total is not None and progress.done_bytes < total:
        raise _BrokenError(f"the connection ended after {progress.done_bytes:,} of {total:,} bytes")


def _copy(response: http.client.HTTPResponse, destination: Path, progress: Progress, needed_bytes: int | None) -> None:
    """Append the body to the part."""
    part = _part(destination)
    if needed_bytes is not None:
        check_disk(part.parent, needed_bytes + HEADROOM_BYTES)
    try:
        with storage_errors(part, needed_bytes), part.open("ab") as file:
            while True:
                progress.check()
                try:
                    chunk = response.read1(CHUNK_BYTES)
                except (OSError, http.client.HTTPException, ValueError) as error:
                    raise _BrokenError(f"{type(error).__name__} after {progress.done_bytes:,} bytes") from error
                if not chunk:
                    return
                file.write(chunk)
                progress.done_bytes += len(chunk)
    except StorageError:
        discard(destination)  # it filled the disk
        raise


def _broken(error: OSError, url: str) -> DownloadError | _BrokenError:
    """Return the error for a failed connection: no network, an invalid certificate, or a temporary failure."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if not isinstance(reason, OSError):
        return _BrokenError(str(reason))
    # A certificate error has a `verify_message`; ssl need not be imported for it.
    if hasattr(reason, "verify_message"):
        return DownloadError(f"Expected a valid certificate from {url}. Received: {reason.verify_message}.")
    # urllib wraps failures to connect; a time-out that is not wrapped is a server that stopped answering.
    no_route = reason is not error and isinstance(reason, socket.gaierror | TimeoutError)
    offline = no_route or reason.errno in OFFLINE_ERRNOS
    return _BrokenError(reason.strerror or str(reason) or type(reason).__name__, offline=offline)


def _check_address(url: str, *, allow_http: bool) -> None:
    """Raise `DownloadError` unless `url` is https, or http where that is allowed."""
    parts = urlsplit(url)
    plain = parts.scheme == "http" and (allow_http or parts.hostname in LOCAL_HOSTS)
    if not (parts.hostname and (parts.scheme == "https" or plain)):
        raise DownloadError(f"Expected an https address. Received: {url!r}.")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, and never from https to http."""

    max_redirections = MAX_REDIRECTS

    def redirect_request(self, req: urllib.request.Request, *answer: Any) -> urllib.request.Request | None:
        _check_address(answer[-1], allow_http=req.type == "http")
        return super().redirect_request(req, *answer)
