"""Calibration errors against loops, and by properties; temperature scaling against scipy."""

import doctest

import numpy as np
import pytest
import scipy.optimize

from imgrec.metrics import calibration
from imgrec.metrics.calibration import BINS, calibration_error, fit_temperature, held_out, reliability, with_temperature
from imgrec.metrics.classification import log_loss, top_1
from tests.metrics.test_classification import METRICS, confidence, some


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(calibration).failed == 0


@pytest.mark.parametrize("edge", [1 / 15, 5 / 15, 0.6, 1.0])
def test_a_confidence_on_the_edge_of_a_bin_belongs_to_the_lower_bin(edge: float) -> None:
    (found,) = [b for b in reliability(np.array([edge]), np.array([True])) if b.count]
    assert found.high == pytest.approx(edge)
    # One image on the edge and one just above it are in two bins: their gaps do not cancel out.
    pair, right = np.array([edge, min(edge + 1e-6, 1.0)]), np.array([True, False])
    gaps = abs(1 - pair[0]) + pair[1] if edge < 1 else 1.0
    assert calibration_error(pair, right) == pytest.approx(gaps / 2)


def test_calibration_error_is_what_a_loop_over_the_bins_gives() -> None:
    probabilities, target = some(2000)
    sure, right = confidence(probabilities, target)
    total = 0.0
    for b in range(BINS):
        inside = (sure > b / BINS) & (sure <= (b + 1) / BINS)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert METRICS["ece"](probabilities, target) == pytest.approx(total)


def test_adaptive_calibration_error_is_what_a_loop_over_equal_parts_gives() -> None:
    probabilities, target = some(150)
    sure, right = confidence(probabilities, target)
    parts = np.array_split(np.argsort(sure, kind="stable"), BINS)
    expected = sum(len(p) / 150 * abs(right[p].mean() - sure[p].mean()) for p in parts)
    assert METRICS["adaptive_ece"](probabilities, target) == pytest.approx(expected)


def test_a_model_that_says_what_is_true_is_calibrated() -> None:
    probabilities, _ = some(20_000, 4, sharpness=1.0)
    generator = np.random.default_rng(1)
    target = (generator.random(len(probabilities))[:, None] > probabilities.cumsum(1)).sum(1).clip(max=3)
    assert METRICS["ece"](probabilities, target) < 0.02
    assert METRICS["adaptive_ece"](probabilities, target) < 0.02


def test_the_bins_of_a_reliability_diagram_give_the_calibration_error() -> None:
    probabilities, target = some(1000)
    bins = [b for b in reliability(probabilities.max(1), probabilities.argmax(1) == target) if b.count]
    assert sum(b.count for b in bins) == 1000
    assert all(b.low < b.confidence <= b.high for b in bins)
    error = sum(b.count / 1000 * abs(b.accuracy - b.confidence) for b in bins)
    assert error == pytest.approx(calibration_error(*confidence(probabilities, target)))


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
    assert METRICS["ece"](scaled, target[~fit]) < METRICS["ece"](probabilities[~fit], target[~fit])
    assert top_1(scaled, target[~fit]) == top_1(probabilities[~fit], target[~fit])


def test_the_held_out_half_depends_on_the_ids_alone() -> None:
    ids = [f"{i}.png" for i in range(1000)]
    chosen = held_out(ids)
    assert 420 < chosen.sum() < 580
    assert held_out(ids[::-1]).tolist() == chosen[::-1].tolist()
