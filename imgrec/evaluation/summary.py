"""Stored answers → the figures of a row: accuracy, calibration, averages over classes, each with its interval.

Works through the answers piece by piece and keeps a few numbers a image, so that memory hardly grows with the set.
The same arithmetic as `metrics`, `confusion` and `curves`, to which a test compares it.
"""

import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from imgrec.errors import InputError
from imgrec.evaluation.artifacts import Answers
from imgrec.metrics.classification import (
    SMALLEST_PROBABILITY,
    Booleans,
    Floats,
    Integers,
    adaptive_calibration_gap,
    brier_scores,
    calibration_gap,
    check,
    first_choices,
)
from imgrec.metrics.confusion import average, class_figures, confusion_matrix, kappa
from imgrec.metrics.curves import fit_temperature, held_out, macro_auc, with_temperature
from imgrec.metrics.significance import Interval, bootstrap, bootstrap_mean, wilson

# One-vs-rest AUCs need every probability at once; for a thousand classes that is the whole file.
MAX_AUC_CLASSES = 100

# One parameter is fitted: more images do not change its second digit.
MAX_FITTED = 2000

# Figures are stored with these decimals: finer than any interval, and a diff shows what changed.
DECIMALS = 6


@dataclass(frozen=True, slots=True, eq=False)
class PerImage:
    """What is kept of the answers to N images, arrays (N,): all that most figures need.

    `choice` is the first choice, `confidence` its probability, `own` that of the truth, `rank` how many classes
    came before the truth, `brier` the squared distance; `classes` is C.
    """

    ids: tuple[str, ...]
    target: Integers
    choice: Integers
    confidence: Floats
    own: Floats
    rank: Integers
    brier: Floats
    classes: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def right(self) -> Booleans:
        return np.asarray(self.choice == self.target)

    @property
    def matrix(self) -> Integers:
        return confusion_matrix(self.target, self.choice, self.classes)

    @property
    def log_losses(self) -> Floats:
        return np.asarray(-np.log(np.maximum(self.own, SMALLEST_PROBABILITY)) + 0.0)


@dataclass(frozen=True, slots=True)
class Scaled:
    """What temperature scaling does: fitted on `fitted` images, its effect measured on `tested` others."""

    temperature: float
    fitted: int
    tested: int
    log_loss_before: float
    log_loss_after: float
    ece_before: float
    ece_after: float


def per_image(chunks: Iterable[Answers]) -> PerImage:
    """`PerImage` of answers that come in pieces; raises `InputError` when there are none."""
    parts = [_reduced(chunk) for chunk in chunks if len(chunk)]
    if not parts:
        raise InputError("Expected answers to at least one image. Received: none.")
    columns = ("target", "choice", "confidence", "own", "rank", "brier")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in columns}
    return PerImage(ids=tuple(name for part in parts for name in part.ids), classes=parts[0].classes, **joined)


def closed(answers: Answers, classes: int) -> Answers:
    """`answers` as if only the first `classes` classes could be named: the others left out, the rest scaled up to 1.

    For networks that know more classes than a set has: with the others (`boards.REST`) every image that they
    take for something else is wrong; without them the question is which of the set's classes it looks most like.
    Where nothing is left in half precision, every class is as probable as the others.
    """
    kept = answers.probabilities[:, :classes].astype(np.float64)
    sums = kept.sum(axis=1, keepdims=True)
    shares = np.where(sums > 0, kept / np.where(sums > 0, sums, 1.0), 1 / classes)
    return Answers(answers.ids, answers.targets, shares)


def summarize(found: PerImage) -> dict[str, Any]:
    """The figures that follow from `PerImage`, with 95 % intervals: Wilson for shares, bootstrap for the rest."""
    count, right = len(found), found.right
    in_five = found.rank < 5
    present, codes = np.unique(np.concatenate([found.target, found.choice]), return_inverse=True)
    targets, choices = codes[:count], codes[count:]

    def matrix_of(rows: Integers) -> Integers:
        return confusion_matrix(targets[rows], choices[rows], len(present))

    everything = np.arange(count)
    whole = class_figures(matrix_of(everything))
    macro, weighted = average(whole, "macro"), average(whole, "weighted")
    figures: dict[str, Any] = {"images": count}
    figures |= _share("top_1", int(right.sum()), count) | _share("top_5", int(in_five.sum()), count)
    figures |= _figure("log_loss", found.log_losses.mean(), bootstrap_mean(found.log_losses))
    figures |= _figure("brier", found.brier.mean(), bootstrap_mean(found.brier))
    figures |= _figure(
        "ece",
        calibration_gap(found.confidence, right),
        bootstrap(lambda rows: calibration_gap(found.confidence[rows], right[rows]), count),
    )
    figures |= {"adaptive_ece": _number(adaptive_calibration_gap(found.confidence, right))}
    figures |= _figure(
        "macro_f1",
        macro.f1,
        bootstrap(lambda rows: average(class_figures(matrix_of(rows))).f1, count),
    )
    figures |= _figure("kappa", kappa(matrix_of(everything)), bootstrap(lambda rows: kappa(matrix_of(rows)), count))
    for how, line in (("macro", macro), ("weighted", weighted)):
        figures |= {
            f"{how}_precision": _number(line.precision),
            f"{how}_recall": _number(line.recall),
            f"{how}_specificity": _number(line.specificity),
        }
    figures["weighted_f1"] = _number(weighted.f1)
    figures["micro_f1"] = _number(average(whole, "micro").f1)
    return figures


