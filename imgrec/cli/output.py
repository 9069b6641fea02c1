"""What every command says, and where: results to stdout, progress and errors to stderr."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from imgrec.errors import InputError
from imgrec.settings import MIB

if TYPE_CHECKING:
    from imgrec.inference.preparation import Preparation
    from imgrec.jobs import Job

BAD_INPUT = 2

# What a shell says of a program whose reader has gone (128 + SIGPIPE): `imgrec predict … | head`.
READER_GONE = 141

# And of one that was interrupted (128 + SIGINT).
INTERRUPTED = 130

# A worker stops at its next step, and writes a checkpoint.
STOPPING_S = 60.0

BAR_WIDTH = 24

# Control characters but tab and line feed, and what turns the direction of reading.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

# How often a line that counts is drawn again.
COUNT_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Line:
    """How a job goes: a sentence, the share that is done in [0, 1], and what is to be said once and to stay."""

    text: str
    share: float | None = None
    notes: tuple[str, ...] = ()


@contextmanager
def progress_line() -> "Iterator[Callable[[Preparation], None]]":
    """A function that draws how far a preparation is: a bar on a terminal, one line a stage elsewhere."""
    drawn = ""

    def show(preparation: "Preparation") -> None:
        nonlocal drawn
        if preparation.stage not in ("downloading", "converting"):
            return
        line = f"{preparation.model}: {preparation.stage}"
        if sys.stderr.isatty():
            line = f"{line} {preparation.step}"
            if preparation.stage == "downloading":
                line = f"{line}{bar(preparation.done_bytes, preparation.total_bytes)}"
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        elif line != drawn:
            print(line, file=sys.stderr, flush=True)
        drawn = line

    try:
        yield show
    finally:
        if drawn and sys.stderr.isatty():
            print(file=sys.stderr)


@contextmanager
def count_line(title: str) -> "Iterator[Callable[[int, int], None]]":
    """A function that draws how many of how many are done, and when they will be; on a terminal only."""
    import time

    start, first, drawn = time.monotonic(), 0, 0.0

    def show(done: int, count: int) -> None:
        nonlocal first, drawn
        now = time.monotonic()
        first = first or done  # what an earlier run has done took no time now
        if not sys.stderr.isatty() or (now - drawn < COUNT_EVERY_S and done < count):
            return
        drawn = now
        left = (now - start) / max(done - first, 1) * (count - done)
        line = f"{title}: {_bar(done / count)} {done:,} of {count:,}, {left:.0f} s left"
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if drawn:
            print(file=sys.stderr)


def follow(job: "Job", lines: Iterable[Line], go_on: str) -> None:
    """Draw `lines`, which end with the job: over each other on a terminal, each with a bar; elsewhere one for each new
    first part. Notes come once, above what is drawn next.

    A key that interrupts stops the job, and `go_on` is the command that is named then. Raises `InputError` with the
    job's own sentence unless it has finished.
    """
    drawn, noted = "", False
    try:
        for line in lines:
            if line.notes and not noted:
                _erase()
                for note in line.notes:
                    complain(note)
                noted = True
            if sys.stderr.isatty():
                shown = line.text if line.share is None else f"{_bar(line.share)} {line.text}"
                print(f"\r\x1b[K{_in_a_row(shown)}", end="", file=sys.stderr, flush=True)
            elif line.text.split(" · ")[0] != drawn:
                print(line.text, file=sys.stderr, flush=True)
            drawn = line.text.split(" · ")[0]
    except KeyboardInterrupt:
        job.cancel()
        job.wait(STOPPING_S)
        complain(f"stopped; go on with: {go_on}")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        if drawn and sys.stderr.isatty():
            print(file=sys.stderr)
    if job.state != "finished":
        raise InputError(job.error or f"The run is {job.state}; go on with --resume. {job.last_words()}")


def bar(done_bytes: int, total_bytes: int | None) -> str:
    """A progress bar with figures.

    >>> bar(5 * MIB, 20 * MIB)
    '[██████··················]  25 % of 20.0 MiB'
    """
    if not total_bytes:
        return f"{done_bytes / MIB:.1f} MiB"
    share = min(1.0, done_bytes / total_bytes)
    return f"{_bar(share)} {share:>4.0%} of {total_bytes / MIB:.1f} MiB".replace("%", " %")


def _bar(share: float) -> str:
    filled = int(share * BAR_WIDTH)
    return f"[{'█' * filled}{'·' * (BAR_WIDTH - filled)}]"


def _in_a_row(text: str) -> str:
    """`text` as far as it fits into a row, since more could not be drawn over: parts in the middle go first."""
    width = shutil.get_terminal_size().columns - 1
    parts = text.split(" · ")
    while len(" · ".join(parts)) > width and len(parts) > 2:
        parts.pop(-2)
    return " · ".join(parts)[:width]


def _erase() -> None:
    """What is drawn on a terminal's last row."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)


def say(text: str) -> None:
    """A result, to stdout; ends the command quietly when nobody reads any more."""
    try:
        print(printable(text), flush=True)
    except BrokenPipeError:
        # The interpreter flushes stdout once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(READER_GONE) from None


def complain(sentence: str) -> None:
    """What went wrong, to stderr."""
    print(f"imgrec: {printable(sentence)}", file=sys.stderr)


def printable(text: str) -> str:
    """`text` without what would move a terminal's cursor, change its colors or turn the direction of reading.

    Names of files and of members of archives may hold it. Line breaks and tabs stay, and so does every letter.

    >>> printable("cat\\x1b[2J.jpg")
    'cat�[2J.jpg'
    """
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def check_resuming(context: typer.Context, allowed: tuple[str, ...]) -> None:
    """Raise `InputError` on options that a run which was started without them would not hear of."""
    given = [
        str(parameter.opts[0])
        for parameter in context.command.params
        if parameter.name not in allowed
        and (source := context.get_parameter_source(str(parameter.name))) is not None
        and source.name == "COMMANDLINE"
    ]
    if given:
        options = {parameter.name: parameter.opts[0] for parameter in context.command.params}
        wanted = " and ".join(
            options[name] for name in allowed if options[name].startswith("--") and options[name] != "--resume"
        )
        raise InputError(
            f"Expected no options but {wanted} beside --resume: a run goes on as it was started. "
            f"Received: {', '.join(given)}."
        )
