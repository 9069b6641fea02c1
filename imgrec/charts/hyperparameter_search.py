"""Trials of a search: accuracy over size as a chart, a sentence that says the same, and the table of all trials."""

from functools import cache

import altair as alt

from imgrec.charts.colors import COLORS
from imgrec.charts.theme import FONT_PX, PERCENT, SILENT, Spec, fill, framed, tooltip
from imgrec.formatting import percent
from imgrec.training.run_summary import in_words, result
from imgrec.training.search_job import Search

SCATTER_PX = 300

# Sky is the blue that stays blue when it is faint, on a light and on a dark page.
TRIAL_COLOR = COLORS[4]
BEST_COLOR = COLORS[1]

# Between the outermost points and the edges: room for the name of the best.
_ROOM_PX = 30


def size_chart(search: Search) -> Spec:
    """Return validation accuracy over the number of parameters: a point a trial, the best a diamond with its name."""
    best = search.best
    rows = [
        {
            "Trial": str(trial.number),
            "Accuracy": percent(trial.accuracy or 0.0),
            "Parameters": f"{trial.parameters or 0:,}",
            "Settings": in_words(trial.values),
            "parameters": trial.parameters,
            "accuracy": trial.accuracy,
            "color": BEST_COLOR if trial is best else TRIAL_COLOR,
            "shape": "diamond" if trial is best else "circle",
            "size": 220 if trial is best else 80,
            "name": "best" if trial is best else "",
        }
        for trial in search.finished
    ]
    return fill(_template(), SCATTER_PX, trials=rows)


@cache
def _template() -> Spec:
    room = alt.Scale(zero=False, nice=False, padding=_ROOM_PX)
    x = alt.X("parameters:Q", scale=room, axis=alt.Axis(title="parameters", format="~s", tickCount=5))
    y = alt.Y("accuracy:Q", scale=room, axis=alt.Axis(title="validation accuracy", tickCount=5, labelExpr=PERCENT))
    color = alt.Color("color:N", scale=None)
    trials = alt.Chart(alt.NamedData(name="trials"))
    return framed(
        alt.layer(
            trials.mark_point(filled=True, opacity=0.85, **SILENT).encode(
                x=x,
                y=y,
                color=color,
                shape=alt.Shape("shape:N", scale=None),
                size=alt.Size("size:Q", scale=None),
                tooltip=tooltip(["Trial", "Accuracy", "Parameters", "Settings"]),
            ),
            trials.mark_text(dy=-14, fontSize=FONT_PX, fontWeight="bold", **SILENT).encode(
                x=x, y=y, color=color, text="name:N"
            ),
        )
    )


def describe_size(search: Search) -> str:
    """Return how large the best and the smallest network are, in a sentence."""
    if (best := search.best) is None:
        return "No trial is finished yet."
    if not has_sizes(search):
        return f"Every network of this search has {best.parameters or 0:,} parameters."
    smallest = min(search.finished, key=lambda trial: (trial.parameters or 0, -(trial.accuracy or 0)))
    sentence = f"The best trial has {best.parameters or 0:,} parameters and reaches {result(search, best)}"
    if smallest.parameters == best.parameters:
        return f"{sentence}; no other network of the search is smaller."
    return f"{sentence}; the smallest network has {smallest.parameters or 0:,} and reaches {result(search, smallest)}."


def has_sizes(search: Search) -> bool:
    """Return whether the networks differ in size, so that a chart over sizes is of use."""
    return len({trial.parameters for trial in search.finished}) > 1
