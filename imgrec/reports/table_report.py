"""Several tables with what is to be known of all of them, as one report: JSON, and Markdown to be read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a cell of text for each of `columns` in each of `rows`; `note` says how to read it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def to_json(title: str, facts: Mapping[str, Any], tables: Sequence[Table]) -> str:
    """Return the report as JSON: {"title", "provenance": {…}, "tables": [{"title", "columns", "rows", "note"}]}."""
    content = {"title": title, "provenance": dict(facts), "tables": [asdict(table) for table in tables]}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def to_markdown(title: str, facts: Mapping[str, Any], tables: Sequence[Table]) -> str:
    """Return the report as Markdown: the facts as a list, then a section for each table."""
    lines = [f"# {title}", "", *(f"- {name}: {_words(value)}" for name, value in facts.items())]
    return "\n".join(lines) + "\n" + "".join(f"\n{section(table)}" for table in tables)


def section(table: Table) -> str:
    """Return a table as a section of Markdown: its title, the table, and its note."""
    lines = [f"## {table.title}", "", _line(table.columns), _line(["---"] * len(table.columns))]
    lines += [_line(row) for row in table.rows]
    lines += ["", table.note] if table.note else []
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    r"""Return a line of a table; what a cell has of the table's own signs is escaped.

    >>> _line(["a|b", "1"])
    '| a\\|b | 1 |'
    """
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(one)}" for name, one in value.items())
    return str(value)