def area_under_roc(chunks: Iterable[Answers]) -> float | None:
    """The macro one-vs-rest AUC, None above `MAX_AUC_CLASSES` classes."""
    kept: list[Answers] = []
    for chunk in chunks:
        if chunk.probabilities.shape[1] > MAX_AUC_CLASSES:
            return None
        kept.append(chunk)
    probabilities = np.concatenate([chunk.probabilities for chunk in kept])
    return _number(macro_auc(probabilities, np.concatenate([chunk.targets for chunk in kept])))


def scale(read: Callable[[], Iterable[Answers]]) -> Scaled | None:
    """Temperature scaling: fitted on held-out images, its effect told for the others.

    `read` gives the answers from the start, as often as it is called. None when one side has no images.
    """
    rows, truth = _to_fit_on(read)
    if len(rows) == 0:
        return None
    temperature = fit_temperature(rows, truth)
    before: list[tuple[Floats, Floats, Booleans]] = []
    after: list[tuple[Floats, Floats, Booleans]] = []
    for chunk in read():
        test = ~held_out(chunk.ids)
        if test.any():
            given, target = check(chunk.probabilities[test], chunk.targets[test])
            before.append(_judged(given, target))
            after.append(_judged(with_temperature(given, temperature), target))
    if not before:
        return None
    (loss_0, sure_0, right), (loss_1, sure_1, _) = _joined(before), _joined(after)
    return Scaled(
        temperature=round(temperature, 3),
        fitted=len(rows),
        tested=len(right),
        log_loss_before=round(float(loss_0.mean()), DECIMALS),
        log_loss_after=round(float(loss_1.mean()), DECIMALS),
        ece_before=round(calibration_gap(sure_0, right), DECIMALS),
        ece_after=round(calibration_gap(sure_1, right), DECIMALS),
    )


def _reduced(answers: Answers) -> PerImage:
    rows, target = check(answers.probabilities, answers.targets)
    places = np.arange(len(rows))
    own = rows[places, target]
    choice = first_choices(rows)
    before = (rows > own[:, None]) | ((rows == own[:, None]) & (np.arange(rows.shape[1]) < target[:, None]))
    return PerImage(
        ids=answers.ids,
        target=target,
        choice=choice,
        confidence=rows[places, choice],
        own=own,
        rank=np.asarray(before.sum(axis=1), np.int64),
        brier=brier_scores(rows, target),
        classes=rows.shape[1],
    )


def _to_fit_on(read: Callable[[], Iterable[Answers]]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and targets of at most `MAX_FITTED` held-out images, chosen by a hash of their ids.

    Not the first ones: a set that is sorted by class would be fitted on its first classes alone.
    """
    ids = [name for chunk in read() for name, chosen in zip(chunk.ids, held_out(chunk.ids), strict=True) if chosen]
    wanted = frozenset(sorted(ids, key=lambda name: hashlib.sha256(name.encode()).digest()[1:])[:MAX_FITTED])
    pieces = []
    for chunk in read():
        mask = np.array([name in wanted for name in chunk.ids])
        pieces.append((chunk.probabilities[mask], chunk.targets[mask]))
    return np.concatenate([rows for rows, _ in pieces]), np.concatenate([target for _, target in pieces])


def _judged(rows: Floats, target: Integers) -> tuple[Floats, Floats, Booleans]:
    """Log-loss, confidence and whether right, of each row."""
    places = np.arange(len(rows))
    losses = -np.log(np.maximum(rows[places, target], SMALLEST_PROBABILITY))
    return losses, rows.max(axis=1), np.asarray(first_choices(rows) == target)


def _joined(parts: list[tuple[Floats, Floats, Booleans]]) -> tuple[Floats, Floats, Booleans]:
    return (
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]),
    )


def _share(name: str, successes: int, count: int) -> dict[str, Any]:
    return _figure(name, successes / count, wilson(successes, count))


def _figure(name: str, value: float, interval: Interval) -> dict[str, Any]:
    return {name: _number(value), f"{name}_low": _number(interval.low), f"{name}_high": _number(interval.high)}


def _number(value: float) -> float | None:
    """For JSON, which has no NaN."""
    return None if math.isnan(value) else round(float(value), DECIMALS)
