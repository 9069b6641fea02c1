"""Bodies that do not arrive: an upload has to make progress, on every route.

Only the time that the server waits for the client counts, not what a busy server takes.
"""

import time

import anyio
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# How long nothing may come.
STALL_S = 10.0

# What has to come in each such time: 16 KiB a second, less than the poorest line of a phone that shows a page.
LEAST_BYTES = 160 * 1024


class BodyLimits:
    """ASGI middleware that answers with 408 where a body stops arriving, or comes slower than `LEAST_BYTES`.

    It raises `HTTPException` where the application waits for the body, so that each route answers in its own form.
    """

    def __init__(self, app: ASGIApp, stall_s: float = STALL_S, least_bytes: int = LEAST_BYTES) -> None:
        self._app = app
        self._stall_s = stall_s
        self._least_bytes = least_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and watch its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        waited_s, received, is_whole = 0.0, 0, False

        async def watched() -> Message:
            nonlocal waited_s, received, is_whole
            if is_whole:  # what is awaited now is the end of the connection
                return await receive()
            start = time.monotonic()
            try:
                with anyio.fail_after(self._stall_s):
                    message = await receive()
            except TimeoutError:
                raise _too_slow(f"nothing for {self._stall_s:.0f} s") from None
            is_whole = not message.get("more_body", False)
            received += len(message.get("body", b""))
            waited_s += time.monotonic() - start
            if waited_s >= self._stall_s and not is_whole:
                if received < self._least_bytes:
                    raise _too_slow(f"{received:,} bytes in {waited_s:.0f} s")
                waited_s, received = 0.0, 0
            return message

        await self._app(scope, watched, send)


def _too_slow(received: str) -> HTTPException:
    least = f"{LEAST_BYTES / STALL_S / 1024:.0f} KiB a second"
    return HTTPException(
        408, f"Expected a body that arrives at {least} or faster. Received: {received}.", {"Connection": "close"}
    )
