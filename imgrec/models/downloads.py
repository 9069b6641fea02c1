"""One address → one file: resumable, cancellable, with progress; never half a file under the final name.

The bytes go to `<name>.part` beside the destination, with a note (`<name>.part.json`) of where they came from
and of the server's own validator (ETag, or date of change). A later call, in this process or another, goes on
where the last one was stopped — only if the server confirms that it is still the same file (`If-Range`);
otherwise it starts over. Whoever calls holds the lock, verifies `.part`, and renames it (see `weights`).

Knows nothing of models and of hashes.
"""

import errno
import http.client
import json
import os
import re
import shutil
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from imgrec import __version__
from imgrec.errors import DownloadError, ImgrecError, OfflineError, StorageError
from imgrec.files import storage_errors
from imgrec.settings import MIB

# Seconds without an answer, or without one further byte, after which a connection counts as broken.
TIMEOUT_S = 10.0

# Waits before the next try of a broken connection; a try that brought `PROGRESS_BYTES` starts the list anew, so
# that a large file over a bad line arrives in the end.
BACKOFF_S = (0.5, 1.0, 2.0, 4.0)
PROGRESS_BYTES = 1 * MIB

# Large enough to cost nothing a byte, small enough to move a progress bar and to obey a cancel.
CHUNK_BYTES = 256 * 1024

# Left free on the disk after the download: the records and the server's own files need some.
HEADROOM_BYTES = 32 * MIB

# The publisher's addresses answer directly; a mirror may send one on to its storage.
MAX_REDIRECTS = 5

# Answers that say "later", not "never".
RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

# Where plain http needs no permission: nobody stands between.
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

# Failures to connect that mean "there is no network", not "the server hiccuped".
OFFLINE_ERRNOS = frozenset(
    {errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}
)


class Progress:
    """How far a download is, readable from any thread; `cancel` ends it at its next step."""

    def __init__(self) -> None:
        self.done_bytes = 0
        self.total_bytes: int | None = None
        self._canceled = threading.Event()

    def cancel(self) -> None:
        """End the work at its next step; what has arrived stays for the next time."""
        self._canceled.set()

    def check(self) -> None:
        """Raise `CanceledError` (which is no failure) once `cancel` was called."""
        if self._canceled.is_set():
            raise CancelledError

    def wait(self, seconds: float) -> None:
        """Sleep, but wake up on `cancel`."""
        self._canceled.wait(seconds)
        self.check()


def download(url: str, destination: Path, progress: Progress, *, allow_http: bool = False) -> Path:
    """Bring the file at `url` to `<destination>.part`, and return that path.

    Goes on with what an earlier call left, and through broken connections (`BACKOFF_S`). Plain http is refused
    unless `allow_http` or on this machine. The folder must exist, and the caller must be the only one at it.

    Raises `OfflineError` at once when no connection can be had, `DownloadError` when the server answers but not
    with the file, `StorageError` when it cannot be kept, `CanceledError` after `progress.cancel()`.
    """
    _check_address(url, allow_http=allow_http)
    opener = urllib.request.build_opener(_Redirects)
    part = _Part(destination, url)
    failures = 0
    arrived_bytes = 0  # by this call
    while True:
        progress.check()
        before = part.size_bytes()
        try:
            _receive(opener, part, progress)
            return part.path
        except _BrokenError as broken:
            arrived = max(0, part.size_bytes() - before)
            arrived_bytes += arrived
            failures = 1 if arrived >= PROGRESS_BYTES else failures + 1
            if broken.offline and arrived_bytes == 0:
                raise offline_error(url, destination, str(broken)) from broken
            if failures > len(BACKOFF_S):
                raise _given_up(broken, part, failures) from broken
        progress.wait(BACKOFF_S[failures - 1])


def offline_error(url: str, destination: Path, reason: str) -> OfflineError:
    """Return the sentence for a machine without network: what is missing, and where it belongs."""
    return OfflineError(
        f"Expected a network connection to fetch {url}. Received: {reason}. "
        f"Without one, put that file at {destination}."
    )


class _BrokenError(Exception):
    """A connection that did not come about (`offline`) or ended early; worth another try."""

    def __init__(self, reason: str, *, offline: bool = False) -> None:
        super().__init__(reason)
        self.offline = offline


class _Part:
    """The half of a file that has arrived, and the note that says of which file it is the half."""

    def __init__(self, destination: Path, url: str) -> None:
        self.destination = destination
        self.path = destination.with_name(destination.name + ".part")
        self.note = destination.with_name(destination.name + ".part.json")
        self.url = url

    def size_bytes(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def validator(self) -> str | None:
        """Return what identifies the version on the server; None where nothing can be proved, so nothing resumed."""
        try:
            note = json.loads(self.note.read_text())
            return str(note["validator"]) if note["url"] == self.url and note["validator"] else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def begin(self, headers: Message) -> None:
        """Return an empty part of the version that `headers` describe."""
        etag = headers.get("ETag", "")
        # A weak ETag promises the same meaning, not the same bytes.
        validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
        with storage_errors(self.path):
            # The old bytes go before the new note: dying in between must not join two versions.
            self.path.unlink(missing_ok=True)
            self.note.write_text(json.dumps({"url": self.url, "validator": validator}))

    def discard(self) -> None:
        discard(self.destination)


def discard(destination: Path) -> None:
    """Throw away what arrived for `destination` so far."""
    for suffix in (".part", ".part.json"):
        with suppress(OSError):
            destination.with_name(destination.name + suffix).unlink(missing_ok=True)


def publish(destination: Path) -> None:
    """Give the verified `.part` its final name, durably: a power cut leaves the old state or the new one."""
    part = destination.with_name(destination.name + ".part")
    with storage_errors(destination):
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, destination)
    discard(destination)


