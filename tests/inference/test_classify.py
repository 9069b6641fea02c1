import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from imgrec.errors import ConversionError, LabelSpaceError, MemoryBudgetError, OfflineError, UnknownNameError
from imgrec.images.decoding import DecodedImage, decode
from imgrec.inference import conversion
from imgrec.inference.classify import classify, estimate_bytes, open_pool
from imgrec.inference.pool import EnginePool
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.settings import ASSETS, MIB, Settings
from tests.fakes import FakeEngine, fake_spec

SMALL = fake_spec("small", parameters=1_000_000)
LARGE = fake_spec("large", parameters=100_000_000)
FINE = fake_spec("fine", parameters=2_000_000, input_size=(600, 600))
NARROW = fake_spec("narrow", parameters=3_000_000, crop_fraction=0.5)


@pytest.fixture
def image() -> DecodedImage:
    return decode((ASSETS / "samples" / "cat.jpg").read_bytes(), max_bytes=20 * MIB)


class SeeingEngine(FakeEngine):
    """Keeps what it was shown."""

    def __init__(self, seen: list[np.ndarray]) -> None:
        super().__init__()
        self.seen = seen

    def predict(self, batch: np.ndarray) -> np.ndarray:
        self.seen.append(batch)
        return super().predict(batch)


def pool_of(engine_of: Callable[[ModelSpec], FakeEngine]) -> EnginePool:
    return EnginePool(10 * MIB, engine_of, lambda spec: MIB)


def test_cheap_models_come_first_and_loaded_ones_before_all(image: DecodedImage) -> None:
    pool = pool_of(lambda spec: FakeEngine())
    assert [found.model for found in classify(image, [LARGE, FINE, SMALL], pool)] == ["small", "fine", "large"]
    pool.unload("small")
    pool.unload("fine")
    found = list(classify(image, [LARGE, FINE, SMALL], pool))
    assert [one.model for one in found] == ["large", "small", "fine"]
    assert all(isinstance(one, Prediction) and one.top_k(1)[0].index == 281 for one in found)


def test_each_prediction_is_there_before_the_next_model_starts(image: DecodedImage) -> None:
    started: list[str] = []

    def load(spec: ModelSpec) -> FakeEngine:
        started.append(spec.name)
        return FakeEngine()

    predictions = classify(image, [SMALL, LARGE], pool_of(load))
    assert next(predictions).model == "small"
    assert started == ["small"]


def test_models_with_the_same_input_share_it(image: DecodedImage) -> None:
    seen: list[np.ndarray] = []
    pool = pool_of(lambda spec: SeeingEngine(seen))
    specs = [SMALL, LARGE, FINE, NARROW]
    list(classify(image, specs, pool))
    assert [batch.shape for batch in seen] == [(1, 224, 224, 3), (1, 224, 224, 3), (1, 600, 600, 3), (1, 224, 224, 3)]
    same, narrow, _, again = seen
    assert np.shares_memory(again, same)
    assert not np.array_equal(narrow, same)


def test_the_framing_is_passed_on(image: DecodedImage) -> None:
    seen: list[np.ndarray] = []
    for framing in ("crop", "squash"):
        list(classify(image, [SMALL], pool_of(lambda spec: SeeingEngine(seen)), framing))
    assert not np.array_equal(*seen)
    with pytest.raises(UnknownNameError, match="framing"):
        list(classify(image, [SMALL], pool_of(lambda spec: FakeEngine()), "circle"))


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (replace(LARGE, name="unconvertible"), ConversionError),
        (replace(LARGE, name="too_large"), MemoryBudgetError),
        (replace(LARGE, name="of_ten_classes"), LabelSpaceError),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_model_that_fails_says_so_in_its_place_and_the_others_go_on(
    image: DecodedImage, broken: ModelSpec, kind: type[Exception]
) -> None:
    def load(spec: ModelSpec) -> FakeEngine:
        if spec.name == "unconvertible":
            raise ConversionError("no such luck")
        return FakeEngine(classes=10 if spec.name == "of_ten_classes" else 1000, winner=5)

    pool = EnginePool(10 * MIB, load, lambda spec: 11 * MIB if spec.name == "too_large" else MIB)
    found = {one.model: one for one in classify(image, [SMALL, broken, replace(LARGE, parameters=2**40)], pool)}
    failure = found.pop(broken.name)
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, kind)
    assert all(isinstance(one, Prediction) for one in found.values())
    assert list(found) == ["small", "large"]


def test_a_bug_stays_loud(image: DecodedImage) -> None:
    def load(spec: ModelSpec) -> FakeEngine:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(classify(image, [SMALL], pool_of(load)))


def test_without_weights_and_network_the_failure_names_the_place_of_the_file(
    image: DecodedImage, settings: Settings
) -> None:
    spec = BUILT_IN.get_spec("mobilenet_v2")
    (failure,) = classify(image, [spec], open_pool(settings))
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, OfflineError)
    assert str(weights.target_path(spec, settings)) in str(failure.error)


def test_the_estimate_is_what_was_measured_once_it_was(settings: Settings) -> None:
    spec = BUILT_IN.get_spec("vgg16")
    assert 527 * MIB < estimate_bytes(spec, settings) < 650 * MIB
    path = conversion.compiled_path(spec, "0" * 64, settings)
    path.parent.mkdir(parents=True)
    path.touch()
    (path.parent / "manifest.json").write_text(
        '{"model": "vgg16", "weights_sha256": "", "versions": {}, "memory_bytes": 123, "files": {}}'
    )
    assert estimate_bytes(spec, settings) == 123
    assert estimate_bytes(BUILT_IN.get_spec("vgg19"), settings) > 527 * MIB


@pytest.mark.slow
def test_a_real_model_from_its_weights_and_again_after_its_compiled_form_was_damaged(
    image: DecodedImage, settings: Settings, keras_home: Path
) -> None:
    settings = replace(settings, keras_home=keras_home)
    spec = BUILT_IN.get_spec("mobilenet_a025_128")

    def look() -> Prediction:
        pool = open_pool(settings)
        (found,) = classify(image, [spec], pool)
        assert isinstance(found, Prediction), found
        (row,) = pool.loaded()
        assert row.memory_bytes == pool.used_bytes == estimate_bytes(spec, settings)
        pool.unload(spec.name)
        return found

    first = look()
    assert "cat" in first.top_k(1)[0].label.lower()
    (path,) = (settings.home / "compiled").glob("*/model.xml")
    damaged = path.with_suffix(".bin")
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 0xFF
    damaged.write_bytes(data)
    assert np.array_equal(look().probabilities, first.probabilities)
    # Whole, and yet no network: as after an update of the processor, or of a library under the same version.
    path.write_text("<net/>")
    manifest = conversion.read_manifest(path)
    assert manifest is not None
    files = conversion._describe(path.parent)
    (path.parent / "manifest.json").write_text(json.dumps(asdict(replace(manifest, files=files))))
    assert np.array_equal(look().probabilities, first.probabilities)
