"""None of these, and unsure: the limits, and that they are what was measured."""

import doctest
import json
from pathlib import Path

import numpy as np
import pytest

from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.evaluation import stored_predictions
from imgrec.images.decoding import decode
from imgrec.inference.classify import classify, open_pool
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions import out_of_distribution
from imgrec.predictions.ensembles import Uncertainty, combine, entropy_bits
from imgrec.predictions.labels import CATS_AND_DOGS, CIFAR_10, LabelSpace, get_label_space
from imgrec.predictions.out_of_distribution import (
    KEPT,
    MIN_IMAGES,
    describe,
    is_none_of_these,
    is_unsure,
    keeping,
    limit_of,
    measured,
    measured_limit,
)
from imgrec.predictions.prediction import Prediction
from imgrec.settings import ASSETS, ROOT, Settings

MEASURED = json.loads((ROOT / "bench" / "results" / "out_of_distribution.json").read_text())["cifar_10"]
assert CIFAR_10.entropy_limit is not None
LIMIT = CIFAR_10.entropy_limit
TOGETHER = max(MEASURED["models"], key=len)

UNSURE = measured()
NETWORKS = {name: about["weights_sha256"] for name, about in UNSURE["models"].items()}


@pytest.mark.parametrize(
    ("space", "bits", "expected"),
    [
        (CIFAR_10, 0.0, False),
        (CIFAR_10, LIMIT.entropy_bits, False),
        (CIFAR_10, 3.3, True),
        (CATS_AND_DOGS, 1.0, None),
    ],
)
def test_the_limit_decides_where_there_is_one(space: LabelSpace, bits: float, expected: bool | None) -> None:
    assert is_none_of_these(space, Uncertainty(bits, 0.0, 0.0, 10)) is expected


def test_keeping_keeps_the_share() -> None:
    entropies = np.random.default_rng(0).gamma(2, 0.4, 10_000)
    assert np.mean(entropies <= keeping(entropies)) == pytest.approx(KEPT, abs=1e-3)


@pytest.mark.parametrize(("images", "is_set"), [(0, False), (MIN_IMAGES - 1, False), (MIN_IMAGES, True)])
def test_a_limit_needs_enough_held_out_images_and_the_card_says_so(images: int, is_set: bool) -> None:
    entropies = np.linspace(0, 0.5, images)
    found = limit_of(entropies)
    assert (found is not None) == is_set
    words = describe(found, images, 2)
    assert ("No limit" in words) == (not is_set)
    if found is not None:
        assert np.mean(entropies <= found) == pytest.approx(KEPT, abs=1 / images)
        assert "above 0.47 of at most 1.00 bits" in words
        assert "was not measured" in words


def test_examples_in_docstrings() -> None:
    found = doctest.testmod(out_of_distribution)
    assert found.attempted
    assert not found.failed


def test_the_limit_is_the_measured_one() -> None:
    """After new networks: `python -m bench.out_of_distribution`, and these figures into `labels.CIFAR_10`."""
    limit, measured = LIMIT, MEASURED["models"][TOGETHER]
    assert limit.entropy_bits == MEASURED["limit_bits"]
    assert limit.flagged == {
        "unrelated photos": round(measured["foreign_caught"], 2),
        "photos of its own classes": round(1 - measured["photographs_of_the_classes_kept"], 2),
    }
    assert limit.auroc == round(measured["auroc"]["entropy"], 2)


@pytest.mark.parametrize("models", MEASURED["models"])
def test_the_limit_keeps_the_test_images_of_the_networks_that_are_shipped(models: str) -> None:
    paths = [
        stored_predictions.predictions_path(ASSETS / "benchmarks", name, "cifar10") for name in models.split(" + ")
    ]
    mean = np.mean([stored_predictions.read(path).probabilities.astype(np.float64) for path in paths], axis=0)
    kept = float(np.mean(entropy_bits(mean) <= LIMIT.entropy_bits))
    # A weak network doubts in other ways: its limit would be another, and this one lets nearly everything pass.
    least, most = (0.94, 0.96) if models == TOGETHER else (0.92, 1.0)
    assert least <= kept <= most


def member(name: str, spread: int = 1, sha256: str | None = None) -> Prediction:
    """A prediction of a measured network that finds `spread` classes equally likely."""
    row = np.zeros(1000)
    row[:spread] = 1 / spread
    return Prediction(name, get_label_space("imagenet_1k"), row, weights_sha256=sha256 or NETWORKS[name])


