"""Figures of the process for Prometheus: requests, latencies of models, the queue, memory, evictions.

The labels are addresses of the contract and names of models: never what a visitor has sent.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imgrec.api import contract
from imgrec.inference.pool import EnginePool

# Inferences take from 2 ms (MobileNet 0.25) to 3 s (NASNetLarge on one core); requests longer.
INFERENCE_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

METHODS = ("GET", "HEAD", "POST", "OPTIONS")
CHECKS = ("/livez", "/readyz")


class Metrics:
    """The figures of a process; `registry` has them."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which is of no use here
        self.registry = CollectorRegistry()
        self._pools: list[EnginePool] = []
        self._get_queue: Callable[[], Mapping[str, int]] = dict
        about = ("route", "method", "status")
        self.requests = Counter("imgrec_http_requests", "Requests that were answered.", about, registry=self.registry)
        self.request_seconds = Histogram(
            "imgrec_http_request_seconds",
            "From the headers of a request to the end of its answer.",
            ("route",),
            buckets=REQUEST_S,
            registry=self.registry,
        )
        self.inference_seconds = Histogram(
            "imgrec_inference_seconds",
            "Inferences, without waiting, by model.",
            ("model",),
            buckets=INFERENCE_S,
            registry=self.registry,
        )
        self.evictions = Counter(
            "imgrec_model_evictions", "Models that were closed to make room.", ("model",), registry=self.registry
        )
        self.registry.register(_Gauges(self))
        ProcessCollector(registry=self.registry)

    def watch(self, pool: EnginePool, get_queue: Callable[[], Mapping[str, int]]) -> None:
        """Take the figures of `pool`, and of the queue: what the API works on, by name."""
        self._pools = [pool]
        self._get_queue = get_queue
        pool.on_inference = lambda model, seconds: self.inference_seconds.labels(model).observe(seconds)
        pool.on_eviction = lambda model: self.evictions.labels(model).inc()

    def gauges(self) -> Iterator[GaugeMetricFamily]:
        """Yield what is read at the moment that it is asked for."""
        queue = GaugeMetricFamily("imgrec_queue", "What the API works on, and what waits.", labels=["kind"])
        for kind, number in self._get_queue().items():
            queue.add_metric([kind], number)
        yield queue
        models = GaugeMetricFamily("imgrec_model_bytes", "Memory of loaded models.", labels=["model"])
        for pool in self._pools:
            for loaded in pool.loaded():
                models.add_metric([loaded.name], loaded.memory_bytes)
            yield GaugeMetricFamily("imgrec_pool_used_bytes", "Loaded, or reserved.", value=pool.used_bytes)
            yield GaugeMetricFamily("imgrec_pool_budget_bytes", "Most for models.", value=pool.budget_bytes)
        yield models


class _Gauges(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[GaugeMetricFamily]:
        return self._metrics.gauges()


class Measured:
    """ASGI middleware that counts requests and takes their time."""

    _routes: ClassVar = {
        contract.BASE + one.path: compile_path(contract.BASE + one.path)[0] for one in contract.OPERATIONS
    }

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), "none"

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            route, method = self._route_of(scope), scope["method"]
            self._metrics.requests.labels(route, method if method in METHODS else "other", status).inc()
            self._metrics.request_seconds.labels(route).observe(time.perf_counter() - start)

    def _route_of(self, scope: Scope) -> str:
        """Return the address of the contract, or what else it is."""
        path: str = scope["path"]
        if path in CHECKS:
            return path
        if not path.startswith(f"{contract.BASE}/"):
            return "pages"
        return next((route for route, pattern in self._routes.items() if pattern.match(path)), "unknown")
