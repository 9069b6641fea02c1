"""Squares with a figure in each cell: confusions, one model against another, agreement of all with all.

Shades are one blue of varying opacity, so that they read on a light and on a dark page; the figures in them are
black or white, whichever has the contrast there.
"""

import math
from collections.abc import Sequence

import numpy as np

from imgrec.charts.frames import AXIS, framed, renamed, told_apart
from imgrec.charts.theme import FONT_PX, NEUTRAL, Spec
from imgrec.formatting import integer, percent
from imgrec.metrics.classification import Floats, Integers
from imgrec.metrics.confusion import FREQUENT_FROM, mistakes, mistakes_title, row_shares

# Cells of a matrix carry their figure up to this many classes; beyond it they would overlap.
ANNOTATED_CLASSES = 15
CELL_PX = 30
SMALL_CELL_PX = 18

# In the sentence; the page lists more.
NAMED_MISTAKES = 3

# Two classes are no two stripes: the axis' title has its room.
LEAST_PX = 130

# The first of the models' colors.
MATRIX_COLOR = "#2864c8"

# Opacity of the weakest and of the strongest cell.
OPACITIES = (0.05, 1.0)

# On a light page the shades are light enough for black up to this strength, and dark enough for white from it on;
# on a dark page all are dark enough for white. `background` is the page's, as the chart knows it when it is drawn.
WHITE_FROM = 0.89
BLACK = "#000000"
FIGURE_COLOR: Spec = {
    "condition": {"test": f"datum.strength >= {WHITE_FROM} || luminance(background) < 0.4", "value": "white"},
    "value": BLACK,
}

SHADES = {
    "counts": "Shade: number of images.",
    "rows": "Shade and figures: percent of the class' images.",
    "log": "Shade: logarithm of the number, so that single mistakes show.",
}

# Names beside rows, and slanted below columns; longer ones end in "…" and are whole in the tooltip.
_NAME_PX = 190
_CLASS_PX = 120

# How wide a figure is: of four digits, and of a percentage.
_COUNT_PX, _PERCENT_PX = 24, 42


def matrix_chart(
    matrix: Integers,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    shade: str = "rows",
    titles: tuple[str, str] = ("what it was", "what it said"),
    pick: str | None = None,
    indices: tuple[Sequence[int], Sequence[int]] | None = None,
) -> Spec:
    """Counts (R, C) as shades (a key of `SHADES`), with the diagonal framed; a click picks `row` and `column`.

    `indices` are the classes that stand behind the rows and columns, 0, 1, 2 … where None.
    """
    shares = row_shares(matrix)
    logs = np.log1p(matrix)
    strength = {"counts": matrix / max(int(matrix.max()), 1), "rows": shares, "log": logs / max(float(logs.max()), 1.0)}
    places = indices or (range(len(rows)), range(len(columns)))
    cells = [
        {
            "row": places[0][r],
            "column": places[1][c],
            "Truth" if titles[0] == "what it was" else titles[0]: rows[r],
            "Said" if titles[1] == "what it said" else titles[1]: columns[c],
            "Images": integer(int(matrix[r, c])),
            "Share of the row": percent(float(shares[r, c])),
            "strength": round(float(strength[shade][r, c]), 4),
            "figure": _figure(matrix[r, c], shares[r, c], shade),
            "line": 1.5 if places[0][r] == places[1][c] else 0,
        }
        for r in range(len(rows))
        for c in range(len(columns))
    ]
    few = max(len(rows), len(columns)) <= ANNOTATED_CLASSES
    axis = AXIS | {"ticks": False, "domain": False, "labelLimit": _CLASS_PX, "labelOverlap": False, "grid": False}
    x = {
        "field": "column",
        "type": "ordinal",
        "sort": list(places[1]),
        "axis": axis | {"title": titles[1], "labelAngle": -45, "labelExpr": renamed(places[1], columns)},
    }
    y = {
        "field": "row",
        "type": "ordinal",
        "sort": list(places[0]),
        "axis": axis | {"title": titles[0], "labelExpr": renamed(places[0], rows)},
    }
    tooltip = [{"field": name, "type": "nominal"} for name in cells[0] if name[0].isupper() or name in titles]
    squares: Spec = {
        "mark": {"type": "rect", "color": MATRIX_COLOR, "aria": False, "cursor": "pointer" if pick else "default"},
        "encoding": {
            "opacity": {
                "field": "strength",
                "type": "quantitative",
                "scale": {"domain": [0, 1], "range": list(OPACITIES)},
                "legend": None,
            },
            "stroke": {"value": NEUTRAL},
            "strokeWidth": {"field": "line", "type": "quantitative", "scale": None},
        },
    }
    if pick is not None:
        squares["params"] = [{"name": pick, "select": {"type": "point", "fields": ["row", "column"]}}]
    layers = [squares]
    if few:
        layers.append(
            {
                "mark": {"type": "text", "fontSize": FONT_PX - 2, "aria": False},
                "encoding": {"text": _shown_from(_COUNT_PX * len(columns), "figure"), "color": FIGURE_COLOR},
            }
        )
    return framed(
        {
            "height": max((CELL_PX if few else SMALL_CELL_PX) * len(rows), LEAST_PX),
            "data": {"values": cells},
            # Of the figures, too: they lie upon the cells.
            "encoding": {"x": x, "y": y, "tooltip": tooltip},
            "layer": layers,
        }
    )


