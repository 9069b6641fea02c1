"""Accuracy against latency: the models as points, and the frontier of those that nobody beats in both."""

import math
from collections.abc import Iterator, Sequence

from imgrec.benchmark_charts.frames import AXIS, PLOT_PX, framed, layer
from imgrec.charts import colour_of
from imgrec.comparisons import Point
from imgrec.vega import FONT_PX, NEUTRAL, Spec
from imgrec.verdicts import percent

# A name stands at the first of these sides of its point where it covers no other, else it is left to the tooltip.
_SIDES = {
    "right": {"align": "left", "dx": 14, "dy": 0},
    "left": {"align": "right", "dx": -14, "dy": 0},
    "above": {"align": "center", "dx": 0, "dy": -19},
    "below": {"align": "center", "dx": 0, "dy": 19},
}

# Names are placed twice, for plots of about these widths; a plot narrower than the limit takes the second.
_WIDE_PX, _NARROW_PX, _NARROW_BELOW_PX = 1000, 280, 560

# How much room a name takes: its letters' mean width, and one line.
_LETTER_PX, _LINE_PX = 6.4, 15
_POINT_PX = 22

Box = tuple[float, float, float, float]


def pareto_chart(points: Sequence[Point]) -> Spec:
    """Accuracy over latency (logarithmic), size = parameters, the frontier as a line through its models."""
    times, scores = _domains(points)
    wide, narrow = (_named(points, times, scores, width) for width in (_WIDE_PX, _NARROW_PX))
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
            "wide": wide[i],
            "narrow": narrow[i],
        }
        for i, point in enumerate(points)
    ]
    x = {
        "field": "ms",
        "type": "quantitative",
        "scale": {"type": "log", "domain": list(times), "nice": False},
        "axis": AXIS | {"title": "median milliseconds a picture (log)", "tickCount": 6, "format": "~g"},
    }
    y = {
        "field": "top_1",
        "type": "quantitative",
        "scale": {"domain": list(scores), "nice": False},
        "axis": AXIS | {"title": "top-1", "format": ".1~%", "tickCount": 6},
    }
    colours = {point.title: colour_of(point.model) for point in points}
    colour = {
        "field": "Model",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": list(colours), "range": list(colours.values())},
    }
    shape = {
        "field": "On the frontier",
        "type": "nominal",
        "scale": {"domain": ["yes", "no"], "range": ["diamond", "circle"]},
        "legend": None,
    }
    size = {
        "field": "parameters",
        "type": "quantitative",
        "scale": {"type": "sqrt", "range": [60, 500]},
        "legend": None,
    }
    tooltip = [{"field": name, "type": "nominal"} for name in rows[0] if name[0].isupper()]
    on = [row for row in rows if row["On the frontier"] == "yes"]
    intervals = {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": colour}
    marks = {"x": x, "y": y, "color": colour, "tooltip": tooltip, "shape": shape, "size": size}
    names = [
        layer(
            rows,
            {"type": "text", "baseline": "middle", "fontSize": FONT_PX - 1, "color": NEUTRAL} | side,
            {"x": x, "y": y, "text": {"field": "Model"}},
        )
        | {"transform": [{"filter": f"(width < {_NARROW_BELOW_PX} ? datum.narrow : datum.wide) === '{name}'"}]}
        for name, side in _SIDES.items()
    ]
    return framed(
        {
            "height": PLOT_PX,
            "layer": [
                layer(on, {"type": "line", "color": NEUTRAL, "strokeDash": [5, 4]}, {"x": x, "y": y}),
                layer(rows, {"type": "rule", "opacity": 0.5}, intervals),
                layer(rows, {"type": "point", "filled": True, "opacity": 1}, marks),
                *names,
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


def _domains(points: Sequence[Point]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of milliseconds and of top-1, with room for points at the ends and their names."""
    fastest, slowest = min(p.latency_ms for p in points), max(p.latency_ms for p in points)
    low, high = min(p.low for p in points), max(p.high for p in points)
    room = 0.1 * (high - low)
    scores = max(0.0, math.floor((low - room) * 20) / 20), min(1.0, math.ceil((high + room) * 20) / 20)
    return (fastest / 1.4, slowest * 1.4), scores


def _named(
    points: Sequence[Point], times: tuple[float, float], scores: tuple[float, float], width_px: float
) -> list[str]:
    """The side of each point at which its name stands, "" where none is free; those on the frontier choose first."""
    across, up = math.log(times[1] / times[0]), scores[1] - scores[0]
    centres = [
        (math.log(p.latency_ms / times[0]) / across * width_px, (scores[1] - p.top_1) / up * PLOT_PX) for p in points
    ]
    taken: list[Box] = [_box(x, y, _POINT_PX, _POINT_PX) for x, y in centres]
    sides = [""] * len(points)
    for i in sorted(range(len(points)), key=lambda i: not points[i].on_frontier):
        for side, box in _boxes(*centres[i], len(points[i].title) * _LETTER_PX):
            others = taken[:i] + taken[i + 1 :]
            inside = box[0] >= 0 and box[2] <= width_px and box[1] >= -_LINE_PX / 2 and box[3] <= PLOT_PX
            if inside and not any(_overlap(box, other) for other in others):
                sides[i] = side
                taken.append(box)
                break
    return sides


def _boxes(x: float, y: float, width_px: float) -> Iterator[tuple[str, Box]]:
    """Where the name of a point at (x, y) would stand, at each side."""
    shift = {"left": -width_px / 2, "center": 0.0, "right": width_px / 2}
    opposite = {"left": "right", "center": "center", "right": "left"}
    for side, where in _SIDES.items():
        centre_x = x + float(str(where["dx"])) + shift[opposite[str(where["align"])]]
        yield side, _box(centre_x, y + float(str(where["dy"])), width_px, _LINE_PX)


def _box(x: float, y: float, width_px: float, height_px: float) -> Box:
    return x - width_px / 2, y - height_px / 2, x + width_px / 2, y + height_px / 2


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
