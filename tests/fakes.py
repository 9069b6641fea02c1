"""Stand-ins for what is slow or large: an engine without a network, rows without weights."""

import threading
from dataclasses import replace

import numpy as np

from imgrec.inference.engine import Activations, Contributions
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.settings import MIB


def fake_spec(name: str, **changes: object) -> ModelSpec:
    """A row of the catalog under another name."""
    return replace(BUILT_IN.get_spec("mobilenet"), name=name, title=name.upper(), **changes)


class FakeEngine:
    """Says that every image is `winner`; fails when it is used after `close`, or by two threads at once."""

    def __init__(self, memory_bytes: int = MIB, winner: int = 281, classes: int = 1000) -> None:
        self.memory_bytes = memory_bytes
        self.closed = False
        self._probabilities = np.zeros(classes, np.float32)
        self._probabilities[winner] = 1
        self._busy = threading.Lock()

    def predict(self, batch: np.ndarray) -> np.ndarray:
        assert not self.closed, "used after close"
        assert self._busy.acquire(blocking=False), "two inferences at once"
        try:
            return np.repeat(self._probabilities[np.newaxis], len(batch), axis=0)
        finally:
            self._busy.release()

    def predict_values(self, values: np.ndarray) -> np.ndarray:
        return self.predict(values)

    def observe(self, image: np.ndarray) -> Activations:
        probabilities = self.predict(image[np.newaxis])[0]
        return Activations(probabilities, 10 * probabilities, np.ones((1, 7, 7, 8), np.float32))

    def close(self) -> None:
        self.closed = True


class FakeHead:
    """The head of a `FakeEngine`: only the upper left position adds anything, to every second class."""

    def __init__(self, memory_bytes: int = 0) -> None:
        self.memory_bytes = memory_bytes
        self.closed = False

    def locate(self, features: np.ndarray) -> Contributions:
        assert not self.closed
        logits = np.zeros((*features.shape[1:3], 1000), np.float32)
        logits[0, 0, 1::2] = 10
        return Contributions(logits, None)

    def close(self) -> None:
        self.closed = True
