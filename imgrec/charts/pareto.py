"""Accuracy against latency: the models as points, and the frontier of those that no other beats in both."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import altair as alt

from imgrec.charts.colors import NEUTRAL, swatches_of
from imgrec.charts.theme import FONT_PX, PERCENT, PLOT_PX, SILENT, Spec, fill, framed, told_apart, tooltip
from imgrec.evaluation.comparisons import Point
from imgrec.formatting import integer, interval, milliseconds, percent

TOLD = ("Model", "Median latency", "Top-1", "Parameters", "On the frontier")

# Names are placed for a plot of the first width, as on a desktop; plots below the second, as on a phone, have numbers.
_WIDE_PX, _NAMES_FROM_PX = 1000, 700

# Where a name or number may stand beside its point: (align, dx, dy). The first that is free is taken.
_SIDES = (("left", 14, 0), ("right", -14, 0), ("center", 0, -19), ("center", 0, 19))
_CORNERS = (("left", 9, -14), ("right", -9, -14), ("left", 9, 14), ("right", -9, 14))

# How much room a name takes: its letters' mean width, and one line; and how much a point.
_LETTER_PX, _LINE_PX, _POINT_PX = 6.4, 15, 22

Box = tuple[float, float, float, float]
Interval = tuple[float, float]


def pareto_chart(points: Sequence[Point], among: Sequence[str] = ()) -> Spec:
    """Return accuracy over latency (logarithmic), size = parameters, the frontier as a line through its models.

    `among` are the models that the page shows, see `swatches_of`.
    """
    times, scores = _domains(points)
    swatches = swatches_of([*among, *(point.model for point in points)])
    rows = [
        {
            "Model": point.title,
            "Median latency": milliseconds(point.latency_ms),
            "Top-1": f"{percent(point.top_1)} ({interval(point.low, point.high)})",
            "Parameters": integer(point.parameters),
            "On the frontier": "yes" if point.on_frontier else "no",
            "ms": point.latency_ms,
            "top_1": point.top_1,
            "low": point.low,
            "high": point.high,
            "parameters": point.parameters,
            "color": swatches[point.model].color,
            "shape": "diamond" if point.on_frontier else "circle",
            "number": str(number),
        }
        | name
        for number, (point, name) in enumerate(zip(points, _names(points, times, scores), strict=True), 1)
    ]
    on = [row for row in rows if row["shape"] == "diamond"]
    return fill(_template(times, scores), PLOT_PX, points=rows, frontier=on)


def describe_pareto(points: Sequence[Point]) -> str:
    """Return the models on the frontier, the fastest first, and those that are not."""
    on = [p for p in points if p.on_frontier]
    off = [p.title for p in points if not p.on_frontier]
    named = ", ".join(f"{p.title} ({milliseconds(p.latency_ms)}, {percent(p.top_1)})" for p in on)
    rest = f" Slower and less accurate than another model: {', '.join(off)}." if off else ""
    return f"On the frontier, the fastest first: {named}.{rest}"


def numbers(points: Sequence[Point]) -> str:
    """Return what the numbers of `pareto_chart` stand for: "1 A, 2 B"."""
    return ", ".join(f"{i}\u00a0{point.title}" for i, point in enumerate(points, 1))


@lru_cache(maxsize=64)
def _template(times: Interval, scores: Interval) -> Spec:
    """Return the chart with axes of these milliseconds and accuracies."""
    x = alt.X(
        "ms:Q",
        scale=alt.Scale(type="log", domain=list(times), nice=False),
        axis=alt.Axis(title="median milliseconds an image (log)", tickCount=6, format="~g"),
    )
    y_scale = alt.Scale(domain=list(scores), nice=False)
    y_axis = alt.Axis(title="top-1", tickCount=6, labelExpr=PERCENT)
    y = alt.Y("top_1:Q", scale=y_scale, axis=y_axis)
    points, frontier = (alt.Chart(alt.NamedData(name=name)) for name in ("points", "frontier"))
    color = alt.Color("color:N", scale=None)
    size = alt.Size("parameters:Q", scale=alt.Scale(type="sqrt", range=[60, 500]), legend=None)
    name = alt.when(f"width < {_NAMES_FROM_PX}").then(alt.value(alt.ExprRef("datum.number"))).otherwise("name:N")
    beside: Spec = {channel: alt.ExprRef(f"datum.{channel}") for channel in ("align", "dx", "dy")}
    return framed(
        alt.layer(
            frontier.mark_line(color=NEUTRAL, strokeDash=[5, 4], **SILENT).encode(x=x, y=y),
            points.mark_rule(opacity=0.5, **SILENT).encode(
                x=x, y=alt.Y("low:Q", scale=y_scale, axis=y_axis), y2="high", color=color
            ),
            points.mark_point(filled=True, opacity=1, **SILENT).encode(
                x=x, y=y, color=color, shape=alt.Shape("shape:N", scale=None), size=size, tooltip=tooltip(TOLD)
            ),
            points.mark_text(baseline="middle", fontSize=FONT_PX - 1, color=NEUTRAL, **beside, **SILENT).encode(
                x=x, y=y, text=name
            ),
        )
    )


def _domains(points: Sequence[Point]) -> tuple[Interval, Interval]:
    """Return those of milliseconds and of top-1, with room for points at the ends and their names."""
    fastest, slowest = min(p.latency_ms for p in points), max(p.latency_ms for p in points)
    low, high = min(p.low for p in points), max(p.high for p in points)
    room = 0.1 * (high - low)
    scores = max(0.0, math.floor((low - room) * 20) / 20), min(1.0, math.ceil((high + room) * 20) / 20)
    return (fastest / 1.4, slowest * 1.4), scores


def _names(points: Sequence[Point], times: Interval, scores: Interval) -> list[Spec]:
    """Return what stands beside each point, and where: its name, or its number where no side has room for the name.

    Those on the frontier choose first. As many have names as leave every other one the room for its number.
    """
    across, up = math.log(times[1] / times[0]), scores[1] - scores[0]
    centers = [
        (math.log(p.latency_ms / times[0]) / across * _WIDE_PX, (scores[1] - p.top_1) / up * PLOT_PX) for p in points
    ]
    names = told_apart([point.title for point in points])
    order = sorted(range(len(points)), key=lambda i: not points[i].on_frontier)
    found: list[Spec] = []
    for named in range(len(points), -1, -1):
        found = _placed(centers, {i: names[i] for i in order[:named]} | {i: "" for i in order[named:]})
        if all(one["name"] for one in found):
            break
    return found


def _placed(centers: Sequence[tuple[float, float]], names: Mapping[int, str]) -> list[Spec]:
    """Return the text beside each point, in the order of `names`: "" at a point asks for its number."""
    half = _POINT_PX / 2
    taken: list[Box] = [(x - half, y - half, x + half, y + half) for x, y in centers]
    found: list[Spec] = [{"name": "", "align": "left", "dx": 0, "dy": 0}] * len(centers)
    for i, name in names.items():
        wishes = [(name, side) for side in _SIDES if name] + [(str(i + 1), side) for side in _SIDES + _CORNERS]
        others = taken[:i] + taken[i + 1 :]
        for text, (align, dx, dy) in wishes:
            box = _box(centers[i], len(text) * _LETTER_PX, align, dx, dy)
            inside = box[0] >= 0 and box[2] <= _WIDE_PX and box[1] >= -_LINE_PX / 2 and box[3] <= PLOT_PX
            if inside and not any(_overlap(box, other) for other in others):
                found[i] = {"name": text, "align": align, "dx": dx, "dy": dy}
                taken.append(box)
                break
    return found


def _box(center: tuple[float, float], width_px: float, align: str, dx: float, dy: float) -> Box:
    """Return the room (left, top, right, bottom) of a text beside a point."""
    left = center[0] + dx - {"left": 0.0, "center": width_px / 2, "right": width_px}[align]
    return left, center[1] + dy - _LINE_PX / 2, left + width_px, center[1] + dy + _LINE_PX / 2


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
