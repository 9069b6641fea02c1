"""Lines of several series: curves of metrics and of trainings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import altair as alt

from imgrec.charts.colors import NEUTRAL
from imgrec.charts.theme import PERCENT, PLOT_PX, SILENT, Rows, Spec, fill, framed, tooltip

SOLID = (1, 0)

# In a narrower plot, two titles do not stand beside each other.
_NARROW_PX = 380

# Color and dash of each series.
Styles = Mapping[str, tuple[str, tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from 0 to `end`, or to where the values end: of shares in [0, 1], of whole or of any numbers."""

    title: str
    form: str = "share"
    end: float | None = 1.0

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of its channel."""
        forms: dict[str, Spec] = {
            "share": {"tickCount": 5, "labelExpr": PERCENT},
            "whole": {"tickMinStep": 1, "grid": False},
            "number": {"tickCount": 5, "format": ".2f"},
        }
        scale = alt.Scale(zero=True) if self.end is None else alt.Scale(domain=[0, self.end], nice=False)
        return {"type": "quantitative", "scale": scale, "axis": alt.Axis(title=self.title, **forms[self.form])}


def line_chart(
    rows: Rows,
    styles: Styles,
    x: Axis,
    y: Axis,
    *,
    steps: bool = False,
    guide: Sequence[Mapping[str, Any]] = (),
    points: Sequence[Mapping[str, Any]] = (),
    rings: Sequence[Mapping[str, Any]] = (),
    height_px: int = PLOT_PX,
) -> Spec:
    """Return a line for each series, in the order of its rows.

    Args:
        rows: `series` (a key of `styles`), `x`, `y`; entries with a capital make the tooltip.
        styles: How each series looks, in the order of the legend.
        x: The axis of `x`.
        y: The axis of `y`.
        steps: Whether a point's y holds from the point before it.
        guide: `x`, `y` of a dashed gray line without a series.
        points: Those of `rows` that have a disc.
        rings: Those of `rows` that are marked by a ring.
        height_px: The height of the plot.
    """
    told = tuple(name for name in rows[0] if name[0].isupper()) if rows else ()
    template = _template(tuple(styles.items()), x, y, steps, told)
    lines = [row | {"place": place} for place, row in enumerate(rows)]
    return fill(template, height_px, guide=guide, lines=lines, points=points, rings=rings)


@lru_cache(maxsize=128)
def _template(
    styles: tuple[tuple[str, tuple[str, tuple[int, ...]]], ...], x: Axis, y: Axis, steps: bool, told: tuple[str, ...]
) -> Spec:
    """Return the chart of series with these styles."""
    across, up = alt.X(field="x", **x.arguments), alt.Y(field="y", **y.arguments)
    names = [name for name, _ in styles]
    legend = alt.Legend(
        title=None,
        orient="bottom",
        columns=alt.ExprRef(f"width < {_NARROW_PX} ? 1 : 2"),
        labelLimit=260,
        symbolType="stroke",
        symbolSize=500,
        symbolStrokeWidth=2,
    )
    colors = alt.Scale(domain=names, range=[color for _, (color, _) in styles])
    color = alt.Color("series:N", scale=colors, legend=legend)
    dashes = alt.Scale(domain=names, range=[list(dash) for _, (_, dash) in styles])

    def layer(name: str) -> Any:
        return alt.Chart(alt.NamedData(name=name))

    def points(name: str, **mark: Any) -> Any:
        return layer(name).mark_point(**mark, **SILENT).encode(x=across, y=up, color=color, tooltip=tooltip(told))

    return framed(
        alt.layer(
            layer("guide").mark_line(color=NEUTRAL, strokeDash=[4, 4], strokeWidth=1, **SILENT).encode(x=across, y=up),
            layer("lines")
            .mark_line(strokeWidth=2, interpolate="step-before" if steps else "linear", **SILENT)
            .encode(
                x=across,
                y=up,
                order=alt.Order("place:Q"),
                color=color,
                strokeDash=alt.StrokeDash("series:N", scale=dashes, legend=legend),
                tooltip=tooltip(told),
            ),
            points("points", filled=True, size=45, opacity=1),
            points("rings", size=220, strokeWidth=2.5),
        )
    )
