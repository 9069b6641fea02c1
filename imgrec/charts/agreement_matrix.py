"""Models side by side in one chart: a row for each label, a column for the ensemble and each model, bars with figures.

A line is a class, or a group of classes with the sum of their probabilities. All bars have one axis from 0 to 100 %.
A click on a line selects it; the pointer over a cell marks the line across all columns.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import altair as alt
import numpy as np

from imgrec.charts.bars import LABEL_PX
from imgrec.charts.colors import NEUTRAL, Swatch, swatch_of
from imgrec.charts.theme import FONT_PX, PIN_WEIGHT, PLACED, SILENT, Rows, Spec, fill, marked, placed, tooltip
from imgrec.charts.top_k import LEAST_DRAWN
from imgrec.formatting import THIN_SPACE, percent
from imgrec.predictions.ensembles import ENSEMBLE, Ensemble
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Prediction
from imgrec.reports.sentences import label_of, title_of

# The name of the selection that holds the clicked line, and the field of it.
PICK, LINE_ID = "pick", "id"

# Ten models with so many lines fit a screen of 1440 × 900; the table has the others.
MAX_LINES = 18

# In the sentence; the table has all lines.
NAMED_LINES = 5

ROW_PX = 25

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

# Below such a width, as on a phone, a column has whole percents, a vertical name, and no remark.
_NARROW_PX = 58
LEAST_SHORT = 0.01

# Letters of a line of a column's name.
_HEAD_LETTERS = 13
# The first of its lines stands so high that the last one ends above the strip.
_HEAD_Y = "-10 - 13 * (length(datum.words) - 1)"
_WORDS = re.compile(r"[^\s\-(]+-?|\([^)]*\)?|\S")

_EDGES = {"left": 0, "top": 4, "right": 2, "bottom": 2}


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A model of the matrix; `prediction` is None until there is one, `remark` stands below the column."""

    model: str
    title: str
    remark: str = ""
    prediction: Prediction | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the matrix: a label with the probability in each column, None where there is no prediction.

    `ranks` are the places of the class among all of a prediction's, 1 for the first choice.
    """

    id: str
    label: str
    synset: str | None
    probabilities: tuple[float | None, ...]
    ranks: tuple[int | None, ...]


def columns_of(ensemble: Ensemble | None, models: Sequence[Column]) -> list[Column]:
    """Return the columns of a matrix: the ensemble where it has several members, then the models."""
    if ensemble is None or len(ensemble.members) < 2:
        return list(models)
    members = f"{len(ensemble.members)} models" if len(ensemble.members) == len(models) else ""
    remark = members or f"{len(ensemble.members)} of {len(models)}"
    return [Column(ENSEMBLE, title_of(ENSEMBLE), remark, ensemble.prediction), *models]


def lines_of(columns: Sequence[Column], k: int, pinned: int | None = None) -> list[Line]:
    """Return the union of the columns' `k` most probable classes, by the probability of the first column.

    Classes below 0.1 % are left out, except first choices and the class `pinned`.
    """
    predictions = [column.prediction for column in columns if column.prediction is not None]
    if not predictions:
        return []
    orders = [prediction.order for prediction in predictions]
    found = {pinned} if pinned is not None else set()
    for prediction, order in zip(predictions, orders, strict=True):
        likely = (int(i) for i in order[1:k] if prediction.probabilities[i] >= LEAST_DRAWN)
        found |= {int(order[0]), *likely}
    # The order of the ensemble, ties included; without one, that of the mean.
    mean = np.mean([prediction.probabilities for prediction in predictions], axis=0)
    has_ensemble = predictions[0].model == ENSEMBLE
    place = _places(orders[0] if has_ensemble else np.argsort(-mean, kind="stable"))
    ranks = [_places(order) for order in orders]
    space = predictions[0].label_space
    return [_line(index, space, columns, ranks) for index in sorted(found, key=lambda index: int(place[index]))]


def shown_lines(lines: Sequence[Line], most: int = MAX_LINES, pinned: int | None = None) -> list[Line]:
    """Return at most `most` lines in their order: first choices and the pinned one before others."""
    must = {line.id for line in lines if 1 in line.ranks or line.id == str(pinned)}
    ranked = sorted(lines, key=lambda line: line.id not in must)  # stable
    kept = {line.id for line in ranked[:most]}
    return [line for line in lines if line.id in kept]


def matrix_bars(
    lines: Sequence[Line], columns: Sequence[Column], *, pinned: int | None = None, among: Iterable[str] = ()
) -> Spec:
    """Return the matrix: a bar with its figure for each line and column; the pinned line is marked.

    A click puts the `id` of a line into the selection `PICK`. `among` as in `top_k.top_k_bars`.
    """
    among = list(among)
    swatches = [swatch_of(column.model, among) for column in columns]
    names = [placed(place, marked(line.label, line.id == str(pinned))) for place, line in enumerate(lines)]
    cells: Rows = [
        _cell(line, name, place, column, swatch)
        for line, name in zip(lines, names, strict=True)
        for place, (column, swatch) in enumerate(zip(columns, swatches, strict=True))
    ]
    bands: Rows = [
        {
            "line": name,
            LINE_ID: line.id,
            "marked": PINNED_OPACITY if line.id == str(pinned) else 0.0,
            "Label": line.label,
        }
        for line, name in zip(lines, names, strict=True)
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
    return fill(_template(len(columns)), ROW_PX * len(lines), bands=bands, cells=cells, heads=heads)


def matrix_rows(lines: Sequence[Line], columns: Sequence[Column]) -> Rows:
    """Return the matrix as a table: label, WordNet id, and the probability in percent in each column."""
    return [
        {"Label": line.label, "WordNet id": line.synset or "none"}
        | {
            column.title: None if share is None else 100 * share
            for column, share in zip(columns, line.probabilities, strict=True)
        }
        for line in lines
    ]


def describe_matrix(lines: Sequence[Line], columns: Sequence[Column]) -> str:
    """Return the first lines in sentences: the ensemble's probability, and the least and the most of the models."""
    models = [(place, column) for place, column in enumerate(columns) if column.model != ENSEMBLE]
    answered = [(place, column) for place, column in models if column.prediction is not None]
    count = f"{len(answered)} of {len(models)}" if len(answered) < len(models) else f"{len(models)}"
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


