"""All maps of one image: each network is run once for answer and map, and a failure is told."""

import numpy as np
import pytest

from imgrec.errors import EngineError
from imgrec.explanation.explanation import explain
from imgrec.images.decoding import DecodedImage
from imgrec.images.raster import Raster
from imgrec.inference.engine import Activations
from imgrec.inference.pool import EnginePool
from imgrec.inference.request import Options
from imgrec.settings import MIB
from tests.explanation.conftest import BLIND, BROKEN, SPEC, LightEngine, LightHead


class CountingEngine(LightEngine):
    count = 0

    def observe(self, image: np.ndarray) -> Activations:
        self.count += 1
        return super().observe(image)

    def predict(self, batch: np.ndarray) -> np.ndarray:
        raise AssertionError("The answer comes from `observe`.")


@pytest.fixture
def decoded(image: np.ndarray) -> DecodedImage:
    return DecodedImage(Raster(image), "PNG", "0" * 64, (), image.shape[:2])


def test_without_a_word_one_inference_gives_class_and_map(decoded: DecodedImage) -> None:
    engine = CountingEngine()
    pool = EnginePool(10 * MIB, lambda spec: engine, lambda spec: MIB, load_head=lambda spec: LightHead())
    (found,) = explain(decoded, Options((SPEC,)), pool).maps
    assert engine.count == 1
    assert found.target.indices == (1,), "the right half is brighter"
    assert found.probability == pytest.approx(LightEngine().observe(decoded.pixels).probabilities[1])
    assert found.milliseconds > 0


def test_a_failure_is_told_once_beside_the_maps_of_others(decoded: DecodedImage, pool: EnginePool) -> None:
    found = explain(decoded, Options((BROKEN, SPEC, BLIND)), pool)
    assert [one.model for one in found.maps] == ["light"]
    assert [one.model for one in found.failures] == ["broken", "blind"]


def test_without_any_map_the_first_error_is_raised(decoded: DecodedImage, pool: EnginePool) -> None:
    with pytest.raises(EngineError, match="nothing"):
        explain(decoded, Options((BROKEN,)), pool)
