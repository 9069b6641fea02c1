"""`imgrec doctor`."""

import json
import shlex
import textwrap
from contextlib import ExitStack
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated

import typer

from imgrec.cli.terminal import BAD_INPUT, complain, count_line, say
from imgrec.settings import Settings

if TYPE_CHECKING:
    from imgrec.data.quality.report import Diagnosis

# Cases of a finding that the table names; `--format json` names more.
MAX_SHOWN = 5

# Severity → word in the table (of four letters), and in a command that is about something else.
WORDS = {"stop": ("STOP", "cannot be trained on"), "warn": ("WARN", "warning"), "note": ("note", "")}


class Format(StrEnum):
    """Forms of the result."""

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
    from imgrec.data.quality.doctor import examine

    with ExitStack() as lines:
        line = cache(lambda stage: lines.enter_context(count_line(stage)))
        found = examine(
            data,
            Settings.from_env(),
            input_size=(input_size, input_size),
            backbone=None if backbone == "none" else backbone,
            on_progress=lambda stage, done, count: line(stage)(done, count),
        )
    say(_table(found) if format is Format.table else json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    if not found.may_train:
        raise typer.Exit(BAD_INPUT)


def warn_about(data: str, settings: Settings, input_size: tuple[int, int]) -> "Diagnosis | None":
    """Print the findings of a quick check of `data` to stderr; end the command when training cannot start.

    `input_size` (height, width) in px is the network's. Returns what was found; None of published datasets, which are
    not checked. Raises `InputError` when there is no dataset.
    """
    from imgrec.data.quality.doctor import NOT_READ, glance
    from imgrec.data.sources import DATASETS

    if data in DATASETS:
        return None
    found = glance(data, settings, input_size=input_size)
    grave = [finding for finding in found.findings if finding.severity != "note"]
    for finding in grave:
        complain(f"{WORDS[finding.severity][1]}: {finding.sentence}")
    if any(finding.count for finding in grave):
        complain(f"which images these are says: imgrec doctor --data {shlex.quote(data)}")
    if not found.may_train:
        raise typer.Exit(BAD_INPUT)
    if NOT_READ in found.not_made:
        complain(NOT_READ)
    return found


def _table(found: "Diagnosis") -> str:
    lines = [f"{found.name}: {found.verdict}", ""]
    rows = [(WORDS[each.severity][0], each.sentence, each.cases, each.count) for each in found.findings]
    rows += [("fine", sentence, (), 0) for sentence in found.passed]
    rows += [("open", sentence, (), 0) for sentence in found.not_made]
    for word, sentence, cases, count in rows:
        lines.append(textwrap.fill(sentence, 100, initial_indent=f"{word}    ", subsequent_indent=" " * 8))
        # One line each, whatever a file is called.
        lines += [f"        {case}".replace("\n", "�") for case in cases[:MAX_SHOWN]]
        lines += [f"        and {count - MAX_SHOWN:,} more"] if count > MAX_SHOWN else []
    return "\n".join(lines)
