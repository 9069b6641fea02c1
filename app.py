"""The launcher: `streamlit run app.py` serves the dashboard, the JSON API and the health checks in one process.

It listens on this machine alone, as .streamlit/config.toml says; docs/hosting.md tells how to open it.

The interface itself is imgrec/ui/main.py. It is not this file because Streamlit takes a `pages/` folder beside the
entry script for its older multipage scheme, and would run a page without its frame for the first visitor.

Nothing here imports TensorFlow or Keras: the server runs compiled networks.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType

import anyio
import anyio.to_thread
import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from streamlit import config
from streamlit.runtime import get_instance
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.state import SessionState

from imgrec.api import routes as api_routes
from imgrec.errors import hide_folders
from imgrec.inference import process_info
from imgrec.scale import serving
from imgrec.server import garbage, health, metrics_port
from imgrec.server.bodies import BodyLimits
from imgrec.server.compression import CompressedFiles
from imgrec.server.connections import ConnectionLimits
from imgrec.server.health import Readiness
from imgrec.server.hosts import Hosts, OwnSite
from imgrec.server.housekeeping import keep_house
from imgrec.server.metrics import Measured, Metrics
from imgrec.server.page_headers import PageHeaders, policy
from imgrec.server.refusals import Readable
from imgrec.server.sessions import SessionLimit
from imgrec.server.upload_quota import UploadLimits, UploadQuota
from imgrec.settings import MIB, ROOT, Settings

process_info.return_large_blocks()

SCRIPT = ROOT / "imgrec" / "ui" / "main.py"

# Where no default model answers, it may come later: fetched on a page, or put into its folder.
ASK_AGAIN_S = 10.0

log = logging.getLogger(__name__)
readiness = Readiness()
uploads = UploadQuota()
metrics = Metrics()


def caches() -> ModuleType:
    """Return the caches that pages and API share, imported late: they need Streamlit's runtime."""
    from imgrec.ui import caches as module

    return module


def answers() -> bool:
    """Whether a default model answers an image."""
    try:
        return bool(caches().answers())
    except Exception:
        log.exception("It is not known whether a model answers")
        return False


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[dict[str, object]]:
    """Warm up in a thread while the first pages are already served."""
    settings = caches().settings()
    hide_folders(settings.folders())
    # A demo has no training: an upload is one image, never an archive.
    largest = settings.max_upload_bytes if settings.demo else settings.session_bytes
    most = int(config.get_option("server.maxUploadSize"))
    config.set_option("server.maxUploadSize", max(1, min(most, largest // MIB)))

    metrics.watch(caches().pool(), v1.state.get_queue)
    serving.let_wait(settings, v1.state.limiter)
    if settings.metrics is not None:
        metrics_port.serve(metrics, settings.metrics, settings.hosts, settings.api_tokens)

    async def warm_up() -> None:
        try:
            await anyio.to_thread.run_sync(lambda: caches().warm_up(), abandon_on_cancel=True)
        except Exception:
            # A model that cannot be preloaded must not stop the server: its card shows the error.
            log.exception("The warm-up was cut short")
        readiness.warm.set()
        while not await anyio.to_thread.run_sync(answers, abandon_on_cancel=True):
            await anyio.sleep(ASK_AGAIN_S)
        readiness.answered.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(warm_up)
        tasks.start_soon(garbage.collect, readiness.warm)
        tasks.start_soon(free_what_is_left, settings)
        try:
            yield {}
        finally:
            tasks.cancel_scope.cancel()


async def free_what_is_left(settings: Settings) -> None:
    """Limit the uploads of Streamlit's runtime, and free what closed tabs leave in it."""
    runtime = get_instance()
    if isinstance(runtime.uploaded_file_mgr, MemoryUploadedFileManager):
        uploads.watch(runtime.uploaded_file_mgr, settings.session_bytes, settings.sessions_bytes)

    def sessions() -> dict[str, SessionState]:
        # Streamlit has no public list of its sessions, those without a tab included.
        return {info.session.id: info.session.session_state for info in runtime._session_mgr.list_sessions()}

    await keep_house(runtime, sessions, uploads)


def own_hosts() -> Hosts:
    """Return the names of this server: where it listens, what Streamlit was told, and what imgrec was."""
    public = str(config.get_option("browser.serverAddress") or "").partition("/")[0]
    settings = caches().settings()
    return Hosts(config.get_option("server.address") or "", (public, *settings.hosts), settings.api_origins)


def page_policy() -> str:
    """Return what the pages may load and run, and what may frame them."""
    settings = caches().settings()
    return policy(settings.frames, may_evaluate=not settings.demo)


v1 = api_routes.create(
    get_settings=lambda: caches().settings(),
    get_pool=lambda: caches().pool(),
    get_preparations=lambda: caches().preparations(),
)
checks = health.create_routes(readiness, lambda: caches().pool())

# A mount begins at its slash; without this line the bare address would be answered with a page.
routes = [Route("/api/v1", v1), Mount("/api/v1", app=v1), *checks]
middleware = [
    Middleware(ConnectionLimits),
    Middleware(Measured, metrics),
    Middleware(PageHeaders, get_policy=page_policy),
    Middleware(OwnSite, get_hosts=own_hosts),
    Middleware(Readable),
    Middleware(BodyLimits),
    Middleware(SessionLimit, lambda: caches().settings().max_sessions),
    Middleware(UploadLimits, uploads),
    Middleware(CompressedFiles),
]
app: st.App = st.App(SCRIPT, lifespan=lifespan, routes=routes, middleware=middleware)

if __name__ == "__main__":
    app.run()
