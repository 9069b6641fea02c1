"""`imgrec logs`: training logs from anywhere, in a table or in another form."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgrec.cli.terminal import BAD_INPUT, complain, say
from imgrec.errors import ImgrecError

if TYPE_CHECKING:
    from imgrec.training.log_files import LogFile
    from imgrec.training.training_log import TrainingLog

# The file of a run's folder that is its log.
RUN_LOG = "progress.jsonl"


class Form(StrEnum):
    """Forms of the result: a table of all logs, or one log as Keras writes it."""

    table = "table"
    csv = "csv"
    json = "json"
    accuracy = "accuracy"
    loss = "loss"
    bar = "bar"


def logs(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILES...",
            help="What Keras prints, CSVs of CSVLogger, Histories as JSON, acc_history.txt, or folders of runs.",
        ),
    ],
    format: Annotated[
        Form, typer.Option(help="A table of all; or of one log csv, json, accuracy, loss, or Keras' progress bar.")
    ] = Form.table,
    training: Annotated[int, typer.Option(min=1, help="Which one, of a file with several trainings.")] = 1,
) -> None:
    """Read training logs: their epochs, times and accuracies; or write one in another form.

    Lines that cannot be read are counted and the first ones shown on stderr. Exit code 2 if a file is no log.
    """
    from imgrec.training import log_files

    found: list[LogFile] = []
    for path in files:
        try:
            found.append(_read(path))
        except ImgrecError as error:
            complain(str(error))
    logs = log_files.joined(found)
    for file in found:
        _report(file)
    if format is Form.table:
        _table(logs)
    elif logs:
        _write(logs, format, training)
    if len(found) < len(files):
        raise typer.Exit(BAD_INPUT)


def _read(path: Path) -> "LogFile":
    from imgrec.errors import InputError
    from imgrec.settings import MIB
    from imgrec.training import log_files
    from imgrec.training.log_lines import MAX_LOG_BYTES

    place = path.expanduser()
    place = place / RUN_LOG if place.is_dir() else place
    if not place.is_file():
        raise InputError(f"Expected a file with a training log, or the folder of a run. Received: {path}.")
    try:
        with place.open("rb") as file:
            data = file.read(MAX_LOG_BYTES + 1)
    except OSError as error:
        raise InputError(f"Expected a file that can be read. Received: {path} ({error.strerror}).") from None
    if len(data) > MAX_LOG_BYTES:
        raise InputError(f"Expected a log of at most {MAX_LOG_BYTES // MIB} MiB. Received: {path}, which is larger.")
    return log_files.read(place.name if place.name != RUN_LOG else f"{place.parent.name}.jsonl", data)


def _report(file: "LogFile") -> None:
    from imgrec.training.log_lines import describe

    if words := describe(file.skipped):
        complain(f"{file.name}: {words}")
        for number, reason, text in file.skipped.shown:
            complain(f"  line {number:,}, {reason}: {text}")


def _table(logs: "list[TrainingLog]") -> None:
    from imgrec.training.training_log import divergences, summary_row

    rows = [summary_row(log) for log in logs]
    if not rows:
        return
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    for row in ({name: name for name in widths}, *rows):
        say("  ".join(f"{row[name]:<{width}}" for name, width in widths.items()).rstrip())
    for log in logs:
        for note in (*log.notes, *divergences(log)):
            complain(f"{log.title}: {note}")


def _write(logs: "list[TrainingLog]", form: Form, training: int) -> None:
    from imgrec.errors import InputError
    from imgrec.training import log_export

    if training > len(logs):
        raise InputError(f"Expected --training from 1 to {len(logs)}. Received: {training}.")
    if len(logs) > 1 and training == 1:
        complain(f"{logs[0].title} of {len(logs)} logs; others with --training.")
    name = {
        Form.csv: log_export.CSV,
        Form.json: log_export.HISTORY,
        Form.accuracy: log_export.ACCURACY,
        Form.loss: log_export.LOSS,
        Form.bar: log_export.BAR,
    }[form]
    text = log_export.files_of(logs[training - 1]).get(name)
    if text is None:
        raise InputError(f"Expected a log with the figures of {name}. Received: {logs[training - 1].title}.")
    say(text.rstrip("\n"))
