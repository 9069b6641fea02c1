"""Mistakes made again on purpose and measured: read from `assets/protocols/`, as charts, tables and words."""

import json
import math
from dataclasses import dataclass
from typing import Any

from imgrec.charts.theme import FONT_PX, NEUTRAL, NO_TOOLTIP, PERCENT_AXIS, Rows, Spec
from imgrec.charts.top_k import COLORS
from imgrec.formatting import percent
from imgrec.settings import ASSETS

ONE_SIDED = ASSETS / "protocols" / "one_sided_normalisation.json"

# With the legend of three lines below.
HEIGHT_PX = 300

# What is told of each epoch: field, words, color, dashes.
SERIES = (
    ("accuracy", "training", COLORS[0], (1, 0)),
    ("alike", "validation, normalized as in training", COLORS[2], (5, 3)),
    ("one_sided", "validation, not normalized", COLORS[1], (2, 2)),
)


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One training, validated in two ways after each epoch; `fields` as they stand in the file."""

    fields: dict[str, Any]

    @property
    def data(self) -> str:
        return str(self.fields["data"]).replace("pictures", "images")

    @property
    def chance(self) -> float:
        """How often a guess is right."""
        return 1 / int(self.fields["classes"])

    @property
    def networks(self) -> list[dict[str, Any]]:
        """Each with `kind` and `epochs` (epoch, accuracy, alike, one_sided)."""
        return list(self.fields["networks"])

    @property
    def top(self) -> float:
        """The end of an axis on which all accuracies fit: the next tenth."""
        highest = max(row[field] for network in self.networks for row in network["epochs"] for field, *_ in SERIES)
        return math.ceil(float(highest) * 10) / 10

    @property
    def measured_at(self) -> str:
        return str(self.fields["measured_at"])[:10]


def one_sided() -> Demonstration | None:
    """The normalization that only the training images got; None where it has not been measured."""
    try:
        return Demonstration(json.loads(ONE_SIDED.read_text(encoding="utf-8")))
    except OSError:
        return None


def title_of(network: dict[str, Any]) -> str:
    """What tells this network from the others, as a heading."""
    kind = str(network["kind"]).replace("normalisation", "normalization")
    return kind[:1].upper() + kind[1:]


def chart(network: dict[str, Any], chance: float, top: float = 1.0) -> Spec:
    """Accuracy by epoch, three lines and the level of guessing; `top` ends the axis, the same for every network."""
    titles = [title for _, title, _, _ in SERIES]
    rows = [
        {"epoch": row["epoch"], "value": row[field], "Series": title, "Accuracy": percent(row[field])}
        for field, title, _, _ in SERIES
        for row in network["epochs"]
    ]
    legend = {"orient": "bottom", "title": None, "columns": 1, "labelFontSize": FONT_PX, "labelLimit": 260}
    return {
        "height": HEIGHT_PX,
        "layer": [
            {
                "data": {"values": rows},
                "mark": {"type": "line", "strokeWidth": 2, "point": {"size": 30}, "aria": False},
                "encoding": {
                    "x": {
                        "field": "epoch",
                        "type": "quantitative",
                        "title": "epoch",
                        "scale": {"nice": False},
                        "axis": {"tickMinStep": 1, "grid": False, "labelFontSize": FONT_PX},
                    },
                    "y": {
                        "field": "value",
                        "type": "quantitative",
                        "title": "Accuracy",
                        "scale": {"domain": [0, top]},
                        "axis": PERCENT_AXIS | {"labelFontSize": FONT_PX, "tickCount": 4},
                    },
                    "color": {
                        "field": "Series",
                        "type": "nominal",
                        "scale": {"domain": titles, "range": [color for _, _, color, _ in SERIES]},
                        "legend": legend,
                    },
                    "strokeDash": {
                        "field": "Series",
                        "type": "nominal",
                        "scale": {"domain": titles, "range": [list(dash) for _, _, _, dash in SERIES]},
                        "legend": legend | {"symbolType": "stroke", "symbolSize": 500, "symbolStrokeWidth": 2},
                    },
                    "tooltip": [
                        {"field": "Series", "type": "nominal", "title": "Curve"},
                        {"field": "epoch", "title": "Epoch"},
                        {"field": "Accuracy", "type": "nominal"},
                    ],
                },
            },
            {
                "data": {"values": [{"value": chance}]},
                "mark": {"type": "rule", "strokeDash": [4, 4], "opacity": 0.5, "color": NEUTRAL, "aria": False}
                | NO_TOOLTIP,
                "encoding": {"y": {"field": "value", "type": "quantitative"}},
            },
        ],
        "config": {"view": {"stroke": None}},
    }


def rows(network: dict[str, Any]) -> Rows:
    """The same as a table."""
    return [
        {"Epoch": row["epoch"]} | {title.capitalize(): percent(row[field]) for field, title, _, _ in SERIES}
        for row in network["epochs"]
    ]


def describe(network: dict[str, Any], chance: float) -> str:
    """What the last epoch says."""
    last = network["epochs"][-1]
    return (
        f"{title_of(network)}: validation accuracy after epoch {last['epoch']} is {percent(last['alike'])} with "
        f"normalization and {percent(last['one_sided'])} without; chance level {percent(chance)}."
    )
