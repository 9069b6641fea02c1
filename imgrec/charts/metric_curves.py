"""Bars by class, curves in the unit square, and how far stated confidence is from what is right."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from imgrec.charts.frames import PLOT_PX, framed, layer, renamed, told_apart, unit
from imgrec.charts.theme import NEUTRAL, Rows, Spec, labeled_bars
from imgrec.formatting import integer, interval, percent
from imgrec.metrics.calibration import Bin
from imgrec.metrics.confusion import ClassFigures
from imgrec.metrics.curves import Curve

# In a narrower plot, two titles do not stand beside each other.
_NARROW_PX = 380

# There are more models than colors: those that share one differ in these.
_DASHES = ([1, 0], [7, 3], [2, 3], [10, 3, 2, 3], [14, 4], [2, 8])


def class_bars(figures: ClassFigures, labels: Sequence[str], which: str, color: str, order: Sequence[int]) -> Spec:
    """One bar a class of the figure `which`, in this `order`."""
    values = getattr(figures, which)
    bars: Rows = [
        {
            "line": line,
            "start": 0.0,
            "end": 0.0 if math.isnan(values[i]) else float(values[i]),
            "opacity": 1.0,
            "index": int(i),
            "Class": labels[i],
            which.capitalize(): _dash(values[i]),
            "Images": integer(int(figures.support[i])),
        }
        for line, i in enumerate(order)
    ]
    return labeled_bars(bars, [labels[i] for i in order], [_dash(values[i]) for i in order], color=color)


def describe_classes(figures: ClassFigures, labels: Sequence[str], which: str, order: Sequence[int]) -> str:
    values = getattr(figures, which)
    if not len(order):
        return "There are no classes to show."
    first, last = order[0], order[-1]
    return (
        f"{which.capitalize()} by class, from {labels[first]} {_dash(values[first])} "
        f"to {labels[last]} {_dash(values[last])}."
    )


def curve_chart(
    curves: Mapping[str, Curve],
    axes: tuple[str, str],
    colors: Mapping[str, str],
    *,
    diagonal: bool = False,
    steps: bool = False,
) -> Spec:
    """Curves by title in the unit square; with `diagonal`, what guessing gives.

    `steps` draws what an average precision adds up: each point's y holds from the point before it. Curves of the same
    color differ in their dashes.
    """
    columns = {"expr": f"width < {_NARROW_PX} ? 1 : 2"}
    legend = {"title": None, "orient": "bottom", "columns": columns, "labelLimit": 220, "symbolType": "stroke"}
    names = {"labelExpr": renamed(list(curves), told_apart(list(curves)))}
    shown: Spec = {"field": "Curve", "type": "nominal", "legend": legend | names}
    rows = [
        {
            "Curve": title,
            "x": round(float(x), 5),
            "y": round(float(y), 5),
            "place": i,
            axes[0].capitalize(): percent(float(x)),
            axes[1].capitalize(): percent(float(y)),
        }
        for title, curve in curves.items()
        for i, (x, y) in enumerate(zip(curve.x, curve.y, strict=True))
    ]
    x, y = unit("x", axes[0]), unit("y", axes[1])
    told = ("Curve", axes[0].capitalize(), axes[1].capitalize())
    line = layer(
        rows,
        {"type": "line", "strokeWidth": 2, "interpolate": "step-before" if steps else "linear"},
        {
            "x": x,
            "y": y,
            "order": {"field": "place"},
            "color": shown | {"scale": {"domain": list(curves), "range": [colors[title] for title in curves]}},
            "strokeDash": shown | {"scale": {"domain": list(curves), "range": _dashes(curves, colors)}},
            "tooltip": [{"field": name, "type": "nominal"} for name in told],
        },
    )
    guess = layer(
        [{"x": 0, "y": 0}, {"x": 1, "y": 1}],
        {"type": "line", "color": NEUTRAL, "strokeDash": [4, 4], "strokeWidth": 1},
        {"x": x, "y": y},
    )
    return framed({"height": PLOT_PX, "layer": [guess, line] if diagonal else [line]})


def describe_curves(curves: Mapping[str, Curve], what: str) -> str:
    """The area below each curve."""
    return f"{what}: {', '.join(f'{title} {curve.area:.4f}' for title, curve in curves.items())}."


def reliability_chart(bins: Sequence[Bin], color: str) -> Spec:
    """Share that is right over stated confidence, with the number of images as opacity below; see `Bin`."""
    full = [b for b in bins if b.count]
    most = max((b.count for b in full), default=1)
    rows = [
        {
            "low": b.low,
            "high": b.high,
            "accuracy": b.accuracy,
            "confidence": b.confidence,
            "Confidence": interval(b.low, b.high),
            "Correct": percent(b.accuracy),
            "Images": integer(b.count),
            "strength": 0.25 + 0.75 * b.count / most,
        }
        for b in full
    ]
    x, y = unit("low", "stated confidence"), unit("accuracy", "share that is right")
    tooltip = [{"field": name, "type": "nominal"} for name in ("Confidence", "Correct", "Images")]
    return framed(
        {
            "height": PLOT_PX,
            "layer": [
                layer(
                    rows,
                    {"type": "bar", "color": color, "binSpacing": 1},
                    {
                        "x": x | {"bin": {"binned": True}},
                        "x2": {"field": "high"},
                        "y": y,
                        "opacity": {"field": "strength", "type": "quantitative", "scale": None},
                        "tooltip": tooltip,
                    },
                ),
                layer(
                    [{"low": 0, "accuracy": 0}, {"low": 1, "accuracy": 1}],
                    {"type": "line", "color": NEUTRAL, "strokeDash": [4, 4]},
                    {"x": x, "y": y},
                ),
            ],
        }
    )


def describe_reliability(bins: Sequence[Bin], ece: float) -> str:
    full = [b for b in bins if b.count]
    total = sum(b.count for b in full)
    surest = full[-1]
    bias = sum(b.count * (b.confidence - b.accuracy) for b in full) / total
    lean = "surer than it should be" if bias > 0.005 else "less sure than it could be" if bias < -0.005 else "well set"
    return (
        f"ECE {percent(ece)}: on the whole {lean}. {surest.count:,} of {total:,} first choices are given with "
        f"{percent(surest.low)} or more; {percent(surest.accuracy)} of these are right."
    )


def _dashes(curves: Mapping[str, Curve], colors: Mapping[str, str]) -> list[list[int]]:
    """One pattern for each curve, solid for the first of its color."""
    before: Counter[str] = Counter()
    patterns = []
    for title in curves:
        patterns.append(_DASHES[before[colors[title]] % len(_DASHES)])
        before[colors[title]] += 1
    return patterns


def _dash(value: float) -> str:
    return "–" if math.isnan(value) else percent(float(value))
