"""Keras' progress bar, as `nohup` and redirection keep it: every version since 2015, with and without a terminal.

    Epoch 1/5
     120/2000 [>.............................] - ETA: 8:47 - loss: 1.9832 - acc: 0.2815        Keras 1 and 2
    2000/2000 [==============================] - 562s 281ms/step - loss: … - val_acc: 0.7620
    2000/2000 - 562s - loss: 1.2301 - accuracy: 0.5713 - 562s/epoch - 281ms/step               verbose=2
     120/2000 ━━━━━━━━━━━━━━━━━━━━ 8:47 281ms/step - accuracy: 0.2815 - loss: 1.9832           Keras 3

Figures before the last step of an epoch are means since its beginning, which is how Keras prints them.
"""

import re
from collections.abc import Iterator

from imgrec.training.log_builder import MAX_TRAININGS, LogBuilder
from imgrec.training.log_lines import Skipped, number_in

_HEADER = re.compile(r"Epoch:? (\d{1,7})/(\d{1,7})\.*$")
_BAR = re.compile(r"(\d{1,9})/(\d{1,9}|Unknown)(?=\s|$)")
_SECONDS = re.compile(r"(?:^|\s)(\d{1,8})s(?=\s|$)")
_NAME = re.compile(r"[A-Za-z_][\w./@-]{0,59}")

OTHER = "without figures"
DAMAGED = "damaged"
OUTSIDE = "of evaluations after an epoch"
TOO_MANY = f"beyond {MAX_TRAININGS} trainings"

Figures = dict[str, float]


def figures_in(text: str) -> Figures | None:
    """Return the figures of a line of a bar; None where one of them is no number.

    >>> figures_in("8/9 [==>.] - ETA: 2:10 - loss: nan - acc: 0.5")
    {'loss': nan, 'acc': 0.5}
    """
    found: Figures = {}
    for part in text.split(" - ")[1:]:
        name, colon, told = part.partition(":")
        name = name.strip()
        if not colon or name == "ETA" or not _NAME.fullmatch(name):
            continue
        value = number_in(told)
        if value is None:
            return None
        found[name] = value
    return found


def seconds_in(text: str) -> float | None:
    """Return the time that a whole epoch took; None where the line does not say.

    >>> seconds_in("2000/2000 [====] - 562s 281ms/step - loss: 0.1"), seconds_in("- ETA: 5s - loss: 0.1")
    (562.0, None)
    """
    head = text.partition(":")[0]
    found = _SECONDS.search(head)
    return float(found[1]) if found else None


class _Trainings:
    """The trainings of a file: a new one begins when the number of the epoch falls back."""

    def __init__(self) -> None:
        self.builders: list[LogBuilder] = []
        self.is_implied = False  # there was no line "Epoch 1/5" yet
        self.number = self.step = 0
        self.is_complete = False
        self._open: tuple[int, Figures, float | None] | None = None  # an epoch whose number of steps is not known

    def header(self, number: int) -> None:
        """Begin the epoch `number`."""
        if self.is_implied:  # bars before the first epoch are of an evaluation
            self.builders.clear()
            self.is_implied = False
        if self._open is not None and self.builders:
            self.builders[-1].end_epoch(*self._open)
        self._open = None
        if not self.builders or (number <= self.number and len(self.builders) <= MAX_TRAININGS):
            self.builders.append(LogBuilder())
        self.number, self.step, self.is_complete = number, 0, False

    def bar(self, step: int, steps: int | None, figures: Figures, seconds: float | None) -> str:
        """Take one state of a bar; return the reason why it was skipped, or nothing."""
        if not self.builders:
            self.builders.append(LogBuilder())
            self.is_implied, self.number = True, 1
        if step < self.step:
            if not self.is_implied:
                return OUTSIDE
            self.number, self.is_complete = self.number + 1, False
        if len(self.builders) > MAX_TRAININGS:
            return TOO_MANY
        self.step = step
        builder = self.builders[-1]
        if not any(name.startswith("val_") for name in figures):
            builder.add_batch(self.number, step, steps, figures)
        self._open = (self.number, figures, seconds) if steps is None else None
        if step == steps:
            self.is_complete = True
            builder.end_epoch(self.number, figures, seconds)
        return ""

    def finish(self) -> list[LogBuilder]:
        """Return the trainings that have figures."""
        if self._open is not None and len(self.builders) <= MAX_TRAININGS:
            self.builders[-1].end_epoch(*self._open)
        return [builder for builder in self.builders[:MAX_TRAININGS] if not builder.is_empty]

    def whole_epoch(self, figures: Figures, seconds: float | None) -> str:
        """Take a line of a whole epoch without steps."""
        if not self.builders:
            return OTHER
        if self.is_complete or len(self.builders) > MAX_TRAININGS:
            return OUTSIDE if self.is_complete else TOO_MANY
        self.is_complete = True
        self.builders[-1].end_epoch(self.number, figures, seconds)
        return ""


def read(lines: Iterator[tuple[int, str]], skipped: Skipped) -> list[LogBuilder]:
    """Return the trainings in the lines of a log; empty where there is no bar with figures."""
    found = _Trainings()
    for number, text in lines:
        reason = OTHER
        if header := _HEADER.match(text):
            found.header(int(header[1]))
            continue
        if bar := _BAR.match(text):
            figures = figures_in(text)
            if figures is None:
                reason = DAMAGED
            elif figures:
                step, steps = int(bar[1]), None if bar[2] == "Unknown" else int(bar[2])
                is_last = step == steps or steps is None
                seconds = seconds_in(text) if is_last and "ETA" not in text else None
                reason = DAMAGED if steps is not None and step > steps else found.bar(step, steps, figures, seconds)
        elif text.startswith("- ") and (figures := figures_in(text)):
            reason = found.whole_epoch(figures, seconds_in(text))
        if reason:
            skipped.add(number, reason, text)
    return found.finish()
