"""Models side by side in one chart: a row for each label, a column for the ensemble and each model, bars with figures.

All bars have one axis from 0 to 100 %. A click on a line selects it, one on the triangle of a group opens it; the
pointer over a line marks it across all columns.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any

import altair as alt

from imgrec.charts.bars import LABEL_PX
from imgrec.charts.colors import NEUTRAL, Swatch, swatch_of, swatches_of
from imgrec.charts.theme import FONT_PX, PIN_WEIGHT, PLACED, SILENT, Rows, Spec, fill, marked, placed, tooltip
from imgrec.formatting import THIN_SPACE, percent
from imgrec.predictions.ensembles import ENSEMBLE
from imgrec.reports.agreement import LEAST_SHARE, Column, Line

# The name of the selection of what was clicked; its fields: the place of the line, and whether it was its triangle.
PICK, PLACE, IS_TRIANGLE = "pick", "place", "triangle"

# In the sentence; the table has all lines.
NAMED_LINES = 5

ROW_PX = 24

# The part of a column that stands for 100 %; the rest parts it from the next one.
TRACK_PART = 0.9

# A figure stands upon its bar: the bar is light enough for black on a light page, and dark enough for white on a dark
# one, at up to this opacity.
BAR_OPACITY = 0.5
TRACK_OPACITY = 0.14
OUTLINE_PX = 1.2
FAINT_INK = 0.62
PINNED_OPACITY, HOVER_OPACITY = 0.18, 0.3

INK = "luminance(background) < 0.4 ? '#ffffff' : '#000000'"

# The page's color around a figure, and how wide.
HALO = "luminance(background) < 0.4 ? '#12171d' : '#ffffff'"
HALO_PX = 3

# Below such a width, as on a phone, a column has whole percents, a vertical name, and no remark.
_NARROW_PX = 58
LEAST_SHORT = 0.01

# Letters of a line of a column's name.
_HEAD_LETTERS = 13
# The first of its lines stands so high that the last one ends above the strip.
_HEAD_Y = "-10 - 13 * (length(datum.words) - 1)"
_WORDS = re.compile(r"[^\s\-(]+-?|\([^)]*\)?|\S")

# Before a label for each opened group above it, and for the triangle; its width. Spaces at the beginning would be cut.
_INDENT, _INDENT_PX = "\u2060\u2003", FONT_PX
TARGET_PX = 24
_SHAPES, _TRIANGLE_SIZE = {False: "triangle-right", True: "triangle-down"}, 42

_EDGES = {"left": 0, "top": 4, "right": 2, "bottom": 2}


def matrix_bars(
    lines: Sequence[Line],
    columns: Sequence[Column],
    *,
    pinned: Collection[tuple[str | None, int | None]] = (),
    among: Iterable[str] = (),
) -> Spec:
    """Return the matrix: a bar with its figure for each line and column.

    Lines whose label space and index are in `pinned` are marked. A click puts `PLACE` and `IS_TRIANGLE` into the
    selection `PICK`. `among` as in `top_k.top_k_bars`.
    """
    models = [column.model for column in columns if column.model != ENSEMBLE]
    found = {ENSEMBLE: swatch_of(ENSEMBLE), **swatches_of(models, among)}
    swatches = [found[column.model] for column in columns]
    is_tree = any(line.group is not None for line in lines)
    is_pinned = [line.index is not None and (line.space, line.index) in pinned for line in lines]
    names = [
        placed(place, f"{_INDENT * (line.depth + 1) if is_tree else ''}{marked(line.label, is_marked)}")
        for place, (line, is_marked) in enumerate(zip(lines, is_pinned, strict=True))
    ]
    bands: Rows = [
        {
            "line": name,
            PLACE: place,
            IS_TRIANGLE: False,
            "marked": PINNED_OPACITY if is_marked else 0.0,
            "Label": line.label,
        }
        for place, (line, name, is_marked) in enumerate(zip(lines, names, is_pinned, strict=True))
    ]
    cells: Rows = [
        {"line": name, PLACE: place, IS_TRIANGLE: False} | _cell(line, across, column, swatch)
        for place, (line, name) in enumerate(zip(lines, names, strict=True))
        for across, (column, swatch) in enumerate(zip(columns, swatches, strict=True))
    ]
    triangles: Rows = [
        {
            "line": name,
            PLACE: place,
            IS_TRIANGLE: True,
            "depth": line.depth,
            "shape": _SHAPES[line.is_open],
            "What": f"{'Close' if line.is_open else 'Open'} {line.group}",
        }
        for place, (line, name) in enumerate(zip(lines, names, strict=True))
        if line.group is not None
    ]
    heads: Rows = [
        {
            "middle": place + TRACK_PART / 2,
            "start": place,
            "end": place + TRACK_PART,
            "title": column.title,
            "words": _broken(column.title),
            "remark": column.remark,
            "weight": "bold" if column.model == ENSEMBLE else "normal",
            **swatch.channels,
        }
        for place, (column, swatch) in enumerate(zip(columns, swatches, strict=True))
    ]
    rows: dict[str, Rows] = {"bands": bands, "cells": cells, "triangles": triangles, "heads": heads}
    return fill(_template(len(columns), is_tree), ROW_PX * len(lines), **rows)


def matrix_rows(lines: Sequence[Line], columns: Sequence[Column]) -> Rows:
    """Return the matrix as a table: label, WordNet id, and the probability in percent in each column."""
    return [
        {"Label": f"{_INDENT * line.depth}{line.label}", "WordNet id": line.synset or "none"}
        | {
            column.title: None if share is None else 100 * share
            for column, share in zip(columns, line.probabilities, strict=True)
        }
        for line in lines
    ]


def describe_matrix(lines: Sequence[Line], columns: Sequence[Column]) -> str:
    """Return the first lines in sentences: the ensemble's probability, and the least and the most of the models.

    What is below opened groups is left to the table.
    """
    models = [(place, column) for place, column in enumerate(columns) if column.model != ENSEMBLE]
    answered = [(place, column) for place, column in models if column.prediction is not None]
    count = f"{len(answered)} of {len(models)}" if len(answered) < len(models) else f"{len(models)}"
    lines = [line for line in lines if not line.depth]
    parts = [f"Probabilities of {len(lines)} label{'s' if len(lines) != 1 else ''} by {count} models."]
    for line in lines[:NAMED_LINES]:
        given = [(float(line.probabilities[place] or 0.0), column.title) for place, column in answered]
        if not given:
            continue
        whole = line.probabilities[0] if columns[0].model == ENSEMBLE else None
        (least, lowest), (most, highest) = min(given), max(given)
        firsts = sum(line.ranks[place] == 1 for place, _ in answered)
        said = [f"ensemble {percent(whole)}"] if whole is not None else []
        if len(given) > 1:
            said += [f"from {percent(least)} ({lowest}) to {percent(most)} ({highest})"]
            said += [f"first choice of {firsts}"] if firsts else []
        else:
            said += [percent(most)]
        parts.append(f"{line.label}: {', '.join(said)}.")
    return " ".join(parts)


def _cell(line: Line, place: int, column: Column, swatch: Swatch) -> dict[str, Any]:
    share, rank = line.probabilities[place], line.ranks[place]
    figure = "" if share is None else percent(share).removesuffix(f"{THIN_SPACE}%")
    look, is_seen = swatch.channels, (share or 0.0) >= LEAST_SHARE
    return {
        "start": place,
        "track": place + TRACK_PART,
        "end": round(place + TRACK_PART * (share or 0.0), 4),
        "figure": figure,
        "short": "" if share is None or share < LEAST_SHORT else percent(share, 0).removesuffix(f"{THIN_SPACE}%"),
        "weight": "bold" if rank == 1 else "normal",
        "color": look["color"],
        "stroke": look["stroke"] if is_seen else "transparent",
        "fillOpacity": min(look["fillOpacity"], BAR_OPACITY) if is_seen else 0.0,
        "ink": 1.0 if is_seen else FAINT_INK,
        "Label": line.label,
        "Model": column.title,
        "Probability": "none yet" if share is None else percent(share),
        "Rank": "none" if rank is None else str(rank),
    }


def _broken(title: str) -> list[str]:
    """Return a title in lines of few letters.

    >>> _broken("EfficientNet-Lite0"), _broken("MobileNet 0.75 224")
    (['EfficientNet-', 'Lite0'], ['MobileNet', '0.75 224'])
    """
    lines: list[str] = []
    for word in _WORDS.findall(title):
        joint = "" if lines and lines[-1].endswith("-") else " "
        if lines and len(lines[-1]) + len(joint) + len(word) <= _HEAD_LETTERS:
            lines[-1] += f"{joint}{word}"
        else:
            lines.append(word)
    return lines or [title]


@lru_cache(maxsize=32)
def _template(columns: int, is_tree: bool) -> Spec:
    """Return the chart of lines and this many columns; the labels of a tree begin at the left edge."""
    narrow = f"width < {_NARROW_PX * columns}"
    scale = alt.Scale(domain=[0, columns], nice=False, zero=False)
    pick = alt.selection_point(name=PICK, fields=[PLACE, IS_TRIANGLE], empty=False)
    hover = alt.selection_point(
        name="hover", fields=[PLACE], on="pointerover", clear="pointerout", empty=False, toggle=False
    )
    y = alt.Y(
        "line:O",
        scale=alt.Scale(paddingInner=0.2, paddingOuter=0.1),
        axis=alt.Axis(
            title=None,
            ticks=False,
            domain=False,
            grid=False,
            aria=False,
            labelOverlap=False,
            labelExpr=PLACED,
            labelFontSize=FONT_PX,
            labelFontWeight=PIN_WEIGHT,
            labelLimit=LABEL_PX - 8,
            minExtent=LABEL_PX,
            maxExtent=LABEL_PX,
            labelAlign="left" if is_tree else "right",
            labelPadding=LABEL_PX if is_tree else 8,
        ),
    )
    x = alt.X("start:Q", scale=scale, axis=None)
    ink = alt.value(alt.ExprRef(INK))
    clickable: Spec = {"cursor": "pointer"}
    bands = (
        alt.Chart(alt.NamedData(name="bands"))
        # Over the labels too.
        .mark_rect(x=-LABEL_PX, x2=alt.ExprRef("width"), color=NEUTRAL, **(SILENT | clickable))
        .encode(
            y=y,
            tooltip=tooltip(("Label",)),
            fillOpacity=alt.when(hover)
            .then(alt.value(HOVER_OPACITY))
            .otherwise(alt.FillOpacity("marked:Q", scale=None)),
        )
        .add_params(pick, hover)
    )
    told = tooltip(("Label", "Model", "Probability", "Rank"))
    cells = alt.Chart()
    track = cells.mark_bar(color=NEUTRAL, opacity=TRACK_OPACITY, cornerRadius=2, **(SILENT | clickable)).encode(
        x=x, x2="track", y=y, tooltip=told
    )
    bar = cells.mark_bar(cornerRadius=2, strokeWidth=OUTLINE_PX, **(SILENT | clickable)).encode(
        x=x,
        x2="end",
        y=y,
        tooltip=told,
        color=alt.Color("color:N", scale=None),
        stroke=alt.Stroke("stroke:N", scale=None),
        fillOpacity=alt.FillOpacity("fillOpacity:Q", scale=None),
    )
    figure = cells.mark_text(
        align="right",
        baseline="middle",
        dx=alt.ExprRef(f"{narrow} ? -1 : -4"),
        fontSize=alt.ExprRef(f"{narrow} ? 9.5 : {FONT_PX - 1}"),
        fontWeight=alt.ExprRef("datum.weight"),
        opacity=alt.ExprRef("datum.ink"),
        **(SILENT | clickable),
    ).encode(
        x=alt.X("track:Q", scale=scale, axis=None),
        y=y,
        tooltip=told,
        text=alt.when(narrow).then(alt.value(alt.ExprRef("datum.short"))).otherwise("figure:N"),
        color=ink,
    )
    # Under the figures, so that the end of a bar does not run through them.
    halo = figure.copy(deep=True).encode(
        color=alt.value(alt.ExprRef(HALO)), stroke=alt.value(alt.ExprRef(HALO)), strokeWidth=alt.value(HALO_PX)
    )
    triangles = alt.Chart(alt.NamedData(name="triangles"))
    before_label: Spec = {"x": alt.ExprRef(f"{_INDENT_PX} * datum.depth + {_INDENT_PX / 2 - LABEL_PX}"), "filled": True}
    triangle = triangles.mark_point(size=_TRIANGLE_SIZE, opacity=1, **(before_label | SILENT)).encode(
        y=y, shape=alt.Shape("shape:N", scale=None), color=ink
    )
    # What takes the click: large enough for a finger. Vega gives only marks with a tooltip to the pointer.
    target = triangles.mark_point(
        shape="square", size=TARGET_PX**2, opacity=0, **(before_label | SILENT | clickable)
    ).encode(y=y, tooltip=tooltip(("What",)))
    heads = alt.Chart(alt.NamedData(name="heads"))
    middle = alt.X("middle:Q", scale=scale, axis=None)
    strips = heads.mark_bar(y=-6, y2=-2, cornerRadius=1, **SILENT).encode(
        x=x,
        x2="end",
        color=alt.Color("color:N", scale=None),
        stroke=alt.Stroke("stroke:N", scale=None),
        fillOpacity=alt.FillOpacity("fillOpacity:Q", scale=None),
    )
    name: Spec = {"fontSize": FONT_PX - 1, "fontWeight": alt.ExprRef("datum.weight")}
    wide = heads.mark_text(
        align="center", baseline="line-bottom", lineHeight=13, y=alt.ExprRef(_HEAD_Y), **(name | SILENT)
    ).encode(x=middle, text=alt.when(narrow).then(alt.value("")).otherwise("words:N"), color=ink)
    vertical = heads.mark_text(align="left", baseline="middle", angle=270, y=-11, **(name | SILENT)).encode(
        x=middle, text=alt.when(narrow).then(alt.value(alt.ExprRef("datum.title"))).otherwise(alt.value("")), color=ink
    )
    remark = heads.mark_text(
        align="center", baseline="top", y=alt.ExprRef("height + 5"), fontSize=FONT_PX - 2, **SILENT
    ).encode(x=middle, text=alt.when(narrow).then(alt.value("")).otherwise("remark:N"), color=ink)
    layers = bands, track, bar, halo, figure, triangle, target, strips, wide, vertical, remark
    chart = alt.layer(*layers, data=alt.NamedData(name="cells"))
    chart = chart.properties(padding=_EDGES, autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    return dict(chart.configure(font='"Source Sans", sans-serif').configure_view(stroke=None).to_dict())
