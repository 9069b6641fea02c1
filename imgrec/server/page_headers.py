"""Headers that tell a browser what a page may load, run and be framed by, and what leaves with its links."""

from collections.abc import Callable, Sequence

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The inline script of Streamlit's page, which sets one variable. A test computes it anew.
INLINE_SCRIPT = "sha256-THxz9J9+wf7rhwR2YkXJoSZ13UCmYyC+3lNDv2+8ugA="

POLICY = {
    "default-src": "'none'",
    # Streamlit runs the scripts of components from blobs.
    "script-src": f"'self' blob: '{INLINE_SCRIPT}'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "media-src": "'self' blob:",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "object-src": "'none'",
}

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
}

# Streamlit's figures of the process: sessions, memory, and what is cached under which name.
PRIVATE = ("/_stcore/metrics",)


class PageHeaders:
    """ASGI middleware that adds the headers to every response, and hides what is not for visitors.

    A header that a response has stays. `get_policy` returns the Content-Security-Policy, see `policy`; it is called
    with the first request, when the settings can be read.
    """

    def __init__(self, app: ASGIApp, get_policy: Callable[[], str]) -> None:
        self._app = app
        self._get_policy = get_policy
        self._headers: dict[str, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not self._headers:
            self._headers = HEADERS | {"Content-Security-Policy": self._get_policy()}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["path"].rstrip("/").endswith(PRIVATE):
            await PlainTextResponse("Not found.", 404)(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)


def policy(frames: Sequence[str], *, may_evaluate: bool) -> str:
    """Return the Content-Security-Policy of the pages.

    Args:
        frames: The sites that may show the pages in a frame, beside themselves.
        may_evaluate: Whether scripts may compile code: Plotly does for parallel coordinates, which show the trials of a
            search. A public demo has no searches.

    >>> policy(["https://huggingface.co"], may_evaluate=False).split("; ")[-1]
    "frame-ancestors 'self' https://huggingface.co"
    """
    directives = POLICY | {"frame-ancestors": " ".join(["'self'", *frames])}
    if may_evaluate:
        directives["script-src"] += " 'unsafe-eval'"
    return "; ".join(f"{name} {value}" for name, value in directives.items())
