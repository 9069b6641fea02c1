"""A model behind Ray Serve as an engine of this process: calls go to replicas, of which any may die at any time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, NoReturn, TypeVar, cast

import numpy as np

from imgrec.errors import BusyError, EngineError, TooManyRequestsError
from imgrec.inference import turns
from imgrec.inference.engine import Activations, Engine
from imgrec.scale import cluster

Found = TypeVar("Found")

# Calls of one process that wait for a replica; more are refused, and the API answers 429.
MAX_QUEUED = 64

# How long a call may take, with the start of a replica after idle time.
CALL_S = 60.0

# A call that was being computed when its replica died is made again.
MAX_TRIES = 3


@dataclass(frozen=True, slots=True, eq=False)
class ServeEngine:
    """An `Engine` whose network is on the cluster; it holds no memory here.

    `handle` reaches the replicas. `lose` is called when none answers, `note` gets the seconds that a replica computed.
    """

    title: str
    handle: Any
    lose: Callable[[], None]
    note: Callable[[float], None] = lambda seconds: None
    memory_bytes: int = 0

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """Predict as `Engine.predict`.

        Raises:
            TooManyRequestsError: `MAX_QUEUED` calls wait already.
            BusyError: No replica answered in time, or the cluster is not there any more.
            EngineError: The network failed, or its replicas died again and again.
        """
        return np.array(self._ask("predict", batch))

    def predict_values(self, values: np.ndarray) -> np.ndarray:
        """Predict as `Engine.predict_values`; raises as `predict`."""
        return np.array(self._ask("predict_values", values))

    def observe(self, image: np.ndarray) -> Activations:
        """Observe as `Engine.observe`; raises as `predict`."""
        return cast(Activations, self._ask("observe", image))

    def close(self) -> None:
        """Leave the replicas to other dashboards; those that nothing asks end by themselves."""

    def _ask(self, method: str, values: np.ndarray) -> Any:
        """Return what the engine of a replica computes by `method`."""
        ray, exceptions = cluster.load(), _exceptions()
        reason = ""
        for _ in range(MAX_TRIES):
            response = None
            try:
                with turns.left():
                    response = self.handle.run.remote(method, values)
                    found = response.result(timeout_s=CALL_S)
            except exceptions.BackPressureError:
                raise TooManyRequestsError(
                    f"{MAX_QUEUED} images wait for {self.title} on the cluster. Try again in some seconds."
                ) from None
            except TimeoutError:
                if response is not None:
                    response.cancel()
                self._give_up(f"none within {CALL_S:.0f} s")
            except (ray.exceptions.RayActorError, exceptions.ReplicaUnavailableError) as error:
                reason = last_line(error)  # another replica is asked, or the next one in its place
            except (ray.exceptions.RayError, exceptions.RayServeException, RuntimeError) as error:
                self._give_up(last_line(error))
            else:
                if isinstance(found, str):
                    raise EngineError(found)
                value, seconds = found
                self.note(seconds)
                return value
        raise EngineError(
            f"Expected an answer of {self.title} on the cluster. Received: none in {MAX_TRIES} tries; {reason}"
        )

    def _give_up(self, reason: str) -> NoReturn:
        """Have the model looked for on the cluster again at the next call."""
        self.lose()
        raise BusyError(f"Expected an answer of {self.title} on the cluster. Received: {reason}. Try again later.")


def side_by_side(engine: Engine, call: Callable[[Engine], Found]) -> tuple[Found, float]:
    """Compute as `pool.Compute` with a `ServeEngine`: calls need not wait for each other, replicas take the time."""
    taken: list[float] = []
    found = call(replace(cast(ServeEngine, engine), note=taken.append))
    return found, sum(taken)


def last_line(error: BaseException) -> str:
    """Return the last line of an error, which in Ray's has the cause, without the period."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300].rstrip(".")


def _exceptions() -> ModuleType:
    from ray.serve import exceptions

    return exceptions
