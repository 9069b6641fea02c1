"""Metrics of a classifier on labeled images, each a pure function of (probabilities, target).

`probabilities` is float (N, C), rows that sum to 1; `target` is int (N,), the true class of each row, in [0, C).
Nothing is guessed: logits, percentages and NaN are refused. Fractions stay in [0, 1] until they are formatted.
"""

import numpy as np
import numpy.typing as npt

from imgrec.errors import InputError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

# A float16 softmax sums to 1 within this; anything else is no distribution.
SUM_TOLERANCE = 5e-3

# log 0 is no number to average. This is the smallest float16 above 0, in which probabilities are stored: a 0 means
# "less than this", and a model that rules the true class out costs 16.6 nats.
SMALLEST_PROBABILITY = float(np.finfo(np.float16).smallest_subnormal)


def softmax(scores: npt.ArrayLike) -> np.ndarray:
    """Return the probabilities of each row of logits (N, C), in their float type.

    >>> softmax([[0.0, 1000.0]]).tolist()
    [[0.0, 1.0]]
    """
    logits = np.asarray(scores)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def check(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> tuple[Floats, Integers]:
    """Return `probabilities` as float64 (N, C) whose rows sum to 1 exactly, and `target` as int64 (N,).

    Raises:
        InputError: On other shapes, no rows, NaN, values outside [0, 1], sums off 1, targets outside [0, C).
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
    """Return the most probable class of each row, int64 (N,); ties go to the lower index."""
    return np.asarray(np.asarray(probabilities).argmax(axis=1), np.int64)


def ranks(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> Integers:
    """Return how many classes come before the true one in each row, int64 (N,); ties go to the lower index.

    The true class is among the k most probable where this is below k.

    >>> ranks([[0.3, 0.2, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4]], [2, 3]).tolist()
    [3, 0]
    """
    rows, truth = check(probabilities, target)
    own = rows[np.arange(len(rows)), truth][:, None]
    before = (rows > own) | ((rows == own) & (np.arange(rows.shape[1]) < truth[:, None]))
    return np.asarray(before.sum(axis=1), np.int64)


def top_1(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Return (1/N) Σ [argmax p = t], the share of images whose first choice is right.

    >>> top_1([[0.9, 0.1], [0.4, 0.6]], [0, 0])
    0.5
    """
    rows, truth = check(probabilities, target)
    return float((first_choices(rows) == truth).mean())


def log_losses(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> Floats:
    """Return −ln p[t] of each row in nats, float64 (N,); p below `SMALLEST_PROBABILITY` counts as that."""
    rows, truth = check(probabilities, target)
    return np.asarray(-np.log(np.maximum(rows[np.arange(len(rows)), truth], SMALLEST_PROBABILITY)) + 0.0)


def log_loss(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Return −(1/N) Σ ln p[t], the cross-entropy in nats (scikit-learn: log_loss).

    >>> round(log_loss([[0.5, 0.5], [0.25, 0.75]], [0, 1]), 4)
    0.4904
    """
    return float(log_losses(probabilities, target).mean())


def brier_scores(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> Floats:
    """Return Σ_c (p[c] − [c = t])² of each row, float64 (N,) in [0, 2] (Brier 1950, for several classes).

    >>> brier_scores([[1.0, 0.0], [0.5, 0.5]], [0, 1]).tolist()
    [0.0, 0.5]
    """
    rows, truth = check(probabilities, target)
    own = rows[np.arange(len(rows)), truth]
    return np.asarray((rows**2).sum(axis=1) - own**2 + (1 - own) ** 2)
