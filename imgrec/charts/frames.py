"""What the charts of measurements share: their axes, and the room around them.

Words in a chart have the page's text color or `NEUTRAL`, which reads on both themes.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from imgrec.charts.theme import FONT_PX, NEUTRAL, NO_TOOLTIP, PERCENT_AXIS, Spec

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

# Letters of a name that stand beside a row, or in a legend of two columns; charts cut longer ones at their end.
NAME_LETTERS = 28

# So many letters after what two names share tell them apart at a glance.
_OWN_LETTERS = 6

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
    """Marks over rows of their own; without a tooltip where `encoding` has none."""
    return {"data": {"values": list(values)}, "mark": NO_TOOLTIP | mark | {"aria": False}, "encoding": encoding}


def unit(field: str, title: str) -> Spec:
    """A channel from 0 to 100 %."""
    axis = AXIS | PERCENT_AXIS | {"title": title, "tickCount": 5}
    return {"field": field, "type": "quantitative", "scale": {"domain": [0, 1], "nice": False}, "axis": axis}


def told_apart(titles: Sequence[str], letters: int = NAME_LETTERS) -> list[str]:
    """Short names: where titles of more than `letters` begin alike, "…" stands for a part that they share.

    Cut at their ends, they would read the same.

    >>> told_apart(["MobileNet", "A network taught here (rate_1em2)", "A network taught here (rate_1em3)"], 20)
    ['MobileNet', 'A network taug…1em2)', 'A network taug…1em3)']
    """
    names = []
    for title in titles:
        shared = max((_shared(title, other) for other in titles if other != title), default=0)
        # From the beginning of the word in which they part.
        start = max((title.rfind(mark, 0, shared) + 1 for mark in " _-,(/"), default=0)
        room = letters - 1 - (len(title) - start)
        cut = len(title) > letters and shared > letters - _OWN_LETTERS and room > 0
        names.append(f"{title[:room]}…{title[start:]}" if cut else title)
    return names if len(set(names)) == len(set(titles)) else list(titles)


def _shared(a: str, b: str) -> int:
    """Letters with which both begin."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def renamed(values: Sequence[object], names: Sequence[str]) -> str:
    """A Vega expression for an axis or legend: value → name. JSON strings are literals there: no name is ever run."""
    return f"({json.dumps({str(value): name for value, name in zip(values, names, strict=True)})})[datum.value]"