def describe_matrix(matrix: Integers, labels: Sequence[str]) -> str:
    """Return how many images are correct, and the three most frequent mistakes where any is frequent."""
    head = f"{integer(int(np.trace(matrix)))} of {integer(int(matrix.sum()))} images are correct."
    found = mistakes(matrix)
    if not found:
        return head
    if len(found) > NAMED_MISTAKES and found[0].count < FREQUENT_FROM:
        return f"{head} {mistakes_title(found)}: {integer(len(found))} pairs of classes."
    named = [mistake for mistake in found[:NAMED_MISTAKES] if mistake.count > 1 or len(found) <= NAMED_MISTAKES]
    words = ", ".join(f"{labels[one.truth]} taken for {labels[one.choice]} ({integer(one.count)})" for one in named)
    return f"{head} {mistakes_title(found)}: {words}."


def square_chart(table: Floats, titles: Sequence[str], *, domain: tuple[float, float], as_percent: bool) -> Spec:
    """An M × M table of models as shades with figures."""
    places = range(len(titles))
    cells = [
        {
            "row": r,
            "column": c,
            "First": titles[r],
            "Second": titles[c],
            "Value": _value(table[r, c], as_percent),
            "whole": _whole(float(table[r, c])),
            "strength": 0.0 if math.isnan(table[r, c]) else round(_between(float(table[r, c]), domain), 4),
        }
        for r in places
        for c in places
    ]
    axis = AXIS | {"ticks": False, "domain": False, "labelLimit": _NAME_PX, "title": None, "labelOverlap": False}
    words = renamed(places, told_apart(titles))
    return framed(
        {
            "height": max(CELL_PX * len(titles), LEAST_PX),
            "data": {"values": cells},
            "encoding": {
                "x": {"field": "column", "type": "ordinal", "axis": axis | {"labelAngle": -45, "labelExpr": words}},
                "y": {"field": "row", "type": "ordinal", "axis": axis | {"labelExpr": words}},
                "tooltip": [{"field": name, "type": "nominal"} for name in ("First", "Second", "Value")],
            },
            "layer": [
                {
                    "mark": {"type": "rect", "color": MATRIX_COLOR, "aria": False},
                    "encoding": {
                        "opacity": {
                            "field": "strength",
                            "type": "quantitative",
                            "scale": {"domain": [0, 1], "range": list(OPACITIES)},
                            "legend": None,
                        }
                    },
                },
                {
                    "mark": {"type": "text", "fontSize": FONT_PX - 2, "aria": False},
                    "encoding": {
                        "text": _square_figures(len(titles), as_percent),
                        "color": FIGURE_COLOR,
                    },
                },
            ],
        }
    )


def describe_square(table: Floats, titles: Sequence[str], what: str, *, as_percent: bool) -> str:
    """The least and the most of all pairs."""
    pairs = [
        (float(table[r, c]), titles[r], titles[c])
        for r in range(len(titles))
        for c in range(r)
        if not math.isnan(table[r, c])
    ]
    if not pairs:
        return f"{what}: there are no pairs."
    low, high = min(pairs), max(pairs)
    return (
        f"{what}: from {_value(low[0], as_percent)} ({low[1]} and {low[2]}) "
        f"to {_value(high[0], as_percent)} ({high[1]} and {high[2]})."
    )


def _shown_from(width_px: int, field: str) -> Spec:
    """The text of `field`, on a phone none: figures that overlap say nothing, and the table has them."""
    return {"condition": {"test": f"width < {width_px}", "value": ""}, "field": field, "type": "nominal"}


def _square_figures(models: int, as_percent: bool) -> Spec:
    """Figures as exact as the cells are wide: with a decimal, whole percents, or none."""
    shown = _shown_from(_COUNT_PX * models, "Value")
    if as_percent:
        whole = {"test": f"width < {_PERCENT_PX * models}", "value": {"expr": "datum.whole"}}
        shown["condition"] = [shown["condition"], whole]
    return shown


def _figure(number: int, share: float, shade: str) -> str:
    if shade == "rows":
        return f"{share * 100:.0f}" if share >= 0.01 else ("<1" if number else "")
    return integer(number) if number else ""


def _value(value: float, as_percent: bool) -> str:
    if math.isnan(value):
        return "–"
    return percent(value) if as_percent else f"{value:.2f}".replace("-", "−")


def _whole(share: float) -> str:
    """Percent without decimals and sign; neither 0 nor 100 unless it is exactly that."""
    if math.isnan(share):
        return "–"
    return "<1" if 0 < share < 0.005 else ">99" if 0.995 <= share < 1 else f"{share * 100:.0f}"


def _between(value: float, domain: tuple[float, float]) -> float:
    return min(max((value - domain[0]) / (domain[1] - domain[0]), 0.0), 1.0)