def _line(index: int, space: LabelSpace, columns: Sequence[Column], ranks: Sequence[np.ndarray]) -> Line:
    """Return the line of a class; `ranks` are those of the columns with a prediction."""
    left = iter(ranks)
    found = [
        (None, None) if column.prediction is None else (column.prediction.at(index).probability, int(next(left)[index]))
        for column in columns
    ]
    probabilities, places = zip(*found, strict=True)
    return Line(str(index), label_of(space, index), space.synsets[index], probabilities, places)


def _places(order: np.ndarray) -> np.ndarray:
    """Return the place of each class (C,), from 1, in an order of their indices (C,)."""
    places = np.empty_like(order)
    places[order] = np.arange(1, len(order) + 1)
    return places


def _cell(line: Line, name: str, place: int, column: Column, swatch: Swatch) -> dict[str, Any]:
    share, rank = line.probabilities[place], line.ranks[place]
    figure = "" if share is None else percent(share).removesuffix(f"{THIN_SPACE}%")
    look, is_seen = swatch.channels, (share or 0.0) >= LEAST_DRAWN
    return {
        "line": name,
        LINE_ID: line.id,
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
        "Rank": "none yet" if rank is None else str(rank),
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
def _template(columns: int) -> Spec:
    """Return the chart of lines and this many columns."""
    narrow = f"width < {_NARROW_PX * columns}"
    scale = alt.Scale(domain=[0, columns], nice=False, zero=False)
    pick = alt.selection_point(name=PICK, fields=[LINE_ID], empty=False)
    hover = alt.selection_point(
        name="hover", fields=[LINE_ID], on="pointerover", clear="pointerout", empty=False, toggle=False
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
            labelPadding=8,
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
    layers = bands, track, bar, figure, strips, wide, vertical, remark
    chart = alt.layer(*layers, data=alt.NamedData(name="cells"))
    chart = chart.properties(padding=_EDGES, autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    return dict(chart.configure(font='"Source Sans", sans-serif').configure_view(stroke=None).to_dict())
