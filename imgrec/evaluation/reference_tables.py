"""Tables of published comparisons (assets/reference_tables.json), and protocols of theirs that were repeated here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from imgrec import json_files
from imgrec.errors import ImgrecError
from imgrec.metrics.confusion import ClassFigures, figures_of_counts
from imgrec.settings import ASSETS


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A table of a publication: `rows` have one cell for each of `columns`.

    `measured_as` is the model of the catalog or the recipe that repeats each row, `measured_on` the dataset of these
    measurements. `by_class`: accuracy was published, and is measured, for each class. `fits` names more datasets of
    which the table is of interest. `is_reference`: its accuracies are in another table of the page, too.
    """

    title: str
    source: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    measured_as: Sequence[str | None]
    remark: str
    measured_on: str | None = None
    by_class: bool = False
    fits: Sequence[str] = ()
    is_reference: bool = False

    def belongs_to(self, dataset: str) -> bool:
        """Return whether the table is about `dataset`."""
        return dataset in (self.measured_on, *self.fits) and not self.is_reference


@dataclass(frozen=True, slots=True)
class PublishedCounts:
    """TP, TN, FP, FN of each class as published; every other figure follows from them."""

    title: str
    source: str
    classes: Sequence[str]
    counts: Sequence[Sequence[int]]
    remark: str

    @property
    def figures(self) -> ClassFigures:
        """The one-vs-rest figures of each class."""
        return figures_of_counts(*np.array(self.counts).T)


@dataclass(frozen=True, slots=True)
class RepeatedTable:
    """A published protocol that was repeated here; `beside` is the title of the published table, if there is one.

    `report` is the title of the report that it is a table of, None where it stands alone.
    """

    title: str
    provenance: dict[str, str]
    columns: list[str]
    rows: list[list[str]]
    note: str
    beside: str | None
    report: str | None = None


@cache
def read_published() -> tuple[list[PublishedTable], list[PublishedCounts]]:
    """Return the published tables, and the published counts of classes."""
    content = json.loads((ASSETS / "reference_tables.json").read_text(encoding="utf-8"))
    return [PublishedTable(**one) for one in content["tables"]], [PublishedCounts(**one) for one in content["counts"]]


def read_repeated(folder: Path) -> tuple[list[RepeatedTable], list[str]]:
    """Return the tables in `folder`/*.json by the names of the files, and a sentence for each broken file.

    A file is {"title", "provenance": {…}, "columns": […], "rows": [[…]], "note", "beside" (may be left out)}, or a
    report of several: {"title", "provenance", "beside", "tables": [{"title", "columns", "rows", "note"}]}. Other files
    are shown elsewhere.
    """
    tables: list[RepeatedTable] = []
    problems = []
    for path in sorted(folder.glob("*.json")):
        try:
            content = json_files.read(path)
            if isinstance(content, dict) and not content.keys() & {"columns", "tables"}:
                continue
            parts = content.get("tables", [content]) if isinstance(content, dict) else [content]
            shared = {"report": content["title"]} if "tables" in content else {}
            shared |= {name: content[name] for name in ("provenance", "beside") if name in content}
            tables += [_table(one | shared, path.name) for one in parts]
        except (ImgrecError, ValueError, KeyError, TypeError, AttributeError) as error:
            problems.append(
                f"Expected {path.name} to be a table of title, provenance, columns and rows with a cell for each "
                f"column. Received: {type(error).__name__} ({error})."
            )
    return tables, problems


def _table(content: dict[str, Any], name: str) -> RepeatedTable:
    rows = [[_cell(value) for value in row] for row in content["rows"]]
    facts = {str(key): _cell(value) for key, value in content["provenance"].items()}
    if any(len(row) != len(content["columns"]) for row in rows) or not facts:
        raise ValueError(f"rows of {sorted({len(row) for row in rows})} cells, {len(facts)} facts")
    other = {key: content[key] for key in ("title", "columns", "note", "beside", "report") if key in content}
    read = {"note": "", "beside": None} | other | {"rows": rows, "provenance": facts}
    return json_files.to_row(RepeatedTable, read, name)


def _cell(value: object) -> str:
    """Return a cell in words: lists and mappings as "a, b" and "x 1, y 2", nothing as a dash."""
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_cell(one)}" for key, one in value.items())
    return ", ".join(map(_cell, value)) if isinstance(value, list) else str(value)
