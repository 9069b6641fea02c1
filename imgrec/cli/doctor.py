"""`imgrec doctor`."""

import shlex
import textwrap
from collections.abc import Callable
from contextlib import ExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from imgrec.cli.output import BAD_INPUT, complain, count_line, say
from imgrec.settings import Settings

if TYPE_CHECKING:
    from imgrec.data.quality.report import Diagnosis

WIDTH = 100

# Cases of a finding that the table names; `--format json` names more.
MAX_SHOWN = 5

# As wide as each other; severities are words, and no color has to be seen.
MARKS = {"stop": "STOP", "warn": "WARN", "note": "note"}


# What is said of findings by a command that is about something else.
TOLD = {"stop": "cannot be trained on", "warn": "warning"}


class Format(StrEnum):
    table = "table"
    json = "json"


def doctor(
    data: Annotated[str, typer.Option(help="cifar10, a folder of class folders, a zip, a tar or an .npz.")],
    input_size: Annotated[int, typer.Option(min=1, help="Side in px of what the network is given.")] = 224,
    backbone: Annotated[
        str, typer.Option(help="The network whose features judge the labels; none: leave that out.")
    ] = "mobilenet",
    format: Annotated[Format, typer.Option(help="A table to read, or JSON.")] = Format.table,
) -> None:
    """Examine labeled images before they are trained on; exit code 2 when training cannot start like this."""
    import json

    from imgrec.data.quality.doctor import examine

    with ExitStack() as lines:
        shown: dict[str, Callable[[int, int], None]] = {}

        def show(stage: str, done: int, count: int) -> None:
            if stage not in shown:
                shown[stage] = lines.enter_context(count_line(stage))
            shown[stage](done, count)

        diagnosis = examine(
            data,
            Settings.from_env(),
            input_size=(input_size, input_size),
            backbone=None if backbone == "none" else backbone,
            on_progress=show,
        )
    if format is Format.json:
        say(json.dumps(diagnosis.to_dict(), indent=2, ensure_ascii=False))
    else:
        for line in _table(diagnosis):
            say(line)
    if not diagnosis.may_train:
        raise typer.Exit(BAD_INPUT)


def warn_about(data: str, settings: Settings, input_size: tuple[int, int]) -> None:
    """Say on stderr what the doctor sees of `data` at a glance, before something is started on it.

    `input_size` (height, width) in px is the network's. The known sets were looked at by many before. Ends the command
    with `BAD_INPUT` when training cannot start like this; raises `InputError` on what is no set at all.
    """
    from imgrec.data.quality.doctor import NOT_READ, glance
    from imgrec.data.sources import DATASETS

    if data in DATASETS:
        return
    diagnosis = glance(data, settings, input_size=input_size)
    grave = [finding for finding in diagnosis.findings if finding.severity in TOLD]
    for finding in grave:
        complain(f"{TOLD[finding.severity]}: {finding.sentence}")
    if any(finding.count for finding in grave):
        complain(f"which images these are says: imgrec doctor --data {shlex.quote(data)}")
    if not diagnosis.may_train:
        raise typer.Exit(BAD_INPUT)
    if NOT_READ in diagnosis.not_made:
        complain(NOT_READ)


def _table(diagnosis: "Diagnosis") -> list[str]:
    lines = [f"{diagnosis.name}: {diagnosis.verdict}", ""]
    for finding in diagnosis.findings:
        lines += _paragraph(MARKS[finding.severity], finding.sentence)
        # One line each, whatever a file is called.
        lines += [f"        {case}".replace("\n", "�") for case in finding.cases[:MAX_SHOWN]]
        if finding.count > MAX_SHOWN:
            lines.append(f"        and {finding.count - MAX_SHOWN:,} more")
    for sentence in diagnosis.passed:
        lines += _paragraph("fine", sentence)
    for sentence in diagnosis.not_made:
        lines += _paragraph("open", sentence)
    return lines


def _paragraph(mark: str, sentence: str) -> list[str]:
    return textwrap.wrap(sentence, WIDTH, initial_indent=f"{mark}    ", subsequent_indent=" " * 8)
