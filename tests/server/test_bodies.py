"""Bodies that stop, and bodies that come a little at a time."""

from collections.abc import Iterable
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from imgrec.server.bodies import BodyLimits

STALL_S = 0.2


async def count(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


def post(parts: Iterable[tuple[float, bytes]], least_bytes: int = 10) -> tuple[int, str]:
    """Send parts, each after its pause in seconds; return the status and the text of the answer."""
    limits = Middleware(BodyLimits, stall_s=STALL_S, least_bytes=least_bytes)
    app = Starlette(routes=[Route("/", count, methods=["POST"])], middleware=[limits])
    coming, answers = list(parts), list[Any]()

    async def receive() -> dict[str, object]:
        if not coming:
            return {"type": "http.request", "body": b"", "more_body": False}
        pause_s, part = coming.pop(0)
        await anyio.sleep(pause_s)
        return {"type": "http.request", "body": part, "more_body": True}

    async def respond(message: Any) -> None:
        answers.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    anyio.run(app, scope, receive, respond)
    return answers[0]["status"], answers[1]["body"].decode()


def test_a_body_that_arrives_is_passed_on() -> None:
    assert post([(0, b"a" * 5), (0, b"b" * 5)]) == (200, "10")


def test_a_body_that_stops_is_given_up() -> None:
    status, sentence = post([(0, b"a" * 1000), (60, b"b")])
    assert (status, "Received: nothing for" in sentence) == (408, True)


@pytest.mark.parametrize(("part", "status"), [(b"a", 408), (b"a" * 1000, 200)])
def test_a_body_must_come_at_the_least_rate(part: bytes, status: int) -> None:
    assert post([(STALL_S / 2, part)] * 5, least_bytes=1000)[0] == status
