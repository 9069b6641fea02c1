"""The health checks: whether the process answers, and whether it can classify."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from imgrec.api import problems
from imgrec.errors import shortened
from imgrec.inference.pool import EnginePool

RETRY_AFTER_S = 5

# Responses are data, neither cached nor shown as a page.
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Readiness:
    """What is known of the models: `warm` is set when the warm-up is over, `answered` when one classified an image."""

    warm: threading.Event = field(default_factory=threading.Event)
    answered: threading.Event = field(default_factory=threading.Event)


def create_routes(readiness: Readiness, get_pool: Callable[[], EnginePool]) -> list[Route]:
    """Return `/livez`, 200 while the process answers, and `/readyz`, 503 until a default model answered an image."""

    def livez() -> Response:
        return _json({"status": "alive"})

    def readyz() -> Response:
        if not readiness.answered.is_set():
            status = "no model answers" if readiness.warm.is_set() else "warming up"
            return _json({"status": status}, 503, {"Retry-After": str(RETRY_AFTER_S)})
        pool = get_pool()
        loaded = [{"name": row.name, "memory_bytes": row.memory_bytes} for row in pool.loaded()]
        budget = {"used_bytes": pool.used_bytes, "budget_bytes": pool.budget_bytes}
        return _json({"status": "ready", "loaded": loaded} | budget)

    return [Route("/livez", _Check(livez)), Route("/readyz", _Check(readyz))]


@dataclass(frozen=True, slots=True)
class _Check:
    """The endpoint of a check, for every method: Starlette's page would answer to others than GET."""

    answer: Callable[[], Response]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer to GET and HEAD, and with 405 to others."""
        method = scope["method"]
        if method in ("GET", "HEAD"):
            response = self.answer()
        else:
            sentence = f"Expected GET or HEAD. Received: {shortened(method)}."
            response = problems.respond(405, sentence, {"Allow": "GET, HEAD"})
        await response(scope, receive, send)


def _json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(content, status, HEADERS | dict(headers or {}))
