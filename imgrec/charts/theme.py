"""What all charts share: Altair templates that are filled with rows, the look of axes, and names that fit.

Building a chart in Altair takes 20 to 30 ms, most of it for what never changes. So each kind of chart is declared once
for each structure, checked against Vega-Lite's schema, and kept with named datasets (`alt.NamedData`); `fill` puts
rows in. Labels, figures and colors are columns of these rows.

In Streamlit: `st.vega_lite_chart(spec, theme=None, alt=…)`. Without Streamlit's theme, axes have the page's own text
color: 14:1 on both pages, and with it 3.6:1 on the light one.
"""

from collections.abc import Iterable, Mapping, Sequence
from os.path import commonprefix
from typing import Any

import altair as alt

from imgrec.charts.colors import NEUTRAL
from imgrec.formatting import THIN_SPACE

Spec = dict[str, Any]
Rows = list[dict[str, Any]]

FONT_PX = 13
PLOT_PX = 340

# What a mark has besides its shape: the chart is read out as its one sentence (`aria`), and a tooltip is None where
# the encoding has none; left unsaid, Streamlit would show every field.
SILENT: Spec = {"aria": False, "tooltip": None}

# Shares beside an axis, in the form of `formatting.percent`; an axis with room above 100 % does not name it.
PERCENT = f"datum.value > 1 ? '' : format(100 * datum.value, '.1~f') + '{THIN_SPACE}%'"

# A name that stands in an ordinal axis after the digits of its place, which keep equal names apart: see `placed`.
PLACE_DIGITS = 4
PLACED = f"slice(datum.value, {PLACE_DIGITS})"

# Before the label of the pinned class, which is bold in an axis.
PIN = "◆ "
PIN_WEIGHT = (
    alt.when(f"indexof(datum.value, '{PIN}') >= {PLACE_DIGITS}").then(alt.value("bold")).otherwise(alt.value("normal"))
)

# Letters of a name that stand beside a row, or in a legend of two columns; charts cut longer ones at their end.
NAME_LETTERS = 28

# So many letters after what two names share tell them apart at a glance.
_OWN_LETTERS = 6

# Above and below a chart on a card. Left unsaid, Streamlit would add 20 px below.
_CARD_EDGE_PX = 2


def fill(template: Spec, height_px: float, **rows: Sequence[Mapping[str, Any]]) -> Spec:
    """Return a copy of `template` with rows in its named datasets and a height. Shares all else with the template.

    Layers without rows are left out.
    """

    def filled(view: Spec) -> Spec:
        return view | {"data": {"values": list(rows[view["data"]["name"]])}} if "data" in view else view

    layers = [filled(layer) for layer in template["layer"] if "data" not in layer or rows[layer["data"]["name"]]]
    return filled(template) | {"height": height_px, "layer": layers}


def framed(chart: alt.LayerChart | alt.FacetChart) -> Spec:
    """Return the template of a chart with axes: room at its edges and no frame, because the page has one.

    Only the width is the page's. The height is that of the plot: names of any length below it add to it instead of
    squeezing it.
    """
    return dict(
        chart.properties(
            padding={"left": 4, "top": 8, "right": 12, "bottom": 4},
            autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        )
        # Figures inside have the font of the axes, which is the page's.
        .configure(font='"Source Sans", sans-serif')
        .configure_view(stroke=None)
        .configure_legend(labelFontSize=FONT_PX)
        .configure_axis(
            labelFontSize=FONT_PX - 1,
            titleFontSize=FONT_PX,
            titleFontWeight="normal",
            gridColor=NEUTRAL,
            gridOpacity=0.25,
            domainColor=NEUTRAL,
            tickColor=NEUTRAL,
        )
        .to_dict()
    )


def on_card(chart: alt.LayerChart | alt.FacetChart) -> Spec:
    """Return the template of a chart without any frame: it stands on a card of the page."""
    edges = {"left": 0, "top": _CARD_EDGE_PX, "right": 0, "bottom": _CARD_EDGE_PX}
    # A legend stands below the whole of it, labels included: bars alone are too narrow for two titles side by side.
    below = alt.ExprRef("{offset: 18, direction: 'horizontal', bottom: {anchor: 'middle', bounds: 'full'}}")
    chart = (
        chart.properties(padding=edges)
        .configure_view(stroke=None)
        .configure_legend(layout=below, labelFontSize=FONT_PX)
    )
    return dict(chart.to_dict())


def card_height(content_px: float) -> float:
    """Return the height of a chart `on_card` whose plot and legend are `content_px` high."""
    return content_px + 2 * _CARD_EDGE_PX


def tooltip(fields: Iterable[str]) -> list[alt.Tooltip]:
    """Return what a mark shows: the fields that begin with a capital, under that name."""
    return [alt.Tooltip(field=name, type="nominal") for name in fields if name[0].isupper()]


def placed(place: int, name: str) -> str:
    """Return a name as a value of an ordinal axis with `PLACED` labels: in its place, and different from all others."""
    return f"{place:0{PLACE_DIGITS}}{name}"


def marked(label: str, is_pinned: bool) -> str:
    """Return a label with the mark of the pinned class where it is that."""
    return f"{PIN}{label}" if is_pinned else label


def told_apart(titles: Sequence[str], letters: int = NAME_LETTERS) -> list[str]:
    """Return short names: where titles of more than `letters` begin alike, "…" stands for a part that they share.

    Cut at their ends, they would read the same.

    >>> told_apart(["MobileNet", "A network of mine (rate_1em2)", "A network of mine (rate_1em3)"], 20)
    ['MobileNet', 'A network of m…1em2)', 'A network of m…1em3)']
    """
    names = []
    for title in titles:
        # Letters with which another title begins, too.
        shared = max((len(commonprefix([title, other])) for other in titles if other != title), default=0)  # noqa: RUF071
        # From the beginning of the word in which they part.
        start = max((title.rfind(mark, 0, shared) + 1 for mark in " _-,(/"), default=0)
        room = letters - 1 - (len(title) - start)
        cut = len(title) > letters and shared > letters - _OWN_LETTERS and room > 0
        names.append(f"{title[:room]}…{title[start:]}" if cut else title)
    return names if len(set(names)) == len(set(titles)) else list(titles)
