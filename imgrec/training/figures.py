"""Figures of trials: one row a head, and what a learning rate comes to on all folds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from imgrec.errors import InputError

# A line of the log, or a card, with the confusion of more classes than this would be longer than all else together;
# and no page shows it.
MAX_CONFUSION_CLASSES = 100


@dataclass(frozen=True, slots=True)
class Trial:
    """One head, as it was after its `best_epoch` (from 1): the first with the highest validation accuracy.

    `fold` counts from 1; it is 0 where there is one split. `seconds` is what all its epochs took. `error` is the
    sentence of one that failed, all of whose figures are 0.
    """

    learning_rate: float
    fold: int
    best_epoch: int
    train_accuracy: float
    train_loss: float
    validation_accuracy: float
    validation_loss: float
    seconds: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The trials of one learning rate: means, and standard deviations (of a sample; 0 where there is one trial)."""

    learning_rate: float
    trials: int
    best_epoch: float
    train_accuracy: float
    train_accuracy_sd: float
    validation_accuracy: float
    validation_accuracy_sd: float
    train_loss: float
    train_loss_sd: float
    validation_loss: float
    validation_loss_sd: float


def summaries(trials: Iterable[Trial]) -> list[Summary]:
    """One for each learning rate, from the largest; means and standard deviations over its folds.

    A rate at which a trial failed has none: what is left of it is not to be compared.
    """
    by_rate: dict[float, list[Trial]] = {}
    for trial in trials:
        by_rate.setdefault(trial.learning_rate, []).append(trial)
    found = []
    for rate, mine in sorted(by_rate.items(), reverse=True):
        if any(trial.error for trial in mine):
            continue
        figures: dict[str, float] = {}
        for quantity in ("train_accuracy", "train_loss", "validation_accuracy", "validation_loss"):
            values = np.array([getattr(trial, quantity) for trial in mine], np.float64)
            figures[quantity] = float(values.mean())
            figures[f"{quantity}_sd"] = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        epoch = float(np.mean([trial.best_epoch for trial in mine]))
        found.append(Summary(learning_rate=rate, trials=len(mine), best_epoch=epoch, **figures))
    return found


def choose(trials: Sequence[Trial]) -> Summary:
    """The learning rate with the highest mean validation accuracy; of equal ones that with the lowest mean loss.

    Raises `InputError` when a trial failed at each of them.
    """
    if not (found := summaries(trials)):
        rates = ", ".join(f"{rate:g}" for rate in sorted({trial.learning_rate for trial in trials}, reverse=True))
        raise InputError(
            f"Expected a learning rate at which the loss stays a number. Received: {rates}; try smaller ones."
        )
    return min(found, key=lambda row: (-row.validation_accuracy, row.validation_loss))


def logged(matrix: np.ndarray) -> list[list[int]] | None:
    """A confusion matrix (C, C) as logs and cards have it; None for one of more than `MAX_CONFUSION_CLASSES`."""
    cells: list[list[int]] = matrix.tolist()
    return cells if len(cells) <= MAX_CONFUSION_CLASSES else None
