"""`/metrics` on a port of its own, which is not that of visitors: on this machine alone unless it is opened."""

import threading
from collections.abc import Sequence
from typing import ClassVar

import uvicorn
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from imgrec.api import problems
from imgrec.api.tokens import Tokens
from imgrec.server.connections import LimitedConnection
from imgrec.server.hosts import Hosts, OwnSite
from imgrec.server.metrics import Metrics

# Prometheus needs one.
MAX_CONNECTIONS = 20


class _Connection(LimitedConnection):
    """A connection to this port, counted apart from those of visitors."""

    max_connections = MAX_CONNECTIONS
    _waiting: ClassVar = {}


def create(metrics: Metrics, hosts: Hosts, tokens: Sequence[str]) -> Starlette:
    """Return the application; where the API has `tokens`, it asks for one, too."""

    async def answer(request: Request) -> Response:
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(metrics.registry), headers=problems.HEADERS | {"Content-Type": media_type})

    return Starlette(
        routes=[Route("/metrics", answer, methods=["GET"])],
        middleware=[Middleware(OwnSite, get_hosts=lambda: hosts), Middleware(Tokens, lambda: tokens, ())],
        exception_handlers={404: problems.on_http_error, 405: problems.on_http_error},
    )


def serve(metrics: Metrics, address: tuple[str, int], hosts: Sequence[str], tokens: Sequence[str]) -> uvicorn.Server:
    """Serve the figures in a thread of its own, until `should_exit` of the returned server is set.

    Args:
        metrics: The figures.
        address: Where it listens: a host and a port.
        hosts: Further names that it answers to.
        tokens: Those of the API.
    """
    app = create(metrics, Hosts(address[0], tuple(hosts)), tokens)
    config = uvicorn.Config(
        app,
        host=address[0],
        port=address[1],
        loop="asyncio",
        http=_Connection,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
    )
    server = uvicorn.Server(config)
    # A daemon: a port that is taken ends this thread with a line in the log, and nothing else.
    threading.Thread(target=server.run, name="metrics", daemon=True).start()
    return server
