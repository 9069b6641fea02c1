"""Which engine a server uses: the networks in its own process, or those behind Ray Serve on a cluster."""

import atexit
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

import anyio

from imgrec.errors import BusyError, ImgrecError
from imgrec.inference import classify
from imgrec.inference.engine import Engine
from imgrec.inference.pool import EnginePool
from imgrec.inference.preparation import Preparations
from imgrec.models import weights
from imgrec.models.catalog import ModelSpec
from imgrec.scale import cluster, deployments
from imgrec.scale.cluster import Node
from imgrec.scale.replica import MAX_BATCH
from imgrec.scale.serve_engine import side_by_side
from imgrec.settings import RAY, Settings

# After a failure, how long the cluster is not looked for again: requests come faster than it answers.
RETRY_S = 10.0

BEHIND = "Models run behind Ray Serve"
GONE = "Their cluster cannot be reached. Try again in a minute."

# Models that start on the cluster at once; each waits for a process.
LOADS_AT_ONCE = 4

# Requests of the API that are computed at once. Most of them wait for the cluster, and take no core here.
ANSWERS_AT_ONCE = 8


@dataclass(slots=True, eq=False)
class ServedCluster:
    """The cluster at `address`, or one on this machine: reached at its first use, and again where it was lost.

    Any thread may call any method. `tell` gets a sentence about each node that is left out.
    """

    address: str | None
    tell: Callable[[str], None]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stack: ExitStack = field(default_factory=ExitStack)
    _nodes: list[Node] = field(default_factory=list)
    _refused: tuple[str, ...] = ()
    _look_again_at: float = 0.0

    def reach(self) -> tuple[list[Node], tuple[str, ...]]:
        """Return the nodes with our versions, and the ids of those without.

        Raises:
            MissingExtraError: Ray is not installed.
            BusyError: The cluster cannot be reached or used now; `tell` gets the reason, which may name machines.
        """
        with self._lock:
            ray = cluster.load()
            deployments.load_serve()
            if self._nodes and ray.is_initialized():
                return self._nodes, self._refused
            if time.monotonic() < self._look_again_at:
                raise BusyError(GONE)
            self._stack.close()
            try:
                self._nodes = self._stack.enter_context(cluster.opened(self.address, self.tell))
            except ImgrecError as error:
                self._nodes, self._look_again_at = [], time.monotonic() + RETRY_S
                self.tell(str(error))
                raise BusyError(GONE) from error
            self._refused, self._look_again_at = cluster.others(self._nodes), 0.0
            return self._nodes, self._refused

    def leave(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._stack.close()

    def describe(self) -> str:
        """Return what computes, in a sentence without names of machines; asks nothing."""
        nodes = self._nodes
        if self._look_again_at:
            return f"{BEHIND}. {GONE}"
        if not nodes:
            return f"{BEHIND}, once one is asked for."
        machines = "1 machine" if len(nodes) == 1 else f"{len(nodes)} machines"
        return f"{BEHIND}, on {machines} with {sum(node.cpus for node in nodes)} CPUs."


def open_pool(settings: Settings, preparations: Preparations, tell: Callable[[str], None]) -> EnginePool:
    """Return the models of a server, in its process or on the cluster that `settings` name.

    A cluster is reached when the first model is loaded. `tell` gets a sentence about each node that is left out.
    """
    if settings.engine != RAY:
        return classify.open_pool(settings, preparations)
    served = ServedCluster(settings.ray_address, tell)
    atexit.register(served.leave)

    def load(spec: ModelSpec) -> Engine:
        nodes, refused = served.reach()
        path = classify.compiled_path(spec, settings)
        return deployments.deploy(spec, path, nodes, refused, lambda: pool.unload(spec.name))

    pool = EnginePool(
        settings.memory_bytes,
        load=load,
        estimate=lambda spec: 0,
        prepare=preparations.ensure,
        load_head=lambda spec: classify.open_head(spec, settings),
        identify=lambda spec: weights.identity(spec, settings) or "",
        compute=side_by_side,
        images_at_once=MAX_BATCH,
        loading=threading.Semaphore(LOADS_AT_ONCE),
        describe=served.describe,
    )
    return pool


def let_wait(settings: Settings, limiter: anyio.CapacityLimiter) -> None:
    """Let more requests be computed at once where they compute elsewhere; `limiter` is the API's."""
    if settings.engine == RAY:
        limiter.total_tokens = ANSWERS_AT_ONCE


def check(settings: Settings, tell: Callable[[str], None]) -> None:
    """Reach the cluster that `settings` name and leave it again; raises as `cluster.opened`.

    One on this machine is started by the server itself: only whether Ray Serve is installed is known before.
    """
    deployments.load_serve()
    if settings.ray_address is not None:
        with cluster.opened(settings.ray_address, tell):
            pass
