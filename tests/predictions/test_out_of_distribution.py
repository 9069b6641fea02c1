"""None of these: the limits, and that they are what was measured."""

import doctest
import json

import numpy as np
import pytest

from imgrec.evaluation import stored_predictions
from imgrec.predictions import out_of_distribution
from imgrec.predictions.ensembles import Uncertainty, entropy_bits
from imgrec.predictions.labels import CATS_AND_DOGS, CIFAR_10, LabelSpace
from imgrec.predictions.out_of_distribution import KEPT, MIN_IMAGES, describe, is_none_of_these, keeping, limit_of
from imgrec.settings import ASSETS, ROOT

MEASURED = json.loads((ROOT / "bench" / "results" / "out_of_distribution.json").read_text())["cifar_10"]
assert CIFAR_10.entropy_limit is not None
LIMIT = CIFAR_10.entropy_limit
TOGETHER = max(MEASURED["models"], key=len)


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
    """After new networks: `python -m bench.out_of_distribution`, and these figures into `abstention.LIMITS`."""
    limit, measured = LIMIT, MEASURED["models"][TOGETHER]
    assert limit.entropy_bits == MEASURED["limit_bits"]
    assert limit.caught == round(measured["foreign_caught"], 2)
    assert limit.lost == round(1 - measured["photographs_of_the_classes_kept"], 2)
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
