"""Figures of a config: one row a trial, what a learning rate comes to on all folds, and what fine-tuning did."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from imgrec.errors import InputError
from imgrec.formatting import THIN_SPACE, percent
from imgrec.training.events import TrialEnd

# A line of the log, or a card, with the confusion of more classes than this would be longer than all else together;
# and no page shows it.
MAX_CONFUSION_CLASSES = 100


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


def rank(accuracy: float, loss: float) -> tuple[float, float]:
    """Return what is compared of two epochs or heads, the better the larger: accuracy, and of equal ones the loss.

    >>> rank(0.9, 0.4) > rank(0.9, 0.5) > rank(0.8, 0.1)
    True
    """
    return accuracy, -loss


def summaries(trials: Iterable[TrialEnd]) -> list[Summary]:
    """One for each learning rate, from the largest; means and standard deviations over its folds.

    A rate at which a trial failed has none: what is left of it is not to be compared.
    """
    table = list(trials)
    failed = {trial.learning_rate for trial in table if trial.error}
    found = []
    for rate in sorted({trial.learning_rate for trial in table} - failed, reverse=True):
        mine = [trial for trial in table if trial.learning_rate == rate]
        figures: dict[str, float] = {}
        for quantity in ("train_accuracy", "train_loss", "validation_accuracy", "validation_loss"):
            values = np.array([getattr(trial, quantity) for trial in mine], np.float64)
            figures[quantity] = float(values.mean())
            figures[f"{quantity}_sd"] = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        epoch = float(np.mean([trial.best_epoch for trial in mine]))
        found.append(Summary(learning_rate=rate, trials=len(mine), best_epoch=epoch, **figures))
    return found


def choose(trials: Sequence[TrialEnd]) -> Summary:
    """Return the learning rate with the highest mean validation accuracy; of equal ones that with the lowest mean loss.

    Raises `InputError` when a trial failed at each of them.
    """
    if not (found := summaries(trials)):
        rates = ", ".join(f"{rate:g}" for rate in sorted({trial.learning_rate for trial in trials}, reverse=True))
        raise InputError(
            f"Expected a learning rate at which the loss stays a number. Received: {rates}; try smaller ones."
        )
    return max(found, key=lambda row: rank(row.validation_accuracy, row.validation_loss))


def logged(matrix: np.ndarray) -> list[list[int]] | None:
    """Return a confusion matrix (C, C) as logs and cards have it; None for one of more than `MAX_CONFUSION_CLASSES`."""
    cells: list[list[int]] = matrix.tolist()
    return cells if len(cells) <= MAX_CONFUSION_CLASSES else None


def spread(mean: float, sd: float, count: int) -> str:
    """Return mean ± standard deviation in percent; the mean alone of one.

    >>> [text.replace(THIN_SPACE, " ") for text in (spread(0.912, 0.0105, 5), spread(0.912, 0.0, 1))]
    ['91.2 ± 1.1 %', '91.2 %']
    """
    return f"{100 * mean:.1f} ± {100 * sd:.1f}{THIN_SPACE}%" if count > 1 else percent(mean)
