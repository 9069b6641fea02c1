"""Curves against scikit-learn, temperature scaling against scipy."""

import doctest

import numpy as np
import pytest
import scipy.optimize
import sklearn.metrics as oracle
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from imgrec.errors import InputError
from imgrec.metrics import curves
from imgrec.metrics.classification import calibration_error, log_loss, top_1
from imgrec.metrics.curves import (
    fit_temperature,
    held_out,
    macro_auc,
    precision_recall_curve,
    reliability,
    roc_curve,
    thinned,
    with_temperature,
)
from tests.metrics.test_classification import some


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, and both kinds of images."""
    count = draw(st.integers(2, 40))
    scores = draw(npst.arrays(np.float64, count, elements=st.integers(0, 10).map(lambda i: i / 10)))
    positive = draw(npst.arrays(bool, count))
    positive[0], positive[1] = True, False
    return scores, positive


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(curves).failed == 0


@given(data=scored())
def test_roc_like_scikit_learn(data: tuple[np.ndarray, np.ndarray]) -> None:
    scores, positive = data
    mine = roc_curve(scores, positive)
    x, y, thresholds = oracle.roc_curve(positive, scores, drop_intermediate=False)
    assert mine.x == pytest.approx(x)
    assert mine.y == pytest.approx(y)
    assert mine.thresholds[1:] == pytest.approx(thresholds[1:])
    assert mine.area == pytest.approx(oracle.roc_auc_score(positive, scores))


@given(data=scored())
def test_average_precision_like_scikit_learn(data: tuple[np.ndarray, np.ndarray]) -> None:
    scores, positive = data
    mine = precision_recall_curve(scores, positive)
    assert mine.area == pytest.approx(oracle.average_precision_score(positive, scores))
    precision, recall, _ = oracle.precision_recall_curve(positive, scores)
    assert mine.y == pytest.approx(precision[::-1])
    assert mine.x == pytest.approx(recall[::-1])


def test_macro_auc_like_scikit_learn() -> None:
    probabilities, target = some(300, 6)
    expected = oracle.roc_auc_score(target, probabilities, multi_class="ovr")
    assert macro_auc(probabilities, target) == pytest.approx(expected)


def test_macro_auc_of_one_class_is_not_defined() -> None:
    assert np.isnan(macro_auc(np.full((3, 2), 0.5), [0, 0, 0]))


@pytest.mark.parametrize("positive", [[True, True], [False, False]], ids=["no negatives", "no positives"])
def test_a_roc_needs_both_kinds(positive: list[bool]) -> None:
    with pytest.raises(InputError, match="one kind only"):
        roc_curve([0.2, 0.8], positive)


def test_a_thinned_curve_looks_the_same() -> None:
    generator = np.random.default_rng(0)
    positive = generator.random(10_000) < 0.1
    whole = roc_curve(generator.normal(size=10_000) + 3 * positive, positive)
    drawn = thinned(whole)
    assert len(drawn.x) <= 202 < len(whole.x)
    assert drawn.area == whole.area
    assert (drawn.x[0], drawn.y[0], drawn.x[-1], drawn.y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(drawn.y, drawn.x) == pytest.approx(whole.area, abs=2e-3)


def test_the_bins_of_a_reliability_diagram_give_the_calibration_error() -> None:
    probabilities, target = some(1000)
    bins = [b for b in reliability(probabilities.max(1), probabilities.argmax(1) == target) if b.count]
    assert sum(b.count for b in bins) == 1000
    assert all(b.low < b.confidence <= b.high for b in bins)
    error = sum(b.count / 1000 * abs(b.accuracy - b.confidence) for b in bins)
    assert error == pytest.approx(calibration_error(probabilities, target))


def test_temperature_like_scipy() -> None:
    probabilities, target = some(800, sharpness=5.0)
    found = scipy.optimize.minimize_scalar(
        lambda t: log_loss(with_temperature(probabilities, np.exp(t)), target), bounds=(-3, 3), method="bounded"
    )
    assert fit_temperature(probabilities, target) == pytest.approx(np.exp(found.x), rel=1e-3)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_is_found_again(temperature: float) -> None:
    truth, _ = some(20_000, 5, sharpness=1.0)
    generator = np.random.default_rng(3)
    target = (generator.random(len(truth))[:, None] > truth.cumsum(1)).sum(1).clip(max=4)
    stated = with_temperature(truth, 1 / temperature)
    assert fit_temperature(stated, target) == pytest.approx(temperature, rel=0.05)


def test_scaling_mends_confidence_and_changes_no_choice() -> None:
    probabilities, target = some(4000, sharpness=5.0)
    ids = [f"image {i}" for i in range(4000)]
    fit = held_out(ids)
    scaled = with_temperature(probabilities[~fit], fit_temperature(probabilities[fit], target[fit]))
    assert calibration_error(scaled, target[~fit]) < calibration_error(probabilities[~fit], target[~fit])
    assert top_1(scaled, target[~fit]) == top_1(probabilities[~fit], target[~fit])


def test_the_held_out_half_depends_on_the_ids_alone() -> None:
    ids = [f"{i}.png" for i in range(1000)]
    chosen = held_out(ids)
    assert 420 < chosen.sum() < 580
    assert held_out(ids[::-1]).tolist() == chosen[::-1].tolist()
