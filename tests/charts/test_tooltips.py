"""Tooltips of all charts: titles that a reader understands and numbers as on the screen, or explicitly none.

Where a mark leaves its tooltip unsaid, Streamlit shows every field of its encoding.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgrec.charts import (
    confusion_matrix,
    hyperparameter_search,
    metric_curves,
    normalization_mistake,
    pareto,
    top_k,
    training,
    transfer,
)
from imgrec.evaluation.comparisons import Point
from imgrec.metrics.calibration import reliability
from imgrec.metrics.confusion import class_figures
from imgrec.metrics.curves import roc_curve
from imgrec.training import search_job
from tests.charts.test_normalization_mistake import NETWORK
from tests.charts.test_top_k import EVERY_CHART
from tests.charts.test_training import HALFWAY
from tests.charts.test_transfer import TRIALS, progress
from tests.training.searches import EVENTS, leave

MATRIX = np.array([[8, 2], [1, 9]])
RIGHT = np.array([True, False, True, True])
POINTS = [Point(name, name, 5.0 + i, 0.7 + i / 100, 0.6, 0.8, 10**6, True) for i, name in enumerate("ab")]


def search_of(folder: Path) -> tuple[Any, Any]:
    job = leave(folder / "search", EVENTS)
    return search_job.read(job), search_job.knobs_of(job)


BUILDERS: dict[str, Callable[[Path], top_k.Spec]] = {
    **{name: lambda _, draw=draw: draw() for name, draw in EVERY_CHART.items()},
    "pareto": lambda _: pareto.pareto_chart(POINTS),
    "class bars": lambda _: metric_curves.class_bars(
        class_figures(MATRIX), ["cat", "dog"], "recall", "#2864c8", [0, 1]
    ),
    "curves": lambda _: metric_curves.curve_chart(
        {"a": roc_curve([0.9, 0.1, 0.8, 0.7], RIGHT)}, ("recall", "precision"), {"a": "#2864c8"}, diagonal=True
    ),
    "reliability": lambda _: metric_curves.reliability_chart(
        reliability(np.array([0.9, 0.1, 0.8, 0.7]), RIGHT), "#2864c8"
    ),
    "matrix": lambda _: confusion_matrix.matrix_chart(MATRIX, ["cat", "dog"], ["cat", "dog"], pick="cell"),
    "duel": lambda _: confusion_matrix.matrix_chart(
        MATRIX, ["cat", "dog"], ["cat", "dog"], titles=("A says", "B says")
    ),
    "square": lambda _: confusion_matrix.square_chart(np.eye(2), ["a", "b"], domain=(0.0, 1.0), as_percent=True),
    "accuracy": lambda _: training.curve_chart(HALFWAY, "accuracy", 1),
    "loss": lambda _: training.curve_chart(HALFWAY, "loss"),
    "confusion": lambda _: training.confusion_chart([[3, 1], [0, 2]], ["cat", "dog"]),
    "learning rates": lambda _: transfer.rates_chart(progress(trials=TRIALS, planned=4)),
    "preview": lambda _: transfer.preview_chart([("cat", 0.75), ("dog", 0.25)]),
    "trials": lambda folder: hyperparameter_search.parallel_chart(*search_of(folder)),
    "sizes": lambda folder: hyperparameter_search.size_chart(search_of(folder)[0]),
    "demonstration": lambda _: normalization_mistake.chart(NETWORK, 0.1),
}


def units(spec: top_k.Spec, inherited: top_k.Spec, rows: top_k.Rows) -> Iterator[tuple[top_k.Rows | None, top_k.Rows]]:
    """The tooltip, or None, and the rows of each mark, with what it inherits from the layers around it."""
    encoding = inherited | spec.get("encoding", {})
    rows = spec["data"]["values"] if "data" in spec else rows
    if "layer" in spec:
        for layer in spec["layer"]:
            yield from units(layer, encoding, rows)
    else:
        # Vega-Lite takes no notice of a None in the encoding: only the mark's own one overrides Streamlit's.
        assert encoding.get("tooltip") or spec["mark"]["tooltip"] is None
        yield encoding.get("tooltip"), rows


def formats(value: object) -> Iterator[str]:
    """All number formats of a specification."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key in ("format", "tickFormat"):
                yield str(part)
            else:
                yield from formats(part)
    elif isinstance(value, list):
        for part in value:
            yield from formats(part)


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_every_mark_has_a_readable_tooltip_or_none(build: Callable[[Path], top_k.Spec], tmp_path: Path) -> None:
    found = list(units(build(tmp_path), {}, []))
    assert found
    for tooltip, rows in found:
        for channel in tooltip or ():
            title = channel.get("title", channel["field"])
            assert title[0].isupper(), title
            assert "_" not in title
            values = [row[channel["field"]] for row in rows if channel["field"] in row]
            assert "format" in channel or not any(isinstance(value, float) for value in values), (title, values[:3])
            assert not any(re.search(r"[ \d]%", str(value)) for value in values), values[:3]


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_percentages_have_the_form_of_the_screen(build: Callable[[Path], top_k.Spec], tmp_path: Path) -> None:
    assert not [one for one in formats(build(tmp_path)) if "%" in one]


@pytest.mark.parametrize("name", [name for name in BUILDERS if name not in EVERY_CHART])
def test_valid_vega_lite(name: str, tmp_path: Path) -> None:
    import altair

    spec = BUILDERS[name](tmp_path)
    # Vega has it (config.legend.layout); only Vega-Lite's schema does not know its form.
    spec["config"].pop("legend", None)
    altair.LayerChart.from_dict(spec, validate=True)
