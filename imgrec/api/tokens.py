"""Bearer tokens (RFC 6750): where the server has some, requests need one."""

import hmac
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from imgrec.api import problems
from imgrec.errors import TokenError


class Tokens:
    """ASGI middleware that answers with 401 to requests without a token; those for `open_paths` need none."""

    def __init__(self, app: ASGIApp, get_tokens: Callable[[], Sequence[str]], open_paths: Collection[str]) -> None:
        self._app = app
        self._get_tokens = get_tokens
        self._open = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it, before its body is read."""
        tokens = self._get_tokens() if scope["type"] == "http" else ()
        if not tokens or scope["path"].removeprefix(scope.get("root_path", "")) in self._open:
            await self._app(scope, receive, send)
            return
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and is_known(given.strip(), tokens):
            await self._app(scope, receive, send)
            return
        received = "another one" if scheme.lower() == "bearer" and given.strip() else "none"
        error = TokenError(f"Expected a token of this server, as Authorization: Bearer …. Received: {received}.")
        await problems.of_error(error)(scope, receive, send)


def is_known(given: str, tokens: Sequence[str]) -> bool:
    """Whether `given` is one of `tokens`; takes the same time for each that is not.

    Digests are compared, all of them, so that neither length nor place tells anything.
    """
    digest = sha256(given.encode("latin-1", "replace")).digest()
    return any([hmac.compare_digest(digest, sha256(token.encode()).digest()) for token in tokens])
