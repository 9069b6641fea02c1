"""Output of the commands: results go to stdout, progress and errors to stderr."""

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from imgrec.errors import InputError
from imgrec.settings import MIB

if TYPE_CHECKING:
    from imgrec.jobs import Job

BAD_INPUT = 2

# As a shell reports a program that ended by a signal: SIGPIPE (`imgrec predict … | head`) and SIGINT.
READER_GONE = 128 + 13
INTERRUPTED = 128 + 2

# A worker stops at its next step, and writes a checkpoint.
STOPPING_S = 60.0

BAR_WIDTH = 24

# Control characters but tab and line feed, and characters that turn the direction of reading.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

# How often a line with a count is drawn again.
COUNT_EVERY_S = 0.2

_ERASE = "\r\x1b[K"


@dataclass(frozen=True, slots=True)
class Line:
    """The progress of a job: a sentence, the finished share in [0, 1], and notes that are printed once and stay."""

    text: str
    share: float | None = None
    notes: tuple[str, ...] = ()


@contextmanager
def status_line() -> "Iterator[Callable[[str, str, str], None]]":
    """Yield a function of (stage, text for a terminal, text elsewhere) that draws one line.

    On a terminal each text replaces the one before; elsewhere one line is printed for each new stage.
    """
    drawn = ""

    def draw(stage: str, text: str, line: str) -> None:
        nonlocal drawn
        if sys.stderr.isatty():
            print(f"{_ERASE}{text}", end="", file=sys.stderr, flush=True)
        elif stage != drawn:
            print(line, file=sys.stderr, flush=True)
        drawn = stage

    try:
        yield draw
    finally:
        if drawn and sys.stderr.isatty():
            print(file=sys.stderr)


@contextmanager
def count_line(title: str) -> "Iterator[Callable[[int, int], None]]":
    """Yield a function that draws how many of how many are done and the time left; on a terminal only."""
    start, first, drawn = time.monotonic(), 0, 0.0

    with status_line() as draw:

        def show(done: int, count: int) -> None:
            nonlocal first, drawn
            now = time.monotonic()
            first = first or done  # an earlier run has done these, without time in this one
            if not sys.stderr.isatty() or (now - drawn < COUNT_EVERY_S and done < count):
                return
            drawn = now
            left = (now - start) / max(done - first, 1) * (count - done)
            text = f"{title}: {_bar(done / count)} {done:,} of {count:,}, {left:.0f} s left"
            draw(title, text, text)

        yield show


def follow(job: "Job", lines: Iterable[Line], go_on: str) -> None:
    """Draw `lines`, which end with the job: with a bar on a terminal; elsewhere one for each new first part.

    An interrupt stops the job, and `go_on` is the command that is then named. Raises `InputError` with the job's own
    sentence unless it has finished.
    """
    noted = False
    try:
        with status_line() as draw:
            for line in lines:
                if line.notes and not noted:
                    print(_ERASE if sys.stderr.isatty() else "", end="", file=sys.stderr)
                    for note in line.notes:
                        complain(note)
                    noted = True
                text = line.text if line.share is None else f"{_bar(line.share)} {line.text}"
                draw(line.text.split(" · ")[0], _in_a_row(text), line.text)
    except KeyboardInterrupt:
        job.cancel()
        job.wait(STOPPING_S)
        complain(f"stopped; go on with: {go_on}")
        raise typer.Exit(INTERRUPTED) from None
    if job.state != "finished":
        raise InputError(f"{job.stopped_because()} Go on with: {go_on}")


def bar(done_bytes: int, total_bytes: int | None) -> str:
    """Return a progress bar with figures.

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
    """Return `text` cut to one row of the terminal, as more could not be erased: middle parts are left out first."""
    width = shutil.get_terminal_size().columns - 1
    parts = text.split(" · ")
    while len(" · ".join(parts)) > width and len(parts) > 2:
        parts.pop(-2)
    return " · ".join(parts)[:width]


def say(text: str) -> None:
    """Print a result to stdout; end the command quietly when its reader has gone."""
    try:
        print(printable(text), flush=True)
    except BrokenPipeError:
        # The interpreter flushes stdout once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(READER_GONE) from None


def check_format(name: str, formats: Sequence[str], out: str = "") -> None:
    """Raise `InputError` unless `name` is one of `formats`, and binary ones go to a file or another program."""
    if name not in formats:
        raise InputError(f"Expected the format {', '.join(formats[:-1])} or {formats[-1]}. Received: {name!r}.")
    if name == "parquet" and not out and sys.stdout.isatty():
        raise InputError("Expected a file for Parquet, such as > rows.parquet. Received: a terminal.")


def write(content: bytes, out: str = "") -> None:
    """Write a result to the file `out`, or to stdout."""
    from imgrec.files import replacing, typed_path

    if out:
        with replacing(typed_path(out)) as beside:
            beside.write_bytes(content)
        return
    try:
        say(content.decode().rstrip("\n"))
    except UnicodeDecodeError:  # Parquet
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def complain(sentence: str) -> None:
    """Print an error to stderr."""
    print(f"imgrec: {printable(sentence)}", file=sys.stderr)


def printable(text: str) -> str:
    r"""Return `text` without characters that move a terminal's cursor, change its colors or the reading direction.

    Names of files and of members of archives may contain them. Line breaks, tabs and all letters stay.

    >>> printable("cat\x1b[2J.jpg")
    'cat�[2J.jpg'
    """
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def check_resuming(context: typer.Context, allowed: tuple[str, ...]) -> None:
    """Raise `InputError` on options that a resumed run would ignore: all but the parameters `allowed`."""
    options = {str(parameter.name): str(parameter.opts[0]) for parameter in context.command.params}
    sources = {name: context.get_parameter_source(name) for name in options if name not in allowed}
    given = [options[name] for name, source in sources.items() if source and source.name == "COMMANDLINE"]
    if given:
        known = [options[name] for name in allowed]
        wanted = " and ".join(option for option in known if option.startswith("--") and option != "--resume")
        raise InputError(
            f"Expected no options but {wanted} beside --resume: a run goes on as it was started. "
            f"Received: {', '.join(given)}."
        )
