"""Uploads into the pages: limits in bytes for each session and for all, and none that stays without a use.

Streamlit keeps the bytes of an upload until its session ends, also where no widget asks for them. Each is limited by
`server.maxUploadSize`, but not their number.
"""

import logging
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imgrec.settings import MIB

# A page asks for its files at once when the last one has arrived.
CLAIM_S = 40.0

# The boundaries and headers around a file.
OVERHEAD_BYTES = 64 * 1024

RETRY_AFTER_S = 30

_UPLOAD = re.compile(r"/_stcore/upload_file/(?P<session>[^/]+)/(?P<file>[^/]+)$")

log = logging.getLogger(__name__)


class Uploads(Protocol):
    """The part of Streamlit's `MemoryUploadedFileManager` that is used here.

    `file_storage` has the files by session and id; each has its bytes in `data`.
    """

    file_storage: dict[str, dict[str, Any]]

    def get_files(self, session_id: str, file_ids: Sequence[str]) -> list[Any]:
        """Return the files that a widget of a page has."""

    def remove_file(self, session_id: str, file_id: str) -> None:
        """Delete a file."""


class UploadQuota:
    """What all sessions have uploaded and what arrives, in bytes; to be used on the thread of the event loop.

    `clock` is monotonic and in seconds. Nothing is refused before there are limits, see `watch`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._uploads: Uploads | None = None
        self._session_bytes = self._total_bytes = sys.maxsize
        self._claimed: set[str] = set()
        self._seen_s: dict[str, float] = {}  # of sessions with uploads, when one last began or ended
        self._arriving: Counter[str] = Counter()  # by session

    def watch(self, uploads: Uploads, session_bytes: int, total_bytes: int) -> None:
        """Limit what `uploads` has of one session and of all, and note which files a page asks for."""
        get_files = uploads.get_files

        def noted(session_id: str, file_ids: Sequence[str]) -> list[Any]:
            self._claimed.update(file_ids)
            return get_files(session_id, file_ids)

        uploads.get_files = noted  # type: ignore[method-assign]
        self._uploads, self._session_bytes, self._total_bytes = uploads, session_bytes, total_bytes

    def refusal(self, session: str, size_bytes: int) -> tuple[int, str] | None:
        """Return the status and the sentence where `session` may not send `size_bytes` more; else None."""
        stored = self._stored()
        own = sum(stored.get(session, {}).values()) + self._arriving[session] + size_bytes
        if own > self._session_bytes + OVERHEAD_BYTES:
            limit = f"{self._session_bytes // MIB} MiB"
            return 413, f"Expected at most {limit} of uploads that wait in one tab. Received: {own / MIB:.0f} MiB."
        total = sum(sum(files.values()) for files in stored.values()) + self._arriving.total() + size_bytes
        if total > self._total_bytes + OVERHEAD_BYTES:
            return 429, "The server has no room for more uploads now. Try again in a minute."
        return None

    def reserve(self, session: str, size_bytes: int) -> None:
        """Count bytes that arrive, from when they are declared, or received where they were not."""
        self._arriving[session] += size_bytes
        self._seen_s[session] = self._clock()

    def release(self, session: str, size_bytes: int) -> None:
        """Forget what was reserved for a body that is stored, refused or lost."""
        self.reserve(session, -size_bytes)
        if not self._arriving[session]:
            del self._arriving[session]

    def drop_unclaimed(self) -> int:
        """Delete the files that no page has asked for since uploads of their session ended; return their bytes."""
        if self._uploads is None:
            return 0
        # Copied first: a page may claim a file that arrives after the look at what is stored.
        claimed = set(self._claimed)
        now, stored, dropped = self._clock(), self._stored(), 0
        self._claimed -= claimed - {file for files in stored.values() for file in files}
        self._seen_s = {session: self._seen_s.get(session, now) for session in stored}
        for session, files in stored.items():
            if now - self._seen_s[session] < CLAIM_S:
                continue
            for file in files.keys() - self._claimed:
                self._uploads.remove_file(session, file)
                dropped += files[file]
        if dropped:
            log.warning("Deleted %.0f MiB of uploads that no page has asked for.", dropped / MIB)
        return dropped

    def _stored(self) -> Mapping[str, Mapping[str, int]]:
        """Return the bytes of the stored files by session and id; pages change the dictionaries meanwhile."""
        if self._uploads is None:
            return {}
        sessions = list(self._uploads.file_storage.items())
        return {session: {file: len(one.data) for file, one in list(files.items())} for session, files in sessions}


class UploadLimits:
    """ASGI middleware: 413 or 429 for an upload beyond the quota, and one line in the log for an aborted one."""

    def __init__(self, app: ASGIApp, quota: UploadQuota) -> None:
        self._app = app
        self._quota = quota

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count the body of an upload."""
        upload = _UPLOAD.search(scope["path"]) if scope["type"] == "http" and scope["method"] != "DELETE" else None
        if upload is None:
            await self._app(scope, receive, send)
            return
        session, quota = upload["session"], self._quota
        reserved = received = 0
        has_begun = False

        def reserve(size_bytes: int) -> None:
            nonlocal reserved
            if (refusal := quota.refusal(session, size_bytes)) is not None:
                raise _RefusedError(*refusal)
            quota.reserve(session, size_bytes)
            reserved += size_bytes

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > reserved:  # it was not declared
                reserve(received - reserved)
            return message

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            reserve(_declared_bytes(scope))
            await self._app(scope, counted, watched)
        except _RefusedError as error:
            log.warning("An upload was refused: %s", error.sentence)
            if not has_begun:
                # The connection stays, so that a client that is still sending can read the answer.
                headers = {"Retry-After": str(RETRY_AFTER_S)}
                await PlainTextResponse(error.sentence, error.status, headers)(scope, receive, send)
        except ClientDisconnect:
            log.warning("An upload was aborted after %.1f MiB.", received / MIB)
        finally:
            quota.release(session, reserved)


class _RefusedError(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


def _declared_bytes(scope: Scope) -> int:
    declared: bytes = dict(scope["headers"]).get(b"content-length", b"0")
    return int(declared) if declared.isdigit() else 0
