"""The confusion matrix, and precision, recall, specificity and F1 of each class and over all classes.

A matrix is int64 (C, C), rows the true class, columns the first choice. Where a figure of a class would be 0/0 (the
precision of a class that is never chosen) it is NaN and shown as a dash. Averages count it as 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgrec.errors import InputError
from imgrec.metrics.classification import Floats, Integers

AVERAGES = {
    "macro": "The mean over the classes that occur: each class counts the same.",
    "weighted": "The mean over the classes, each as often as it occurs.",
    "micro": "From the sums of TP, FP and FN over all classes: each image counts the same.",
}

# Fewer images of one kind of mistake are chance, and no kind is the most frequent.
FREQUENT_FROM = 3


@dataclass(frozen=True, slots=True)
class Mistake:
    """Two classes, the first of which was taken for the second in `count` images."""

    truth: int
    choice: int
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class ClassFigures:
    """One-vs-rest figures of each class, arrays (C,): counts int64, the rest float64 in [0, 1] or NaN.

    precision = TP/(TP+FP); recall (sensitivity) = TP/(TP+FN); specificity = TN/(TN+FP);
    accuracy = (TP+TN)/N; f1 = 2TP/(2TP+FP+FN); support = TP+FN.
    """

    tp: Integers
    tn: Integers
    fp: Integers
    fn: Integers
    precision: Floats
    recall: Floats
    specificity: Floats
    accuracy: Floats
    f1: Floats

    @property
    def support(self) -> Integers:
        """The number of images of each class."""
        return self.tp + self.fn


@dataclass(frozen=True, slots=True)
class Average:
    """Precision, recall, specificity and F1 over all classes, NaN where nothing is defined."""

    precision: float
    recall: float
    specificity: float
    f1: float


def confusion_matrix(target: npt.ArrayLike, choice: npt.ArrayLike, classes: int) -> Integers:
    """Count how often each true class (row) was taken for each class (column), int64 (C, C).

    Raises:
        InputError: Unless `target` and `choice` are int (N,) in [0, classes).

    >>> confusion_matrix([0, 0, 1], [0, 1, 1], 2).tolist()
    [[1, 1], [0, 1]]
    """
    truth, chosen = np.asarray(target), np.asarray(choice)
    both = np.concatenate([truth.ravel(), chosen.ravel()])
    if truth.shape != chosen.shape or truth.ndim != 1 or (both.size and (both.min() < 0 or both.max() >= classes)):
        raise InputError(
            f"Expected as many choices as targets, all from 0 to {classes - 1}. "
            f"Received: {truth.shape} targets and {chosen.shape} choices."
        )
    counts = np.bincount(truth.astype(np.int64) * classes + chosen.astype(np.int64), minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def row_shares(matrix: Integers) -> Floats:
    """Return each row divided by its sum; rows without images are 0."""
    sums = matrix.sum(axis=1, keepdims=True)
    return np.asarray(matrix / np.maximum(sums, 1))


def mistakes(matrix: Integers, limit: int | None = None) -> list[Mistake]:
    """Return the first `limit` kinds of mistakes, all if None, the most frequent first.

    >>> mistakes(np.array([[8, 2], [3, 7]]))
    [Mistake(truth=1, choice=0, count=3), Mistake(truth=0, choice=1, count=2)]
    """
    wrong = (matrix - np.diag(np.diag(matrix))).ravel()
    order = np.argsort(-wrong, kind="stable")[: np.count_nonzero(wrong)][:limit]
    return [Mistake(*divmod(int(i), len(matrix)), int(wrong[i])) for i in order]


def mistakes_title(found: Sequence[Mistake]) -> str:
    """Return the heading of `mistakes`, by whether any is frequent.

    >>> mistakes_title([Mistake(0, 1, 5), Mistake(1, 0, 1)]), mistakes_title([Mistake(0, 1, 1)])
    ('Most frequent mistakes', 'Mistakes, each once')
    """
    most = max((mistake.count for mistake in found), default=0)
    if most >= FREQUENT_FROM:
        return "Most frequent mistakes"
    return "Mistakes, each once" if most <= 1 else "Mistakes, each at most twice"


def class_figures(matrix: Integers) -> ClassFigures:
    """Return the one-vs-rest figures of each class of a confusion matrix.

    >>> figures = class_figures(np.array([[383, 17], [23, 1577]]))
    >>> [round(float(x[0]), 4) for x in (figures.precision, figures.recall, figures.specificity, figures.f1)]
    [0.9433, 0.9575, 0.9856, 0.9504]
    """
    tp = np.diag(matrix)
    return figures_of_counts(
        tp, matrix.sum() - matrix.sum(0) - matrix.sum(1) + tp, matrix.sum(0) - tp, matrix.sum(1) - tp
    )


def figures_of_counts(tp: npt.ArrayLike, tn: npt.ArrayLike, fp: npt.ArrayLike, fn: npt.ArrayLike) -> ClassFigures:
    """Return the same from counts (C,)."""
    a, b, c, d = (np.asarray(counts, np.int64) for counts in (tp, tn, fp, fn))
    return ClassFigures(
        tp=a,
        tn=b,
        fp=c,
        fn=d,
        precision=_ratio(a, a + c),
        recall=_ratio(a, a + d),
        specificity=_ratio(b, b + c),
        accuracy=_ratio(a + b, a + b + c + d),
        f1=_ratio(2 * a, 2 * a + c + d),
    )


def average(figures: ClassFigures, how: str = "macro") -> Average:
    """Return one line for all classes, as scikit-learn with `zero_division=0`; `how` is a key of `AVERAGES`.

    macro = Σ figure/classes and weighted = Σ support · figure/Σ support, both over the classes that have images: one
    that is only ever chosen, such as "something else", costs the others their recall and is no class of the dataset.
    micro = the formulas of `ClassFigures` on ΣTP, ΣTN, ΣFP and ΣFN: with one choice for each image, its precision,
    recall and F1 are all the share of images that are right. A specificity that is 0/0 is left out.

    Raises:
        InputError: On another `how`.

    >>> average(class_figures(np.array([[8, 2], [0, 10]])), "macro").recall
    0.9
    >>> average(class_figures(np.array([[5, 0], [5, 0]])), "macro").precision
    0.25
    """
    if how not in AVERAGES:
        raise InputError(f"Expected one of {', '.join(AVERAGES)}. Received: {how!r}.")
    if how == "micro":
        whole = figures_of_counts(*([one.sum()] for one in (figures.tp, figures.tn, figures.fp, figures.fn)))
        return Average(*(float(one[0]) for one in (whole.precision, whole.recall, whole.specificity, whole.f1)))
    present = figures.support > 0
    weights = figures.support[present] if how == "weighted" else np.ones(int(present.sum()))
    precision, recall, f1 = (
        float(np.average(np.nan_to_num(one[present]), weights=weights))
        for one in (figures.precision, figures.recall, figures.f1)
    )
    specificity = figures.specificity[present]
    defined = ~np.isnan(specificity)
    mean = float(np.average(specificity[defined], weights=weights[defined])) if defined.any() else float("nan")
    return Average(precision, recall, mean, f1)


def kappa(matrix: Integers) -> float:
    """Return κ = (p_o − p_e)/(1 − p_e), agreement beyond chance (Cohen 1960); NaN when chance alone agrees always.

    >>> round(kappa(np.array([[20, 5], [10, 15]])), 4)
    0.4
    """
    total = matrix.sum()
    observed = np.trace(matrix) / total
    chance = float((matrix.sum(0) / total) @ (matrix.sum(1) / total))
    return float((observed - chance) / (1 - chance)) if chance < 1 else float("nan")


def _ratio(part: Integers, whole: Integers) -> Floats:
    """Return part / whole, NaN where the whole is 0."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
