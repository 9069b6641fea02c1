"""Requests that are refused before an application sees them, each with a sentence."""

import re

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from imgrec.api import problems

# The encodings of fields in a form that Streamlit's parser may be given; some that Python knows raise an error there.
CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1")

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^";]*)', re.IGNORECASE)


class Readable:
    """ASGI middleware that refuses paths with control characters, and forms whose charset is none of `CHARSETS`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http":
            kind = Headers(scope=scope).get("content-type", "")
            charset = _CHARSET.search(kind)
            is_form = kind.lower().startswith("multipart/")
            if is_form and charset and charset[1].strip().lower() not in CHARSETS:
                sentence = f"Expected a form in UTF-8. Received: {charset[1][:100]!r}."
                await refuse(scope, receive, send, 400, sentence)
                return
        if scope["type"] in ("http", "websocket") and _CONTROL.search(scope["path"]):
            # Routes are matched by patterns in which a dot is no newline: such a path would get to a page.
            sentence = f"Expected a path without control characters. Received: {scope['path'][:100]!r}."
            await refuse(scope, receive, send, 400, sentence)
            return
        await self._app(scope, receive, send)


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, sentence: str) -> None:
    """Answer a request with `sentence`: as a problem below /api/, as text elsewhere; close a web socket.

    Args:
        scope: The scope of the request, as the other two of ASGI.
        receive: See `scope`.
        send: See `scope`.
        status: The status of the answer.
        sentence: What was expected and received.
    """
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    response: Response = PlainTextResponse(sentence, status)
    if "/api/" in scope["path"]:
        response = problems.respond(status, sentence)
    await response(scope, receive, send)
