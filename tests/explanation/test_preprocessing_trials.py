from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imgrec.errors import EngineError, UnknownNameError
from imgrec.explanation import preprocessing_trials as trials
from imgrec.explanation.preprocessing_trials import OPTIONS, Preprocessing
from imgrec.images import gallery
from imgrec.images.decoding import DecodedImage, decode
from imgrec.images.preprocessing import PREPROCESS, frame
from imgrec.images.raster import Raster
from imgrec.inference.classify import open_pool
from imgrec.inference.pool import EnginePool
from imgrec.models.catalog import BUILT_IN
from imgrec.models.weights import find
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.settings import MIB, Settings
from tests.conftest import Ask
from tests.fakes import FakeEngine

MOBILENET, VGG = BUILT_IN.get_spec("mobilenet"), BUILT_IN.get_spec("vgg16")


def image(orientation: int = 1) -> DecodedImage:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 260, 3), np.uint8)
    return DecodedImage(Raster(pixels), "JPEG", "0" * 64, (), (300, 260), orientation)


class Recorder(FakeEngine):
    """Keeps what it was given; fails where that is nearly one gray."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[np.ndarray] = []

    def predict_values(self, values: np.ndarray) -> np.ndarray:
        self.given.append(values[0])
        if values.std(axis=(0, 1, 2)).max() < 1:
            raise EngineError("Expected contrast. Received: none.")
        return super().predict_values(values)


@pytest.fixture
def engine() -> Recorder:
    return Recorder()


@pytest.fixture
def pool(engine: Recorder) -> EnginePool:
    return EnginePool(100 * MIB, load=lambda spec: engine, estimate=lambda spec: MIB)


@pytest.mark.parametrize("spec", [MOBILENET, VGG, BUILT_IN.get_spec("densenet121"), BUILT_IN.get_spec("capstone_cnn")])
def test_correct_settings_give_the_network_the_bytes(spec, engine: Recorder, pool: EnginePool) -> None:  # type: ignore[no-untyped-def]
    engine._probabilities = np.eye(len(spec.get_label_space().labels), dtype=np.float32)[1]
    found = trials.predict(image(), spec, trials.correct_for(spec), pool)
    assert found.first.index == 1
    expected = frame(image(), spec.input_size, spec.crop_fraction)
    assert engine.given[0] == pytest.approx(expected.astype(np.float32), abs=1e-3)
    assert engine.given[0].dtype == np.float32


@pytest.mark.parametrize("mode", PREPROCESS)
def test_the_values_are_those_of_the_wrong_line(mode: str) -> None:
    values = trials.prepare(image(), MOBILENET, Preprocessing(mode))
    framed = frame(image(), MOBILENET.input_size, MOBILENET.crop_fraction).astype(np.float64)
    by_hand = {
        "tf": framed / 127.5 - 1,
        "unit": framed / 255,
        "identity": framed,
        "caffe": framed[..., ::-1] - (103.939, 116.779, 123.68),
        "torch": (framed / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225),
    }
    assert values == pytest.approx(by_hand[mode], abs=1e-4)


def test_values_that_are_no_bytes_are_neither_limited_nor_rounded() -> None:
    values = trials.prepare(image(), MOBILENET, Preprocessing("identity"))
    pixels = trials.as_pixels(values, MOBILENET)
    assert pixels.max() > 30_000
    assert trials.visible(pixels).max() == 255
    faint = trials.as_pixels(trials.prepare(image(), VGG, Preprocessing("unit")), VGG)
    assert 0 < np.ptp(faint) < 25
    assert (faint != np.rint(faint)).any()


def test_reading_bgr_swaps_the_channels_before_the_normalization() -> None:
    right = trials.prepare(image(), MOBILENET, Preprocessing("tf"))
    assert (trials.prepare(image(), MOBILENET, Preprocessing("tf", channels="bgr")) == right[..., ::-1]).all()


def test_exif_off_gives_the_pixels_as_they_were_stored() -> None:
    sideways = trials.prepare(image(6), MOBILENET, Preprocessing("tf", framing="squash", exif="off"))
    stored = replace(image(), whole=Raster(np.rot90(image().pixels)))
    assert (sideways == trials.prepare(stored, MOBILENET, Preprocessing("tf", framing="squash"))).all()
    upright = trials.prepare(image(6), MOBILENET, Preprocessing("tf", framing="squash"))
    assert (upright == trials.prepare(image(), MOBILENET, Preprocessing("tf", framing="squash"))).all()


def test_a_letterbox_shows_all_of_the_image_between_gray_bars() -> None:
    values = trials.prepare(image(), MOBILENET, Preprocessing("identity", framing="letterbox"))
    assert (values[:, :10] == 128).all()
    assert values[:, 112].std() > 10


def test_every_single_mistake_is_tried_once() -> None:
    mistakes = trials.single_mistakes(MOBILENET)
    assert len(mistakes) == sum(len(options) - 1 for options in OPTIONS.values()) == len(set(mistakes))
    assert all(len(trials.differences(tried, MOBILENET)) == 1 for tried in mistakes)
    assert trials.differences(trials.correct_for(VGG), VGG) == ()


def test_a_failure_does_not_end_the_others(pool: EnginePool) -> None:
    outcomes = dict(trials.predict_each(image(), VGG, [Preprocessing("unit"), Preprocessing("caffe")], pool))
    assert [type(outcome) for outcome in outcomes.values()] == [Failure, Prediction]


@pytest.mark.parametrize("field", OPTIONS)
def test_other_values_are_refused(field: str) -> None:
    with pytest.raises(UnknownNameError, match=f"a {field}"):
        replace(Preprocessing("tf"), **{field: "none such"})


@pytest.mark.slow
@pytest.mark.parametrize("model", ["capstone_cnn", "efficientnet_lite0"])
def test_the_wrong_line_in_keras_gives_the_same(
    model: str, ready: Settings, keras_processes: Callable[[str], Ask], tmp_path: Path
) -> None:
    spec = BUILT_IN.get_spec(model)
    weights = find(spec, ready)
    espresso = gallery.get_sample("espresso.jpg").path.read_bytes()
    decoded = decode(espresso, max_bytes=len(espresso))
    tried = [Preprocessing(mode, channels=channels) for mode in PREPROCESS for channels in OPTIONS["channels"]]
    values, truth = tmp_path / "values.npy", tmp_path / "truth.npy"
    np.save(values, np.stack([trials.prepare(decoded, spec, one) for one in tried]))
    keras_processes("tensorflow")("raw", model=model, weights=weights, values=values, probabilities=truth)
    pool = open_pool(ready)
    found = [trials.predict(decoded, spec, one, pool).probabilities for one in tried]
    for one, served, expected in zip(tried, found, np.load(truth), strict=True):
        assert served == pytest.approx(expected, abs=2e-3), one
        assert served.argmax() == expected.argmax(), one
