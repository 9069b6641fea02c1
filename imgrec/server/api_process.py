"""The JSON API in a process of its own, without pages: `imgrec serve --api-only`.

It knows no Streamlit: an installation without it serves, too, in less memory.
"""

import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from imgrec.api import contract, problems, routes
from imgrec.errors import hide_folders
from imgrec.images import gallery
from imgrec.images.decoding import decode
from imgrec.inference import process_info, warm_up
from imgrec.inference.pool import EnginePool
from imgrec.inference.preparation import Preparations
from imgrec.scale import serving
from imgrec.server import garbage, health, metrics_port
from imgrec.server.bodies import BodyLimits
from imgrec.server.connections import LimitedConnection
from imgrec.server.health import Readiness
from imgrec.server.hosts import Hosts, OwnSite
from imgrec.server.metrics import Measured, Metrics
from imgrec.server.page_headers import PageHeaders
from imgrec.server.refusals import Readable
from imgrec.settings import Settings

# Shorter answers would not come sooner.
LEAST_BYTES = 1024

# A thread that computes in Python lets the others in after this time, not after Python's 5 ms: the one that is to begin
# the next inference would wait for it, with all cores.
SWITCH_S = 0.0002

# Where no default model answers, it may come later: put into its folder.
ASK_AGAIN_S = 10.0

log = logging.getLogger(__name__)


def create(settings: Settings, host: str, pool: EnginePool, preparations: Preparations, metrics: Metrics) -> Starlette:
    """Return the application: the API, its health checks, and all limits.

    Args:
        settings: The settings of the process.
        host: Where it listens, a name that it answers to.
        pool: The models.
        preparations: What fetches and converts them.
        metrics: The figures that it counts.
    """
    v1 = routes.create(get_settings=lambda: settings, get_pool=lambda: pool, get_preparations=lambda: preparations)
    metrics.watch(pool, v1.state.get_queue)
    serving.let_wait(settings, v1.state.limiter)
    readiness = Readiness()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_warm_up, settings, pool, preparations, readiness)
            tasks.start_soon(garbage.collect, readiness.warm)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    async def to_docs(_: Request) -> Response:
        return RedirectResponse(problems.PAGE)

    return Starlette(
        routes=[
            Route("/", to_docs),
            Route(contract.BASE, v1),
            Mount(contract.BASE, app=v1),
            *health.create_routes(readiness, lambda: pool),
        ],
        middleware=[
            Middleware(Measured, metrics),
            Middleware(PageHeaders, get_policy=lambda: problems.HEADERS["Content-Security-Policy"]),
            Middleware(OwnSite, get_hosts=lambda: Hosts(host, settings.hosts, settings.api_origins)),
            Middleware(Readable),
            Middleware(BodyLimits),
            Middleware(GZipMiddleware, minimum_size=LEAST_BYTES),
        ],
        exception_handlers={HTTPException: problems.on_http_error},
        lifespan=lifespan,
    )


def run(settings: Settings, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until the process is interrupted; `say` is told the address."""
    process_info.return_large_blocks()
    sys.setswitchinterval(SWITCH_S)
    hide_folders(settings.folders())
    preparations, metrics = Preparations(settings), Metrics()
    app = create(settings, host, serving.open_pool(settings, preparations, say), preparations, metrics)
    if settings.metrics is not None:
        metrics_port.serve(metrics, settings.metrics, settings.hosts, settings.api_tokens)
    say(f"http://{f'[{host}]' if ':' in host else host}:{port}{problems.PAGE}")
    uvicorn.run(
        app,
        host=host,
        port=port,
        # By name: other packages may bring other loops and parsers, which uvicorn would take.
        loop="asyncio",
        http=LimitedConnection,
        ws="none",
        log_level="warning",
        access_log=False,
    )


async def _warm_up(settings: Settings, pool: EnginePool, preparations: Preparations, readiness: Readiness) -> None:
    """Load the default models, and ask one about a sample, until it answers."""

    def load() -> None:
        warm_up.load_what_fits(warm_up.default_specs(settings), pool, preparations)

    try:
        await anyio.to_thread.run_sync(load, abandon_on_cancel=True)
    except Exception:
        # A model that cannot be preloaded must not stop the server: requests show the error.
        log.exception("The warm-up was cut short")
    readiness.warm.set()
    data = gallery.get_samples()[0].path.read_bytes()
    image = decode(data, max_bytes=len(data))

    def answers() -> bool:
        return warm_up.answers(warm_up.default_specs(settings), pool, image)

    while not await anyio.to_thread.run_sync(answers, abandon_on_cancel=True):
        await anyio.sleep(ASK_AGAIN_S)
    readiness.answered.set()