def stored(name: str) -> np.ndarray:
    path = stored_predictions.predictions_path(ASSETS / "benchmarks", name, UNSURE["inside"])
    assert stored_predictions.read_note(path)["weights_sha256"] == NETWORKS[name]
    return stored_predictions.read(path).probabilities.astype(np.float64)


@pytest.mark.parametrize(
    "names", [["mobilenet"], ["efficientnet_lite1"], ["mobilenet_v2", "efficientnet_lite0"], list(NETWORKS)]
)
def test_a_limit_is_that_of_these_networks_together(names: list[str]) -> None:
    found = measured_limit(combine([member(name) for name in names]))
    assert found is not None
    mean = np.mean([stored(name) for name in names], axis=0)
    # The stored probabilities have three digits.
    assert found.entropy_bits == pytest.approx(keeping(entropy_bits(mean)), abs=0.02)
    of = UNSURE["models"][names[0]] if len(names) == 1 else UNSURE["ensemble"]
    if len(names) in (1, len(NETWORKS)):
        assert found.entropy_bits == pytest.approx(of["detectors"]["entropy"]["limit"], abs=1e-3)
        shares = of["detectors"]["entropy"]["flagged"]
        for source, about in UNSURE["sources"].items():
            if source != UNSURE["inside"]:
                assert found.flagged[about["title"]] == pytest.approx(shares[source], abs=0.011)


def test_above_the_limit_they_are_unsure() -> None:
    found = [is_unsure(combine([member("mobilenet", spread), member("mobilenet_v2", spread)])) for spread in (1, 500)]
    assert found == [False, True]


@pytest.mark.parametrize(
    ("members", "weights"),
    [
        pytest.param([member("mobilenet", sha256="ab")], None, id="other weights of a network"),
        pytest.param([member("mobilenet"), member("vgg16", sha256="ab")], None, id="one that was not measured"),
        pytest.param([member("mobilenet"), member("mobilenet_v2")], [2, 1], id="one counts more"),
        pytest.param([member("mobilenet"), member("mobilenet")], None, id="the same twice"),
    ],
)
def test_without_a_measurement_nothing_is_said(members: list[Prediction], weights: list[float] | None) -> None:
    ensemble = combine(members, "mean" if weights is None else "weighted_mean", weights)
    assert measured_limit(ensemble) is None
    assert is_unsure(ensemble) is None


def test_a_member_without_weight_does_not_count() -> None:
    both = combine([member("mobilenet"), member("mobilenet_v2")], "weighted_mean", [0, 1])
    assert measured_limit(both) == measured_limit(combine([member("mobilenet_v2")]))


def test_pages_read_what_the_benchmark_wrote() -> None:
    results = json.loads((ROOT / "bench" / "results" / "unsure.json").read_text())
    assert {key: value for key, value in UNSURE.items() if key != "limits"} == {
        key: value for key, value in results.items() if key != "hardware"
    }
    for lists in (UNSURE["limits"]["entropy_bits"], *UNSURE["limits"]["flagged"].values()):
        assert len(lists) == 2 ** len(NETWORKS) - 1
    best = max(one["auroc"] for one in UNSURE["detectors"].values())
    assert UNSURE["detectors"][UNSURE["chosen"]]["auroc"] > best - 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet", "efficientnet_lite0"])
def test_what_is_served_stays_below_the_limit(name: str, test_data: Path, keras_home: Path, ready: Settings) -> None:
    """The same images as the measurement, one in ten, by the engine that serves."""
    spec = BUILT_IN.get_spec(name)
    if weights.sha256(spec, ready) != NETWORKS[name]:
        pytest.skip(f"other weights of {name} than those that were measured")
    pool, found = open_pool(ready), []
    for item in list(open_evaluation_split(str(test_data / UNSURE["inside"]), ready).items())[::10]:
        assert isinstance(item.image, bytes)
        image = decode(item.image, max_bytes=len(item.image))
        (prediction,) = classify(image, [spec], pool, UNSURE["sources"][UNSURE["inside"]]["framing"])
        assert isinstance(prediction, Prediction)
        found.append(is_unsure(combine([prediction])))
    assert None not in found
    assert 0 < np.mean(np.array(found, bool)) < 0.12, "one in twenty of all"
