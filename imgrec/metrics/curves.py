"""ROC and precision-recall curves of one class against the rest; risk over coverage.

`scores` are float (N,), the probabilities of the class; `positive` is bool (N,), which images truly are of it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgrec.errors import InputError
from imgrec.metrics.classification import Floats, check


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Points (x, y) in [0, 1]², float64 (P,), and the `area` below."""

    x: Floats
    y: Floats
    area: float


def roc_curve(scores: npt.ArrayLike, positive: npt.ArrayLike) -> Curve:
    """Return the true positive rate (y) over false positive rate (x); `area` is the AUC.

    The AUC is the probability that a positive scores above a negative, ties counting half (Hanley and McNeil 1982;
    scikit-learn's `roc_curve`, `roc_auc_score`).

    Raises:
        InputError: Unless there are positives and negatives.

    >>> roc_curve([0.9, 0.8, 0.3, 0.1], [True, False, True, False]).area
    0.75
    """
    hits, misses = _cumulated(scores, positive)
    if hits[-1] == 0 or misses[-1] == 0:
        raise InputError("Expected images of the class and others. Received: one kind only.")
    x, y = np.append(0.0, misses / misses[-1]), np.append(0.0, hits / hits[-1])
    return Curve(x, y, float(np.trapezoid(y, x)))


def precision_recall_curve(scores: npt.ArrayLike, positive: npt.ArrayLike) -> Curve:
    """Return precision (y) over recall (x), recall rising; `area` is the average precision Σ (R_n − R_{n−1}) P_n.

    As scikit-learn's `average_precision_score`: a sum of steps, because straight lines between points of this curve
    promise too much (Davis and Goadrich 2006).

    Raises:
        InputError: Where there are no positives.

    >>> round(precision_recall_curve([0.9, 0.8, 0.3, 0.1], [True, False, True, False]).area, 4)
    0.8333
    """
    hits, misses = _cumulated(scores, positive)
    if hits[-1] == 0:
        raise InputError("Expected images of the class. Received: none.")
    precision, recall = hits / (hits + misses), hits / hits[-1]
    area = float((np.diff(np.append(0.0, recall)) * precision).sum())
    return Curve(np.append(0.0, recall), np.append(1.0, precision), area)


def auroc(doubt: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Return the probability that one of the `other` images (M,) has more doubt than one with `doubt` (N,).

    >>> auroc([0.1, 0.2], [0.2, 0.9])
    0.875
    """
    scores = np.concatenate([np.asarray(doubt, np.float64), np.asarray(other, np.float64)])
    return roc_curve(scores, np.arange(len(scores)) >= len(np.asarray(doubt))).area


def risk_coverage(doubt: npt.ArrayLike, right: npt.ArrayLike) -> Curve:
    """Return the share that is wrong among what is kept (y) over the share that is kept (x), least doubt first.

    `doubt` is float (N,), `right` bool (N,): whether each prediction is true. Images of equal doubt are kept together.
    `area` is the AURC, the mean risk over all coverages: the smaller the better (Geifman, Uziel and El-Yaniv 2019).

    >>> curve = risk_coverage([0.1, 0.2, 0.3, 0.9], [True, True, False, True])
    >>> curve.x.tolist(), curve.y.round(3).tolist()
    ([0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.333, 0.25])
    """
    hits, misses = _cumulated(-np.asarray(doubt, np.float64), right)
    coverage, risk = (hits + misses) / (hits[-1] + misses[-1]), misses / (hits + misses)
    return Curve(coverage, risk, float((np.diff(np.append(0.0, coverage)) * risk).sum()))


def at_coverage(curve: Curve, coverage: float) -> float:
    """Return the risk of a `risk_coverage` curve where at least that share is kept."""
    return float(curve.y[np.searchsorted(curve.x, coverage - 1e-9)])


def macro_auc(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Return the mean one-vs-rest AUC over the classes that occur beside others; NaN when there is no such class.

    scikit-learn's `roc_auc_score(multi_class="ovr", average="macro")`.
    """
    rows, truth = check(probabilities, target)
    present = [c for c in np.unique(truth) if not (truth == c).all()]
    areas = [roc_curve(rows[:, c], truth == c).area for c in present]
    return float(np.mean(areas)) if areas else float("nan")


def thinned(curve: Curve, points: int = 200) -> Curve:
    """Return `curve` with at most about `points` points for drawing; its ends, its shape and its `area` stay."""
    if len(curve.x) <= points:
        return curve
    # Even steps along the curve, not along its points: a steep start keeps its corner.
    length = np.append(0.0, np.cumsum(np.hypot(np.diff(curve.x), np.diff(curve.y))))
    keep = np.unique(np.searchsorted(length, np.linspace(0, length[-1], points)).clip(0, len(length) - 1))
    keep = np.union1d(keep, [0, len(length) - 1])
    return Curve(curve.x[keep], curve.y[keep], curve.area)


def _cumulated(scores: npt.ArrayLike, positive: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Count the positives and the negatives that score as high or higher, for each score from the highest down."""
    values, truth = np.asarray(scores, np.float64), np.asarray(positive, bool)
    if values.shape != truth.shape or values.ndim != 1 or len(values) == 0 or np.isnan(values).any():
        raise InputError(f"Expected one score for each image. Received: {values.shape} scores for {truth.shape}.")
    order = np.argsort(-values, kind="stable")
    values, truth = values[order], truth[order]
    ends = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)
    hits = np.cumsum(truth)[ends].astype(np.float64)
    return hits, ends + 1 - hits
