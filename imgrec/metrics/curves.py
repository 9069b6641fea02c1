"""Curves over thresholds and confidences: ROC, precision-recall, reliability; and temperature scaling.

Scores are probabilities of one class, `positive` says which images truly are of it (one class against the rest).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgrec.errors import InputError
from imgrec.metrics.classification import (
    BINS,
    SMALLEST_PROBABILITY,
    Booleans,
    Floats,
    check,
    equal_bins,
    log_losses,
    softmax,
)

# Temperatures outside this mean that something else is wrong; the search ends there.
TEMPERATURES = (0.05, 20.0)

# Images whose loss is computed at once: of a thousand classes 2 MiB.
FITTED_AT_ONCE = 256


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Points (x, y) in [0, 1]², float64 (P,), with the `thresholds` that give them and the `area` below."""

    x: Floats
    y: Floats
    thresholds: Floats
    area: float


@dataclass(frozen=True, slots=True)
class Bin:
    """One column of a reliability diagram: `count` images with first choices of a probability in (low, high]."""

    low: float
    high: float
    count: int
    confidence: float  # mean probability of the first choice; NaN when empty
    accuracy: float  # share of them that is right; NaN when empty


def roc_curve(scores: npt.ArrayLike, positive: npt.ArrayLike) -> Curve:
    """True positive rate (y) over false positive rate (x); `area` is the AUC.

    The AUC is the probability that a positive scores above a negative, ties counting half (Hanley and McNeil 1982;
    scikit-learn's `roc_curve`, `roc_auc_score`). Raises `InputError` unless there are positives and negatives.

    >>> roc_curve([0.9, 0.8, 0.3, 0.1], [True, False, True, False]).area
    0.75
    """
    values, hits, misses = _cumulated(scores, positive)
    if hits[-1] == 0 or misses[-1] == 0:
        raise InputError("Expected images of the class and others. Received: one kind only.")
    x, y = np.append(0.0, misses / misses[-1]), np.append(0.0, hits / hits[-1])
    return Curve(x, y, np.append(np.inf, values), float(np.trapezoid(y, x)))


def precision_recall_curve(scores: npt.ArrayLike, positive: npt.ArrayLike) -> Curve:
    """Precision (y) over recall (x), recall rising; `area` is the average precision Σ (R_n − R_{n−1}) P_n.

    As scikit-learn's `average_precision_score`: a sum of steps, because straight lines between points of this curve
    promise too much (Davis and Goadrich 2006). Raises `InputError` when there are no positives.

    >>> round(precision_recall_curve([0.9, 0.8, 0.3, 0.1], [True, False, True, False]).area, 4)
    0.8333
    """
    values, hits, misses = _cumulated(scores, positive)
    if hits[-1] == 0:
        raise InputError("Expected images of the class. Received: none.")
    precision, recall = hits / (hits + misses), hits / hits[-1]
    area = float((np.diff(np.append(0.0, recall)) * precision).sum())
    return Curve(np.append(0.0, recall), np.append(1.0, precision), np.append(np.inf, values), area)


def macro_auc(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """The mean one-vs-rest AUC over the classes that occur among others; NaN when there is no such class.

    scikit-learn's `roc_auc_score(multi_class="ovr", average="macro")`.
    """
    rows, truth = check(probabilities, target)
    present = [c for c in np.unique(truth) if not (truth == c).all()]
    areas = [roc_curve(rows[:, c], truth == c).area for c in present]
    return float(np.mean(areas)) if areas else float("nan")


def thinned(curve: Curve, points: int = 200) -> Curve:
    """`curve` with at most about `points` points for drawing; its ends, its shape and its `area` stay."""
    if len(curve.x) <= points:
        return curve
    # Even steps along the curve, not along its points: a steep start keeps its corner.
    length = np.append(0.0, np.cumsum(np.hypot(np.diff(curve.x), np.diff(curve.y))))
    keep = np.unique(np.searchsorted(length, np.linspace(0, length[-1], points)).clip(0, len(length) - 1))
    keep = np.union1d(keep, [0, len(length) - 1])
    return Curve(curve.x[keep], curve.y[keep], curve.thresholds[keep], curve.area)


def reliability(confidence: Floats, right: Booleans) -> list[Bin]:
    """Confidence against accuracy in `BINS` equal bins (low, high].

    `confidence` (N,) are the first choices' probabilities, `right` (N,) says which of them are true.
    """
    place = equal_bins(confidence)
    counts = np.bincount(place, minlength=BINS)
    sure = np.bincount(place, confidence, BINS)
    hit = np.bincount(place, right.astype(np.float64), BINS)
    return [
        Bin(b / BINS, (b + 1) / BINS, int(n), *((sure[b] / n, hit[b] / n) if n else (float("nan"), float("nan"))))
        for b, n in enumerate(counts)
    ]


def with_temperature(probabilities: npt.ArrayLike, temperature: float) -> Floats:
    """softmax(log p / T), float64 (N, C): above 1 less sure, below 1 surer; first choices stay what they are.

    >>> with_temperature([[0.8, 0.2]], 2.0).round(4).tolist()
    [[0.6667, 0.3333]]
    """
    return softmax(np.log(np.maximum(np.asarray(probabilities, np.float64), SMALLEST_PROBABILITY)) / temperature)


def fit_temperature(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """The temperature with the least log-loss (Guo et al. 2017), to three digits, within `TEMPERATURES`.

    Fit it on one part of the images (`held_out`) and look at its effect on the other. The loss has a single
    minimum over ln T, so that a golden-section search finds it.
    """
    given, targets = np.asarray(probabilities), np.asarray(target)
    # Block by block: a thousand classes in double precision, several times over, would be the peak of a run.
    blocks = [slice(i, i + FITTED_AT_ONCE) for i in range(0, max(len(given), 1), FITTED_AT_ONCE)]

    def loss(log_temperature: float) -> float:
        total = 0.0
        for block in blocks:
            rows, truth = check(given[block], targets[block])
            total += float(log_losses(with_temperature(rows, np.exp(log_temperature)), truth).sum())
        return total

    low, high = np.log(TEMPERATURES)
    golden = (5**0.5 - 1) / 2
    while high - low > 1e-4:
        left, right = high - golden * (high - low), low + golden * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def held_out(ids: Sequence[str]) -> Booleans:
    """Which images, about half of them, a calibration may be fitted on: bool (N,), by a hash of each id.

    The same images for every model, whatever their order or number, so that comparisons stay paired.
    """
    return np.array([hashlib.sha256(name.encode()).digest()[0] < 128 for name in ids], dtype=bool)


def _cumulated(scores: npt.ArrayLike, positive: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Distinct scores from the highest down, with the positives and negatives that score as high or higher."""
    values, truth = np.asarray(scores, np.float64), np.asarray(positive, bool)
    if values.shape != truth.shape or values.ndim != 1 or len(values) == 0 or np.isnan(values).any():
        raise InputError(f"Expected one score for each image. Received: {values.shape} scores for {truth.shape}.")
    order = np.argsort(-values, kind="stable")
    values, truth = values[order], truth[order]
    ends = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)
    hits = np.cumsum(truth)[ends].astype(np.float64)
    return values[ends], hits, ends + 1 - hits
