"""Metrics against scikit-learn and by properties."""

import doctest
from collections.abc import Callable

import numpy as np
import pytest
import sklearn.metrics as oracle
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from imgrec.errors import InputError
from imgrec.metrics import classification
from imgrec.metrics.calibration import adaptive_calibration_error, calibration_error
from imgrec.metrics.classification import brier_scores, check, first_choices, log_loss, ranks, top_1


def confidence(probabilities: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The probability of each first choice, and whether it is right."""
    rows, truth = check(probabilities, target)
    return rows.max(axis=1), first_choices(rows) == truth


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "top_1": top_1,
    "top_5": lambda p, t: float((ranks(p, t) < 5).mean()),
    "log_loss": log_loss,
    "brier": lambda p, t: float(brier_scores(p, t).mean()),
    "ece": lambda p, t: calibration_error(*confidence(p, t)),
    "adaptive_ece": lambda p, t: adaptive_calibration_error(*confidence(p, t)),
}

every_metric = pytest.mark.parametrize("name", METRICS)


def some(count: int = 500, classes: int = 10, seed: int = 0, sharpness: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """A model that is often right and not always sure: probabilities (N, C) and targets (N,)."""
    generator = np.random.default_rng(seed)
    target = generator.integers(0, classes, count)
    logits = generator.normal(size=(count, classes)) * sharpness
    logits[np.arange(count), target] += sharpness
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True), target


@st.composite
def labeled(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Rows that sum to 1, zeros and ties among them, with targets."""
    count, classes = draw(st.integers(1, 40)), draw(st.integers(2, 8))
    values = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1, width=32))
    raw = draw(npst.arrays(np.float64, (count, classes), elements=values)) + 1e-9
    target = draw(npst.arrays(np.int64, count, elements=st.integers(0, classes - 1)))
    return raw / raw.sum(1, keepdims=True), target


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(classification).failed == 0


@pytest.mark.parametrize("classes", [2, 10, 300])
def test_like_scikit_learn(classes: int) -> None:
    probabilities, target = some(400, classes)
    labels = np.arange(classes)
    assert METRICS["top_1"](probabilities, target) == pytest.approx(
        oracle.accuracy_score(target, probabilities.argmax(1))
    )
    assert METRICS["log_loss"](probabilities, target) == pytest.approx(
        oracle.log_loss(target, probabilities, labels=labels), abs=1e-3
    )
    assert METRICS["brier"](probabilities, target) == pytest.approx(
        oracle.brier_score_loss(target, probabilities, labels=labels, scale_by_half=False)
        if classes > 2
        else 2 * oracle.brier_score_loss(target, probabilities[:, 1])
    )
    if classes > 5:
        assert METRICS["top_5"](probabilities, target) == pytest.approx(
            oracle.top_k_accuracy_score(target, probabilities, k=5, labels=labels)
        )


@every_metric
def test_the_perfect_model(name: str) -> None:
    best = {"top_1": 1.0, "top_5": 1.0}.get(name, 0.0)
    assert METRICS[name](np.eye(7), np.arange(7)) == pytest.approx(best, abs=1e-9)


@given(data=labeled())
def test_metrics_stay_in_their_range_and_know_no_order(data: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, target = data
    shuffled = np.random.default_rng(0).permutation(len(target))
    for name, metric in METRICS.items():
        value = metric(probabilities, target)
        assert 0 <= value <= {"log_loss": 17, "brier": 2}.get(name, 1)
        if name != "adaptive_ece":  # images of equal confidence are parted as they come
            assert value == pytest.approx(metric(probabilities[shuffled], target[shuffled]))


@given(data=labeled())
def test_top_k_grows_with_k_and_ties_end_like_a_stable_sort(data: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, target = data
    rows, _ = check(probabilities, target)
    order = np.argsort(-rows, axis=1, kind="stable")
    for k in range(1, probabilities.shape[1] + 1):
        expected = (order[:, :k] == target[:, None]).any(axis=1)
        assert ((ranks(probabilities, target) < k) == expected).all()


def test_probabilities_stored_in_half_precision_are_good_enough() -> None:
    probabilities, target = some(2000)
    for metric in METRICS.values():
        exact = metric(probabilities, target)
        assert metric(probabilities.astype(np.float16), target) == pytest.approx(exact, abs=2e-3)


@pytest.mark.parametrize(
    ("probabilities", "target", "received"),
    [
        pytest.param([[0.5, 0.5]], [0, 1], r"\(1, 2\) and \(2,\)", id="more targets than rows"),
        pytest.param(np.empty((0, 2)), np.empty(0, int), r"\(0, 2\)", id="no rows"),
        pytest.param([0.5, 0.5], [0, 1], r"\(2,\)", id="one row, not a table"),
        pytest.param([[0.5, 0.5]], [0.0], "float64", id="targets that are no whole numbers"),
        pytest.param([[3.0, -1.0]], [0], "values from -1", id="logits"),
        pytest.param([[60.0, 40.0]], [0], "to 100", id="percent"),
        pytest.param([[0.505, 0.505]], [0], "to 1.01", id="a sum that no rounding explains"),
        pytest.param([[np.nan, 1.0]], [0], "nan", id="NaN"),
        pytest.param([[0.5, 0.5]], [2], "2 to 2", id="a class too high"),
        pytest.param([[0.5, 0.5]], [-1], "-1 to -1", id="no class"),
    ],
)
def test_refuses(probabilities: object, target: object, received: str) -> None:
    with pytest.raises(InputError, match=f"Received: .*{received}"):
        check(probabilities, target)
