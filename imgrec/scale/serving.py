"""Which engine a server uses: the networks in its own process, or those behind Ray Serve on a cluster."""

import atexit
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio
import numpy as np

from imgrec import extras
from imgrec.errors import BusyError, ImgrecError, MissingExtraError, TooManyRequestsError
from imgrec.inference import classify
from imgrec.inference.engine import Activations, Engine
from imgrec.inference.pool import EnginePool
from imgrec.inference.preparation import Preparations
from imgrec.models import weights
from imgrec.models.catalog import ModelSpec
from imgrec.scale import deployments
from imgrec.scale.cluster import Node
from imgrec.scale.driver import ClusterLostError, DriverProcess
from imgrec.scale.replica import MAX_BATCH
from imgrec.scale.serve_engine import side_by_side
from imgrec.settings import RAY, Settings

# After a failure, how long the cluster is not looked for again: requests come faster than it answers.
RETRY_S = 10.0

BEHIND = "Models run behind Ray Serve"
GONE = "The models' cluster cannot be reached. Try again in a minute."

# Models that start on the cluster at once; each waits for a process.
LOADS_AT_ONCE = 4

# Requests of the API that are computed at once. Most of them wait for the cluster, and take no core here.
ANSWERS_AT_ONCE = 8


@dataclass(slots=True, eq=False)
class ServedCluster:
    """The cluster at `address`, or one on this machine: reached at its first use, and again where it was lost.

    Any thread may call any method. `tell` gets a sentence about each node that is left out, and why the cluster cannot
    be used; `lose` is called when it is gone, and with it all models.
    """

    address: str | None
    tell: Callable[[str], None]
    lose: Callable[[], None] = lambda: None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _driver: DriverProcess | None = None
    _nodes: list[Node] = field(default_factory=list)
    _look_again_at: float = 0.0

    def reach(self) -> DriverProcess:
        """Return the process that asks the cluster.

        Raises:
            MissingExtraError: Ray is not installed.
            BusyError: The cluster cannot be reached or used now; `tell` gets the reason, which may name machines.
        """
        with self._lock:
            if self._driver is not None:
                return self._driver
            if time.monotonic() < self._look_again_at:
                raise BusyError(GONE)
            extras.check("ray", "to reach a cluster")
            driver = None
            try:
                driver = DriverProcess.start()
                self._nodes, told = driver.reach(self.address)
            except ImgrecError as error:
                if driver is not None:
                    driver.end()
                if isinstance(error, MissingExtraError):
                    raise
                self._nodes, self._look_again_at = [], time.monotonic() + RETRY_S
                self.tell(str(error))
                raise BusyError(GONE) from error
            for sentence in told:
                self.tell(sentence)
            self._driver, self._look_again_at = driver, 0.0
            return driver

    def deploy(self, spec: ModelSpec, path: Path, lose: Callable[[], None]) -> "ClusterEngine":
        """Return the engine that asks the cluster for `spec`, whose compiled network is at `path`.

        `lose` is called when no replica answers any more. Raises as `reach` and `deployments.deploy`.
        """
        driver = self.reach()
        with self._watched(driver):
            driver.deploy(spec, path)

        def ask(method: str, values: np.ndarray) -> tuple[Any, float]:
            try:
                with self._watched(driver):
                    return driver.ask(spec.name, method, values)
            except TooManyRequestsError:
                raise
            except BusyError:
                lose()
                raise

        return ClusterEngine(ask)

    @contextmanager
    def _watched(self, driver: DriverProcess) -> Iterator[None]:
        """Turn the end of `driver` into a sentence without names of machines, and forget it."""
        try:
            yield
        except ClusterLostError as error:
            with self._lock:
                is_first = self._driver is driver
                if is_first:
                    self._driver, self._nodes, self._look_again_at = None, [], time.monotonic()
            if is_first:
                driver.end()
                self.tell(str(error))
                self.lose()
            raise BusyError(GONE) from error

    def leave(self) -> None:
        """Leave the cluster; one that was started here ends."""
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.leave()

    def describe(self) -> str:
        """Return what computes, in a sentence without names of machines; asks nothing."""
        nodes = self._nodes
        if self._look_again_at:
            return f"{BEHIND}. {GONE}"
        if not nodes:
            return f"{BEHIND}, once one is asked for."
        machines = "1 machine" if len(nodes) == 1 else f"{len(nodes)} machines"
        return f"{BEHIND}, on {machines} with {sum(node.cpus for node in nodes)} CPUs."


@dataclass(frozen=True, slots=True, eq=False)
class ClusterEngine:
    """A model on the cluster as an `Engine`; it holds no memory here.

    `ask` gets the name of a method and its argument, and returns the value with the seconds that a replica took, which
    go to `note`.
    """

    ask: Callable[[str, np.ndarray], tuple[Any, float]]
    note: Callable[[float], None] = lambda seconds: None
    memory_bytes: int = 0

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """Predict as `ServeEngine.predict`; raises as it."""
        return cast(np.ndarray, self._timed("predict", batch))

    def predict_values(self, values: np.ndarray) -> np.ndarray:
        """Predict as `ServeEngine.predict_values`; raises as it."""
        return cast(np.ndarray, self._timed("predict_values", values))

    def observe(self, image: np.ndarray) -> Activations:
        """Observe as `ServeEngine.observe`; raises as it."""
        return cast(Activations, self._timed("observe", image))

    def close(self) -> None:
        """Leave the replicas to other dashboards; those that nothing asks end by themselves."""

    def _timed(self, method: str, values: np.ndarray) -> Any:
        found, seconds = self.ask(method, values)
        self.note(seconds)
        return found


def open_pool(settings: Settings, preparations: Preparations, tell: Callable[[str], None]) -> EnginePool:
    """Return the models of a server, in its process or on the cluster that `settings` name.

    A cluster is reached when the first model is loaded. `tell` gets a sentence about each node that is left out.
    """
    if settings.engine != RAY:
        return classify.open_pool(settings, preparations)

    def lose() -> None:
        for loaded in pool.loaded():
            pool.unload(loaded.name)

    served = ServedCluster(settings.ray_address, tell, lose)
    atexit.register(served.leave)

    def load(spec: ModelSpec) -> Engine:
        served.reach()  # a cluster that is not there is told first
        return served.deploy(spec, classify.compiled_path(spec, settings), lambda: pool.unload(spec.name))

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
    extras.check("ray", "to reach a cluster")
    if settings.ray_address is None:
        deployments.load_serve()
        return
    driver = DriverProcess.start()
    try:
        for sentence in driver.reach(settings.ray_address)[1]:
            tell(sentence)
    finally:
        driver.leave()
