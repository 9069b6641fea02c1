"""Logs that are JSON: a `History` of Keras, and JSON lines, such as those of imgrec's own runs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imgrec.errors import InputError
from imgrec.settings import MIB
from imgrec.training.log_builder import LogBuilder, log_of
from imgrec.training.log_lines import Skipped, shortened
from imgrec.training.log_tables import NO_FIGURES, take_epoch
from imgrec.training.training_job import curves_in
from imgrec.training.training_log import EPOCH, TrainingLog

# A History is a few KiB; parsed JSON takes twenty times its text.
MAX_JSON_BYTES = 4 * MIB

NO_JSON = "that are no JSON object"

# Of the events of a run: what a log is made of, and the fields that count from 1.
_COUNTS = {"training": ("epochs", "steps"), "step": ("epoch", "step"), "epoch": ("epoch",)}
_FIGURES = ("loss", "accuracy", "validation_loss", "validation_accuracy", "seconds")
_MOST = 10**9


def is_json_line(line: str) -> bool:
    """Return whether a line is a JSON object without lists of figures: one of many lines, and no `History`.

    >>> is_json_line('{"epoch": 1, "loss": 0.5}'), is_json_line('{"loss": [0.5]}'), is_json_line("{")
    (True, False, False)
    """
    row = _object(line)
    return row is not None and ("event" in row or any(_number(value) is not None for value in row.values()))


def read_history(name: str, data: bytes, notes: list[str]) -> list[LogBuilder]:
    """Return the training in a `History`: quantity → list of values; also inside {"history": …}, or as records.

    Adds a sentence to `notes` if the lists have different lengths. Raises `InputError` on what is no complete JSON.
    """
    if len(data) > MAX_JSON_BYTES:
        raise InputError(
            f"Expected a History of at most {MAX_JSON_BYTES // MIB} MiB. "
            f"Received: {name} with {len(data) / MIB:,.1f} MiB."
        )
    try:
        content = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise InputError(f"Expected a History as JSON. Received: {name}, which is not complete JSON.") from None
    builder = LogBuilder()
    for place, row in enumerate(_rows(content, notes), start=1):
        take_epoch(builder, place, row)
    return [] if builder.is_empty else [builder]


def read_json_lines(lines: Iterator[tuple[int, str]], title: str, skipped: Skipped) -> list[TrainingLog]:
    """Return the trainings in JSON lines: the log of a run of imgrec, or an object with figures a line."""
    rows: list[dict[str, Any]] = []
    builder = LogBuilder()
    for number, text in lines:
        row = _object(text)
        if row is None:
            skipped.add(number, NO_JSON, text)
        elif row.get("event") in _COUNTS:
            rows += _event(row)
        elif "event" not in row and not take_epoch(builder, builder.number + 1, _figures(row)):
            skipped.add(number, NO_FIGURES, text)
    curves = curves_in(rows)
    found = [log_of(curves, title)] if curves.epochs or curves.steps else []
    return found if builder.is_empty else [*found, builder.build(title, "JSON lines")]


def _rows(content: object, notes: list[str]) -> list[dict[str, float]]:
    """Return the figures of each epoch in a `History`."""
    if isinstance(content, list):
        return [_figures(row) for row in content if isinstance(row, Mapping)]
    if isinstance(content, Mapping) and isinstance(content.get("history"), Mapping):
        content = content["history"]
    if not isinstance(content, Mapping):
        return []
    series = {shortened(str(name))[:60]: _values(told) for name, told in content.items() if name != EPOCH}
    series = {name: values for name, values in series.items() if any(value is not None for value in values)}
    lengths = {name: len(values) for name, values in series.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {count:,}" for name, count in lengths.items())
        notes.append(f"Its lists have different lengths: {told}. Each is drawn to its own end.")
    return [
        {name: value for name, values in series.items() if i < len(values) and (value := values[i]) is not None}
        for i in range(max(lengths.values(), default=0))
    ]


def _figures(row: Mapping[str, Any]) -> dict[str, float]:
    numbers = {shortened(str(name))[:60]: _number(value) for name, value in row.items() if name != EPOCH}
    return {name: value for name, value in numbers.items() if value is not None}


def _values(told: object) -> Sequence[float | None]:
    """Return the numbers of a list, or of {"0": …, "1": …} as pandas writes it; None where one is none."""
    values = told.values() if isinstance(told, Mapping) else told if isinstance(told, list) else ()
    return [_number(value) for value in values]


def _event(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an event of a run with its checked fields; nothing if one of them is not what it should be."""
    counts = {name: row.get(name) for name in _COUNTS[row["event"]]}
    figures = {name: _number(row[name]) for name in _FIGURES if name in row}
    if None in figures.values() or not all(type(one) is int and 0 < one < _MOST for one in counts.values()):
        return []
    return [{"event": row["event"], **counts, **figures}]


def _number(value: object) -> float | None:
    """Return a number of JSON, NaN and infinity too; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _object(text: str) -> dict[str, Any] | None:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
