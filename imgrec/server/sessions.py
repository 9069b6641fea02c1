"""Sessions of the pages: how many tabs may be open, and what is closed after a tab has gone.

Streamlit keeps the session of a closed tab for some time, so that a broken connection can be taken up again, and
deletes it only when another tab is closed. Here it is closed in time.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from imgrec.settings import ASSETS

# How long a broken connection has to come back. What a tab has uploaded and selected survives that for longer, as the
# images of a tab are restored by its id (`ui.image_store`).
KEEP_S = 30.0

RETRY_AFTER_S = 20

STREAM = "/_stcore/stream"

# Everything that is no page.
_OTHERS = ("/_stcore/", "/static/", "/media/", "/component/", "/api/", "/healthz", "/livez", "/readyz")


class Runtime(Protocol):
    """The part of Streamlit's `Runtime` that is used here; to be called on the thread of the event loop."""

    def is_active_session(self, session_id: str) -> bool:
        """Whether a tab is connected."""

    def close_session(self, session_id: str) -> None:
        """Delete a session with all that it holds."""


class State(Protocol):
    """All that a session has computed and was given."""

    def clear(self) -> None:
        """Forget it."""


class DisconnectedSessions:
    """The sessions without a tab, and since when; `clock` is monotonic and in seconds."""

    def __init__(self, keep_s: float = KEEP_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep_s = keep_s
        self._clock = clock
        self._since_s: Mapping[str, float] = {}

    def close(self, runtime: Runtime, sessions: Mapping[str, State]) -> int:
        """Close those of `sessions` that have been without a tab for too long; return how many."""
        now = self._clock()
        waiting = [session for session in sessions if not runtime.is_active_session(session)]
        self._since_s = {session: self._since_s.get(session, now) for session in waiting}
        closed = [session for session, since_s in self._since_s.items() if now - since_s >= self._keep_s]
        for session in closed:
            runtime.close_session(session)
            # Streamlit's loop refers to the last tab that was open until there is another one.
            sessions[session].clear()
        return len(closed)


class SessionLimit:
    """ASGI middleware that answers with 503 and a page in words while as many tabs are open as there may be.

    Tabs that are open go on, and what is no page is answered as ever.
    """

    def __init__(self, app: ASGIApp, max_sessions: Callable[[], int]) -> None:
        self._app = app
        self._max_sessions = max_sessions
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, count the web sockets of tabs, and refuse more than there may be."""
        is_tab = scope["type"] == "websocket" and scope["path"].endswith(STREAM)
        if (is_tab or _is_page(scope)) and self._open >= self._max_sessions():
            await _refuse(scope, receive, send)
            return
        self._open += is_tab
        try:
            await self._app(scope, receive, send)
        finally:
            self._open -= is_tab


def _is_page(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"].startswith(_OTHERS):
        return False
    return b"text/html" in dict(scope["headers"]).get(b"accept", b"")


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    headers = {"Retry-After": str(RETRY_AFTER_S), "Cache-Control": "no-store"}
    response = HTMLResponse(_busy_page(), 503, headers)
    if scope["type"] == "http":
        await response(scope, receive, send)
        return
    await receive()  # the request to connect
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1013, "reason": "Busy"})
        return
    start: dict[str, Any] = {"type": "websocket.http.response.start", "status": 503, "headers": response.raw_headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": response.body})


def _busy_page(path: Path = ASSETS / "busy.html") -> str:
    return path.read_text(encoding="utf-8").replace("{seconds}", str(RETRY_AFTER_S))
