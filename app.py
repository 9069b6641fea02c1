"""The launcher: `streamlit run app.py` serves the dashboard, the JSON API and the health checks in one process.

The interface itself is imgrec/shell.py. It is not this file because Streamlit takes a `pages/` folder beside the
entry script for its older multipage scheme, and would run a page without its frame for the first visitor.

Nothing here imports TensorFlow or Keras: the server runs compiled networks.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from imgrec import api
from imgrec.settings import ROOT

log = logging.getLogger(__name__)


def warm_up() -> None:
    """Pay once, before the first visitor: charts' imports, the pool, and in a demo the smallest models."""
    from imgrec.ui import resources

    resources.warm_up()


async def livez(request: Request) -> JSONResponse:
    """The process answers."""
    return JSONResponse({"status": "alive"})


async def readyz(request: Request) -> JSONResponse:
    """200 once the warm-up is over; 503 before. Pages are served either way."""
    ready = bool(app.state.get("warm", {}).get("ready"))
    return JSONResponse({"status": "ready" if ready else "warming up"}, status_code=200 if ready else 503)


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[dict[str, object]]:
    """Warm up in a thread while the first pages are already served."""
    warm: dict[str, object] = {"ready": False}

    async def run() -> None:
        try:
            await anyio.to_thread.run_sync(warm_up, abandon_on_cancel=True)
        except Exception:
            # A model that cannot be preloaded must not take the server down: its card will say why.
            log.exception("The warm-up was cut short")
        warm["ready"] = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        try:
            yield {"warm": warm}
        finally:
            tasks.cancel_scope.cancel()


app = st.App(
    ROOT / "imgrec" / "shell.py",
    lifespan=lifespan,
    routes=[Mount("/api/v1", app=api.create()), Route("/livez", livez), Route("/readyz", readyz)],
)

if __name__ == "__main__":
    app.run()
