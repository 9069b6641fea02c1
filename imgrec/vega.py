"""Pieces of Vega-Lite 6 specifications, as plain dictionaries: bars between a column of labels and one of figures.

Labels and figures stand in axes, not in text marks: the page's theme colours axes for light and dark, and their
fixed widths make the bars of charts side by side start and end at the same places. It knows no predictions.
"""

import json
from collections.abc import Sequence
from typing import Any

Spec = dict[str, Any]
Rows = list[dict[str, Any]]

# Reads on both themes and is nobody's colour: tracks, marks, and whatever stands for all models together.
NEUTRAL = "#7a8088"

# Wide enough for nearly all of ImageNet's labels at 13 px; longer ones end in "…" and are whole in tooltip and
# table. A card of 320 px keeps 120 px for the bars.
LABEL_PX = 142
FIGURE_PX = 52

ROW_PX = 28
BAR_PX = 15
_LABEL_GAP_PX = 8
FONT_PX = 13
_LEGEND_ROW_PX = 20
_LEGEND_COLUMNS = 2
_LEGEND_GAP_PX = 10
AXIS_PX = 24

# Above and below each chart. Left unsaid, Streamlit would add 20 px below.
_EDGE_PX = 2

# A track shows where a full bar would end.
TRACK_OPACITY = 0.16


def labelled_bars(
    bars: Rows,
    labels: Sequence[str],
    figures: Sequence[str],
    *,
    colour: str = NEUTRAL,
    colours: dict[str, str] | None = None,
    legend: bool = False,
    domain: tuple[float, float] = (0.0, 1.0),
    pick: str | None = None,
) -> Spec:
    """Label, bar on a track, figure: one line for each of `labels`.

    Each of `bars` has `line`, `start`, `end` and `opacity`; its entries in capitals make the tooltip. With
    `colours`, title → colour, each has the colour of its "Model", else all have `colour`.
    """
    track = [{"line": line, "start": domain[0], "end": domain[1]} for line in range(len(labels))]
    x = x_axis(domain, None)
    shown: Spec = {
        "x": x,
        "x2": {"field": "end"},
        "y": _y(labels, {"labelLimit": LABEL_PX - _LABEL_GAP_PX, "labelPadding": _LABEL_GAP_PX}, LABEL_PX),
        "opacity": {"field": "opacity", "type": "quantitative", "scale": None},
        "tooltip": tooltip(bars[0]),
        "color": {"value": colour},
    }
    if colours is not None:
        shown["color"] = {
            "field": "Model",
            "type": "nominal",
            "scale": {"domain": list(colours), "range": list(colours.values())},
            "legend": _legend() if legend else None,
        }
    front = bar_layer(bars, {"cornerRadius": 0 if legend else 2}, shown)
    if pick is not None:
        front["params"] = [{"name": pick, "select": {"type": "point", "fields": ["index"]}}]
    figure_axis = {"orient": "right", "labelAlign": "right", "labelPadding": FIGURE_PX}
    behind = bar_layer(
        track,
        {"color": NEUTRAL, "opacity": TRACK_OPACITY, "cornerRadius": 2},
        {"x": x, "x2": {"field": "end"}, "y": _y(figures, figure_axis, FIGURE_PX)},
    )
    below = _LEGEND_GAP_PX + _LEGEND_ROW_PX * -(-len(colours) // _LEGEND_COLUMNS) if colours and legend else 0
    return layered([behind, front], ROW_PX * len(labels) + below) | {"resolve": {"axis": {"y": "independent"}}}


def layered(layers: Rows, height_px: int) -> Spec:
    """A chart of `layers` without a frame: the page's cards have one.

    A legend stands below the whole of it, labels included: bars alone are too narrow for two titles side by side.
    """
    return {
        "height": height_px + 2 * _EDGE_PX,
        "layer": layers,
        "padding": {"left": 0, "top": _EDGE_PX, "right": 0, "bottom": _EDGE_PX},
        "config": {
            "view": {"stroke": None},
            "legend": {"layout": {"bottom": {"anchor": "middle", "bounds": "full"}}},
        },
    }


def bar_layer(values: Rows, mark: Spec, encoding: Spec) -> Spec:
    """Bars of one thickness, from the encoding's `x` to its `x2`.

    No bar and no axis speaks for itself (`aria`): the chart is read out as its one sentence.
    """
    return {
        "data": {"values": values},
        "mark": {"type": "bar", "height": BAR_PX, "aria": False} | mark,
        "encoding": encoding,
    }


def x_axis(domain: tuple[float, float], axis: Spec | None) -> Spec:
    """From the field `start`, on a linear scale that ends where `domain` does; `axis` None shows no axis."""
    return {"field": "start", "type": "quantitative", "scale": {"domain": list(domain), "nice": False}, "axis": axis}


def _y(texts: Sequence[str], axis: Spec, extent_px: int) -> Spec:
    """Lines in their order, with `texts` in an axis that is `extent_px` wide in every chart.

    The texts are a JSON list in a Vega expression: string literals there, so that no label is ever run.
    """
    words = {
        "title": None,
        "ticks": False,
        "domain": False,
        "aria": False,
        "labelExpr": f"{json.dumps(list(texts))}[datum.value]",
        "labelFontSize": FONT_PX,
        "labelOverlap": False,
        "minExtent": extent_px,
        "maxExtent": extent_px,
    }
    scale = {"domain": list(range(len(texts)))}
    return {"field": "line", "type": "ordinal", "scale": scale, "axis": words | axis}


def _legend() -> Spec:
    return {
        "title": None,
        "orient": "bottom",
        "columns": _LEGEND_COLUMNS,
        "symbolType": "square",
        "symbolSize": 120,
        "labelLimit": LABEL_PX,
        "labelFontSize": FONT_PX,
        "labelPadding": 4,
        "padding": 0,
    }


def tooltip(bar: dict[str, Any]) -> Rows:
    """The fields of `bar` that begin with a capital, under that name."""
    return [{"field": name, "type": "nominal"} for name in bar if name[0].isupper()]
