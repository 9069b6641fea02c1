"""A network whose answers are arithmetic: what a map of it must be is known."""

import numpy as np
import pytest

from imgrec.errors import EngineError
from imgrec.explanation.subject import Subject
from imgrec.inference.engine import Activations, Contributions
from imgrec.inference.pool import EnginePool
from imgrec.models.catalog import ModelSpec
from imgrec.settings import MIB
from tests.fakes import fake_spec

GRID, SIDE, CLASSES = 4, 32, 1000


class LightEngine:
    """Sees light: class 0 is light on the left, class 1 light on the right; all other classes have the logit 0.

    Its features are the mean light of 4 × 4 cells, in one channel; the head adds up the halves.
    """

    memory_bytes = MIB

    def __init__(self, has_features: bool = True) -> None:
        self.has_features = has_features

    def observe(self, image: np.ndarray) -> Activations:
        cells = image.mean(axis=2).reshape(GRID, SIDE // GRID, GRID, SIDE // GRID).mean(axis=(1, 3)) / 64
        logits = np.zeros(CLASSES, np.float32)
        logits[0], logits[1] = cells[:, : GRID // 2].sum(), cells[:, GRID // 2 :].sum()
        shares = np.exp(logits - logits.max())
        features = cells[None, :, :, None].astype(np.float32)
        seen = (logits, features) if self.has_features else (None, None)
        return Activations((shares / shares.sum()).astype(np.float32), *seen)

    def predict(self, batch: np.ndarray) -> np.ndarray:
        return np.stack([self.observe(image).probabilities for image in batch])

    def close(self) -> None:
        pass


class LightHead:
    """The head of `LightEngine`; with `together` above 1, positions add that much more than they add alone."""

    memory_bytes = 0

    def __init__(self, together: float | None = None) -> None:
        self.together = together

    def locate(self, features: np.ndarray) -> Contributions:
        logits = np.zeros((GRID, GRID, CLASSES), np.float32)
        logits[:, : GRID // 2, 0] = features[0, :, : GRID // 2, 0]
        logits[:, GRID // 2 :, 1] = features[0, :, GRID // 2 :, 0]
        if self.together is None:
            return Contributions(logits, None)
        return Contributions(logits * self.together, np.zeros(CLASSES, np.float32))

    def close(self) -> None:
        pass


SPEC: ModelSpec = fake_spec("light", input_size=(SIDE, SIDE), crop_fraction=1.0)
BLIND: ModelSpec = fake_spec("blind", input_size=(SIDE, SIDE), crop_fraction=1.0)
BROKEN: ModelSpec = fake_spec("broken", input_size=(SIDE, SIDE), crop_fraction=1.0)


def load(spec: ModelSpec) -> LightEngine:
    if spec.name == "broken":
        raise EngineError("Expected a network. Received: nothing.")
    return LightEngine(has_features=spec.name != "blind")


@pytest.fixture
def pool() -> EnginePool:
    return EnginePool(10 * MIB, load, lambda spec: MIB, load_head=lambda spec: LightHead())


@pytest.fixture
def image() -> np.ndarray:
    """uint8 (32, 32, 3): dark, with a light square of 8 × 8 px on the left and a brighter one on the right."""
    pixels = np.full((SIDE, SIDE, 3), 10, np.uint8)
    pixels[8:16, 0:8] = 150
    pixels[16:24, 24:32] = 250
    return pixels


@pytest.fixture
def subject(pool: EnginePool, image: np.ndarray) -> Subject:
    return Subject(SPEC, pool, image)
