"""Curves over the strength of damage: of one image or a few, and of a labeled dataset."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import altair as alt

from imgrec.charts.colors import Swatch
from imgrec.charts.line_chart import SOLID, Axis, line_chart
from imgrec.charts.theme import PERCENT, SILENT, Rows, Spec, fill, framed, tooltip
from imgrec.explanation.corruptions import CORRUPTIONS, STRENGTHS
from imgrec.explanation.robustness import Robustness
from imgrec.explanation.severity import SeverityRow
from imgrec.formatting import change, interval, percent, relative_change
from imgrec.predictions.prediction import Prediction
from imgrec.reports.sentences import label_of

# Eight stand on one screen.
SMALL_PX = 120

# Besides its color, each model of a selection has a shape: as Vega-Lite and as Unicode call it.
SHAPES = (
    ("circle", "●"),
    ("square", "■"),
    ("triangle-up", "▲"),
    ("diamond", "◆"),
    ("triangle-down", "▼"),
    ("cross", "✚"),
)

_DASHES = (SOLID, (7, 3), (2, 3), (10, 3, 2, 3))

# The mean over all kinds, in the place of a kind.
MEAN = "Mean of all kinds"


def strength_chart(models: Sequence[Robustness], kind: str, swatches: Mapping[str, Swatch]) -> Spec:
    """Return the probability of each model's reference class over the strength of `kind`, 0 to 5.

    `swatches` are by the name of the model; shapes follow the order of `models`.
    """
    rows: Rows = [
        {
            "series": one.model,
            "strength": strength,
            "probability": round(float(value), 5),
            "color": swatches[one.model].color,
            "shape": SHAPES[place % len(SHAPES)][0],
            "Model": one.title,
            "Strength": f"{strength}: {CORRUPTIONS[kind].describe(strength)}",
            "Probability": percent(float(value)),
            "Same first class": percent(float(one.kept[kind][strength])),
        }
        for place, one in enumerate(models)
        for strength, value in enumerate(one.probability[kind])
    ]
    return fill(_template(), SMALL_PX, curves=rows)


@lru_cache(maxsize=1)
def _template() -> Spec:
    """Return lines with a shape at each strength; both layers have the same rows."""
    x = alt.X(
        field="strength",
        type="quantitative",
        title=None,
        axis=alt.Axis(values=[0, *STRENGTHS], format="d", grid=False),
        scale=alt.Scale(domain=[0, STRENGTHS[-1]], nice=False),
    )
    y = alt.Y(
        field="probability",
        type="quantitative",
        title=None,
        axis=alt.Axis(values=[0, 0.5, 1], labelExpr=PERCENT),
        scale=alt.Scale(domain=[0, 1], nice=False),
    )
    color = alt.Color("color:N", scale=None)
    told = tooltip(["Model", "Strength", "Probability", "Same first class"])
    curves = alt.Chart(alt.NamedData(name="curves"))
    return framed(
        alt.layer(
            curves.mark_line(strokeWidth=2, **SILENT).encode(x=x, y=y, color=color, detail="series:N"),
            curves.mark_point(filled=True, size=50, opacity=1, **SILENT).encode(
                x=x, y=y, color=color, shape=alt.Shape("shape:N", scale=None), tooltip=told
            ),
        )
    )


def describe_strengths(models: Sequence[Robustness], kind: str) -> str:
    """Return both ends of each curve: "Noise, from strength 0 to 5: MobileNet 98.4 % → 12.1 %, …"."""
    parts = ", ".join(
        f"{one.title} {percent(float(one.probability[kind][0]))} → {percent(float(one.probability[kind][-1]))}"
        for one in models
    )
    return f"{CORRUPTIONS[kind].title}, from strength 0 to {STRENGTHS[-1]}: {parts}."


def strength_rows(models: Sequence[Robustness]) -> Rows:
    """Return all of `strength_chart` as one table: a row for each kind and model, a column for each strength."""
    return [
        {"Damage": CORRUPTIONS[kind].title, "Model": one.title}
        | {f"{strength}": percent(float(value)) for strength, value in enumerate(one.probability[kind])}
        for kind in CORRUPTIONS
        for one in models
    ]


def change_rows(before: Prediction, after: Prediction, k: int) -> Rows:
    """Return the `k` first classes after a change, and the first one before, with both probabilities."""
    first = before.first.index
    indices = [found.index for found in after.top_k(k)]
    rows: Rows = []
    for index in [*indices, *([] if first in indices else [first])]:
        was, now = float(before.probabilities[index]), float(after.probabilities[index])
        rows.append(
            {
                "Class": label_of(after.label_space, index),
                "Before": percent(was),
                "Now": percent(now),
                "Points": change(was, now),
                "Change": relative_change(was, now),
            }
        )
    return rows


def severity_chart(rows: Sequence[SeverityRow], kind: str, colors: Mapping[str, str]) -> Spec:
    """Return the top-1 accuracy of each model on a dataset over the strength; `kind` may be `MEAN`."""
    which = None if kind == MEAN else kind
    points: Rows = [
        {
            "series": row.title,
            "x": strength,
            "y": row.accuracy(strength, which),
            "Model": row.title,
            "Strength": str(strength) if which is None else f"{strength}: {CORRUPTIONS[which].describe(strength)}",
            "Top-1": percent(row.accuracy(strength, which)),
            "95 % interval": interval(found.low, found.high),
        }
        for row in rows
        for strength in (0, *STRENGTHS)
        for found in [row.interval(strength, which)]
    ]
    taken: dict[str, int] = {}
    styles = {}
    for row in rows:
        color = colors[row.model]
        styles[row.title] = color, _DASHES[taken.get(color, 0) % len(_DASHES)]
        taken[color] = taken.get(color, 0) + 1
    return line_chart(points, styles, Axis("strength", "whole", STRENGTHS[-1]), Axis("top-1"), points=points)


def severity_rows(rows: Sequence[SeverityRow], kind: str) -> Rows:
    """Return `severity_chart` as a table, and the share of the accuracy that is left at strength 5."""
    which = None if kind == MEAN else kind
    return [
        {"Model": row.title}
        | {f"{strength}": percent(row.accuracy(strength, which)) for strength in (0, *STRENGTHS)}
        | {
            "Left at 5": percent(row.accuracy(STRENGTHS[-1], which) / row.accuracy(0)) if row.clean else "–",
            "Images": f"{row.images:,}",
        }
        for row in rows
    ]


def describe_severity(rows: Sequence[SeverityRow], kind: str) -> str:
    """Return the best model at both ends, and each model's accuracy there."""
    which = None if kind == MEAN else kind
    what = "Mean over eight kinds of damage" if which is None else CORRUPTIONS[which].title
    parts = ", ".join(
        f"{row.title} {percent(row.accuracy(0))} → {percent(row.accuracy(STRENGTHS[-1], which))}"
        for row in sorted(rows, key=lambda row: -row.accuracy(STRENGTHS[-1], which))
    )
    return f"{what}, top-1 without damage → at strength {STRENGTHS[-1]}: {parts}."
