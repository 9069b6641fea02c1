"""A search as parallel coordinates: an axis for each setting, a line for each trial, drawn by Plotly.

Dragged along an axis, the pointer chooses a range of a setting, and only the trials within it stay bright; a double
click lets go. Vega-Lite has no such axes. The page shows the chart, and hands it out as one HTML file.
"""

import html
from collections.abc import Sequence
from typing import Any

from imgrec.charts.colors import COLORS
from imgrec.training.run_summary import figure, in_words, result
from imgrec.training.search_job import Search
from imgrec.training.search_spaces import Hyperparameter, Value, words

TRIAL_COLOR = COLORS[0]
BEST_COLOR = COLORS[1]
FAINT_COLOR = "#d5dbe3"
INK = "#1c2430"

FONT = "system-ui, sans-serif"
LARGE_FONT_PX, FONT_PX = 15, 13
HEIGHT_PX = 360
MARGIN_PX = {"l": 70, "r": 70, "t": 60, "b": 30}

# Names of axes that are upright would overlap on a phone.
LABEL_ANGLE = -20

# An axis names at most so many of its values, so that none overlap.
MAX_MARKS = 8


def brushable_page(search: Search, varied: Sequence[Hyperparameter], title: str) -> str:
    """Return the chart as HTML, about 5 MB, for any browser and without a network; raises as `figure_of` does."""
    from plotly.graph_objects import Figure

    drawing = Figure(figure_of(search, varied))
    chart = drawing.to_html(full_html=False, include_plotlyjs=True, config={"displayModeBar": False})
    sentence = html.escape(describe_parallel(search, varied))
    style = f"font: {LARGE_FONT_PX}px {FONT}; margin: 2rem; background: white; color: {INK}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title></head>'
        f'<body style="{style}"><h1>{html.escape(title)}</h1><p>{sentence}</p>'
        "<p>Drag along an axis to filter trials, double-click it to reset, drag its name to move it. "
        f'The best trial is orange.</p><div role="img" aria-label="{sentence}">{chart}</div></body></html>\n'
    )


def figure_of(
    search: Search, varied: Sequence[Hyperparameter], *, ink: str = INK, paper: str = "white"
) -> dict[str, Any]:
    """Return what Plotly draws: the finished trials, the best one last, above the others.

    Axes are those of the settings, then parameters where they differ, then validation accuracy; `ink` is the color of
    their words, `paper` that of the page.

    Raises:
        ValueError: No trial is finished.
    """
    trials = search.ranking[::-1]
    if not trials:
        raise ValueError("Expected a search with a finished trial. Received: none.")
    axes: list[dict[str, Any]] = [
        {
            "label": words(one.name),
            "range": [0, 1],
            "values": [one.place(trial.values[one.name]) for trial in trials],
            "tickvals": [one.place(value) for value in _marks(one)],
            "ticktext": [figure(value) for value in _marks(one)],
        }
        for one in varied
    ]
    if len({trial.parameters for trial in trials}) > 1:
        axes.append({"label": "parameters", "values": [trial.parameters or 0 for trial in trials], "tickformat": ".3s"})
    axes.append({"label": "accuracy", "values": [trial.accuracy or 0.0 for trial in trials], "tickformat": ".1%"})
    lines = {
        "type": "parcoords",
        "dimensions": axes,
        # Two colors, no scale between them: which one is the best.
        "line": {
            "color": [0] * (len(trials) - 1) + [1],
            "cmin": 0,
            "cmax": 1,
            "colorscale": [[0, TRIAL_COLOR], [0.5, TRIAL_COLOR], [0.5, BEST_COLOR], [1, BEST_COLOR]],
        },
        "unselected": {"line": {"color": FAINT_COLOR, "opacity": 0.4}},
        "labelangle": LABEL_ANGLE,
        "labelfont": {"size": LARGE_FONT_PX, "color": ink},
        "tickfont": {"size": FONT_PX, "color": ink},
        "rangefont": {"size": FONT_PX, "color": "rgba(0,0,0,0)"},
    }
    return {
        "data": [lines],
        "layout": {"font": {"family": FONT}, "paper_bgcolor": paper, "height": HEIGHT_PX, "margin": MARGIN_PX},
    }


def describe_parallel(search: Search, varied: Sequence[Hyperparameter]) -> str:
    """Return the best and the worst trial, in a sentence."""
    ranking = search.ranking
    if not ranking:
        return "No trial is finished yet."
    best, worst = ranking[0], ranking[-1]
    sentence = f"{len(ranking)} trials over {', '.join(words(one.name) for one in varied)}. "
    sentence += f"Best: trial {best.number}, {result(search, best)}, {in_words(best.values)}."
    if worst is not best:
        sentence += f" Worst: trial {worst.number}, {result(search, worst)}, {in_words(worst.values)}."
    return sentence


def _marks(hyperparameter: Hyperparameter) -> tuple[Value, ...]:
    """Return the values that an axis names; of a long list every second, third ..."""
    marks = hyperparameter.marks()
    return marks[:: -(-len(marks) // MAX_MARKS)]
