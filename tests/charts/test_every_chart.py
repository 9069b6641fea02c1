"""Every chart as it is sent: valid Vega-Lite, plain JSON, and tooltips that a reader understands.

Where a mark leaves its tooltip unsaid, Streamlit shows every field of its encoding.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from imgrec.charts import (
    agreement_matrix,
    confusion_matrix,
    hyperparameter_search,
    learning_curves,
    memory_budget,
    metric_curves,
    pareto,
    robustness,
    top_k,
    transfer,
)
from imgrec.charts.theme import Spec
from imgrec.evaluation.comparisons import Point
from imgrec.metrics.calibration import reliability
from imgrec.metrics.confusion import class_figures
from imgrec.metrics.curves import risk_coverage, roc_curve
from imgrec.predictions.ensembles import RULES, combine
from imgrec.settings import MIB, ROOT
from imgrec.training import search_job
from tests.charts import test_robustness, test_training_logs
from tests.charts.reading import check, marks
from tests.charts.test_agreement_matrix import COLUMNS, WAITING, lines
from tests.charts.test_top_k import MEMBERS, MINE, VGG16
from tests.training.searches import EVENTS, leave
from tests.training.test_run_summary import HALFWAY
from tests.training.test_transfer_stages import TRIALS, progress

MATRIX = np.array([[8, 2], [1, 9]])
RIGHT = np.array([True, False, True, True])
POINTS = [Point(name, name, 5.0 + i, 0.7 + i / 100, 0.6, 0.8, 10**6, True) for i, name in enumerate("ab")]
LARGE = [f"class {i}" for i in range(20)]


def search_of(folder: Path) -> search_job.Search:
    return search_job.read(leave(folder / "search", EVENTS))


CHARTS: dict[str, Callable[[Path], Spec]] = {
    "top-k": lambda _: top_k.top_k_bars(VGG16, 3),
    "top-1": lambda _: top_k.top_k_bars(MINE, 1),
    "more than there are": lambda _: top_k.top_k_bars(VGG16, 10),
    **{f"ensemble by {rule}": lambda _, rule=rule: top_k.ensemble_bars(combine(MEMBERS, rule)) for rule in RULES},
    "pinned below the top": lambda _: top_k.ensemble_bars(combine(MEMBERS), 2, pinned=5),
    "agreement": lambda _: agreement_matrix.matrix_bars(lines(COLUMNS), COLUMNS, pinned=[("seven", 1)]),
    "agreement before any answer": lambda _: agreement_matrix.matrix_bars(lines(WAITING), WAITING),
    "no legend": lambda _: top_k.ensemble_bars(combine(MEMBERS), legend=False),
    "ensemble of one": lambda _: top_k.ensemble_bars(combine([VGG16])),
    **{f"parts of {rule}": lambda _, rule=rule: top_k.contribution_bars(combine(MEMBERS, rule), 1) for rule in RULES},
    "memory": lambda _: memory_budget.memory_bar(310 * MIB, 400 * MIB, 1024 * MIB),
    "too much memory": lambda _: memory_budget.memory_bar(310 * MIB, 900 * MIB, 1024 * MIB),
    "no memory": lambda _: memory_budget.memory_bar(0, 0, 1024 * MIB),
    "pareto": lambda _: pareto.pareto_chart(POINTS),
    "class bars": lambda _: metric_curves.class_bars(
        class_figures(MATRIX), ["cat", "dog"], "recall", "#2864c8", [0, 1]
    ),
    "curves": lambda _: metric_curves.curve_chart(
        {"a": roc_curve([0.9, 0.1, 0.8, 0.7], RIGHT)}, ("recall", "precision"), {"a": "#2864c8"}, diagonal=True
    ),
    "risk": lambda _: metric_curves.curve_chart(
        {"a": risk_coverage([0.9, 0.1, 0.8, 0.7], RIGHT)}, ("share kept", "wrong"), {"a": "#2864c8"}, y_end=None
    ),
    "reliability": lambda _: metric_curves.reliability_chart(
        reliability(np.array([0.9, 0.1, 0.8, 0.7]), RIGHT), "#2864c8"
    ),
    "matrix": lambda _: confusion_matrix.matrix_chart(MATRIX, ["cat", "dog"], ["cat", "dog"], pick="cell"),
    "duel": lambda _: confusion_matrix.matrix_chart(
        MATRIX, ["cat", "dog"], ["cat", "dog"], titles=("A network", "B network")
    ),
    "square": lambda _: confusion_matrix.square_chart(np.eye(2), ["a", "b"], domain=(0.0, 1.0), as_percent=True),
    "large matrix": lambda _: confusion_matrix.matrix_chart(np.eye(20, dtype=np.int64), LARGE, LARGE),
    "confusion of a run": lambda _: confusion_matrix.matrix_chart(MATRIX, ["cat", "dog"], ["cat", "dog"], counts=True),
    "damage": lambda _: test_robustness.small(),
    "accuracy over damage": lambda _: robustness.severity_chart(
        [test_robustness.severity("mobilenet")], robustness.MEAN, {"mobilenet": "#2864c8"}
    ),
    "accuracy": lambda _: learning_curves.curve_chart(HALFWAY, "accuracy", 1),
    "loss": lambda _: learning_curves.curve_chart(HALFWAY, "loss"),
    "logs": lambda _: test_training_logs.chart(test_training_logs.ONE, test_training_logs.log_named("b.csv")),
    "learning rates": lambda _: transfer.rates_chart(progress(trials=TRIALS, planned=4)),
    "preview": lambda _: transfer.preview_chart([("cat", 0.75), ("dog", 0.25)]),
    "sizes": lambda folder: hyperparameter_search.size_chart(search_of(folder)),
}
every_chart = pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)
Draw = Callable[[Path], Spec]


@every_chart
def test_is_valid_vega_lite_as_it_is_sent(draw: Draw, tmp_path: Path) -> None:
    check(draw(tmp_path))


def test_the_check_finds_what_the_schema_does_not_know(tmp_path: Path) -> None:
    spec = top_k.top_k_bars(VGG16)
    with pytest.raises(jsonschema.ValidationError):
        check(spec | {"config": {"legend": {"layout": {"bottom": {"anchor": "middle"}}}}})


@every_chart
def test_is_json_without_nan(draw: Draw, tmp_path: Path) -> None:
    spec = draw(tmp_path)
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec


@every_chart
def test_every_mark_has_a_readable_tooltip_or_none(draw: Draw, tmp_path: Path) -> None:
    for mark in marks(draw(tmp_path)):
        told = mark.channels.get("tooltip")
        # Vega-Lite takes no notice of a None in the encoding: only the mark's own one overrides Streamlit's.
        assert told or mark.look["tooltip"] is None
        for channel in told or ():
            title = channel.get("title", channel["field"])
            assert title[0].isupper(), title
            assert "_" not in title
            values = [row[channel["field"]] for row in mark.rows]
            assert "format" in channel or not any(isinstance(value, float) for value in values), (title, values[:3])
            assert not any(re.search(r"[ \d]%", str(value)) for value in values), values[:3]


def formats(value: Any) -> Iterator[str]:
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


@every_chart
def test_percentages_have_the_form_of_the_screen(draw: Draw, tmp_path: Path) -> None:
    assert not [one for one in formats(draw(tmp_path)) if "%" in one]


@pytest.mark.parametrize("entry", ["app", "imgrec.cli", "imgrec.cli.train", "imgrec.charts.colors"])
def test_altair_is_not_loaded_before_there_is_a_chart(entry: str) -> None:
    code = f"import sys, {entry}; print('altair' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
