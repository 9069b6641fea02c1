"""Confidence against accuracy: calibration error, reliability diagrams, temperature scaling.

`confidence` is float64 (N,), the probability of each image's first choice, above 0; `right` is bool (N,), whether that
choice is true.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgrec.metrics.classification import SMALLEST_PROBABILITY, Booleans, Floats, Integers, check, log_losses, softmax

# Fifteen bins, as Guo et al. 2017 and torchmetrics' examples have it; few enough for a thousand images.
BINS = 15

# Temperatures outside this mean that something else is wrong; the search ends there.
TEMPERATURES = (0.05, 20.0)

# Images whose loss is computed at once: of a thousand classes 2 MiB.
FITTED_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Bin:
    """One column of a reliability diagram: `count` images with first choices of a probability in (low, high].

    `confidence` is their mean probability, `accuracy` the share of them that is right; both are NaN without images.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Temperature:
    """The temperature measured for one file of weights, and what it did.

    It was fitted on `fitted` images of the dataset `dataset`, which is described by `source`; the log losses are of
    `tested` others. A value above 1 makes probabilities softer, one below 1 sharper.
    """

    value: float
    dataset: str
    source: str
    fitted: int
    tested: int
    log_loss_before: float
    log_loss_after: float

    @property
    def helps(self) -> bool:
        """Whether it lowered the log loss of images that it was not fitted on."""
        return self.log_loss_after < self.log_loss_before


def calibration_error(confidence: Floats, right: Booleans) -> float:
    """Return ECE = Σ_b (n_b/N) |accuracy_b − confidence_b| over `BINS` equal bins of confidence, in [0, 1].

    Naeini et al. 2015, Guo et al. 2017; torchmetrics: `multiclass_calibration_error(norm="l1")`. It is 0 where of all
    first choices with a probability of 80 % just 80 % are right.

    >>> round(calibration_error(np.array([0.8, 0.8]), np.array([True, False])), 4)
    0.3
    """
    return _mean_gap(confidence, right, _equal_bins(confidence))


def adaptive_calibration_error(confidence: Floats, right: Booleans) -> float:
    """Return the same over `BINS` bins with equally many images (Nguyen and O'Connor 2015).

    Most networks are nearly always nearly certain, which leaves most equal bins nearly empty.

    >>> round(adaptive_calibration_error(np.array([0.8, 0.6]), np.array([True, True])), 4)
    0.3
    """
    count = len(confidence)
    bins = np.empty(count, np.int64)
    bins[np.argsort(confidence, kind="stable")] = np.arange(count) * BINS // count
    return _mean_gap(confidence, right, bins)


def reliability(confidence: Floats, right: Booleans) -> list[Bin]:
    """Return the `BINS` equal bins of a reliability diagram."""
    bins = _equal_bins(confidence)
    counts = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        means = np.bincount(bins, confidence, BINS) / counts
        shares = np.bincount(bins, right, BINS) / counts
    return [
        Bin(b / BINS, (b + 1) / BINS, int(n), float(means[b]), float(shares[b])) for b, n in enumerate(counts.tolist())
    ]


def with_temperature(probabilities: npt.ArrayLike, temperature: float) -> Floats:
    """Return softmax(log p / T), float64 (N, C): less certain where T is above 1; first choices stay the same.

    >>> with_temperature([[0.8, 0.2]], 2.0).round(4).tolist()
    [[0.6667, 0.3333]]
    """
    return softmax(np.log(np.maximum(np.asarray(probabilities, np.float64), SMALLEST_PROBABILITY)) / temperature)


def fit_temperature(probabilities: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Return the temperature with the least log loss (Guo et al. 2017), to three digits, within `TEMPERATURES`.

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
    """Return which images, about half of them, a calibration may be fitted on: bool (N,), by a hash of each id.

    The same images for every model, whatever their order or number, so that comparisons stay paired.
    """
    return np.array([hashlib.sha256(name.encode()).digest()[0] < 128 for name in ids], dtype=bool)


def _equal_bins(confidence: Floats) -> Integers:
    """Return the bin of each confidence: bins are open below and closed above, as in Guo et al."""
    return np.asarray(np.ceil(confidence * BINS).clip(1, BINS), np.int64) - 1


def _mean_gap(confidence: Floats, right: Booleans, bins: Integers) -> float:
    """Return Σ_b |Σ right − Σ confidence| / N over `bins` (N,)."""
    gaps = np.bincount(bins, right, BINS) - np.bincount(bins, confidence, BINS)
    return float(np.abs(gaps).sum() / len(confidence))
