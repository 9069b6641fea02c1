"""Confidence intervals of what was measured on n images, and tests of whether two models differ.

Intervals are at 95 %. Both models of a paired comparison were given the same images, in the same order.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgrec.errors import InputError
from imgrec.metrics.classification import Floats

# The two-sided normal quantile of 95 %.
Z_95 = 1.959963984540054

# Below this a difference counts as one, by convention.
SIGNIFICANCE = 0.05

# Enough for two digits of a 95 % interval (Efron and Tibshirani 1993, section 19.3).
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, at 95 %."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """Two models on the same `images`: on how many only one of them is right; `p_value` is McNemar's mid-p."""

    images: int
    only_a: int
    only_b: int
    p_value: float


def wilson(successes: int, trials: int, z: float = Z_95) -> Interval:
    """Return the score interval of a share (Wilson 1927): (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n).

    Unlike p ± 1.96 σ it stays in [0, 1] and has a width at 0 and 1, too.

    Raises:
        InputError: Unless 0 ≤ successes ≤ trials and trials ≥ 1.

    >>> interval = wilson(9, 10)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.5958, 0.9821)
    """
    if not 0 <= successes <= trials or trials < 1:
        raise InputError(f"Expected 0 ≤ successes ≤ trials, trials ≥ 1. Received: {successes} of {trials}.")
    share = successes / trials
    center = share + z**2 / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    scale = 1 + z**2 / trials
    # Rounding must not push the ends beyond what is possible, nor past the share itself.
    low, high = (center - half) / scale, (center + half) / scale
    return Interval(max(0.0, min(low, share)), min(1.0, max(high, share)))


def bootstrap(
    statistic: Callable[[npt.NDArray[np.int64]], float], count: int, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Return the percentile interval of `statistic` (Efron 1979), over samples of `count` images with replacement.

    `statistic` takes positions int64 (count,) and returns a number; samples where it is NaN are left out. The same
    `seed` gives the same interval.
    """
    generator = np.random.default_rng(seed)
    values = np.array([statistic(generator.integers(0, count, count)) for _ in range(resamples)], np.float64)
    defined = values[~np.isnan(values)]
    low, high = np.percentile(defined, [2.5, 97.5]) if len(defined) else (np.nan, np.nan)
    return Interval(float(low), float(high))


def mcnemar(right_a: npt.ArrayLike, right_b: npt.ArrayLike) -> Paired:
    """Test whether two models are right equally often, from the images on which they differ: McNemar's mid-p.

    With b and c images where only one is right, n = b + c: p = 2 Σ_{i ≤ min(b,c)} C(n,i)/2ⁿ − C(n,min(b,c))/2ⁿ
    (recommended over the exact and the χ² tests by Fagerland, Lydersen and Laake 2013). `right_…` are bool (N,).

    >>> round(mcnemar([True] * 9 + [False], [False] * 9 + [True]).p_value, 4)
    0.0117
    """
    a, b = np.asarray(right_a, bool), np.asarray(right_b, bool)
    if a.shape != b.shape or a.ndim != 1 or len(a) == 0:
        raise InputError(f"Expected both models' answers to the same images. Received: {a.shape} and {b.shape}.")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return Paired(len(a), only_a, only_b, _mid_p(min(only_a, only_b), only_a + only_b))


def holm(p_values: npt.ArrayLike) -> Floats:
    """Return `p_values` (T,) of T tests made at once, corrected so that the chance of any false alarm keeps its level.

    Holm 1979: the i-th smallest is multiplied by T − i + 1, and none is smaller than one before it.

    >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, np.float64)
    order = np.argsort(given, kind="stable")
    corrected = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(corrected, 1.0)
    return adjusted


def agreement(choices: Sequence[npt.ArrayLike]) -> Floats:
    """Return the share of images with the same first choice for each pair of M models, float64 (M, M), symmetric.

    `choices` are M arrays int (N,).

    >>> agreement([[0, 1, 2, 2], [0, 1, 1, 0]]).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    table = np.stack([np.asarray(one) for one in choices])
    return np.array([(one == table).mean(axis=1) for one in table], np.float64)


def error_correlation(right: Sequence[npt.ArrayLike]) -> Floats:
    """Return Pearson's correlation of the models' errors, float64 (M, M); NaN for a model that is always right.

    Near 0, two models fail on different images and help each other in an ensemble; near 1 they do not.
    `right` are M arrays bool (N,).

    >>> error_correlation([[True, True, False, False], [True, False, True, False]]).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.atleast_2d(np.corrcoef(np.stack([np.asarray(one, np.float64) for one in right]))).round(12) + 0.0


def p_number(p_value: float) -> str:
    """Return a p-value to three decimals.

    >>> p_number(0.0312), p_number(1e-9)
    ('0.031', '< 0.001')
    """
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def p_text(p_value: float) -> str:
    """Return "p = 0.031" or "p < 0.001"."""
    number = p_number(p_value)
    return f"p {number}" if number.startswith("<") else f"p = {number}"


def _mid_p(smaller: int, discordant: int) -> float:
    """Compute the p of `mcnemar`; with logarithms, so that thousands of discordant images do not overflow."""
    log_all = discordant * math.log(2)
    logs = [
        math.lgamma(discordant + 1) - math.lgamma(i + 1) - math.lgamma(discordant - i + 1) - log_all
        for i in range(smaller + 1)
    ]
    terms = [math.exp(value) for value in logs]
    return min(1.0, 2 * math.fsum(terms) - terms[-1])
