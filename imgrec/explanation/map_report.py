"""Maps as JSON, CSV and rows of a table: what a page offers as files."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from imgrec.explanation.attribution import METHODS, Attribution
from imgrec.explanation.faithfulness import Faithfulness
from imgrec.explanation.interpolation import sample
from imgrec.explanation.map_figures import QUARTERS, MapFigures, measure_map
from imgrec.formatting import percent, signed
from imgrec.reports import flat_rows
from imgrec.reports.result import FORMULA_STARTS

# Finer than the maps of most networks, which have 7 × 7 or 28 × 28 values.
MAX_SIDE = 56

CSV_COLUMNS = ("image", "model", "class", "method", "unit", "row", "column", "x_px", "y_px", "value")


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredMap:
    """A map, and its insertion and deletion by baseline where they were measured."""

    found: Attribution
    scores: Mapping[str, Faithfulness] = field(default_factory=dict)

    @property
    def figures(self) -> MapFigures:
        """See `measure_map`."""
        return measure_map(self.found)


def compacted(found: Attribution) -> Attribution:
    """Return a map whose sides have at most `MAX_SIDE` values: that of an ensemble has one for each pixel drawn."""
    height, width = found.values.shape
    if max(height, width) <= MAX_SIDE:
        return found
    scale = MAX_SIDE / max(height, width)
    rows, columns = ((np.arange(count) + 0.5) / count for count in (round(height * scale), round(width * scale)))
    return replace(found, values=sample(found.values, rows, columns))


def to_rows(maps: Sequence[MeasuredMap]) -> list[dict[str, str]]:
    """Return a row of a table for each map."""
    rows = []
    for one in maps:
        figures = one.figures
        x, y = figures.peak
        row = {
            "Model": one.found.title,
            "Class": one.found.target.label,
            "Probability": percent(one.found.probability),
            "Lowest": signed(figures.least),
            "Highest": signed(figures.most),
            "Peak (from left, top)": f"{percent(x, 0)}, {percent(y, 0)}",
        }
        row |= {name.capitalize(): percent(share, 0) for name, share in zip(QUARTERS, figures.quarters, strict=True)}
        if one.scores:
            named = ", ".join(one.scores)
            row[f"Insertion ({named})"] = ", ".join(f"{score.insertion_area:.3f}" for score in one.scores.values())
            row[f"Deletion ({named})"] = ", ".join(f"{score.deletion_area:.3f}" for score in one.scores.values())
        rows.append(row)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name, "") for name in columns} for row in rows]


def to_dict(image: str, sha256: str, maps: Sequence[MeasuredMap]) -> dict[str, object]:
    """Return the maps of the file `image` with all values, their places and figures, as JSON values.

    `{image, sha256, maps: [{model, class, indices, label_space, method, unit, probability, milliseconds, box_px,
    size_px, figures, scores, values}]}`, where `values` are rows from the top, each from the left; null where the model
    saw nothing.
    """
    return {"image": image, "sha256": sha256, "maps": [_to_dict(one) for one in maps]}


def to_json(image: str, sha256: str, maps: Sequence[MeasuredMap]) -> str:
    """Return `to_dict` as a file."""
    return json.dumps(to_dict(image, sha256, maps), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(image: str, maps: Sequence[MeasuredMap]) -> str:
    """Return a line for each value of each map; `x_px` and `y_px` are its place in the original image."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for *words, row, column, x, y, value in _values(image, maps):
        written = [_cell(word) for word in words]
        writer.writerow([*written, row, column, f"{x:.1f}", f"{y:.1f}", "" if np.isnan(value) else f"{value:.6g}"])
    return text.getvalue()


def to_parquet(image: str, maps: Sequence[MeasuredMap]) -> bytes:
    """Return the table of `to_csv` as a Parquet file, with numbers as they are."""
    return flat_rows.to_parquet([dict(zip(CSV_COLUMNS, row, strict=True)) for row in _values(image, maps)])


def _values(image: str, maps: Sequence[MeasuredMap]) -> Iterator[tuple[Any, ...]]:
    """Yield the values of `CSV_COLUMNS` for each value of each map."""
    for one in maps:
        found = compacted(one.found)
        left, top, right, bottom = found.box
        rows, columns = found.values.shape
        words = (image, found.model, found.target.label, found.method, METHODS[found.method].unit)
        for row, column in np.ndindex(rows, columns):
            x, y = left + (column + 0.5) / columns * (right - left), top + (row + 0.5) / rows * (bottom - top)
            yield (*words, row, column, x, y, float(found.values[row, column]))


def _to_dict(one: MeasuredMap) -> dict[str, object]:
    found, figures = compacted(one.found), asdict(one.figures)
    values = [[None if np.isnan(value) else round(float(value), 5) for value in row] for row in found.values]
    return {
        "model": found.model,
        "class": found.target.label,
        "indices": list(found.target.indices),
        "label_space": found.target.label_space.name,
        "method": found.method,
        "unit": METHODS[found.method].unit,
        "probability": found.probability,
        "milliseconds": found.milliseconds,
        "box_px": list(found.box),
        "size_px": list(found.size_px),
        "figures": figures,
        "scores": {
            baseline: {
                "insertion_area": score.insertion_area,
                "deletion_area": score.deletion_area,
                "insertion": score.insertion.tolist(),
                "deletion": score.deletion.tolist(),
            }
            for baseline, score in one.scores.items()
        },
        "values": values,
    }


def _cell(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
