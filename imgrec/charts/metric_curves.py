"""Bars by class, curves in the unit square, and how far stated confidence is from what is right."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

import altair as alt

from imgrec.charts.bars import labeled_bars
from imgrec.charts.colors import NEUTRAL, Swatch
from imgrec.charts.line_chart import SOLID, Axis, line_chart
from imgrec.charts.theme import PLOT_PX, SILENT, Rows, Spec, fill, framed, told_apart, tooltip
from imgrec.formatting import integer, interval, percent
from imgrec.metrics.calibration import Bin
from imgrec.metrics.confusion import ClassFigures
from imgrec.metrics.curves import Curve, at_coverage

# There are more models than colors: those that share one differ in these.
_DASHES = (SOLID, (7, 3), (2, 3), (10, 3, 2, 3), (14, 4), (2, 8))

# From one corner of the unit square to the other.
_DIAGONAL: Rows = [{"x": 0, "y": 0}, {"x": 1, "y": 1}]


def class_bars(figures: ClassFigures, labels: Sequence[str], which: str, color: str, order: Sequence[int]) -> Spec:
    """Return one bar a class of the figure `which`, in this `order`."""
    values = getattr(figures, which)
    bars: Rows = [
        {
            "line": line,
            "start": 0.0,
            "end": 0.0 if math.isnan(values[i]) else float(values[i]),
            "Class": labels[i],
            which.capitalize(): _dash(values[i]),
            "Images": integer(int(figures.support[i])),
        }
        for line, i in enumerate(order)
    ]
    return labeled_bars(bars, [(labels[i], _dash(values[i])) for i in order], swatches=Swatch(color))


def describe_classes(figures: ClassFigures, labels: Sequence[str], which: str, order: Sequence[int]) -> str:
    """Return the first and the last class of `class_bars` in a sentence."""
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
    y_end: float | None = 1.0,
) -> Spec:
    """Return curves by title in the unit square; with `diagonal`, what guessing gives.

    The y axis ends at `y_end`, or for None where the values end.
    `steps` draws what an average precision adds up: each point's y holds from the point before it. Curves of the same
    color differ in their dashes.
    """
    names = dict(zip(curves, told_apart(list(curves)), strict=True))
    rows: Rows = [
        {
            "series": names[title],
            "x": round(float(x), 5),
            "y": round(float(y), 5),
            "Curve": title,
            axes[0].capitalize(): percent(float(x)),
            axes[1].capitalize(): percent(float(y)),
        }
        for title, curve in curves.items()
        for x, y in zip(curve.x, curve.y, strict=True)
    ]
    before: Counter[str] = Counter()
    styles = {}
    for title, name in names.items():
        styles[name] = colors[title], _DASHES[before[colors[title]] % len(_DASHES)]
        before[colors[title]] += 1
    x, y = Axis(axes[0]), Axis(axes[1], end=y_end)
    return line_chart(rows, styles, x, y, steps=steps, guide=_DIAGONAL if diagonal else ())


def describe_curves(curves: Mapping[str, Curve], what: str) -> str:
    """Return the area below each curve."""
    return f"{what}: {', '.join(f'{title} {curve.area:.4f}' for title, curve in curves.items())}."


def describe_risks(curves: Mapping[str, Curve]) -> str:
    """Return how many predictions are wrong, of all and of the surest half, for each `risk_coverage` curve."""
    return "; ".join(
        f"{title}: {percent(float(curve.y[-1]))} of all predictions are wrong, "
        f"{percent(at_coverage(curve, 0.5))} of the surest half (AURC {curve.area:.4f})"
        for title, curve in curves.items()
    )


def reliability_chart(bins: Sequence[Bin], color: str) -> Spec:
    """Return the share that is right over stated confidence; bins of few images are faint. See `Bin`."""
    full = [b for b in bins if b.count]
    most = max((b.count for b in full), default=1)
    rows = [
        {
            "low": b.low,
            "high": b.high,
            "accuracy": b.accuracy,
            "Confidence": interval(b.low, b.high),
            "Correct": percent(b.accuracy),
            "Images": integer(b.count),
            "color": color,
            "strength": 0.25 + 0.75 * b.count / most,
        }
        for b in full
    ]
    return fill(_reliability(), PLOT_PX, bins=rows, guide=_DIAGONAL)


@cache
def _reliability() -> Spec:
    x, y = Axis("stated confidence").arguments, Axis("share that is right").arguments
    return framed(
        alt.layer(
            alt.Chart(alt.NamedData(name="bins"))
            .mark_bar(binSpacing=1, **SILENT)
            .encode(
                x=alt.X(field="low", bin=alt.BinParams(binned=True), **x),
                x2="high",
                y=alt.Y(field="accuracy", **y),
                color=alt.Color("color:N", scale=None),
                opacity=alt.Opacity("strength:Q", scale=None),
                tooltip=tooltip(["Confidence", "Correct", "Images"]),
            ),
            alt.Chart(alt.NamedData(name="guide"))
            .mark_line(color=NEUTRAL, strokeDash=[4, 4], **SILENT)
            .encode(x=alt.X(field="x", **x), y=alt.Y(field="y", **y)),
        )
    )


def describe_reliability(bins: Sequence[Bin], ece: float) -> str:
    """Return the expected calibration error, its direction, and what the surest bin is worth."""
    full = [b for b in bins if b.count]
    total = sum(b.count for b in full)
    surest = full[-1]
    bias = sum(b.count * (b.confidence - b.accuracy) for b in full) / total
    lean = "surer than it should be" if bias > 0.005 else "less sure than it could be" if bias < -0.005 else "well set"
    return (
        f"ECE {percent(ece)}: on the whole {lean}. {surest.count:,} of {total:,} first choices are given with "
        f"{percent(surest.low)} or more; {percent(surest.accuracy)} of these are right."
    )


def _dash(value: float) -> str:
    return "–" if math.isnan(value) else percent(float(value))
