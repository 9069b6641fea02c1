"""Files of training logs from anywhere: what each holds, and lists of accuracy and loss that belong together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import PurePath

from imgrec.errors import InputError
from imgrec.training import log_json, log_lines, log_tables, progress_bars
from imgrec.training.log_lines import Skipped, shortened
from imgrec.training.training_log import VALIDATION, TrainingLog

PROGRESS_BAR, CSV, HISTORY, LIST = "Keras' progress bar", "CSV of CSVLogger", "History as JSON", "List of numbers"

FORMS = (
    "the output of Keras' progress bar, a CSV of CSVLogger, a History as JSON, or lists named like acc_history.txt "
    "and loss_history.txt"
)

# A list says by the name of its file what its numbers are.
_QUANTITY = re.compile(r"(?:^|(?<=[^a-z]))(val(?:idation)?[^a-z]?)?(acc(?:uracy)?|loss)(?=$|[^a-z])[^a-z0-9]?")


@dataclass(frozen=True, slots=True)
class LogFile:
    """What a file holds: its trainings, and the lines that gave no figures."""

    name: str
    logs: Sequence[TrainingLog]
    skipped: Skipped = field(default_factory=Skipped)


def read(name: str, data: bytes) -> LogFile:
    """Return the trainings in a file of a log, in whatever form it is.

    Args:
        name: The name of the file; of a list of numbers it says what they are.
        data: Its bytes.

    Raises:
        InputError: It is no log, too large, or no text.
    """
    title = shortened(PurePath(name).name) or "log"
    text = log_lines.decode(title, data)
    first = next(log_lines.lines(text[: log_lines.MAX_LINE_BYTES], Skipped()), (0, ""))[1]
    skipped, notes = Skipped(), list[str]()
    lines = log_lines.lines(text, skipped)
    if log_json.is_json_line(first):
        if logs := log_json.read_json_lines(lines, title, skipped):
            return LogFile(title, logs, skipped)
        raise _no_log(title)
    if log_tables.is_numbers(first):
        builder = log_tables.read_numbers(lines, quantity_of(title)[0], skipped)
        return LogFile(title, [builder.build(title, LIST, is_list=True)], skipped)
    if first.startswith(("{", "[")):
        builders, kind = log_json.read_history(title, text, notes), HISTORY
    elif delimiter := log_tables.delimiter_of(first):
        builders, kind = log_tables.read_csv(lines, delimiter, skipped), CSV
    else:
        builders, kind = progress_bars.read(lines, skipped), PROGRESS_BAR
    if not builders:
        raise _no_log(title)
    titles = [title] if len(builders) == 1 else [f"{title}, training {place + 1}" for place in range(len(builders))]
    logs = [builder.build(each, kind, notes) for each, builder in zip(titles, builders, strict=True)]
    return LogFile(title, logs, skipped)


def quantity_of(name: str) -> tuple[str, str]:
    """Return what the numbers of a list are, and the rest of its name; raises `InputError` on a name without either.

    >>> quantity_of("acc_history.txt"), quantity_of("run2-val_loss.txt")
    (('accuracy', 'history.txt'), ('val_loss', 'run2-.txt'))
    """
    found = _QUANTITY.search(name.lower())
    if found is None:
        raise InputError(
            f"Expected acc or loss in the name of a list of numbers, such as acc_history.txt. Received: {name}."
        )
    quantity = "loss" if found[2] == "loss" else "accuracy"
    return (VALIDATION if found[1] else "") + quantity, name[: found.start()] + name[found.end() :]


def joined(files: Sequence[LogFile]) -> list[TrainingLog]:
    """Return the logs of all files: lists of one training, such as accuracy and loss, as one log."""
    lists: dict[str, list[TrainingLog]] = {}
    found: list[TrainingLog] = []
    for log in chain.from_iterable(file.logs for file in files):
        if log.is_list:
            lists.setdefault(quantity_of(log.title)[1], []).append(log)
        else:
            found.append(log)
    for logs in lists.values():
        # Two files with one name are two trainings.
        by_name = {next(iter(log.batches)): log for log in logs if log.batches}
        found += [TrainingLog.join(list(by_name.values()))] if len(by_name) == len(logs) else logs
    return found


def _no_log(title: str) -> InputError:
    return InputError(f"Expected {FORMS}. Received: {title}, in which no line is any of these.")
