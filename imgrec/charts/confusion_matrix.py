"""Squares with a figure in each cell: confusions, one model against another, agreement of all with all.

Shades are one blue of varying opacity, so that they read on a light and on a dark page; the figures in them are
black or white, whichever has the contrast there.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import altair as alt
import numpy as np

from imgrec.charts.colors import COLORS, NEUTRAL
from imgrec.charts.theme import FONT_PX, PLACED, Rows, Spec, fill, framed, placed, told_apart
from imgrec.formatting import THIN_SPACE, integer, percent
from imgrec.metrics.classification import Floats, Integers
from imgrec.metrics.confusion import FREQUENT_FROM, mistakes, mistakes_title, row_shares
from imgrec.reports import accuracy

# Cells of a matrix carry their figure up to this many classes; beyond it they would overlap.
ANNOTATED_CLASSES = 15
CELL_PX = 30
SMALL_CELL_PX = 18

# In the sentence; the page lists more.
NAMED_MISTAKES = 3

# Two classes are no two stripes: the axis' title has its room.
LEAST_PX = 130

MATRIX_COLOR = COLORS[0]

# The frame of the cell that was clicked.
PICKED_COLOR, PICKED_PX = COLORS[1], 3

# Opacity of the weakest and of the strongest cell.
OPACITIES = (0.05, 1.0)

# On a light page the shades are light enough for black up to this strength, and dark enough for white from it on;
# on a dark page all are dark enough for white. `background` is the page's, as the chart knows it when it is drawn.
WHITE_FROM = 0.89
WHITE_WHERE = f"datum.strength >= {WHITE_FROM} || luminance(background) < 0.4"
BLACK = "#000000"

SHADES = {
    "counts": "Shade: number of images.",
    "rows": "Shade and figures: percent of the class' images.",
    "log": "Shade: logarithm of the number, so that single mistakes show.",
}

# Names beside rows, and slanted below columns; longer ones end in "…" and are whole in the tooltip.
_NAME_PX = 190
_CLASS_PX = 120

# How wide a cell must be for a figure: of up to four digits, and of a percentage with a decimal. Narrower cells, those
# on a phone, have a shorter figure or none: figures that overlap cannot be read, and the table has them.
_SHORT_PX, _LONG_PX = 24, 42

# The titles of the axes.
TRUE, PREDICTED = "True", "Predicted"


def matrix_chart(
    matrix: Integers,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    shade: str = "rows",
    counts: bool = False,
    titles: tuple[str, str] = (TRUE, PREDICTED),
    pick: str | None = None,
    indices: tuple[Sequence[int], Sequence[int]] | None = None,
) -> Spec:
    """Return counts as shades, with the diagonal framed.

    Args:
        matrix: Counts (R, C).
        rows: The names of the R rows.
        columns: The names of the C columns.
        shade: A key of `SHADES`.
        counts: Whether figures are counts whatever the shade is.
        titles: What the rows and the columns are.
        pick: The name of a selection in which a click puts `row` and `column`.
        indices: The classes that stand behind the rows and columns; 0, 1, 2 … where None.
    """
    shares = row_shares(matrix)
    logs = np.log1p(matrix)
    strength = {"counts": matrix / max(int(matrix.max()), 1), "rows": shares, "log": logs / max(float(logs.max()), 1.0)}
    places = indices or (range(len(rows)), range(len(columns)))
    few = max(len(rows), len(columns)) <= ANNOTATED_CLASSES
    cells: Rows = []
    for r, row in enumerate(rows):
        for c, column in enumerate(columns):
            count, part = int(matrix[r, c]), float(shares[r, c])
            figure = (_whole(part) if shade == "rows" and not counts else integer(count)) if count else ""
            cells.append(
                {
                    "row": places[0][r],
                    "column": places[1][c],
                    "down": placed(r, row),
                    "across": placed(c, column),
                    "first": row,
                    "second": column,
                    "Images": integer(count),
                    "Share of the row": percent(part),
                    "strength": round(float(strength[shade][r, c]), 4),
                    "figure": figure if few else "",
                    "short": figure if few else "",
                    "border": 1.5 if places[0][r] == places[1][c] else 0,
                }
            )
    template = _template(titles, titles, ("Images", "Share of the row"), _CLASS_PX, _SHORT_PX, pick)
    return fill(template, max((CELL_PX if few else SMALL_CELL_PX) * len(rows), LEAST_PX), cells=cells)


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


def describe_run_matrix(counts: Sequence[Sequence[int]] | None, classes: Sequence[str], kind: str) -> str:
    """Return how many images of a kind (training, validation, test) are correct, and the most frequent error.

    Of few images that are not training images, with an interval. Of very many classes no matrix is stored.
    """
    if counts is None:
        return f"No confusion matrix is stored for {len(classes):,} classes."
    matrix = np.asarray(counts)
    total, right = int(matrix.sum()), int(np.trace(matrix))
    words = f"{right:,} of {total:,} {kind} images correct"
    if kind != "training" and total and accuracy.is_few(total):
        words = accuracy.in_words(right / total, total, kind)
    if not (found := mistakes(matrix, 1)):
        return f"{words}."
    times = f"{found[0].count:,} times" if found[0].count > 1 else "once"
    return f"{words}. Most frequent error: {classes[found[0].truth]} predicted as {classes[found[0].choice]} ({times})."


def square_chart(table: Floats, titles: Sequence[str], *, domain: tuple[float, float], as_percent: bool) -> Spec:
    """Return a table of models (M, M) as shades with figures; `domain` are the values of the faintest and strongest."""
    names = told_apart(titles)
    cells: Rows = [
        {
            "down": placed(r, names[r]),
            "across": placed(c, names[c]),
            "first": titles[r],
            "second": titles[c],
            "Value": _value(value, as_percent),
            "strength": round(float(np.interp(np.nan_to_num(value, nan=domain[0]), domain, (0, 1))), 4),
            "figure": _value(value, as_percent),
            # As exact as the cells are wide: with a decimal, whole percents, or none.
            "short": _whole(value) if as_percent else _value(value, as_percent),
            "border": 0,
        }
        for r, c in np.ndindex(table.shape)
        for value in [float(table[r, c])]
    ]
    template = _template(
        ("First", "Second"), (None, None), ("Value",), _NAME_PX, _LONG_PX if as_percent else _SHORT_PX, None
    )
    return fill(template, max(CELL_PX * len(titles), LEAST_PX), cells=cells)


def describe_square(table: Floats, titles: Sequence[str], what: str, *, as_percent: bool) -> str:
    """Return the least and the most of all pairs."""
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


@lru_cache(maxsize=128)
def _template(
    told: tuple[str, str],
    titles: tuple[str | None, str | None],
    figures: tuple[str, ...],
    names_px: int,
    long_px: int,
    pick: str | None,
) -> Spec:
    """Return the chart of cells: `told` and `figures` are its tooltip, `names_px` is the room of names beside the axes.

    Cells have their full figure from `long_px` on.
    """
    axis: Spec = {"ticks": False, "domain": False, "grid": False, "labelOverlap": False, "labelLimit": names_px}
    x = alt.X("across:O", axis=alt.Axis(title=titles[1], labelAngle=-45, labelExpr=PLACED, **axis))
    y = alt.Y("down:O", axis=alt.Axis(title=titles[0], labelExpr=PLACED, **axis))
    tooltip = [alt.Tooltip("first:N", title=told[0]), alt.Tooltip("second:N", title=told[1])]
    tooltip += [alt.Tooltip(field=name, type="nominal") for name in figures]
    cells = (
        alt.Chart()
        .mark_rect(color=MATRIX_COLOR, aria=False, cursor="default" if pick is None else "pointer")
        .encode(
            x=x,
            y=y,
            tooltip=tooltip,
            fillOpacity=alt.FillOpacity(
                "strength:Q", scale=alt.Scale(domain=[0, 1], range=list(OPACITIES)), legend=None
            ),
            stroke=alt.value(NEUTRAL),
            strokeWidth=alt.StrokeWidth("border:Q", scale=None),
        )
    )
    if pick is not None:
        # Another hue than the shades and the frames of the diagonal.
        chosen = alt.selection_point(name=pick, fields=["row", "column"], empty=False)
        cells = cells.add_params(chosen).encode(
            stroke=alt.when(chosen).then(alt.value(PICKED_COLOR)).otherwise(alt.value(NEUTRAL)),
            strokeWidth=alt.when(chosen).then(alt.value(PICKED_PX)).otherwise(alt.StrokeWidth("border:Q", scale=None)),
        )
    cell_px = "bandwidth('x')"
    figure = (
        alt.when(f"{cell_px} < {_SHORT_PX}")
        .then(alt.value(""))
        .when(f"{cell_px} < {long_px}")
        .then(alt.value(alt.ExprRef("datum.short")))
        .otherwise("figure:N")
    )
    text = (
        alt.Chart()
        .mark_text(fontSize=FONT_PX - 2, aria=False)
        .encode(
            x=x,
            y=y,
            tooltip=tooltip,  # figures lie upon the cells
            text=figure,
            color=alt.when(WHITE_WHERE).then(alt.value("white")).otherwise(alt.value(BLACK)),
        )
    )
    return framed(alt.layer(cells, text, data=alt.NamedData(name="cells")))


def _value(value: float, as_percent: bool) -> str:
    if math.isnan(value):
        return "–"
    return percent(value) if as_percent else f"{value:.2f}".replace("-", "−")


def _whole(share: float) -> str:
    """Return whole percents without the sign; neither 0 nor 100 unless it is exactly that."""
    return "–" if math.isnan(share) else percent(share, 0).removesuffix(f"{THIN_SPACE}%")