def _receive(opener: urllib.request.OpenerDirector, part: _Part, progress: Progress) -> None:
    """One request, from where the part ends to the end of the file."""
    offset = part.size_bytes()
    validator = part.validator() if offset else None
    headers = {"User-Agent": f"imgrec/{__version__}", "Accept-Encoding": "identity"}
    if offset and validator:
        headers |= {"Range": f"bytes={offset}-", "If-Range": validator}
    else:
        offset = 0
    request = urllib.request.Request(part.url, headers=headers)  # noqa: S310 (the scheme is checked)
    try:
        response = opener.open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and offset:
                if _content_range(error.headers) == (None, offset):
                    return  # nothing is left to send: the last call was stopped after the last byte
                part.discard()
                return _receive(opener, part, progress)
            answer = f"HTTP {error.code} {error.reason}"
            if error.code in RETRIED_STATUSES:
                raise _BrokenError(answer) from error
            raise DownloadError(f"Expected the file at {part.url}. Received: {answer}.") from error
    except OSError as error:
        raise _broken(error, part.url) from error
    except http.client.HTTPException as error:
        raise _BrokenError(f"{type(error).__name__}, no proper answer") from error

    with response:
        if response.status == 206 and offset:
            start, total = _content_range(response.headers)
            if start != offset:
                part.discard()
                return _receive(opener, part, progress)
        elif response.status == 200:
            # Also the answer of a server that knows no ranges, or whose file is another one by now.
            offset = 0
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
            part.begin(response.headers)
        else:
            raise DownloadError(f"Expected the file at {part.url}. Received: HTTP {response.status}.")
        progress.done_bytes = offset
        progress.total_bytes = total if total is not None else progress.total_bytes
        if total is not None:
            _check_room(part.path, total - offset)
        _copy(response, part, progress, offset, total)


def _copy(response: http.client.HTTPResponse, part: _Part, progress: Progress, offset: int, total: int | None) -> None:
    """Append the body to the part; raises `_BrokenError` when it ends before `total` bytes."""
    needed = None if total is None else total - offset
    try:
        with storage_errors(part.path, needed), part.path.open("ab") as file:
            for chunk in _chunks(response, progress):
                file.write(chunk)
                progress.done_bytes += len(chunk)
    except StorageError:
        part.discard()  # a disk that is full must not stay full because of us
        raise
    if total is not None and progress.done_bytes < total:
        raise _BrokenError(f"the connection ended after {progress.done_bytes:,} of {total:,} bytes")


def _chunks(response: http.client.HTTPResponse, progress: Progress) -> Iterator[bytes]:
    """Return the body as it comes, until it or the connection ends."""
    while True:
        progress.check()
        try:
            chunk = response.read1(CHUNK_BYTES)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _BrokenError(f"{type(error).__name__} after {progress.done_bytes:,} bytes") from error
        if not chunk:
            return
        yield chunk


def _content_range(headers: Message) -> tuple[int | None, int | None]:
    """(first byte, size of the whole file) of a Content-Range; None for what it does not say."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", headers.get("Content-Range", "").strip())
    if match is None:
        return None, None
    start, total = match.groups()
    return (None if start is None else int(start)), (None if total is None else int(total))


def _broken(error: OSError, url: str) -> ImgrecError | _BrokenError:
    """Return what a failed connection means: no network, a server that cannot be trusted, or a hiccup."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if not isinstance(reason, OSError):
        return _BrokenError(str(reason))
    # ssl is not imported for this: a certificate error is the OSError that brings a `verify_message`.
    if hasattr(reason, "verify_message"):
        return DownloadError(f"Expected a valid certificate from {url}. Received: {reason.verify_message}.")
    # urllib wraps what fails while connecting; a time-out that comes bare is a server that fell silent.
    no_route = isinstance(error, urllib.error.URLError) and isinstance(reason, socket.gaierror | TimeoutError)
    offline = no_route or reason.errno in OFFLINE_ERRNOS
    return _BrokenError(reason.strerror or str(reason) or type(reason).__name__, offline=offline)


def _given_up(broken: _BrokenError, part: _Part, tries: int) -> ImgrecError:
    if broken.offline:
        return offline_error(part.url, part.destination, str(broken))
    return DownloadError(
        f"Expected the whole file from {part.url}. Received: {broken}, given up after {tries} tries. "
        "What has arrived is kept; fetching again goes on from there."
    )


def _check_room(path: Path, needed_bytes: int) -> None:
    """Raise `StorageError` before the first byte, instead of after the last one that fits."""
    with storage_errors(path):
        free = shutil.disk_usage(path.parent).free
    if free < needed_bytes + HEADROOM_BYTES:
        raise StorageError(
            f"Expected {(needed_bytes + HEADROOM_BYTES) / MIB:,.1f} MiB of room in {path.parent}. "
            f"Received: {free / MIB:,.1f} MiB free."
        )


def _check_address(url: str, *, allow_http: bool) -> None:
    """Raise `DownloadError` unless `url` is https, or http where that is allowed (never a file, never ftp)."""
    parts = urlsplit(url)
    plain = parts.scheme == "http" and (allow_http or parts.hostname in LOCAL_HOSTS)
    if parts.hostname and (parts.scheme == "https" or plain):
        return
    raise DownloadError(f"Expected an https address. Received: {url!r}.")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, and never from https to http."""

    max_redirections = MAX_REDIRECTS

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _check_address(newurl, allow_http=req.type == "http")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
