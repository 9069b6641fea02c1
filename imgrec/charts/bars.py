"""Labels, bars on a track, figures: the chart of one prediction, of an ensemble, of classes. Knows no predictions.

Labels and figures stand in axes, not in text marks: the page's theme colors axes for light and dark, and their fixed
widths make the bars of charts side by side start and end at the same places.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import altair as alt

from imgrec.charts.colors import NEUTRAL, Swatch
from imgrec.charts.theme import (
    FONT_PX,
    PIN_WEIGHT,
    PLACED,
    SILENT,
    Rows,
    Spec,
    card_height,
    fill,
    on_card,
    placed,
    tooltip,
)

# Wide enough for nearly all of ImageNet's labels at 13 px; longer ones end in "…" and are whole in tooltip and
# table. A card of 320 px keeps 120 px for the bars.
LABEL_PX = 142
FIGURE_PX = 52

ROW_PX = 28
BAR_PX = 15
_LABEL_GAP_PX = 8
_LEGEND_ROW_PX = 20

# Letters of a title beside a bar, and of one of two that stand side by side in a legend; where one is longer, as those
# of compact twins are, each has a line of the legend.
LINE_LETTERS = 19
_LEGEND_GAP_PX = 10

# A track shows where a full bar would end.
TRACK: Spec = {"color": NEUTRAL, "opacity": 0.16, "height": BAR_PX} | SILENT

# Linear, and ended by what it shows: the track.
EXACT = alt.Scale(zero=False, nice=False)

_CHANNELS = {
    "color": alt.Color,
    "stroke": alt.Stroke,
    "fillOpacity": alt.FillOpacity,
    "strokeWidth": alt.StrokeWidth,
    "strokeDash": alt.StrokeDash,
}
_TYPES: Spec = {"fillOpacity": "quantitative", "strokeWidth": "quantitative"}


def labeled_bars(
    bars: Rows,
    lines: Sequence[tuple[str, str]],
    *,
    swatches: Mapping[str, Swatch] | Swatch,
    legend: bool = False,
    domain: tuple[float, float] = (0.0, 1.0),
) -> Spec:
    """Return a chart of lines: label, bar or bars, figure.

    Args:
        bars: Rows with `line`, `start` and `end`; their entries with a capital make the tooltip.
        lines: The texts left and right of each line.
        swatches: The mark of all bars, or that of each "Model".
        legend: Whether a legend below names the models.
        domain: Where the track begins and ends, in the unit of `start` and `end`.
    """
    track = [
        {"line": placed(line, figure), "start": domain[0], "end": domain[1]} for line, (_, figure) in enumerate(lines)
    ]
    labels = [placed(line, label) for line, (label, _) in enumerate(lines)]
    by_model = {} if isinstance(swatches, Swatch) else swatches
    used = [swatches] if isinstance(swatches, Swatch) else list(swatches.values())
    # Color alone, as long as no two models share one.
    channels = tuple(_CHANNELS) if any(swatch.turn for swatch in used) else ("color",)
    looks = {swatch: {name: swatch.channels[name] for name in channels} for swatch in used}
    # An outline would make a line of a bar without length: it is not to be seen.
    drawn = [
        bar
        | looks[by_model.get(bar.get("Model", ""), used[0])]
        | {"line": labels[bar["line"]], "opacity": float(bar["start"] != bar["end"])}
        for bar in bars
    ]
    named = tuple(by_model.items()) if legend else ()
    below = _LEGEND_GAP_PX + _LEGEND_ROW_PX * -(-len(named) // _legend_columns(named)) if named else 0
    template = _template(tuple(name for name in bars[0] if name[0].isupper()), named, channels)
    return fill(template, card_height(ROW_PX * len(lines) + below), track=track, bars=drawn)


@lru_cache(maxsize=128)
def _template(told: tuple[str, ...], named: tuple[tuple[str, Swatch], ...], channels: tuple[str, ...]) -> Spec:
    """Return the chart of bars that tell the fields `told`, with a legend of the models `named`."""
    x = alt.X("start:Q", scale=EXACT, axis=None)
    track = (
        alt.Chart(alt.NamedData(name="track"))
        .mark_bar(cornerRadius=2, **TRACK)
        .encode(
            x=x,
            x2="end",
            y=_lines(FIGURE_PX, orient="right", labelAlign="right", labelPadding=FIGURE_PX),
        )
    )
    bars = (
        alt.Chart(alt.NamedData(name="bars"))
        .mark_bar(height=BAR_PX, cornerRadius=0 if named else 2, **SILENT)
        .encode(
            x=x,
            x2="end",
            y=_lines(LABEL_PX, labelLimit=LABEL_PX - _LABEL_GAP_PX, labelPadding=_LABEL_GAP_PX),
            opacity=alt.Opacity("opacity:Q", scale=None),
            tooltip=tooltip(told),
            **_painted(named, channels),
        )
    )
    return on_card(alt.layer(track, bars).resolve_scale(y="independent"))


def _legend_columns(named: Sequence[tuple[str, Swatch]]) -> int:
    """Return in how many columns a legend names models."""
    return 2 if all(len(title) <= LINE_LETTERS for title, _ in named) else 1


def _lines(extent_px: int, **axis: Any) -> alt.Y:
    """Return the channel of the lines, with their texts in an axis that is `extent_px` wide in every chart."""
    shared: Spec = {"title": None, "ticks": False, "domain": False, "aria": False, "labelOverlap": False}
    shared |= {"minExtent": extent_px, "maxExtent": extent_px, "labelExpr": PLACED, "labelFontSize": FONT_PX}
    shared |= {"labelFontWeight": PIN_WEIGHT}
    return alt.Y("line:O", axis=alt.Axis(**shared, **axis))


def _painted(named: Sequence[tuple[str, Swatch]], channels: Sequence[str]) -> dict[str, Any]:
    """Return how bars are painted: as their rows say, or by their "Model" where a legend says which is whose."""
    if not named:
        # Without a scale, a value of the row is what is drawn.
        return {name: _CHANNELS[name](field=name, type=_TYPES.get(name, "nominal"), scale=None) for name in channels}
    legend = alt.Legend(
        title=None,
        orient="bottom",
        columns=_legend_columns(named),
        symbolType="square",
        symbolSize=120,
        labelLimit=2 * LABEL_PX // _legend_columns(named),
        labelPadding=4,
        padding=0,
    )
    titles = [title for title, _ in named]
    return {
        name: _CHANNELS[name](
            field="Model",
            type="nominal",
            scale=alt.Scale(domain=titles, range=[swatch.channels[name] for _, swatch in named]),
            legend=legend,
        )
        for name in channels
    }
