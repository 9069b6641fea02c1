"""Errors as problem details (RFC 9457): `{type, title, status, detail}` in `application/problem+json`.

`type` leads to the row of the error on the page that shows the contract; what is no error of imgrec's, such as an
address that there is none of, has `about:blank`. `detail` is the sentence.
"""

import inspect
from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from imgrec import errors
from imgrec.errors import BusyError, ImgrecError, TokenError, TooManyRequestsError, shortened

MEDIA_TYPE = "application/problem+json"

# The page of `contract_page`, at its usual place.
PAGE = "/api/v1/docs"

# After a request is refused for want of a place, and while a model is prepared.
SOON_S, LATER_S = 1, 5

# A sentence may repeat what was received; more of it does not help.
MAX_SENTENCE = 1_000

# Responses are data, neither cached nor shown as a page.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}

# Every error that a request may end in, by the name that `type` ends in.
KINDS: Mapping[str, type[ImgrecError]] = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, ImgrecError) and kind is not ImgrecError
}


def meaning(kind: type[ImgrecError]) -> str:
    """Return the title of an error: the same for all its sentences."""
    return (inspect.getdoc(kind) or "").partition("\n")[0].removesuffix(".")


def problem(status: int, detail: str, kind: type[ImgrecError] | None = None) -> dict[str, object]:
    """Return the members of a problem; without a `kind` its title is that of the status."""
    if len(detail) > MAX_SENTENCE:
        detail = f"{detail[:MAX_SENTENCE]}…"
    address = "about:blank" if kind is None else f"{PAGE}#{kind.__name__}"
    title = HTTPStatus(status).phrase if kind is None else meaning(kind)
    return {"type": address, "title": title, "status": status, "detail": detail}


def respond(
    status: int, detail: str, headers: Mapping[str, str] | None = None, kind: type[ImgrecError] | None = None
) -> Response:
    """Return the response of a problem."""
    return JSONResponse(problem(status, detail, kind), status, HEADERS | dict(headers or {}), MEDIA_TYPE)


def of_error(error: ImgrecError) -> Response:
    """Return the response of an error, with what the client is to do next."""
    headers = {}
    if isinstance(error, BusyError):
        headers["Retry-After"] = str(SOON_S if isinstance(error, TooManyRequestsError) else LATER_S)
    if isinstance(error, TokenError):
        headers["WWW-Authenticate"] = 'Bearer realm="imgrec"'
    return respond(error.http_status, str(error), headers, type(error))


async def on_error(_: Request, error: Exception) -> Response:
    """Answer with an error of imgrec's."""
    if not isinstance(error, ImgrecError):
        raise error
    return of_error(error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answer with 404, 405, or an error that the server raised while the body arrived."""
    if not isinstance(error, HTTPException):
        raise error
    sentence = error.detail
    if error.status_code == 404:
        sentence = f"Expected an address that {PAGE} lists. Received: {shortened(request.scope['path'])!r}."
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        sentence = f"Expected {allowed}. Received: {shortened(request.method)}."
    return respond(error.status_code, sentence, error.headers)


async def on_bug(_: Request, __: Exception) -> Response:
    """Answer with 500; Starlette then raises the error again, which writes it to the log."""
    return respond(500, "Something went wrong here; it is in the log of the server.")
