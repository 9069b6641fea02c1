"""What the charts of measurements share: their axes, and the room around them.

Words in a chart have the page's text colour or `NEUTRAL`, which reads on both themes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from imgrec.vega import FONT_PX, NEUTRAL, Spec

PLOT_PX = 340

AXIS: Spec = {
    "labelFontSize": FONT_PX - 1,
    "titleFontSize": FONT_PX,
    "titleFontWeight": "normal",
    "gridColor": NEUTRAL,
    "gridOpacity": 0.25,
    "domainColor": NEUTRAL,
    "tickColor": NEUTRAL,
}

_EDGES_PX = {"left": 4, "top": 8, "right": 12, "bottom": 4}


def framed(spec: Spec) -> Spec:
    """Room at the edges, and no frame of its own: the page has one.

    Only the width is the page's. `height` is that of the plot: names of any length below it add to it instead of
    squeezing it.
    """
    # Figures inside have the font of the axes, which is the page's.
    config = {"view": {"stroke": None}, "font": '"Source Sans", sans-serif'}
    autosize = {"type": "fit-x", "contains": "padding"}
    return spec | {"config": config, "padding": _EDGES_PX, "autosize": autosize}


def layer(values: Sequence[Mapping[str, Any]], mark: Spec, encoding: Spec) -> Spec:
    return {"data": {"values": list(values)}, "mark": mark | {"aria": False}, "encoding": encoding}


def unit(field: str, title: str) -> Spec:
    """A channel from 0 to 100 %."""
    axis = AXIS | {"title": title, "format": ".0%", "tickCount": 5}
    return {"field": field, "type": "quantitative", "scale": {"domain": [0, 1], "nice": False}, "axis": axis}
