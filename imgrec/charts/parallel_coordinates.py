"""A search as a page of its own to keep: parallel coordinates with axes to brush, in one HTML file.

Dragged along an axis, the pointer chooses a range of a setting, and only the trials within it stay bright; a double
click lets go. Vega-Lite has no such axes and Plotly has. Its lines are thin and its axes made for white paper, so the
app shows `tuning_charts.parallel_chart` and hands this out.
"""

import html
from collections.abc import Sequence
from typing import Any

from imgrec.charts.hyperparameter_search import RESULT, describe_parallel, figure, readable
from imgrec.charts.top_k import COLORS
from imgrec.training.search_job import Search
from imgrec.training.search_spaces import Knob, words

TRIAL_COLOR = COLORS[0]
BEST_COLOR = COLORS[1]
FAINT_COLOR = "#d5dbe3"
INK = "#1c2430"

FONT = "system-ui, sans-serif"
LARGE_FONT_PX, FONT_PX = 15, 13
MARGIN_PX = {"l": 90, "r": 90, "t": 70, "b": 40}


def brushable_page(search: Search, knobs: Sequence[Knob], title: str) -> str:
    """The finished trials of `search` as HTML, about 5 MB, for any browser and without a network.

    Axes are those of the settings, then parameters where they differ, then validation accuracy.

    Raises:
        ValueError: no trial is finished.
    """
    from plotly.graph_objects import Figure

    drawing = Figure(figure_of(search, knobs))
    chart = drawing.to_html(full_html=False, include_plotlyjs=True, config={"displayModeBar": False})
    sentence = html.escape(describe_parallel(search, knobs))
    style = f"font: {LARGE_FONT_PX}px {FONT}; margin: 2rem; background: white; color: {INK}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title></head>'
        f'<body style="{style}"><h1>{html.escape(title)}</h1><p>{sentence}</p>'
        "<p>Drag along an axis to filter trials, double-click it to reset, drag its name to move it. "
        f'The best trial is orange.</p><div role="img" aria-label="{sentence}">{chart}</div></body></html>\n'
    )


def figure_of(search: Search, knobs: Sequence[Knob]) -> dict[str, Any]:
    """What Plotly draws: the best trial last, above the others."""
    trials = search.ranking[::-1]
    if not trials:
        raise ValueError("Expected a search with a finished trial. Received: none.")
    axes: list[dict[str, Any]] = [
        {
            "label": words(knob.name),
            "range": [0, 1],
            "values": [knob.place(trial.values[knob.name]) for trial in trials],
            "tickvals": [knob.place(value) for value in readable(knob)],
            "ticktext": [figure(value) for value in readable(knob)],
        }
        for knob in knobs
    ]
    if len({trial.parameters for trial in trials}) > 1:
        axes.append({"label": "parameters", "values": [trial.parameters or 0 for trial in trials], "tickformat": ".3s"})
    axes.append({"label": RESULT, "values": [trial.accuracy or 0.0 for trial in trials], "tickformat": ".1%"})
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
        "labelfont": {"size": LARGE_FONT_PX},
        "tickfont": {"size": FONT_PX},
        "rangefont": {"size": FONT_PX, "color": "rgba(0,0,0,0)"},
    }
    return {"data": [lines], "layout": {"font": {"family": FONT}, "height": 520, "margin": MARGIN_PX}}
