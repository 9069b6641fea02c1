import numpy as np
import pytest

from imgrec.errors import UnknownNameError
from imgrec.explanation import attribution, target
from imgrec.explanation.attribution import METHODS, Attribution
from imgrec.explanation.subject import Subject
from imgrec.images.decoding import DecodedImage
from imgrec.images.raster import Raster
from imgrec.inference.pool import EnginePool
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.labels import get_label_space
from imgrec.predictions.prediction import Failure
from tests.explanation.conftest import BLIND, BROKEN, SPEC

LEFT = {"imagenet_1k": target.of_class(get_label_space("imagenet_1k"), 0)}


@pytest.fixture
def decoded(image: np.ndarray) -> DecodedImage:
    """The image with a gray margin left and right, which the models do not see."""
    wide = np.full((32, 64, 3), 128, np.uint8)
    wide[:, 16:48] = image
    return DecodedImage(Raster(wide), "PNG", "0" * 64, (), (32, 64))


def subjects(image: DecodedImage, pool: EnginePool, *specs: ModelSpec) -> list[Subject]:
    return attribution.frame_subjects(image, specs, pool)


@pytest.mark.parametrize("method", METHODS)
def test_each_model_has_a_map_or_a_reason(method: str, decoded: DecodedImage, pool: EnginePool) -> None:
    found = list(attribution.explain(decoded, subjects(decoded, pool, SPEC, BLIND, BROKEN), LEFT, method=method))
    assert [one.model for one in found] == ["light", "blind", "broken"]
    first, second, third = found
    assert isinstance(first, Attribution)
    assert (first.box, first.size_px, first.method) == ((16.0, 0.0, 48.0, 32.0), (32, 64), method)
    assert isinstance(second, Failure if method == "cam" else Attribution)
    assert isinstance(third, Failure)


def test_a_model_of_other_classes_has_no_map(decoded: DecodedImage, pool: EnginePool) -> None:
    assert list(attribution.explain(decoded, subjects(decoded, pool, SPEC), {})) == []


def test_another_method_is_refused(decoded: DecodedImage, pool: EnginePool) -> None:
    with pytest.raises(UnknownNameError, match="method"):
        list(attribution.explain(decoded, subjects(decoded, pool, SPEC), LEFT, method="grad"))
