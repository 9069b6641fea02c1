"""Pages of other sites that may use the API (CORS): none, unless the server names them."""

from collections.abc import Callable, Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

# What a page may send and read beside what every page may.
_SENT = ("Authorization", "Content-Type", "If-None-Match")
_READ = ("ETag", "Retry-After", "WWW-Authenticate")


class Origins:
    """ASGI middleware that tells browsers that pages of these origins may read the answers.

    To others nothing is said: their browsers keep the answer from them. No cookies are asked for or used.
    """

    def __init__(self, app: ASGIApp, get_origins: Callable[[], Sequence[str]]) -> None:
        self._app = app
        self._get_origins = get_origins
        self._shared: CORSMiddleware | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer what a browser asks beforehand."""
        origin = Headers(scope=scope).get("origin") if scope["type"] == "http" else None
        if origin is None or origin not in self._get_origins():
            await self._app(scope, receive, send)
            return
        if self._shared is None:
            self._shared = CORSMiddleware(
                self._app,
                allow_origins=self._get_origins(),
                allow_methods=("GET", "POST"),
                allow_headers=_SENT,
                expose_headers=_READ,
            )
        await self._shared(scope, receive, send)
