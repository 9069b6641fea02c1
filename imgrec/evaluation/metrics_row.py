"""Stored answers to the figures of a row: accuracy, calibration, averages over classes, with their intervals.

Answers are read piece by piece and reduced to a few numbers for each image, so that memory hardly grows with a dataset.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from imgrec.errors import InputError
from imgrec.evaluation.stored_predictions import Answers, joined
from imgrec.metrics.calibration import (
    adaptive_calibration_error,
    calibration_error,
    fit_temperature,
    held_out,
    with_temperature,
)
from imgrec.metrics.classification import (
    SMALLEST_PROBABILITY,
    Booleans,
    Floats,
    Integers,
    brier_scores,
    check,
    first_choices,
    ranks,
)
from imgrec.metrics.confusion import average, class_figures, confusion_matrix, kappa
from imgrec.metrics.curves import macro_auc
from imgrec.metrics.significance import bootstrap, wilson

# One-vs-rest AUCs need every probability at once; for a thousand classes that is the whole file.
MAX_AUC_CLASSES = 100

# One parameter is fitted: more images do not change its second digit.
MAX_FITTED = 2000

# Figures are stored with these decimals: finer than any interval, and a diff shows what changed.
DECIMALS = 6


@dataclass(frozen=True, slots=True, eq=False)
class PerImage:
    """What is kept of the answers to N images of C `classes`, arrays (N,).

    `choice` is the first choice, `confidence` its probability, `own` the probability of the true class, `rank` how many
    classes came before the true one, `brier` the squared distance.
    """

    ids: tuple[str, ...]
    classes: int
    target: Integers
    choice: Integers
    confidence: Floats
    own: Floats
    rank: Integers
    brier: Floats

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def right(self) -> Booleans:
        """Whether each first choice is the true class."""
        return np.asarray(self.choice == self.target)

    @property
    def matrix(self) -> Integers:
        """The confusion matrix (C, C)."""
        return confusion_matrix(self.target, self.choice, self.classes)

    @property
    def log_losses(self) -> Floats:
        """−ln of the probability of the true class, in nats."""
        return np.asarray(-np.log(np.maximum(self.own, SMALLEST_PROBABILITY)) + 0.0)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """The arrays in the order of the fields."""
        return self.target, self.choice, self.confidence, self.own, self.rank, self.brier

    def take(self, places: Integers, classes: int) -> "PerImage":
        """Return the images at these positions, as ones of `classes` classes."""
        return PerImage(tuple(self.ids[i] for i in places), classes, *(array[places] for array in self.arrays))


def per_image(chunks: Iterable[Answers]) -> PerImage:
    """Reduce answers that come in pieces; raises `InputError` where there are none."""
    parts = [_reduced(chunk) for chunk in chunks if len(chunk)]
    if not parts:
        raise InputError("Expected answers to at least one image. Received: none.")
    columns = (np.concatenate(column) for column in zip(*(part.arrays for part in parts), strict=True))
    return PerImage(tuple(name for part in parts for name in part.ids), parts[0].classes, *columns)


def closed(answers: Answers, classes: int) -> Answers:
    """Return `answers` as if there were only the first `classes` classes: the rest left out, their sum scaled up to 1.

    For networks that know more classes than a dataset has. Where half precision leaves nothing, all classes are
    equally probable.
    """
    kept = answers.probabilities[:, :classes].astype(np.float64)
    sums = kept.sum(axis=1, keepdims=True)
    return Answers(answers.ids, answers.targets, np.where(sums > 0, kept / np.where(sums > 0, sums, 1.0), 1 / classes))


def figures(found: PerImage) -> dict[str, float]:
    """Return the figures that follow from `found` alone, without intervals."""
    matrix = found.matrix
    return {
        "top_1": float(found.right.mean()),
        "top_5": float((found.rank < 5).mean()),
        "macro_f1": average(class_figures(matrix)).f1,
        "kappa": kappa(matrix),
        "log_loss": float(found.log_losses.mean()),
        "brier": float(found.brier.mean()),
        "ece": calibration_error(found.confidence, found.right),
        "adaptive_ece": adaptive_calibration_error(found.confidence, found.right),
    }


def summarize(found: PerImage) -> dict[str, Any]:
    """Return the figures of a row, with 95 % intervals: Wilson for shares, bootstrap for the rest."""
    count, right, losses = len(found), found.right, found.log_losses
    # Of classes that do not occur, a matrix would only be slower.
    present, codes = np.unique(np.concatenate([found.target, found.choice]), return_inverse=True)

    def matrix_of(rows: Integers) -> Integers:
        return confusion_matrix(codes[:count][rows], codes[count:][rows], len(present))

    statistics: dict[str, Callable[[Integers], float]] = {
        "log_loss": lambda rows: float(losses[rows].mean()),
        "brier": lambda rows: float(found.brier[rows].mean()),
        "ece": lambda rows: calibration_error(found.confidence[rows], right[rows]),
        "macro_f1": lambda rows: average(class_figures(matrix_of(rows))).f1,
        "kappa": lambda rows: kappa(matrix_of(rows)),
    }
    intervals = {name: bootstrap(statistic, count) for name, statistic in statistics.items()}
    intervals |= {"top_1": wilson(int(right.sum()), count), "top_5": wilson(int((found.rank < 5).sum()), count)}
    values = figures(found)
    for name, interval in intervals.items():
        values |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    whole = class_figures(matrix_of(np.arange(count)))
    for how in ("macro", "weighted"):
        line = average(whole, how)
        values |= {f"{how}_{name}": getattr(line, name) for name in ("precision", "recall", "specificity")}
    values |= {"weighted_f1": average(whole, "weighted").f1, "micro_f1": average(whole, "micro").f1}
    return {"images": count} | {name: _number(value) for name, value in values.items()}


def all_figures(read: Callable[[], Iterable[Answers]]) -> dict[str, Any]:
    """Return all figures that follow from answers; `read` returns them from the start each time."""
    return summarize(per_image(read())) | {"macro_auc": area_under_roc(read()), "temperature": scale(read)}


def area_under_roc(chunks: Iterable[Answers]) -> float | None:
    """Return the macro one-vs-rest AUC; None above `MAX_AUC_CLASSES` classes."""
    kept: list[Answers] = []
    for chunk in chunks:
        if chunk.probabilities.shape[1] > MAX_AUC_CLASSES:
            return None
        kept.append(chunk)
    whole = joined(kept)
    return _number(macro_auc(whole.probabilities, whole.targets))


def scale(read: Callable[[], Iterable[Answers]]) -> dict[str, Any] | None:
    """Fit a temperature on held-out images, and measure its effect on the others; None if either are none.

    At most `MAX_FITTED` images are fitted on, chosen by a hash of their ids: the first ones of a dataset that is sorted
    by class would be of its first classes.
    """
    names = [name for chunk in read() for name in np.array(chunk.ids)[held_out(chunk.ids)].tolist()]
    wanted = frozenset(sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest()[1:])[:MAX_FITTED])
    if not wanted:
        return None
    fit = joined(chunk.take(np.array([name in wanted for name in chunk.ids])) for chunk in read())
    temperature = fit_temperature(fit.probabilities, fit.targets)

    def tested(temperature: float | None) -> Iterator[Answers]:
        for chunk in read():
            test = ~held_out(chunk.ids)
            if test.any():
                part = chunk.take(test)
                rows, targets = check(part.probabilities, part.targets)
                yield Answers(part.ids, targets, rows if temperature is None else with_temperature(rows, temperature))

    if not any(True for _ in tested(None)):
        return None
    before, after = per_image(tested(None)), per_image(tested(temperature))
    values = {
        "temperature": round(temperature, 3),
        "log_loss_before": before.log_losses.mean(),
        "log_loss_after": after.log_losses.mean(),
        "ece_before": calibration_error(before.confidence, before.right),
        "ece_after": calibration_error(after.confidence, before.right),
    }
    return {name: _number(value) for name, value in values.items()} | {"fitted": len(wanted), "tested": len(before)}


def _reduced(answers: Answers) -> PerImage:
    rows, target = check(answers.probabilities, answers.targets)
    places, choice = np.arange(len(rows)), first_choices(rows)
    confidence, own = rows[places, choice], rows[places, target]
    return PerImage(
        answers.ids, rows.shape[1], target, choice, confidence, own, ranks(rows, target), brier_scores(rows, target)
    )


def _number(value: float) -> float | None:
    """Return a number for JSON, which has no NaN."""
    return None if math.isnan(value) else round(float(value), DECIMALS)
