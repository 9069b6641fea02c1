"""A search as words, rows and Vega-Lite charts: what was tried, what came of it, what is best so far.

Like `learning`, it knows no Streamlit: a chart is a plain `dict`, and each has a sentence that says the same.
"""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from imgrec import formatting
from imgrec.charts.theme import FONT_PX, NEUTRAL, NO_TOOLTIP, PERCENT_AXIS, Rows, Spec
from imgrec.charts.top_k import COLORS
from imgrec.formatting import duration
from imgrec.reports import accuracy
from imgrec.training.search_job import Search, Trial
from imgrec.training.search_spaces import Knob, Value, words

PARALLEL_PX = 300
SCATTER_PX = 300

# Sky is the blue that stays blue when it is faint, on paper and on ink.
TRIAL_COLOR = COLORS[4]
BEST_COLOR = COLORS[1]

# The weakest trial is still to be seen on both themes, and the best stands out by more than its color.
FAINTEST = 0.3
LINE_PX = 1.75
BEST_LINE_PX = 4

# Between an axis and what it says of its marks, and from its top to the first line of its name, which has two.
_MARK_GAP_PX = 6
_NAME_GAP_PX = 34

# Share of the accuracies' spread that an axis of them goes on to either side.
_ROOM = 0.08

RESULT = "accuracy"


def status(search: Search, state: str) -> str:
    """One line: which trial of how many, how the best one does, and how long it will still take."""
    if search.plan is None:
        return {"queued": "queued", "running": "reading the images"}.get(state, state)
    now, done = search.open, len(search.finished) + len(search.failed)
    parts = [f"trial {now.number if now else done} of {search.plan['trials']}"]
    if now is not None and now.step is not None and state == "running":
        parts.append(f"epoch {now.step['epoch']} of {now.planned_epochs}")
    if search.failed:
        parts.append(f"{len(search.failed)} failed")
    if (best := search.best) is not None:
        parts.append(f"best {result(search, best)} (trial {best.number})")
    if state == "running" and (left := search.remaining_seconds) is not None:
        parts.append(f"{duration(left)} left")
    return " · ".join(parts)


def outcome(search: Search) -> str:
    """The best trial, in a sentence."""
    best = search.best
    if best is None:
        return "No trial is finished yet."
    spent = duration(sum(trial.seconds for trial in search.trials))
    return (
        f"Best of {len(search.finished)} trials: trial {best.number}, {_measured(search, best)}, with "
        f"{in_words(best.values)} ({best.parameters or 0:,} parameters); {spent} of training in total."
    )


def result(search: Search, trial: Trial) -> str:
    """The validation accuracy of a finished trial; of few images as counts."""
    images: int | None = (search.data or {}).get("validated_on")
    return accuracy.short(trial.accuracy or 0.0, images) if images else percent(trial)


def _measured(search: Search, trial: Trial) -> str:
    images: int | None = (search.data or {}).get("validated_on")
    if images and accuracy.is_few(images):
        return accuracy.in_words(trial.accuracy or 0.0, images, "validation")
    return f"validation accuracy {percent(trial)}"


def in_words(values: Mapping[str, Value]) -> str:
    """Settings for people.

    >>> in_words({"learning_rate": 0.001, "batch_size": 64})
    'learning rate 0.001, batch size 64'
    """
    return ", ".join(f"{words(name)} {figure(value)}" for name, value in values.items())


def percent(trial: Trial) -> str:
    """The accuracy of a finished trial."""
    return formatting.percent(trial.accuracy or 0.0)


