"""A training as its log tells it: figures of every epoch and of batches between, from imgrec or from elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
import numpy.typing as npt

from imgrec.formatting import duration, percent

Floats = npt.NDArray[np.float64]

VALIDATION = "val_"
EPOCH, SECONDS = "epoch", "seconds"


@dataclass(frozen=True, slots=True, eq=False)
class TrainingLog:
    """The figures of one training.

    Attributes:
        title: A name for people, such as that of the file.
        kind: The form of the file in words.
        epochs: Quantity → one value an epoch, NaN where there is none; validation as `val_…`. All of one length.
        seconds: The time of each epoch, NaN where it is not known.
        positions: Of the batches, in epochs: 1.5 is half of the second. Of a plain list the number of each value.
        batches: Quantity → one value for each of `positions`, NaN where there is none.
        diverged: Quantity → the position of its first value that was no finite number.
        notes: What a reader should know, in sentences.
        is_list: Whether it is a plain list, which does not say where an epoch ends.
        steps: Those of an epoch, where all have as many.
    """

    title: str
    kind: str
    epochs: Mapping[str, Floats]
    seconds: Floats
    positions: Floats
    batches: Mapping[str, Floats]
    diverged: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    is_list: bool = False
    steps: int | None = None

    @staticmethod
    def join(lists: "Sequence[TrainingLog]") -> "TrainingLog":
        """Return plain lists of different quantities of one training as one log."""
        if len(lists) == 1:
            return lists[0]
        lengths = {log.title: int(log.positions[-1]) if log.positions.size else 0 for log in lists}
        notes = list(chain.from_iterable(log.notes for log in lists))
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{title} {count:,}" for title, count in lengths.items())
            notes.append(f"The lists have different lengths: {told} values. Each is drawn to its own end.")
        positions = np.unique(np.concatenate([log.positions for log in lists]))
        batches = {}
        for log in lists:
            for name, values in log.batches.items():
                batches[name] = np.full(positions.size, np.nan)
                batches[name][np.searchsorted(positions, log.positions)] = values
        diverged = {name: place for log in lists for name, place in log.diverged.items()}
        title = ", ".join(log.title for log in lists)
        empty = np.empty(0)
        return TrainingLog(title, lists[0].kind, {}, empty, positions, batches, diverged, tuple(notes), is_list=True)

    @property
    def count(self) -> int:
        """How many epochs there are."""
        return len(self.seconds)

    @property
    def quantities(self) -> list[str]:
        """The figures of training, with validation's under the same name: accuracy and loss first."""
        names = [name.removeprefix(VALIDATION) for name in (*self.epochs, *self.batches)]
        return sorted(set(names), key=lambda name: (name not in ("accuracy", "loss"), name))

    @property
    def training_seconds(self) -> float | None:
        """The sum over all epochs; None where the time of one is not known."""
        return float(self.seconds.sum()) if self.count and not np.isnan(self.seconds).any() else None

    def last(self, name: str) -> float | None:
        """Return the value of `name` after the last epoch that has one; without epochs that of the last batch."""
        for values in (self.epochs.get(name), self.batches.get(name)):
            if values is not None and (known := values[np.isfinite(values)]).size:
                return float(known[-1])
        return None

    def in_epochs(self, values_per_epoch: int) -> "TrainingLog":
        """Return a plain list with its positions in epochs of so many values, whose means are those of the epochs."""
        if not self.is_list or values_per_epoch <= 1:
            return self
        place = np.ceil(self.positions / values_per_epoch).astype(int) - 1
        count = int(place.max()) + 1 if place.size else 0
        means = {name: _means(values, place, count) for name, values in self.batches.items()}
        return replace(
            self,
            epochs=means,
            seconds=np.full(count, np.nan),
            positions=self.positions / values_per_epoch,
            diverged={name: place / values_per_epoch for name, place in self.diverged.items()},
        )


def text_of(quantity: str, value: float) -> str:
    """Return a value in words: shares of accuracy in percent."""
    return percent(value) if "accuracy" in quantity and 0 <= value <= 1 else f"{value:.4g}"


def summary_row(log: TrainingLog) -> dict[str, str]:
    """Return the row of a log in a table: how long it was, its time, its last and best validation accuracy."""
    values = log.epochs.get(VALIDATION + "accuracy")
    best = int(np.nanargmax(values)) if values is not None and np.isfinite(values).any() else None
    time, last = log.training_seconds, log.last("accuracy")
    return {
        "Log": log.title,
        "Form": log.kind,
        "Epochs": f"{log.count:,}" if log.count else "–",
        "Time": "–" if time is None else duration(time),
        "Accuracy": "–" if last is None else text_of("accuracy", last),
        "Best validation": "–" if best is None or values is None else f"{percent(values[best])} (epoch {best + 1})",
    }


def divergences(log: TrainingLog) -> list[str]:
    """Return a sentence for each figure that was NaN or infinite once; what is not finite is not drawn."""
    unit = "value" if log.is_list and not log.count else "epoch"
    return [
        f"{name} is not a finite number, first at {unit} {place:.4g}; such values are not drawn."
        for name, place in log.diverged.items()
    ]


def smoothed(values: Floats, weight: float) -> Floats:
    """Return the exponential moving average as TensorBoard draws it; NaN stays where it is.

    Each average is Σ weight^k · v[i−k] / Σ weight^k, so that the first values are not drawn to 0.

    >>> smoothed(np.array([0.0, 1.0, 1.0]), 0.5).round(3).tolist()
    [0.0, 0.667, 0.857]
    """
    if weight <= 0:
        return values
    result = np.full_like(values, np.nan)
    total = share = 0.0
    for i, value in enumerate(values):
        if np.isfinite(value):
            total, share = weight * total + value, weight * share + 1
            result[i] = total / share
    return result


def _means(values: Floats, place: npt.NDArray[np.int64], count: int) -> Floats:
    there = np.isfinite(values)
    sums = np.bincount(place[there], values[there], count)
    counts = np.bincount(place[there], minlength=count)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
