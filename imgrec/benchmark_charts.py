"""Measured figures → Vega-Lite charts, each with a sentence that says the same. No Streamlit; see `charts`.

Words and figures in a chart have the page's text colour or `NEUTRAL`, which reads on both themes.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from imgrec.charts import colour_of
from imgrec.comparisons import Point
from imgrec.confusion import ClassFigures, row_shares
from imgrec.curves import Bin, Curve
from imgrec.metrics import Floats, Integers
from imgrec.vega import FONT_PX, NEUTRAL, Rows, Spec, labelled_bars
from imgrec.verdicts import percent

PLOT_PX = 340

# Cells of a matrix carry their figure up to this many classes; beyond it they would overlap.
ANNOTATED_CLASSES = 15
CELL_PX = 34
SMALL_CELL_PX = 18

# Mistakes and hits in matrices: a blue that both pages show, the same as the first of the models' colours.
MATRIX_COLOUR = "#2864c8"

# Above this share of the darkest shade, figures turn white.
_DARK_FROM = 0.5

SHADES = {
    "counts": "Shade: number of pictures.",
    "rows": "Shade: share of the class' pictures.",
    "log": "Shade: logarithm of the number, so that single mistakes show.",
}

_AXIS: Spec = {
    "labelFontSize": FONT_PX - 1,
    "titleFontSize": FONT_PX,
    "titleFontWeight": "normal",
    "gridColor": NEUTRAL,
    "gridOpacity": 0.25,
    "domainColor": NEUTRAL,
    "tickColor": NEUTRAL,
}


def pareto_chart(points: Sequence[Point]) -> Spec:
    """Accuracy over latency (logarithmic), size = parameters, the frontier as a line through its models."""
    rows = [
        {
            "Model": point.title,
            "Median latency": f"{point.latency_ms:.1f} ms",
            "Top-1": f"{percent(point.top_1)} ({percent(point.low)} to {percent(point.high)})",
            "Parameters": f"{point.parameters:,}",
            "On the frontier": "yes" if point.on_frontier else "no",
            "ms": point.latency_ms,
            "top_1": point.top_1,
            "low": point.low,
            "high": point.high,
            "parameters": point.parameters,
        }
        for point in points
    ]
    low = min((point.low for point in points), default=0.0)
    high = max((point.high for point in points), default=1.0)
    fastest, slowest = min(p.latency_ms for p in points), max(p.latency_ms for p in points)
    x = {
        "field": "ms",
        "type": "quantitative",
        # Room for the names, which stand to the right of their points.
        "scale": {"type": "log", "domain": [fastest / 1.3, slowest * 2.2], "nice": False},
        "axis": _AXIS | {"title": "median milliseconds a picture (log)", "tickCount": 6, "format": "~g"},
    }
    y = {
        "field": "top_1",
        "type": "quantitative",
        "scale": {"domain": [math.floor(low * 20) / 20, min(1.0, math.ceil(high * 20) / 20)], "nice": False},
        "axis": _AXIS | {"title": "top-1", "format": ".1~%", "tickCount": 6},
    }
    colours = {point.title: colour_of(point.model) for point in points}
    tooltip = [{"field": name, "type": "nominal"} for name in rows[0] if name[0].isupper()]
    colour = {
        "field": "Model",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": list(colours), "range": list(colours.values())},
    }
    on = [row for row in rows if row["On the frontier"] == "yes"]
    return _framed(
        {
            "height": PLOT_PX,
            "layer": [
                _layer(on, {"type": "line", "color": NEUTRAL, "strokeDash": [5, 4]}, {"x": x, "y": y}),
                _layer(
                    rows,
                    {"type": "rule", "opacity": 0.5},
                    {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": colour},
                ),
                _layer(
                    rows,
                    {"type": "point", "filled": True, "opacity": 1},
                    {
                        "x": x,
                        "y": y,
                        "color": colour,
                        "tooltip": tooltip,
                        "shape": {
                            "field": "On the frontier",
                            "type": "nominal",
                            "scale": {"domain": ["yes", "no"], "range": ["diamond", "circle"]},
                            "legend": None,
                        },
                        "size": {
                            "field": "parameters",
                            "type": "quantitative",
                            "scale": {"type": "sqrt", "range": [60, 500]},
                            "legend": None,
                        },
                    },
                ),
                _layer(
                    rows,
                    {"type": "text", "align": "left", "dx": 13, "dy": -9, "fontSize": FONT_PX - 1, "color": NEUTRAL},
                    {"x": x, "y": y, "text": {"field": "Model"}},
                ),
            ],
        }
    )


def describe_pareto(points: Sequence[Point]) -> str:
    """Who is on the frontier, the fastest first, and who is not."""
    on = [p for p in points if p.on_frontier]
    off = [p.title for p in points if not p.on_frontier]
    named = ", ".join(f"{p.title} ({p.latency_ms:.1f} ms, {percent(p.top_1)})" for p in on)
    rest = f" Beaten in both by another: {', '.join(off)}." if off else ""
    return f"On the frontier, the fastest first: {named}.{rest}"


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
            "Pictures": int(matrix[r, c]),
            "Share of the row": percent(float(shares[r, c])),
            "strength": round(float(strength[shade][r, c]), 4),
            "figure": _figure(matrix[r, c], shares[r, c], shade),
            "line": 1.5 if rows[r] == columns[c] else 0,
        }
        for r in range(len(rows))
        for c in range(len(columns))
    ]
    few = max(len(rows), len(columns)) <= ANNOTATED_CLASSES
    axis = _AXIS | {"ticks": False, "domain": False, "labelLimit": 120, "labelOverlap": False, "grid": False}
    x = {
        "field": "column",
        "type": "ordinal",
        "sort": list(places[1]),
        "axis": axis | {"title": titles[1], "labelAngle": -45, "labelExpr": _words(columns, places[1])},
    }
    y = {
        "field": "row",
        "type": "ordinal",
        "sort": list(places[0]),
        "axis": axis | {"title": titles[0], "labelExpr": _words(rows, places[0])},
    }
    tooltip = [{"field": name, "type": "nominal"} for name in cells[0] if name[0].isupper() or name in titles]
    squares: Spec = {
        "mark": {"type": "rect", "color": MATRIX_COLOUR, "aria": False, "cursor": "pointer" if pick else "default"},
        "encoding": {
            "opacity": {
                "field": "strength",
                "type": "quantitative",
                "scale": {"domain": [0, 1], "range": [0.05, 1]},
                "legend": None,
            },
            "stroke": {"value": NEUTRAL},
            "strokeWidth": {"field": "line", "type": "quantitative", "scale": None},
            "tooltip": tooltip,
        },
    }
    if pick is not None:
        squares["params"] = [{"name": pick, "select": {"type": "point", "fields": ["row", "column"]}}]
    layers = [squares]
    if few:
        colour = {"condition": {"test": f"datum.strength > {_DARK_FROM}", "value": "white"}, "value": NEUTRAL}
        layers.append(
            {
                "mark": {"type": "text", "fontSize": FONT_PX - 2, "aria": False},
                "encoding": {"text": {"field": "figure"}, "color": colour},
            }
        )
    return _framed(
        {
            "height": (CELL_PX if few else SMALL_CELL_PX) * len(rows),
            "data": {"values": cells},
            "encoding": {"x": x, "y": y},
            "layer": layers,
        }
    )


def describe_matrix(matrix: Integers, labels: Sequence[str]) -> str:
    """How many are right, and the three most frequent mistakes."""
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:3]
    worst = [(int(wrong.ravel()[i]), *divmod(int(i), len(labels))) for i in order if wrong.ravel()[i]]
    named = ", ".join(f"{labels[truth]} taken for {labels[said]} ({count:,})" for count, truth, said in worst)
    head = f"{int(np.trace(matrix)):,} of {int(matrix.sum()):,} pictures are right."
    return f"{head} The most frequent mistakes: {named}." if named else head


def class_bars(figures: ClassFigures, labels: Sequence[str], which: str, colour: str, order: Sequence[int]) -> Spec:
    """One bar a class of the figure `which`, in this `order`."""
    values = getattr(figures, which)
    bars: Rows = [
        {
            "line": line,
            "start": 0.0,
            "end": 0.0 if math.isnan(values[i]) else float(values[i]),
            "opacity": 1.0,
            "index": int(i),
            "Class": labels[i],
            which.capitalize(): _dash(values[i]),
            "Pictures": int(figures.support[i]),
        }
        for line, i in enumerate(order)
    ]
    return labelled_bars(bars, [labels[i] for i in order], [_dash(values[i]) for i in order], colour=colour)


def describe_classes(figures: ClassFigures, labels: Sequence[str], which: str, order: Sequence[int]) -> str:
    values = getattr(figures, which)
    if not len(order):
        return "There are no classes to show."
    first, last = order[0], order[-1]
    return (
        f"{which.capitalize()} by class, from {labels[first]} {_dash(values[first])} "
        f"to {labels[last]} {_dash(values[last])}."
    )


def curve_chart(
    curves: Mapping[str, Curve], axes: tuple[str, str], colours: Mapping[str, str], *, diagonal: bool
) -> Spec:
    """Curves by title in the unit square; with `diagonal`, what guessing gives."""
    rows = [
        {"Curve": title, "x": round(float(x), 5), "y": round(float(y), 5), "place": i}
        for title, curve in curves.items()
        for i, (x, y) in enumerate(zip(curve.x, curve.y, strict=True))
    ]
    x, y = _unit("x", axes[0]), _unit("y", axes[1])
    line = _layer(
        rows,
        {"type": "line", "strokeWidth": 2},
        {
            "x": x,
            "y": y,
            "order": {"field": "place"},
            "color": {
                "field": "Curve",
                "type": "nominal",
                "scale": {"domain": list(curves), "range": [colours[title] for title in curves]},
                "legend": {"title": None, "orient": "bottom", "columns": 2, "labelLimit": 220, "symbolType": "stroke"},
            },
            "tooltip": [
                {"field": "Curve"},
                {"field": "x", "title": axes[0], "format": ".3f"},
                {"field": "y", "title": axes[1], "format": ".3f"},
            ],
        },
    )
    guess = _layer(
        [{"x": 0, "y": 0}, {"x": 1, "y": 1}],
        {"type": "line", "color": NEUTRAL, "strokeDash": [4, 4], "strokeWidth": 1},
        {"x": x, "y": y},
    )
    return _framed({"height": PLOT_PX, "layer": [guess, line] if diagonal else [line]})


def describe_curves(curves: Mapping[str, Curve], what: str) -> str:
    """The area below each curve."""
    return f"{what}: {', '.join(f'{title} {curve.area:.4f}' for title, curve in curves.items())}."


def reliability_chart(bins: Sequence[Bin], colour: str) -> Spec:
    """Share that is right over stated confidence, with the number of pictures as opacity below; see `Bin`."""
    full = [b for b in bins if b.count]
    most = max((b.count for b in full), default=1)
    rows = [
        {
            "low": b.low,
            "high": b.high,
            "accuracy": b.accuracy,
            "confidence": b.confidence,
            "Confidence": f"{percent(b.low)} to {percent(b.high)}",
            "Right": percent(b.accuracy),
            "Pictures": b.count,
            "strength": 0.25 + 0.75 * b.count / most,
        }
        for b in full
    ]
    x, y = _unit("low", "stated confidence"), _unit("accuracy", "share that is right")
    tooltip = [{"field": name, "type": "nominal"} for name in ("Confidence", "Right", "Pictures")]
    return _framed(
        {
            "height": PLOT_PX,
            "layer": [
                _layer(
                    rows,
                    {"type": "bar", "color": colour, "binSpacing": 1},
                    {
                        "x": x | {"bin": {"binned": True}},
                        "x2": {"field": "high"},
                        "y": y,
                        "opacity": {"field": "strength", "type": "quantitative", "scale": None},
                        "tooltip": tooltip,
                    },
                ),
                _layer(
                    [{"low": 0, "accuracy": 0}, {"low": 1, "accuracy": 1}],
                    {"type": "line", "color": NEUTRAL, "strokeDash": [4, 4]},
                    {"x": x, "y": y},
                ),
            ],
        }
    )


def describe_reliability(bins: Sequence[Bin], ece: float) -> str:
    full = [b for b in bins if b.count]
    total = sum(b.count for b in full)
    surest = full[-1]
    bias = sum(b.count * (b.confidence - b.accuracy) for b in full) / total
    lean = "surer than it should be" if bias > 0.005 else "less sure than it could be" if bias < -0.005 else "well set"
    return (
        f"ECE {percent(ece)}: on the whole {lean}. {surest.count:,} of {total:,} first choices are given with "
        f"{percent(surest.low)} or more; {percent(surest.accuracy)} of these are right."
    )


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
            "strength": 0.0 if math.isnan(table[r, c]) else round(_between(float(table[r, c]), domain), 4),
        }
        for r in places
        for c in places
    ]
    axis = _AXIS | {"ticks": False, "domain": False, "labelLimit": 130, "title": None, "labelOverlap": False}
    words = _words(titles, places)
    colour = {"condition": {"test": f"datum.strength > {_DARK_FROM}", "value": "white"}, "value": NEUTRAL}
    return _framed(
        {
            "height": CELL_PX * len(titles),
            "data": {"values": cells},
            "encoding": {
                "x": {"field": "column", "type": "ordinal", "axis": axis | {"labelAngle": -45, "labelExpr": words}},
                "y": {"field": "row", "type": "ordinal", "axis": axis | {"labelExpr": words}},
                "tooltip": [{"field": name, "type": "nominal"} for name in ("First", "Second", "Value")],
            },
            "layer": [
                {
                    "mark": {"type": "rect", "color": MATRIX_COLOUR, "aria": False},
                    "encoding": {
                        "opacity": {
                            "field": "strength",
                            "type": "quantitative",
                            "scale": {"domain": [0, 1], "range": [0.05, 1]},
                            "legend": None,
                        }
                    },
                },
                {
                    "mark": {"type": "text", "fontSize": FONT_PX - 2, "aria": False},
                    "encoding": {"text": {"field": "Value"}, "color": colour},
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


def _framed(spec: Spec) -> Spec:
    """Room at the edges, and no frame of its own: the page has one."""
    # Figures inside have the font of the axes, which is the page's.
    config = {"view": {"stroke": None}, "font": '"Source Sans", sans-serif'}
    return spec | {"config": config, "padding": {"left": 4, "top": 8, "right": 12, "bottom": 4}}


def _layer(values: Sequence[Mapping[str, Any]], mark: Spec, encoding: Spec) -> Spec:
    return {"data": {"values": list(values)}, "mark": mark | {"aria": False}, "encoding": encoding}


def _unit(field: str, title: str) -> Spec:
    axis = _AXIS | {"title": title, "format": ".0%", "tickCount": 5}
    return {"field": field, "type": "quantitative", "scale": {"domain": [0, 1], "nice": False}, "axis": axis}


def _words(texts: Sequence[str], places: Sequence[int]) -> str:
    """A Vega expression: class → text. JSON strings are string literals there, so that no label is ever run."""
    return f"({json.dumps({str(place): text for place, text in zip(places, texts, strict=True)})})[datum.value]"


def _figure(count: int, share: float, shade: str) -> str:
    if shade == "rows":
        return f"{share * 100:.0f}" if share >= 0.01 else ("<1" if count else "")
    return f"{count:,}" if count else ""


def _dash(value: float) -> str:
    return "–" if math.isnan(value) else percent(float(value))


def _value(value: float, as_percent: bool) -> str:
    if math.isnan(value):
        return "–"
    return percent(value) if as_percent else f"{value:.2f}".replace("-", "−")


def _between(value: float, domain: tuple[float, float]) -> float:
    return min(max((value - domain[0]) / (domain[1] - domain[0]), 0.0), 1.0)
