"""What a labeled set says about a model: one number a metric, each a pure function of (probabilities, target).

`probabilities` is float (N, C), rows that sum to 1; `target` is int (N,), the true class of each row, in [0, C).
Nothing is guessed: logits, percentages and NaN are refused. Fractions stay in [0, 1] until somebody formats them.
What follows from first choices alone is in `confusion`, curves over thresholds are in `curves`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgrec.errors import InputError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

# A float16 softmax sums to 1 within this; anything else is no distribution.
SUM_TOLERANCE = 5e-3

# log 0 is no number to average. This is the smallest float16 above 0, in which probabilities are stored: a 0 means
# "less than this", and a model that rules the truth out costs 16.6 nats.
SMALLEST_PROBABILITY = float(np.finfo(np.float16).smallest_subnormal)

# Fifteen bins, as Guo et al. 2017 and torchmetrics' examples have it; few enough for a thousand images.
BINS = 15


def softmax(scores: npt.ArrayLike) -> np.ndarray:
    """Probabilities of each row of logits (N, C), in their float type; a constant added to a row changes nothing.

    >>> softmax([[0.0, 1000.0]]).tolist()
    [[0.0, 1.0]]
    """
    logits = np.asarray(scores)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class Metric:
    """A number with its words: `sentence` says what it is to people, `unit` is "fraction" or "nats" or "" (a sum)."""

    title: str
    sentence: str
    compute: Callable[[Floats, Integers], float]
    higher_is_better: bool
    unit: str = "fraction"


def check(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> tuple[Floats, Integers]:
    """`probabilities` as float64 (N, C) whose rows sum to exactly 1, and `target` as int64 (N,).

    Raises `InputError` on other shapes, no rows, NaN, values outside [0, 1], sums off 1, targets outside [0, C).
    """
    rows, truth = np.asarray(probabilities, np.float64), np.asarray(target)
    if rows.ndim != 2 or truth.shape != rows.shape[:1] or len(rows) == 0 or truth.dtype.kind not in "iu":
        raise InputError(
            "Expected probabilities of shape (N, C) and N whole numbers as target, N ≥ 1. "
            f"Received: {rows.shape} and {truth.shape} of {truth.dtype}."
        )
    sums = rows.sum(axis=1, keepdims=True)
    # Written so that NaN fails too.
    if not (rows.min() >= 0 and np.abs(sums - 1).max() <= SUM_TOLERANCE):
        raise InputError(
            "Expected rows of probabilities in [0, 1] that sum to 1. "
            f"Received: values from {rows.min():.3g}, sums from {sums.min():.4g} to {sums.max():.4g}."
        )
    if truth.min() < 0 or truth.max() >= rows.shape[1]:
        raise InputError(f"Expected targets from 0 to {rows.shape[1] - 1}. Received: {truth.min()} to {truth.max()}.")
    return rows / sums, truth.astype(np.int64)


def first_choices(probabilities: npt.ArrayLike) -> Integers:
    """The most probable class of each row, int64 (N,); ties go to the lower index."""
    return np.asarray(np.asarray(probabilities).argmax(axis=1), np.int64)


def in_top_k(probabilities: npt.ArrayLike, target: npt.ArrayLike, k: int) -> Booleans:
    """Whether the true class is among the `k` most probable of its row, bool (N,); ties go to the lower index."""
    rows, truth = check(probabilities, target)
    own = rows[np.arange(len(rows)), truth][:, None]
    before = (rows > own) | ((rows == own) & (np.arange(rows.shape[1]) < truth[:, None]))
    return np.asarray(before.sum(axis=1) < k)


def top_1(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """(1/N) Σ [argmax p = t]: the share of images whose first choice is right (scikit-learn: accuracy_score).

    >>> top_1([[0.9, 0.1], [0.4, 0.6]], [0, 0])
    0.5
    """
    return float(in_top_k(probabilities, target, 1).mean())


def top_5(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """(1/N) Σ [t in the 5 largest of p]: the share of images with the truth among five (top_k_accuracy_score).

    >>> top_5([[0.3, 0.2, 0.2, 0.1, 0.1, 0.1], [0.3, 0.2, 0.2, 0.1, 0.1, 0.1]], [4, 5])
    0.5
    """
    return float(in_top_k(probabilities, target, 5).mean())


def log_losses(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> Floats:
    """−ln p[t] of each row in nats, float64 (N,); p below `SMALLEST_PROBABILITY` counts as that."""
    rows, truth = check(probabilities, target)
    return np.asarray(-np.log(np.maximum(rows[np.arange(len(rows)), truth], SMALLEST_PROBABILITY)) + 0.0)


def log_loss(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """−(1/N) Σ ln p[t], cross-entropy in nats (Keras' categorical_crossentropy, scikit-learn's log_loss).

    >>> round(log_loss([[0.5, 0.5], [0.25, 0.75]], [0, 1]), 4)
    0.4904
    """
    return float(log_losses(probabilities, target).mean())


def brier_scores(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> Floats:
    """Σ_c (p[c] − [c = t])² of each row, float64 (N,) in [0, 2]."""
    rows, truth = check(probabilities, target)
    own = rows[np.arange(len(rows)), truth]
    return np.asarray((rows**2).sum(axis=1) - own**2 + (1 - own) ** 2)


def brier(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """(1/N) Σ Σ_c (p[c] − [c = t])², in [0, 2] (Brier 1950, for several classes).

    >>> brier([[1.0, 0.0], [0.5, 0.5]], [0, 1])
    0.25
    """
    return float(brier_scores(probabilities, target).mean())


def calibration_error(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """ECE = Σ_b (n_b/N) |accuracy_b − confidence_b| over 15 equal bins of the first choice's probability.

    Naeini et al. 2015, Guo et al. 2017; torchmetrics' `multiclass_calibration_error(norm="l1")`. 0 means that of
    all first choices given with 80 %, 80 % are right.

    >>> round(calibration_error([[0.8, 0.2], [0.8, 0.2]], [0, 1]), 4)
    0.3
    """
    rows, truth = check(probabilities, target)
    return calibration_gap(rows.max(axis=1), first_choices(rows) == truth)


def adaptive_calibration_error(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """As `calibration_error`, over 15 bins with equally many images (Nguyen and O'Connor 2015).

    Most networks are nearly always nearly sure, which leaves most equal bins nearly empty.

    >>> round(adaptive_calibration_error([[0.8, 0.2], [0.6, 0.4]], [0, 0]), 4)
    0.3
    """
    rows, truth = check(probabilities, target)
    return adaptive_calibration_gap(rows.max(axis=1), first_choices(rows) == truth)


def calibration_gap(confidence: Floats, right: Booleans) -> float:
    """`calibration_error` from the first choices' probabilities (N,), each above 0, and whether they are right (N,)."""
    return _gap(confidence, right, equal_bins(confidence))


def adaptive_calibration_gap(confidence: Floats, right: Booleans) -> float:
    """`adaptive_calibration_error` from the same."""
    place = np.empty(len(confidence), np.int64)
    place[np.argsort(confidence, kind="stable")] = (
        np.arange(len(confidence)) * min(BINS, len(confidence)) // len(confidence)
    )
    return _gap(confidence, right, place)


def equal_bins(confidence: Floats) -> Integers:
    """The bin of each confidence: bins are open below and closed above, as in Guo et al."""
    return np.asarray(np.ceil(confidence * BINS).clip(1, BINS), np.int64) - 1


def _gap(confidence: Floats, right: Booleans, place: Integers) -> float:
    """Σ_b |Σ right − Σ confidence| / N over the bins that `place` says."""
    difference = np.bincount(place, right.astype(np.float64), BINS) - np.bincount(place, confidence, BINS)
    return float(np.abs(difference).sum() / len(confidence))


METRICS: dict[str, Metric] = {
    "top_1": Metric("Top-1", "Share of images whose first choice is right.", top_1, True),
    "top_5": Metric("Top-5", "Share of images with the right class among the first five.", top_5, True),
    "log_loss": Metric(
        "Log-loss",
        "Mean surprise at the truth: 0 is sure and right, being sure and wrong costs most.",
        log_loss,
        False,
        "nats",
    ),
    "brier": Metric("Brier", "Mean squared distance between probabilities and truth, 0 to 2.", brier, False, ""),
    "ece": Metric("ECE", "How far stated confidence is from the share that is right.", calibration_error, False),
    "adaptive_ece": Metric(
        "Adaptive ECE", "The same, over bins of equally many images.", adaptive_calibration_error, False
    ),
}