def figure(value: Value) -> str:
    """A setting's value, to the digits that it has."""
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def readable(knob: Knob) -> tuple[Value, ...]:
    """Values that an axis names; of a long list every second, third ... so that none overlap."""
    marks = knob.marks()
    stride = -(-len(marks) // 8)
    return marks[::stride]


def table_rows(search: Search, knobs: Sequence[Knob]) -> Rows:
    """One row a trial, in the order in which they were tried; what is not known yet is None."""
    best = search.best
    return [
        {
            "Trial": trial.number,
            "State": "best" if trial is best else trial.state,
            "Validation accuracy": trial.accuracy,
            "Parameters": trial.parameters,
            **{heading(knob): trial.values.get(knob.name) for knob in knobs},
            "Epochs": trial.epochs[-1]["epoch"] if trial.epochs else 0,
            "Validation loss": trial.loss,
            "Seconds": round(trial.seconds, 1),
            "Remark": trial.reason or "",
        }
        for trial in search.trials
    ]


def heading(knob: Knob) -> str:
    """The name of its column in the table."""
    return words(knob.name).capitalize()


def to_csv(rows: Rows) -> str:
    """The table as CSV, with a line of names."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]) if rows else ["Trial"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def parallel_chart(search: Search, knobs: Sequence[Knob]) -> Spec:
    """One axis a setting and a last one for the accuracy; each finished trial a line across them.

    The more accurate, the less faint; the best is thick, of another color, and named. Vega-Lite has no parallel
    axes, so each point's height is computed here, and the axes' words are texts of a neutral color.
    """
    low, high = _accuracy_domain(search)
    names = [words(knob.name) for knob in knobs] + [RESULT]
    best, lines = search.best, []
    for trial in search.finished:
        about = {
            "Trial": f"{trial.number} (best)" if trial is best else str(trial.number),
            "Settings": in_words(trial.values),
            "Accuracy": percent(trial),
        }
        heights = [knob.place(trial.values[knob.name]) for knob in knobs] + [_share(trial, low, high)]
        # The best comes last, on top of the others.
        rank = 1 if trial is best else 0
        strength = FAINTEST + (1 - FAINTEST) * _share(trial, low, high) ** 2
        lines += [
            about | {"axis": name, "height": height, "trial": trial.number, "rank": rank, "strength": strength}
            for name, height in zip(names, heights, strict=True)
        ]
    marks = [
        {"axis": words(knob.name), "height": knob.place(value), "text": figure(value)}
        for knob in knobs
        for value in readable(knob)
    ]
    marks += [
        {"axis": RESULT, "height": share, "text": formatting.percent(low + share * (high - low))}
        for share in (0.0, 0.5, 1.0)
    ]
    across = {
        "field": "axis",
        "type": "ordinal",
        "sort": names,
        "scale": {"type": "point", "padding": 0.35},
        "axis": {
            "title": None,
            "orient": "top",
            "domain": False,
            "ticks": False,
            "labelAngle": 0,
            "labelFontSize": FONT_PX,
            "labelPadding": _NAME_GAP_PX,
            "labelLimit": 140,
            "labelExpr": f"({json.dumps({name: _stacked(name) for name in names})})[datum.value]",
            "grid": True,
            "gridColor": NEUTRAL,
            "gridOpacity": 0.55,
        },
    }
    up: Spec = {"field": "height", "type": "quantitative", "scale": {"domain": [0, 1], "nice": False}, "axis": None}
    tooltip = [{"field": name, "type": "nominal"} for name in ("Trial", "Accuracy", "Settings")]
    shared = {"x": across, "y": up, "detail": {"field": "trial"}, "tooltip": tooltip}
    ordinary = [row for row in lines if not row["rank"]]
    winning = [row for row in lines if row["rank"]]
    return _framed(
        {
            "height": PARALLEL_PX,
            "layer": [
                _layer(
                    ordinary,
                    {"type": "line", "color": TRIAL_COLOR, "strokeWidth": LINE_PX},
                    shared | {"opacity": {"field": "strength", "type": "quantitative", "scale": None}},
                ),
                _layer(
                    winning,
                    {
                        "type": "line",
                        "color": BEST_COLOR,
                        "strokeWidth": BEST_LINE_PX,
                        "point": {"size": 60, "color": BEST_COLOR, "opacity": 1},
                    },
                    shared,
                ),
                _layer(
                    marks,
                    {
                        "type": "text",
                        "color": NEUTRAL,
                        "align": "left",
                        "dx": _MARK_GAP_PX,
                        "dy": -_MARK_GAP_PX,
                        "fontSize": FONT_PX - 2,
                    },
                    {"x": across, "y": up, "text": {"field": "text"}},
                ),
                _layer(
                    winning[-1:],
                    {
                        "type": "text",
                        "color": BEST_COLOR,
                        "align": "right",
                        "dx": -2 * _MARK_GAP_PX,
                        "dy": -_MARK_GAP_PX,
                        "fontSize": FONT_PX,
                        "fontWeight": "bold",
                    },
                    {"x": across, "y": up, "text": {"value": "best"}},
                ),
            ],
        }
    )


def describe_parallel(search: Search, knobs: Sequence[Knob]) -> str:
    """What the best and the worst trial were, in a sentence."""
    ranking = search.ranking
    if not ranking:
        return "No trial is finished yet."
    best, worst = ranking[0], ranking[-1]
    sentence = f"{len(ranking)} trials over {', '.join(words(knob.name) for knob in knobs)}. "
    sentence += f"Best: trial {best.number}, {result(search, best)}, {in_words(best.values)}."
    if worst is not best:
        sentence += f" Worst: trial {worst.number}, {result(search, worst)}, {in_words(worst.values)}."
    return sentence


def size_chart(search: Search) -> Spec:
    """Validation accuracy over the number of parameters, a point a trial; the best is a diamond with its name."""
    best = search.best
    rows = [
        {
            "Trial": str(trial.number),
            "Parameters": f"{trial.parameters or 0:,}",
            "Accuracy": percent(trial),
            "Settings": in_words(trial.values),
            "parameters": trial.parameters,
            "accuracy": trial.accuracy,
            "best": "yes" if trial is best else "no",
        }
        for trial in search.finished
    ]
    low, high = _accuracy_domain(search)
    axis = {"labelFontSize": FONT_PX - 1, "titleFontSize": FONT_PX, "titleFontWeight": "normal", "gridColor": NEUTRAL}
    axis |= {"gridOpacity": 0.25, "domainColor": NEUTRAL, "tickColor": NEUTRAL}
    sizes = [trial.parameters or 0 for trial in search.finished] or [0, 1]
    room = _ROOM * ((max(sizes) - min(sizes)) or max(sizes) or 1)
    x = {
        "field": "parameters",
        "type": "quantitative",
        # On the right, room for the name of the best.
        "scale": {"domain": [max(0, min(sizes) - room), max(sizes) + 2 * room], "nice": False},
        "axis": axis | {"title": "parameters", "format": "~s", "tickCount": 5},
    }
    y = {
        "field": "accuracy",
        "type": "quantitative",
        "scale": {"domain": [low, high], "nice": False},
        "axis": axis | PERCENT_AXIS | {"title": "validation accuracy", "tickCount": 5},
    }
    tooltip = [{"field": name, "type": "nominal"} for name in ("Trial", "Accuracy", "Parameters", "Settings")]
    sides = ["yes", "no"]
    return _framed(
        {
            "height": SCATTER_PX,
            "layer": [
                _layer(
                    rows,
                    {"type": "point", "filled": True, "opacity": 0.85},
                    {
                        "x": x,
                        "y": y,
                        "tooltip": tooltip,
                        "color": {
                            "field": "best",
                            "type": "nominal",
                            "legend": None,
                            "scale": {"domain": sides, "range": [BEST_COLOR, TRIAL_COLOR]},
                        },
                        "shape": {
                            "field": "best",
                            "type": "nominal",
                            "legend": None,
                            "scale": {"domain": sides, "range": ["diamond", "circle"]},
                        },
                        "size": {"condition": {"test": "datum.best === 'yes'", "value": 220}, "value": 80},
                    },
                ),
                _layer(
                    [row for row in rows if row["best"] == "yes"],
                    {"type": "text", "color": BEST_COLOR, "dy": -14, "fontSize": FONT_PX, "fontWeight": "bold"},
                    {"x": x, "y": y, "text": {"value": "best"}},
                ),
            ],
        }
    )


def describe_size(search: Search) -> str:
    """How large the best and the smallest network are, in a sentence."""
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
    """Whether its networks differ in size, so that a chart over sizes says anything."""
    return len({trial.parameters for trial in search.finished}) > 1


def _accuracy_domain(search: Search) -> tuple[float, float]:
    """The ends of an axis with all accuracies, and a little room."""
    found = [trial.accuracy or 0.0 for trial in search.finished] or [0.0, 1.0]
    room = max(0.005, _ROOM * (max(found) - min(found)))
    return (
        max(0.0, math.floor((min(found) - room) * 1000) / 1000),
        min(1.0, math.ceil((max(found) + room) * 1000) / 1000),
    )


def _share(trial: Trial, low: float, high: float) -> float:
    return ((trial.accuracy or 0.0) - low) / (high - low)


def _stacked(name: str) -> list[str]:
    """A name on two lines, the first one empty where one suffices, as Vega takes it."""
    *first, last = name.split(" ")
    return [" ".join(first), last]


def _framed(spec: Spec) -> Spec:
    config = {"view": {"stroke": None}, "font": '"Source Sans", sans-serif'}
    return spec | {"config": config, "padding": {"left": 4, "top": 8, "right": 12, "bottom": 4}}


def _layer(values: Sequence[Mapping[str, Any]], mark: Spec, encoding: Spec) -> Spec:
    # No mark speaks for itself: the chart is read out as its one sentence.
    return {"data": {"values": list(values)}, "mark": NO_TOOLTIP | mark | {"aria": False}, "encoding": encoding}
