import json
from pathlib import Path

import numpy as np
import pytest

from imgrec.images import decoding, gallery
from imgrec.inference import classify
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.gallery_predictions import FACTS, stored
from imgrec.predictions.prediction import Prediction
from imgrec.settings import Settings

FACTS_READ = json.loads(FACTS.read_text())
MODELS = list(FACTS_READ["models"])


def sha256_of(sample: gallery.Sample) -> str:
    data = sample.path.read_bytes()
    return decoding.decode(data, max_bytes=len(data)).sha256


@pytest.mark.parametrize("sample", gallery.get_samples(), ids=lambda sample: sample.file)
@pytest.mark.parametrize("model", MODELS)
def test_every_sample_has_its_answer_of_every_stored_model(model: str, sample: gallery.Sample) -> None:
    answer = stored(model, sha256_of(sample), "crop")

    assert answer is not None
    assert answer.model == model
    assert len(answer.weights_sha256) == 64


def test_the_cat_is_a_cat() -> None:
    answer = stored(MODELS[0], sha256_of(gallery.get_sample("cat.jpg")), "crop")

    assert answer is not None
    assert answer.top_k(1)[0].label in {"tabby", "tiger cat", "Egyptian cat"}


@pytest.mark.parametrize(
    ("model", "sha256", "framing"),
    [
        pytest.param("vgg16", FACTS_READ["samples"][0], "crop", id="another model"),
        pytest.param(MODELS[0], "0" * 64, "crop", id="another image"),
        pytest.param(MODELS[0], FACTS_READ["samples"][0], "squash", id="another framing"),
    ],
)
def test_nothing_else_is_answered(model: str, sha256: str, framing: str) -> None:
    assert stored(model, sha256, framing) is None


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_computing_again_gives_the_same(model: str, keras_home: Path, ready: Settings) -> None:
    if weights.sha256(BUILT_IN.get_spec(model), ready) != FACTS_READ["models"][model]["weights_sha256"]:
        pytest.skip(f"KERAS_HOME has other weights of {model} than those that were used")
    pool = classify.open_pool(ready)
    for sample in gallery.get_samples():
        data = sample.path.read_bytes()
        image = decoding.decode(data, max_bytes=len(data))
        (found,) = classify.classify(image, [BUILT_IN.get_spec(model)], pool)
        answer = stored(model, image.sha256, "crop")
        assert isinstance(found, Prediction)
        assert answer is not None
        np.testing.assert_allclose(answer.probabilities, found.probabilities, atol=1e-3)
