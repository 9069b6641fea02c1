"""Label noise: planted wrong labels are found, clean sets are left alone, and the judge never sees its own case."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgrec.data.quality import label_errors as suspects_module
from imgrec.data.quality.label_errors import FOLDS, RIDGES, out_of_fold, suspects
from imgrec.data.splits import assign_folds
from imgrec.errors import InputError


def clusters(classes: int, each: int, dimensions: int, spread: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(classes), each)
    centers = rng.normal(size=(classes, dimensions))
    return centers[targets] + spread * rng.normal(size=(len(targets), dimensions)), targets


def plant(classes: int, each: int, wrong: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, set[int]]:
    """Return features that are easy to tell apart, their labels, the true ones, and which were made wrong."""
    features, truth = clusters(classes, each, 32, 0.2, seed)
    rng = np.random.default_rng(seed + 1)
    planted = rng.choice(len(truth), wrong, replace=False)
    targets = truth.copy()
    targets[planted] = (truth[planted] + rng.integers(1, classes, wrong)) % classes
    return features, targets, truth, set(planted.tolist())


# Two of one class that are called the other speak for each other: rarely one of them stays below the threshold.
@example(classes=2, each=40, wrong=2, seed=31708)
@given(classes=st.integers(2, 6), each=st.integers(40, 60), wrong=st.integers(0, 2), seed=st.integers(0, 2**20))
def test_only_planted_wrong_labels_are_suspects(classes: int, each: int, wrong: int, seed: int) -> None:
    features, targets, truth, planted = plant(classes, each, wrong, seed)
    found = suspects(features, targets)
    assert set(found.indices.tolist()) <= planted
    assert len(found.indices) >= min(1, wrong)
    np.testing.assert_array_equal(found.predicted, truth[found.indices])
    assert (np.diff(found.margins) <= 0).all()


def test_nearly_all_planted_wrong_labels_are_suspects() -> None:
    missed = 0
    for seed in range(100):
        features, targets, _, planted = plant(2 + seed % 5, 40, 2, seed)
        missed += len(planted - set(suspects(features, targets).indices.tolist()))
    assert missed <= 2


def test_a_tenth_of_wrong_labels_among_classes_that_overlap() -> None:
    """Features as hard as real ones: most of the planted are found, and most of the found are planted."""
    features, truth = clusters(5, 200, 64, 1.3, seed=3)
    rng = np.random.default_rng(4)
    planted = rng.choice(len(truth), 100, replace=False)
    targets = truth.copy()
    targets[planted] = (truth[planted] + rng.integers(1, 5, 100)) % 5
    found = set(suspects(features, targets).indices.tolist())
    assert len(found & set(planted.tolist())) >= 80
    assert len(found & set(planted.tolist())) >= 0.95 * len(found)


def test_features_that_know_nothing_agree_with_chance() -> None:
    rng = np.random.default_rng(0)
    found = suspects(rng.normal(size=(400, 16)), np.repeat([0, 1], 200))
    assert found.agreement < 0.65


def test_the_judge_has_not_seen_the_label_it_judges() -> None:
    """As many dimensions as images: a classifier that had seen the labels would predict each of them."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 100)
    probabilities = out_of_fold(rng.normal(size=(100, 200)), targets)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == targets).mean() < 0.7


@pytest.mark.parametrize("dimensions", [8, 90], ids=["more images", "more dimensions"])
def test_the_closed_form_is_least_squares_with_a_ridge(dimensions: int) -> None:
    """The same as ordinary least squares on data with a row of √λ for each dimension below them."""
    features, targets = clusters(3, 20, dimensions, 0.8, seed=1)
    x, _ = suspects_module._checked(features, targets)
    folds, wanted = assign_folds(targets, FOLDS, np.random.default_rng(0)), np.eye(3)[targets]
    mine = folds == 2
    for ridge, scores in zip(RIDGES, suspects_module._scores(x, wanted, folds), strict=True):
        below = np.sqrt(ridge * len(x) / x.shape[1]) * np.eye(x.shape[1])
        left, right = np.concatenate([x[~mine], below]), np.concatenate([wanted[~mine], np.zeros((len(below), 3))])
        np.testing.assert_allclose(scores[mine], x[mine] @ np.linalg.lstsq(left, right)[0], atol=1e-4)


def test_small_classes() -> None:
    features, targets = clusters(3, 20, 8, 0.1, seed=1)
    keep = np.r_[0:20, 20:22, 40:41]
    assert suspects(features[keep], targets[keep]).indices.tolist() == []


@pytest.mark.parametrize(
    ("features", "targets", "sentence"),
    [
        pytest.param(np.zeros((3, 2)), np.array([0, 1]), r"\(3, 2\)", id="other count"),
        pytest.param(np.zeros(3), np.array([0, 1, 1]), r"\(3,\)", id="no vectors"),
        pytest.param(np.zeros((2, 2)), np.array([0.0, 1.0]), "float64", id="no whole numbers"),
        pytest.param(np.zeros((2, 2)), np.array([-1, 1]), "from 0", id="negative"),
        pytest.param(np.zeros((2, 2)), np.array([1, 1]), "Received: 1", id="one class"),
        pytest.param(np.full((2, 2), np.nan), np.array([0, 1]), "NaN", id="not finite"),
    ],
)
def test_refuses(features: np.ndarray, targets: np.ndarray, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        suspects(features, targets)
