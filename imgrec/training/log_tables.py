"""Logs that are tables: CSV as `keras.callbacks.CSVLogger` writes it, and plain lists of numbers."""

import csv
import math
import re
from collections.abc import Iterator

from imgrec.training.log_builder import MAX_TRAININGS, SAME, LogBuilder, Values
from imgrec.training.log_lines import Skipped, number_in, shortened
from imgrec.training.training_log import EPOCH, SECONDS, VALIDATION

STEPS = ("batch", "step", "iteration")
KNOWN = frozenset({EPOCH, *STEPS, "loss", "accuracy", *SAME})

# What is read of a list: 100 epochs of 10,000 steps.
MAX_VALUES = 1_000_000

BAD_ROW = "with another number of cells"
NO_NUMBER = "with a cell that is no number"
NO_FIGURES = "without figures"

# What CSVLogger writes where a figure is missing.
_MISSING = frozenset({"", "NA"})

_CELL = re.compile(r"[^\s,;\[\]()]+")


def delimiter_of(line: str) -> str | None:
    """Return the delimiter of a line that names the columns of a log; None for any other line.

    >>> delimiter_of("epoch,accuracy,loss"), delimiter_of("epoch;acc"), delimiter_of("Epoch 1/5"), delimiter_of("1,2")
    (',', ';', None, None)
    """
    for delimiter in (",", ";", "\t"):
        cells = [_column(cell) for cell in line.split(delimiter)]
        if len(cells) > 1 and any(cell.removeprefix(VALIDATION) in KNOWN for cell in cells):
            return delimiter if all(number_in(cell) is None for cell in cells) else None
    return None


def read_csv(lines: Iterator[tuple[int, str]], delimiter: str, skipped: Skipped) -> list[LogBuilder]:
    """Return the trainings in a table with a row for each epoch or batch. Numbers may begin at 0 or at 1."""
    header = _cells(next(lines)[1], delimiter)
    columns = [_column(cell) for cell in header]
    builders, before, offset = [LogBuilder()], 0, None
    for number, text in lines:
        cells = _cells(text, delimiter)
        if cells == header:
            continue  # a second training was appended
        if len(cells) != len(columns):
            skipped.add(number, BAD_ROW, text)
            continue
        told = {name: number_in(cell) for name, cell in zip(columns, cells, strict=True) if cell not in _MISSING}
        values = {name: value for name, value in told.items() if value is not None}
        counts = {name: values.pop(name) for name in (EPOCH, *STEPS) if name in values}
        if None in told.values() or not all(math.isfinite(count) for count in counts.values()):
            skipped.add(number, NO_NUMBER, text)
            continue
        step = next((int(counts[name]) for name in STEPS if name in counts), None)
        if EPOCH not in counts:
            epoch = before + 1 if step is None else 1
        else:
            offset = offset if offset is not None else 1 if counts[EPOCH] < 1 else 0
            epoch = int(counts[EPOCH]) + offset
        if epoch <= before and step is None and len(builders) <= MAX_TRAININGS:
            builders.append(LogBuilder())  # the number of the epoch falls back
        if not values or len(builders) > MAX_TRAININGS:
            skipped.add(number, NO_FIGURES if not values else f"beyond {MAX_TRAININGS} trainings", text)
        elif step is not None:
            builders[-1].add_batch(epoch, max(0, step) + 1, None, values)
        elif not take_epoch(builders[-1], epoch, values):
            skipped.add(number, "with an epoch out of range", text)
        before = epoch
    return [builder for builder in builders[:MAX_TRAININGS] if not builder.is_empty]


def take_epoch(builder: LogBuilder, number: int, values: Values) -> bool:
    """Take the figures of a whole epoch with its seconds, if they are among them; return whether there was room."""
    known = dict(values)
    seconds = known.pop(SECONDS, None)
    return builder.end_epoch(number, known, seconds if seconds is not None and math.isfinite(seconds) else None)


def read_numbers(lines: Iterator[tuple[int, str]], quantity: str, skipped: Skipped) -> LogBuilder:
    """Return a list of numbers, one or several a line, with or without brackets; or lines of "number, value"."""
    builder, place, is_numbered = LogBuilder(), 0, None
    for number, text in lines:
        values = [number_in(cell) for cell in _CELL.findall(text)]
        if None in values or not values:
            skipped.add(number, NO_NUMBER, text)
            continue
        if is_numbered is None:
            is_numbered = len(values) == 2 and values[0] in (0, 1) and "[" not in text
        elif is_numbered and len(values) != 2:
            skipped.add(number, BAD_ROW, text)
            continue
        for value in values[1:] if is_numbered else values:
            place += 1
            if place > MAX_VALUES:
                skipped.add(number, f"beyond {MAX_VALUES:,} values", text)
                return builder
            builder.add_batch(1, place, None, {quantity: value})
    return builder


def is_numbers(line: str) -> bool:
    """Return whether a line holds numbers only.

    >>> is_numbers("[0.5, 0.6,"), is_numbers("0.25 nan"), is_numbers("Epoch 1"), is_numbers("[")
    (True, True, False, False)
    """
    cells = _CELL.findall(line[:1000])
    return bool(cells) and all(number_in(cell) is not None for cell in cells[:10])


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _column(cell: str) -> str:
    return shortened(cell.strip().strip("\"'").lower())[:60]
