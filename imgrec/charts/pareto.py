"""Accuracy against latency: the models as points, and the frontier of those that nobody beats in both."""

import math
from collections.abc import Iterator, Mapping, Sequence

from imgrec.charts.frames import AXIS, PLOT_PX, framed, layer, told_apart
from imgrec.charts.theme import FONT_PX, NEUTRAL, PERCENT_AXIS, Spec
from imgrec.charts.top_k import swatches_of
from imgrec.evaluation.comparisons import Point
from imgrec.formatting import integer, interval, milliseconds, percent

# A name stands at the first of these sides of its point where it covers no other.
_SIDES: dict[str, Spec] = {
    "right": {"align": "left", "dx": 14, "dy": 0},
    "left": {"align": "right", "dx": -14, "dy": 0},
    "above": {"align": "center", "dx": 0, "dy": -19},
    "below": {"align": "center", "dx": 0, "dy": 19},
}

# Where there is no room for a name, the point's number has these besides; the page lists what the numbers stand for.
_CORNERS: dict[str, Spec] = {
    "above right": {"align": "left", "dx": 9, "dy": -14},
    "above left": {"align": "right", "dx": -9, "dy": -14},
    "below right": {"align": "left", "dx": 9, "dy": 14},
    "below left": {"align": "right", "dx": -9, "dy": 14},
}

# Names are placed twice, for plots of about these widths; a plot narrower than the limit takes the second.
_WIDE_PX, _NARROW_PX, _NARROW_BELOW_PX = 1000, 280, 560

# How much room a name takes: its letters' mean width, and one line.
_LETTER_PX, _LINE_PX = 6.4, 15
_POINT_PX = 22

Box = tuple[float, float, float, float]


def pareto_chart(points: Sequence[Point], among: Sequence[str] = ()) -> Spec:
    """Accuracy over latency (logarithmic), size = parameters, the frontier as a line through its models.

    `among` are the models that the page shows, see `charts.swatches_of`.
    """
    times, scores = _domains(points)
    wide, narrow = (_named(points, times, scores, width) for width in (_WIDE_PX, _NARROW_PX))
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
            "wide": wide[i][0],
            "wide_name": wide[i][1],
            "narrow": narrow[i][0],
            "narrow_name": narrow[i][1],
        }
        for i, point in enumerate(points)
    ]
    x = {
        "field": "ms",
        "type": "quantitative",
        "scale": {"type": "log", "domain": list(times), "nice": False},
        "axis": AXIS | {"title": "median milliseconds an image (log)", "tickCount": 6, "format": "~g"},
    }
    y = {
        "field": "top_1",
        "type": "quantitative",
        "scale": {"domain": list(scores), "nice": False},
        "axis": AXIS | PERCENT_AXIS | {"title": "top-1", "tickCount": 6},
    }
    swatches = swatches_of([*among, *(point.model for point in points)])
    colors = {point.title: swatches[point.model].color for point in points}
    color = {
        "field": "Model",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": list(colors), "range": list(colors.values())},
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
    intervals = {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": color}
    marks = {"x": x, "y": y, "color": color, "tooltip": tooltip, "shape": shape, "size": size}
    is_narrow = f"width < {_NARROW_BELOW_PX}"
    name = {"condition": {"test": is_narrow, "value": {"expr": "datum.narrow_name"}}, "field": "wide_name"}
    names = [
        layer(
            rows,
            {"type": "text", "baseline": "middle", "fontSize": FONT_PX - 1, "color": NEUTRAL} | where,
            {"x": x, "y": y, "text": name},
        )
        | {"transform": [{"filter": f"({is_narrow} ? datum.narrow : datum.wide) === '{side}'"}]}
        for side, where in (_SIDES | _CORNERS).items()
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
    named = ", ".join(f"{p.title} ({milliseconds(p.latency_ms)}, {percent(p.top_1)})" for p in on)
    rest = f" Slower and less accurate than another model: {', '.join(off)}." if off else ""
    return f"On the frontier, the fastest first: {named}.{rest}"


def numbers(points: Sequence[Point]) -> str:
    """What the numbers of `pareto_chart` stand for: "1 A, 2 B"."""
    return ", ".join(f"{i}\u00a0{point.title}" for i, point in enumerate(points, 1))


def _domains(points: Sequence[Point]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of milliseconds and of top-1, with room for points at the ends and their names."""
    fastest, slowest = min(p.latency_ms for p in points), max(p.latency_ms for p in points)
    low, high = min(p.low for p in points), max(p.high for p in points)
    room = 0.1 * (high - low)
    scores = max(0.0, math.floor((low - room) * 20) / 20), min(1.0, math.ceil((high + room) * 20) / 20)
    return (fastest / 1.4, slowest * 1.4), scores


def _named(
    points: Sequence[Point], times: tuple[float, float], scores: tuple[float, float], width_px: float
) -> list[tuple[str, str]]:
    """Side and name of each point, or its number where no side has room; those on the frontier choose first.

    As many have names as leave every other one the room for its number. A number without room is "" at "".
    """
    across, up = math.log(times[1] / times[0]), scores[1] - scores[0]
    centers = [
        (math.log(p.latency_ms / times[0]) / across * width_px, (scores[1] - p.top_1) / up * PLOT_PX) for p in points
    ]
    names = told_apart([point.title for point in points])
    order = sorted(range(len(points)), key=lambda i: not points[i].on_frontier)
    found: list[tuple[str, str]] = []
    for count in range(len(points), -1, -1):
        found = _placed(centers, names, order[:count], width_px)
        if all(side for side, _ in found):
            break
    return found


def _placed(
    centers: Sequence[tuple[float, float]], names: Sequence[str], named: Sequence[int], width_px: float
) -> list[tuple[str, str]]:
    """Side and name of each point of `named`, as far as there is room, then side and number of the others."""
    taken: list[Box] = [_box(x, y, _POINT_PX, _POINT_PX) for x, y in centers]
    found = [("", "")] * len(centers)

    def place(i: int, name: str, sides: Mapping[str, Spec]) -> bool:
        for side, box in _boxes(*centers[i], len(name) * _LETTER_PX, sides):
            others = taken[:i] + taken[i + 1 :]
            inside = box[0] >= 0 and box[2] <= width_px and box[1] >= -_LINE_PX / 2 and box[3] <= PLOT_PX
            if inside and not any(_overlap(box, other) for other in others):
                found[i] = side, name
                taken.append(box)
                return True
        return False

    done = {i for i in named if place(i, names[i], _SIDES)}
    for i in range(len(centers)):
        if i not in done:
            place(i, str(i + 1), _SIDES | _CORNERS)
    return found


def _boxes(x: float, y: float, width_px: float, sides: Mapping[str, Spec]) -> Iterator[tuple[str, Box]]:
    """Where the name of a point at (x, y) would stand, at each of `sides`."""
    shift = {"left": -width_px / 2, "center": 0.0, "right": width_px / 2}
    opposite = {"left": "right", "center": "center", "right": "left"}
    for side, where in sides.items():
        center_x = x + where["dx"] + shift[opposite[where["align"]]]
        yield side, _box(center_x, y + where["dy"], width_px, _LINE_PX)


def _box(x: float, y: float, width_px: float, height_px: float) -> Box:
    return x - width_px / 2, y - height_px / 2, x + width_px / 2, y + height_px / 2


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
