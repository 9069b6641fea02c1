"""Answers that a client may keep: with an ETag, and 304 for a client that has it already.

The tag is weak: the server may send the same values compressed.
"""

import hashlib
import json
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from imgrec.api.problems import HEADERS

# They may change at any time, so each use asks again; with a token they belong to its holder.
_KEPT = HEADERS | {"Cache-Control": "private, no-cache"}


def of_json(request: Request, values: object) -> Response:
    """Return `values` as JSON, or 304."""
    body = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return of_bytes(request, body, "application/json")


def of_bytes(request: Request, body: bytes, media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return `body`, or 304 where the request names its tag."""
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    given = _KEPT | dict(headers or {}) | {"ETag": tag}
    if _has(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=given)
    return Response(body, headers=given, media_type=media_type)


def _has(field: str, tag: str) -> bool:
    """Whether the tags in `field` are that one: compared weakly, as RFC 9110 has it for If-None-Match."""
    tags = [one.strip().removeprefix("W/") for one in field.split(",")]
    return "*" in tags or tag.removeprefix("W/") in tags
