"""What five published student projects did, row by row, and what imgrec makes of it (assets/five_systems.json).

Each row says what was printed, what is so here, where to find it, which command repeats it, and what could not be
measured. Figures in a row are checked against the files that they come from (tests/evaluation/test_five_systems.py).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from imgrec.settings import ASSETS

FILE = ASSETS / "five_systems.json"


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing that a system did.

    `page` is the name of a file in pages/, `query` what it is opened with, and `command` begins with `imgrec`; page and
    command are None where there is none.
    `missing` says what was not measured, and why.
    """

    id: str
    title: str
    printed: str
    here: str
    page: str | None
    query: Mapping[str, str]
    command: str | None
    missing: str


@dataclass(frozen=True, slots=True)
class PublishedSystem:
    """A published project and what it did."""

    title: str
    capabilities: Sequence[Capability]


@cache
def five_systems() -> tuple[PublishedSystem, ...]:
    """Return the five systems with their 57 rows."""
    found = json.loads(FILE.read_text(encoding="utf-8"))
    return tuple(
        PublishedSystem(
            system["title"],
            [
                Capability(
                    row["id"],
                    row["capability"],
                    row["printed"],
                    row["ours"],
                    row["page"],
                    row["query"],
                    row["command"],
                    row["missing"],
                )
                for row in system["rows"]
            ],
        )
        for system in found["systems"]
    )
