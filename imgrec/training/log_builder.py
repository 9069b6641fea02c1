"""Collects the figures of a training in their order, in bounded memory, into a `TrainingLog`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from imgrec.training.training_job import Curves
from imgrec.training.training_log import VALIDATION, TrainingLog

# Longer logs are thinned to at most twice so many batches; a chart has fewer pixels.
MAX_BATCHES = 3000

# Of one file; what is beyond is counted as skipped. A file has several trainings when a command was repeated with `>>`.
MAX_TRAININGS = 20
MAX_EPOCHS = 20_000
MAX_QUANTITIES = 40

# What Keras has called one figure in its versions.
SAME = {
    "acc": "accuracy",
    "binary_accuracy": "accuracy",
    "categorical_accuracy": "accuracy",
    "sparse_categorical_accuracy": "accuracy",
    "lr": "learning_rate",
}

# A number that a log has lost; NaN itself is a figure that a training may come to.
Values = Mapping[str, float | None]


class LogBuilder:
    """Collects the figures of one training in their order, in bounded memory."""

    def __init__(self) -> None:
        self.number = 0  # of the present epoch, from 1
        self._epochs: dict[int, dict[str, float]] = {}
        self._seconds: dict[int, float] = {}
        self._rows: list[tuple[int, int, int | None, dict[str, float]]] = []  # epoch, step, steps, values
        self._longest: dict[int, int] = {}
        self._names: dict[str, None] = {}
        self._diverged: dict[str, tuple[int, int, int | None]] = {}
        self._steps: set[int] = set()
        self._stride, self._told = 1, 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing was collected."""
        return not (self._epochs or self._rows)

    def end_epoch(self, number: int, values: Values, seconds: float | None = None) -> bool:
        """Take the figures of a whole epoch, beside those that it has; return whether there was room for them."""
        if not 1 <= number <= MAX_EPOCHS:
            return False
        self.number = max(self.number, number)
        self._epochs.setdefault(number, {}).update(self._known(values, number, 1, 1))
        if seconds is not None:
            self._seconds[number] = seconds
        return True

    def add_batch(self, number: int, step: int, steps: int | None, values: Values) -> None:
        """Take the figures after `step` of `steps` (None: not known) in the epoch `number`, all from 1."""
        if not 1 <= number <= MAX_EPOCHS:
            return
        self.number = number
        if steps is not None and len(self._steps) < 2:
            self._steps.add(steps)
        self._longest[number] = max(step, self._longest.get(number, 0))
        known = self._known(values, number, step, steps)
        self._told += 1
        if self._told % self._stride:
            return
        self._rows.append((number, step, steps, known))
        if len(self._rows) > 2 * MAX_BATCHES:
            self._rows = self._rows[1::2]
            self._stride *= 2

    def build(self, title: str, kind: str, notes: Sequence[str] = (), *, is_list: bool = False) -> TrainingLog:
        """Return what was collected. The first epoch of a log that was cut at its beginning stays in its place."""

        def position(number: int, step: int, steps: int | None) -> float:
            return float(step) if is_list else number - 1 + min(step / (steps or self._longest.get(number) or 1), 1)

        numbers = range(1, max(self._epochs, default=0) + 1)
        epochs = {
            name: np.array([self._epochs.get(i, {}).get(name, np.nan) for i in numbers])
            for name in self._names
            if any(name in row for row in self._epochs.values())
        }
        batches = {
            name: np.array([row[3].get(name, np.nan) for row in self._rows])
            for name in self._names
            if any(name in row[3] for row in self._rows)
        }
        return TrainingLog(
            title,
            kind,
            epochs,
            np.array([self._seconds.get(i, np.nan) for i in numbers]),
            np.array([position(*row[:3]) for row in self._rows]),
            batches,
            {name: position(*place) for name, place in self._diverged.items()},
            (*notes, *self._thinning()),
            is_list,
            next(iter(self._steps)) if len(self._steps) == 1 and not is_list else None,
        )

    def _thinning(self) -> list[str]:
        if self._stride == 1:
            return []
        return [f"Of {self._told:,} batches one in {self._stride:,} is kept."]

    def _known(self, values: Values, number: int, step: int, steps: int | None) -> dict[str, float]:
        """Return what is finite of `values`, under the present names; remember where the first was not."""
        found: dict[str, float] = {}
        for told, value in values.items():
            validation = VALIDATION if told.startswith(VALIDATION) else ""
            plain = told.removeprefix(VALIDATION)
            name = validation + SAME.get(plain, plain)
            if value is None or (name not in self._names and len(self._names) >= MAX_QUANTITIES):
                continue
            self._names[name] = None
            if np.isfinite(value):
                found.setdefault(name, float(value))
            else:
                self._diverged.setdefault(name, (number, step, steps))
        return found


def log_of(curves: Curves, title: str) -> TrainingLog:
    """Return the log of a run of imgrec."""
    builder = LogBuilder()
    steps = curves.plan.steps if curves.plan else None
    for row in curves.steps:
        builder.add_batch(row.epoch, row.step, steps, {"accuracy": row.accuracy, "loss": row.loss})
    for end in curves.epochs:
        builder.end_epoch(end.epoch, epoch_values(end), end.seconds)
    return builder.build(title, "Run of imgrec")


def epoch_values(row: Any) -> dict[str, float]:
    """Return the figures of an epoch of imgrec under the names of Keras."""
    return {
        "accuracy": row.accuracy,
        "loss": row.loss,
        "val_accuracy": row.validation_accuracy,
        "val_loss": row.validation_loss,
    }
