"""Trials of a search: accuracy over size as a chart, a sentence that says the same, and the table of all trials."""

import csv
import io
import math
from collections.abc import Sequence
from functools import lru_cache

import altair as alt

from imgrec.charts.colors import COLORS
from imgrec.charts.theme import FONT_PX, PERCENT, SILENT, Rows, Spec, fill, framed, tooltip
from imgrec.formatting import percent
from imgrec.training.search_job import Search
from imgrec.training.search_spaces import Knob, words
from imgrec.training.summary import in_words, result

SCATTER_PX = 300

# Sky is the blue that stays blue when it is faint, on a light and on a dark page.
TRIAL_COLOR = COLORS[4]
BEST_COLOR = COLORS[1]

# Share of the accuracies' spread that an axis of them goes on to either side.
_ROOM = 0.08


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
    sizes = [trial.parameters or 0 for trial in search.finished] or [0, 1]
    room = _ROOM * ((max(sizes) - min(sizes)) or max(sizes) or 1)
    # On the right, room for the name of the best.
    template = _template((max(0, min(sizes) - room), max(sizes) + 2 * room), _accuracies(search))
    return fill(template, SCATTER_PX, trials=rows)


@lru_cache(maxsize=32)
def _template(sizes: tuple[float, float], accuracies: tuple[float, float]) -> Spec:
    """Return the chart with axes of these parameters and accuracies."""
    x = alt.X(
        "parameters:Q",
        scale=alt.Scale(domain=list(sizes), nice=False),
        axis=alt.Axis(title="parameters", format="~s", tickCount=5),
    )
    y = alt.Y(
        "accuracy:Q",
        scale=alt.Scale(domain=list(accuracies), nice=False),
        axis=alt.Axis(title="validation accuracy", tickCount=5, labelExpr=PERCENT),
    )
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


def table_rows(search: Search, varied: Sequence[Knob]) -> Rows:
    """Return one row a trial, in the order in which they were tried; what is not known yet is None."""
    best = search.best
    return [
        {
            "Trial": trial.number,
            "State": "best" if trial is best else trial.state,
            "Validation accuracy": trial.accuracy,
            "Parameters": trial.parameters,
            **{heading(one): trial.values.get(one.name) for one in varied},
            "Epochs": trial.epochs[-1]["epoch"] if trial.epochs else 0,
            "Validation loss": trial.loss,
            "Seconds": round(trial.seconds, 1),
            "Remark": trial.reason or "",
        }
        for trial in search.trials
    ]


def heading(hyperparameter: Knob) -> str:
    """Return the name of a hyperparameter's column in the table."""
    return words(hyperparameter.name).capitalize()


def to_csv(rows: Rows) -> str:
    """Return the table as CSV, with a line of names."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]) if rows else ["Trial"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _accuracies(search: Search) -> tuple[float, float]:
    """Return the ends of an axis with all accuracies, and a little room."""
    found = [trial.accuracy or 0.0 for trial in search.finished] or [0.0, 1.0]
    room = max(0.005, _ROOM * (max(found) - min(found)))
    return (
        max(0.0, math.floor((min(found) - room) * 1000) / 1000),
        min(1.0, math.ceil((max(found) + room) * 1000) / 1000),
    )
