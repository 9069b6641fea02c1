"""Pieces of Vega-Lite 6 specifications, as plain dictionaries: bars between a column of labels and one of figures.

Labels and figures stand in axes, not in text marks: the page's theme colors axes for light and dark, and their
fixed widths make the bars of charts side by side start and end at the same places. It knows no predictions.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imgrec.formatting import THIN_SPACE

Spec = dict[str, Any]
Rows = list[dict[str, Any]]

# Reads on both themes and is nobody's color: tracks, marks, and whatever stands for all models together.
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

# What a mark shows where its encoding has no tooltip. Left unsaid, Streamlit would show every field of the encoding.
NO_TOOLTIP: Spec = {"tooltip": None}

# Shares in [0, 1] beside an axis, in the form of `formatting.percent`.
PERCENT_AXIS: Spec = {"labelExpr": f"format(100 * datum.value, '.1~f') + '{THIN_SPACE}%'"}

# How models of the same color differ: filled, outlined, outlined with dashes.
_FILL_OPACITIES = (1.0, 0.25, 0.25)
_STROKE_WIDTHS = (0.0, 1.5, 1.5)
_STROKE_DASHES = ([1, 0], [1, 0], [3, 2])
_GLYPHS = "■□▥"


@dataclass(frozen=True, slots=True)
class Swatch:
    """The mark of a model in a selection: its color, and how many others of the selection had that color before it."""

    color: str
    turn: int = 0

    @property
    def markdown(self) -> str:
        """The mark before a model's title, as Streamlit's Markdown."""
        return f':color[{_GLYPHS[self.turn % len(_GLYPHS)]}]{{foreground="{self.color}"}}'


def labeled_bars(
    bars: Rows,
    labels: Sequence[str],
    figures: Sequence[str],
    *,
    color: str = NEUTRAL,
    turn: int = 0,
    swatches: Mapping[str, Swatch] | None = None,
    legend: bool = False,
    domain: tuple[float, float] = (0.0, 1.0),
    pick: str | None = None,
) -> Spec:
    """Label, bar on a track, figure: one line for each of `labels`.

    Each of `bars` has `line`, `start`, `end` and `opacity`; its entries in capitals make the tooltip. With
    `swatches`, each bar has that of its "Model", else all have `color` and `turn`; see `Swatch`.
    """
    track = [{"line": line, "start": domain[0], "end": domain[1]} for line in range(len(labels))]
    x = x_axis(domain, None)
    shown: Spec = {
        "x": x,
        "x2": {"field": "end"},
        "y": _y(labels, {"labelLimit": LABEL_PX - _LABEL_GAP_PX, "labelPadding": _LABEL_GAP_PX}, LABEL_PX),
        "opacity": {"field": "opacity", "type": "quantitative", "scale": None},
        "tooltip": tooltip(bars[0]),
    }
    shown |= _painted(Swatch(color, turn)) if swatches is None else _painted_by_model(swatches, legend=legend)
    # An outline would make a line of a bar without length.
    drawn = [bar for bar in bars if bar["start"] != bar["end"]]
    front = bar_layer(drawn, {"cornerRadius": 0 if legend else 2}, shown)
    if pick is not None:
        front["params"] = [{"name": pick, "select": {"type": "point", "fields": ["index"]}}]
    figure_axis = {"orient": "right", "labelAlign": "right", "labelPadding": FIGURE_PX}
    behind = bar_layer(
        track,
        {"color": NEUTRAL, "opacity": TRACK_OPACITY, "cornerRadius": 2},
        {"x": x, "x2": {"field": "end"}, "y": _y(figures, figure_axis, FIGURE_PX)},
    )
    below = _LEGEND_GAP_PX + _LEGEND_ROW_PX * -(-len(swatches) // _LEGEND_COLUMNS) if swatches and legend else 0
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
        "mark": {"type": "bar", "height": BAR_PX, "aria": False} | NO_TOOLTIP | mark,
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


def _painted(swatch: Swatch) -> Spec:
    """All bars with one swatch."""
    shown: Spec = {"color": {"value": swatch.color}}
    if swatch.turn:
        styles = zip(("fillOpacity", "strokeWidth", "strokeDash"), _styles(swatch), strict=True)
        shown |= {"stroke": {"value": swatch.color}} | {channel: {"value": value} for channel, value in styles}
    return shown


def _painted_by_model(swatches: Mapping[str, Swatch], *, legend: bool) -> Spec:
    """Each bar with the swatch of its "Model"; channels that all models share are left out."""
    ranges: dict[str, list[Any]] = {"color": [swatch.color for swatch in swatches.values()]}
    if any(swatch.turn for swatch in swatches.values()):
        ranges["stroke"] = ranges["color"]
        styles = zip(*map(_styles, swatches.values()), strict=True)
        ranges |= {
            channel: list(values)
            for channel, values in zip(("fillOpacity", "strokeWidth", "strokeDash"), styles, strict=True)
        }
    return {
        channel: {
            "field": "Model",
            "type": "nominal",
            "scale": {"domain": list(swatches), "range": values},
            "legend": _legend() if legend else None,
        }
        for channel, values in ranges.items()
    }


def _styles(swatch: Swatch) -> tuple[float, float, list[int]]:
    turn = swatch.turn % len(_GLYPHS)
    return _FILL_OPACITIES[turn], _STROKE_WIDTHS[turn], _STROKE_DASHES[turn]


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


def percent_field(share: str) -> Spec:
    """A transform that writes the field `share`, in [0, 1], as a percentage into the field "percent"."""
    return {"calculate": f"format(100 * datum.{share}, '.1f') + '{THIN_SPACE}%'", "as": "percent"}


def tooltip(bar: dict[str, Any]) -> Rows:
    """The fields of `bar` that begin with a capital, under that name."""
    return [{"field": name, "type": "nominal"} for name in bar if name[0].isupper()]
