"""Bytes of a file as the lines of a log: any encoding, any line end, no control characters, a limit on everything."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from imgrec.errors import InputError
from imgrec.settings import MIB

# 25 epochs of 8,000 steps with their backspaces make 40 MiB.
MAX_LOG_BYTES = 64 * MIB
MAX_LINES = 1_000_000
MAX_LINE_BYTES = 64 * 1024

# Skipped lines that are kept to be shown, and the characters of each.
MAX_SHOWN = 20
MAX_SHOWN_CHARACTERS = 120

# A progress bar goes back to the beginning of its line by carriage returns and backspaces: what follows is a new line.
_LINE = re.compile(rb"[^\r\n\b\x0b\x0c]+")
_COLORS = re.compile(r"\x1b(?:\[[0-9;?]{0,20}[A-Za-z]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|.?)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")

# A file that is no text has some of these in its beginning.
_BEGINNING_BYTES = 8192


@dataclass(slots=True)
class Skipped:
    """Lines that gave no figures: how many for each reason, and the first ones as (number, reason, text).

    `lines_read` counts all, with those that gave some; each state of a progress bar is one.
    """

    lines_read: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    shown: list[tuple[int, str, str]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.reasons.values())

    def add(self, number: int, reason: str, text: str) -> None:
        """Count the line `number` (from 1)."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        if self.reasons[reason] <= MAX_SHOWN:
            self.shown.append((number, reason, shortened(text)))


def decode(name: str, data: bytes) -> bytes:
    """Return the text of a file as UTF-8 bytes, whatever encoding it has.

    Raises:
        InputError: The file is empty, larger than `MAX_LOG_BYTES`, or no text.
    """
    if not data.strip():
        raise InputError(f"Expected a training log. Received: {shortened(name)}, which is empty.")
    if len(data) > MAX_LOG_BYTES:
        raise InputError(
            f"Expected a log of at most {MAX_LOG_BYTES // MIB} MiB. "
            f"Received: {shortened(name)} with {len(data) / MIB:,.0f} MiB."
        )
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(mark):  # as PowerShell writes what it is told to redirect
            data = data.decode(encoding, "replace").encode("utf-8", "replace")
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data[:_BEGINNING_BYTES]:
        raise InputError(f"Expected a training log, which is text. Received: {shortened(name)}, which is not text.")
    return data


def lines(data: bytes, skipped: Skipped) -> Iterator[tuple[int, str]]:
    """Return the parts of lines that are not blank, as plain text, with the number of the line in an editor.

    Long ones are cut. `skipped` counts all.
    """
    number, counted = 1, 0
    for found in _LINE.finditer(data):
        part = found[0][:MAX_LINE_BYTES]
        try:
            text = part.decode("utf-8")
        except UnicodeDecodeError:
            text = part.decode("cp1252", "replace")
        text = cleaned(text)
        if not text:
            continue
        number += data.count(b"\n", counted, found.start())
        counted = found.start()
        if skipped.lines_read >= MAX_LINES:
            skipped.add(number, f"more than {MAX_LINES:,} lines", text)
            return
        skipped.lines_read += 1
        yield number, text


def cleaned(text: str) -> str:
    r"""Return `text` without colors, control characters and outer spaces.

    >>> cleaned("\x1b[1m313/313\x1b[0m \x1b[32m━━\x1b[0m \x1b[1m5s\x1b[0m")
    '313/313 ━━ 5s'
    """
    if text.isprintable():  # as most lines of a long log are
        return text.strip()
    return _CONTROL.sub("", _COLORS.sub("", text)).strip()


def shortened(text: str) -> str:
    """Return `text` as it may be shown: cleaned, and cut where it is long."""
    shown = cleaned(text[: 4 * MAX_SHOWN_CHARACTERS])
    return shown if len(shown) <= MAX_SHOWN_CHARACTERS else f"{shown[: MAX_SHOWN_CHARACTERS - 1]}…"


def number_in(text: str) -> float | None:
    """Return the number that `text` is, NaN and infinity too; None where it is none.

    >>> number_in("1.5e-3"), number_in("0,25"), number_in("1_0"), number_in("ETA")
    (0.0015, 0.25, None, None)
    """
    try:
        return None if "_" in text else float(text.strip().replace(",", "."))
    except ValueError:
        return None


def describe(skipped: Skipped) -> str:
    """Return how many lines were skipped and why; empty where none was."""
    if not skipped.count:
        return ""
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in skipped.reasons.items())
    return f"{skipped.count:,} of {skipped.lines_read:,} lines skipped: {reasons}."
