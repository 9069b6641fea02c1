"""How much a number measured on n images can be trusted, and whether two models differ.

Pure numpy. Intervals are at 95 % unless said otherwise. The same images must have been shown to both models of a
paired comparison, in the same order.
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

# Below this a difference counts as one. A convention, and said as such beside every result.
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
    """Two models on the same `images`: how often only one of them was right, and what that proves.

    `p_value` is McNemar's mid-p; see `mcnemar`.
    """

    images: int
    only_a: int
    only_b: int
    p_value: float

    @property
    def distinguishable(self) -> bool:
        return self.p_value < SIGNIFICANCE

    def sentence(self, a: str, b: str) -> str:
        """ "A is right more often than B (on 31 images only A, on 12 only B; p = 0.004)." or why not."""
        counts = f"on {self.only_a:,} images only {a} is right, on {self.only_b:,} only {b}; {p_text(self.p_value)}"
        if not self.distinguishable:
            said = f"{a} and {b} are not distinguishable on {self.images:,} images ({counts})."
        else:
            better, worse = (a, b) if self.only_a > self.only_b else (b, a)
            said = f"{better} is right more often than {worse} ({counts})."
        return said[0].upper() + said[1:]


def wilson(successes: int, trials: int, z: float = Z_95) -> Interval:
    """The score interval of a share (Wilson 1927): (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n).

    Unlike p ± 1.96 σ it stays in [0, 1] and is honest at 0 and 1. Raises `InputError` unless 0 ≤ successes ≤ trials,
    trials ≥ 1.

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
    """The percentile interval of `statistic` (Efron 1979), over samples of `count` images with replacement.

    `statistic` takes positions int64 (count,) and gives a number; samples where it is NaN are left out. The same
    `seed` gives the same interval.
    """
    generator = np.random.default_rng(seed)
    values = np.array([statistic(generator.integers(0, count, count)) for _ in range(resamples)], np.float64)
    return _percentiles(values)


def bootstrap_mean(values: npt.ArrayLike, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """`bootstrap` of the mean of `values` (N,)."""
    per_image = np.asarray(values, np.float64)
    generator = np.random.default_rng(seed)
    means = [per_image[generator.integers(0, len(per_image), len(per_image))].mean() for _ in range(resamples)]
    return _percentiles(np.array(means))


def mcnemar(right_a: npt.ArrayLike, right_b: npt.ArrayLike) -> Paired:
    """Whether two models are right equally often, from the images on which they differ: McNemar's mid-p.

    With b and c images where only one is right, n = b + c: p = 2 Σ_{i ≤ min(b,c)} C(n,i)/2ⁿ − C(n,min(b,c))/2ⁿ
    (Fagerland, Lydersen and Laake 2013, who recommend it over the exact and the χ² tests). `right_…` are bool (N,).

    >>> round(mcnemar([True] * 9 + [False], [False] * 9 + [True]).p_value, 4)
    0.0117
    """
    a, b = np.asarray(right_a, bool), np.asarray(right_b, bool)
    if a.shape != b.shape or a.ndim != 1 or len(a) == 0:
        raise InputError(f"Expected both models' answers to the same images. Received: {a.shape} and {b.shape}.")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return Paired(len(a), only_a, only_b, _mid_p(min(only_a, only_b), only_a + only_b))


def holm(p_values: npt.ArrayLike) -> Floats:
    """`p_values` (T,) of T tests asked at once, each raised so that one false alarm among all stays at its level.

    Holm 1979: the i-th smallest is multiplied by T − i + 1, and none is smaller than one before it.

    >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, np.float64)
    order = np.argsort(given, kind="stable")
    raised = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted


def agreement(choices: Sequence[npt.ArrayLike]) -> Floats:
    """The share of images with the same first choice for each pair of M models, float64 (M, M), symmetric.

    `choices` are M arrays int (N,).

    >>> agreement([[0, 1, 2, 2], [0, 1, 1, 0]]).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    table = np.stack([np.asarray(one) for one in choices])
    return np.array([[float((a == b).mean()) for b in table] for a in table])


def error_correlation(right: Sequence[npt.ArrayLike]) -> Floats:
    """Pearson's correlation of the models' errors (the φ coefficient), float64 (M, M); NaN for a model without any.

    Near 0, two models fail on different images and help each other in an ensemble; near 1 they do not.
    `right` are M arrays bool (N,).

    >>> error_correlation([[True, True, False, False], [True, False, True, False]]).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    errors = ~np.stack([np.asarray(one, bool) for one in right])
    centerd = errors - errors.mean(axis=1, keepdims=True)
    deviations = np.sqrt((centerd**2).sum(axis=1))
    products = np.outer(deviations, deviations)
    return np.where(products > 0, (centerd @ centerd.T) / np.where(products > 0, products, 1.0), np.nan).round(12) + 0.0


def p_text(p_value: float) -> str:
    """ "p = 0.03", "p < 0.001".

    >>> p_text(0.0312), p_text(1e-9)
    ('p = 0.031', 'p < 0.001')
    """
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def _mid_p(smaller: int, discordant: int) -> float:
    """See `mcnemar`; with logarithms, so that thousands of discordant images do not overflow."""
    log_all = discordant * math.log(2)
    logs = [
        math.lgamma(discordant + 1) - math.lgamma(i + 1) - math.lgamma(discordant - i + 1) - log_all
        for i in range(smaller + 1)
    ]
    terms = [math.exp(value) for value in logs]
    return min(1.0, 2 * math.fsum(terms) - terms[-1])


def _percentiles(values: Floats) -> Interval:
    defined = values[~np.isnan(values)]
    if len(defined) == 0:
        return Interval(float("nan"), float("nan"))
    low, high = np.percentile(defined, [2.5, 97.5])
    return Interval(float(low), float(high))
