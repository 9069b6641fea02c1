"""A model behind Ray Serve as an engine, with a stand-in for Ray: what is tried again, and what is told."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from imgrec.api import problems
from imgrec.errors import BusyError, EngineError, TooManyRequestsError
from imgrec.inference.pool import EnginePool
from imgrec.scale import serve_engine
from imgrec.scale.serve_engine import MAX_TRIES, ServeEngine, side_by_side
from imgrec.settings import MIB
from tests.fakes import fake_spec

IMAGE = np.zeros((1, 224, 224, 3), np.uint8)
ROW = np.full((1, 4), 0.25, np.float32)


class RayError(Exception):
    """As Ray's."""


class RayActorError(RayError):
    """As Ray's."""


class BackPressureError(Exception):
    """As Ray Serve's."""


class ReplicaUnavailableError(Exception):
    """As Ray Serve's."""


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = SimpleNamespace(RayError=RayError, RayActorError=RayActorError)
    monkeypatch.setattr(serve_engine.cluster, "load", lambda: SimpleNamespace(exceptions=errors))
    exceptions = SimpleNamespace(
        BackPressureError=BackPressureError,
        ReplicaUnavailableError=ReplicaUnavailableError,
        RayServeException=RayError,
    )
    monkeypatch.setattr(serve_engine, "_exceptions", lambda: exceptions)


class Replicas:
    """A handle whose answers come from `answer`, called with the method; `canceled` counts what was not waited for."""

    def __init__(self, answer: Callable[[str], Any]) -> None:
        self.asked: list[str] = []
        self.canceled = 0
        self._answer = answer
        self.run = self

    def remote(self, method: str, values: np.ndarray) -> "Replicas":
        self.asked.append(method)
        return self

    def result(self, timeout_s: float) -> Any:
        return self._answer(self.asked[-1])

    def cancel(self) -> None:
        self.canceled += 1


def raises(*errors: Exception | None) -> Callable[[str], Any]:
    """Return answers that are these errors, one after another, and then a row."""
    left = list(errors)

    def answer(method: str) -> Any:
        error = left.pop(0) if left else None
        if error is not None:
            raise error
        return ROW, 0.25

    return answer


def engine(answer: Callable[[str], Any]) -> tuple[ServeEngine, Replicas, list[str]]:
    replicas, lost = Replicas(answer), list[str]()
    return ServeEngine("MobileNet", replicas, lambda: lost.append("lost")), replicas, lost


def test_the_time_is_the_replicas_own() -> None:
    pool = EnginePool(MIB, lambda spec: engine(raises())[0], lambda spec: 0, compute=side_by_side)
    seen: list[float] = []
    pool.on_inference = lambda model, seconds: seen.append(seconds)
    found, milliseconds = pool.predict(fake_spec("one"), IMAGE)
    assert (found == ROW).all()
    assert milliseconds == 250
    assert seen == [0.25]
    assert found.flags.writeable


def test_calls_need_not_wait_for_each_other() -> None:
    together = threading.Barrier(2, timeout=20)

    def answer(method: str) -> Any:
        together.wait()  # breaks unless both are here
        return ROW, 0.01

    pool = EnginePool(MIB, lambda spec: engine(answer)[0], lambda spec: 0, compute=side_by_side)
    threads = [threading.Thread(target=pool.predict, args=(fake_spec("one"), IMAGE)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not together.broken


def test_a_full_queue_is_told_and_the_api_says_when_to_come_back() -> None:
    asking, _, lost = engine(raises(BackPressureError()))
    with pytest.raises(TooManyRequestsError, match="64 images wait for MobileNet on the cluster") as told:
        asking.predict(IMAGE)
    response = problems.of_error(told.value)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
    assert not lost


@pytest.mark.parametrize("error", [RayActorError("The actor died."), ReplicaUnavailableError("gone")])
def test_a_call_whose_replica_dies_is_made_again(error: Exception) -> None:
    asking, replicas, lost = engine(raises(error, error))
    assert (asking.predict(IMAGE) == ROW).all()
    assert replicas.asked == ["predict"] * 3
    assert not lost
    asking, replicas, _ = engine(raises(*[error] * MAX_TRIES))
    with pytest.raises(EngineError, match=r"Expected an answer of MobileNet .* Received: none in 3 tries; "):
        asking.observe(IMAGE[0])
    assert replicas.asked == ["observe"] * MAX_TRIES


def test_a_cluster_that_does_not_answer_is_looked_for_again() -> None:
    asking, replicas, lost = engine(raises(TimeoutError()))
    with pytest.raises(BusyError, match="Received: none within 60 s"):
        asking.predict_values(IMAGE)
    assert (replicas.canceled, lost) == (1, ["lost"])
    asking, _, lost = engine(raises(RayError("many lines\n  the cause.\n")))
    with pytest.raises(BusyError, match=r"Received: the cause\. Try again later\."):
        asking.predict(IMAGE)
    assert lost == ["lost"]


def test_what_the_network_refuses_is_told() -> None:
    asking, _, lost = engine(lambda method: "Expected a network. Received: none.")
    with pytest.raises(EngineError, match=r"^Expected a network\. Received: none\.$"):
        asking.predict(IMAGE)
    assert not lost
