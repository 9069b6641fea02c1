"""The health checks: whether the process answers, and whether it can classify."""

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from imgrec.inference.pool import EnginePool

RETRY_AFTER_S = 5

# Responses are data, neither cached nor shown as a page.
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def create_routes(is_ready: Callable[[], bool], get_pool: Callable[[], EnginePool]) -> list[Route]:
    """Return `/livez`, 200 as long as the process answers, and `/readyz`, 503 until `is_ready` after the warm-up."""

    async def livez(_: Request) -> Response:
        return _json({"status": "alive"})

    async def readyz(_: Request) -> Response:
        if not is_ready():
            return _json({"status": "warming up"}, 503, {"Retry-After": str(RETRY_AFTER_S)})
        pool = get_pool()
        loaded = [{"name": row.name, "memory_bytes": row.memory_bytes} for row in pool.loaded()]
        budget = {"used_bytes": pool.used_bytes, "budget_bytes": pool.budget_bytes}
        return _json({"status": "ready", "loaded": loaded} | budget)

    return [Route("/livez", livez), Route("/readyz", readyz)]


def _json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(content, status, HEADERS | dict(headers or {}))
