"""Curves against scikit-learn."""

import doctest

import numpy as np
import pytest
import sklearn.metrics as oracle
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from imgrec.errors import InputError
from imgrec.metrics import curves
from imgrec.metrics.curves import (
    at_coverage,
    auroc,
    macro_auc,
    precision_recall_curve,
    risk_coverage,
    roc_curve,
    thinned,
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
    x, y, _ = oracle.roc_curve(positive, scores, drop_intermediate=False)
    assert mine.x == pytest.approx(x)
    assert mine.y == pytest.approx(y)
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


@given(data=scored())
def test_auroc_like_scikit_learn(data: tuple[np.ndarray, np.ndarray]) -> None:
    doubt, is_other = data
    expected = oracle.roc_auc_score(is_other, doubt)
    assert auroc(doubt[~is_other], doubt[is_other]) == pytest.approx(expected)


@given(right=npst.arrays(bool, st.integers(1, 30)), seed=st.integers(0, 9))
def test_the_risk_of_each_coverage_is_that_of_the_surest_images(right: np.ndarray, seed: int) -> None:
    doubt = np.random.default_rng(seed).permutation(len(right)).astype(float)
    curve = risk_coverage(doubt, right)
    surest = right[np.argsort(doubt)]
    risks = [1 - surest[:kept].mean() for kept in range(1, len(right) + 1)]
    assert curve.y == pytest.approx(risks)
    assert curve.area == pytest.approx(np.mean(risks)), "the AURC of Geifman et al."
    assert at_coverage(curve, 1.0) == pytest.approx(1 - right.mean())
    assert at_coverage(curve, 0.5) == pytest.approx(risks[(len(right) + 1) // 2 - 1])


@given(data=scored())
def test_images_of_equal_doubt_are_kept_together(data: tuple[np.ndarray, np.ndarray]) -> None:
    doubt, right = data
    curve = risk_coverage(doubt, right)
    expected = [(np.mean(doubt <= limit), 1 - right[doubt <= limit].mean()) for limit in np.unique(doubt)]
    assert list(zip(curve.x, curve.y, strict=True)) == [pytest.approx(point) for point in expected]


def test_doubt_that_knows_its_mistakes_beats_doubt_that_does_not() -> None:
    right = np.arange(100) < 80
    knowing, not_knowing = np.arange(100.0), -np.arange(100.0)
    assert risk_coverage(knowing, right).area < 0.2 < risk_coverage(not_knowing, right).area
