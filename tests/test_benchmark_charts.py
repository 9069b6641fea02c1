"""Charts of measurements: valid Vega-Lite, and sentences that say the same."""

import json
from pathlib import Path

import numpy as np
import pytest

from imgrec import benchmark_charts as charts
from imgrec import comparisons, curves
from imgrec.statistics import agreement, error_correlation
from tests.measured import measure


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> comparisons.Board:
    folder = tmp_path_factory.mktemp("measured")
    measure(folder)
    return comparisons.load(folder, "cifar10")


def every_chart(board: comparisons.Board) -> dict[str, dict[str, object]]:
    model = board.models[0]
    found = board.found[model]
    matrix = comparisons.matrix_of(board, model)
    points, _ = comparisons.frontier(board)
    titles = [board.rows[model]["title"] for model in board.models]
    roc = {"a": curves.roc_curve(found.own, found.right)}
    figures = comparisons.figures_by_class(board, model)
    return {
        "pareto": charts.pareto_chart(points),
        "matrix": charts.matrix_chart(matrix, board.labels, board.labels, pick="cell"),
        "large matrix": charts.matrix_chart(
            np.eye(20, dtype=np.int64), list("abcdefghijklmnopqrst"), list("abcdefghijklmnopqrst")
        ),
        "classes": charts.class_bars(figures, board.labels, "recall", "#2864c8", range(10)),
        "curves": charts.curve_chart(roc, ("x", "y"), {"a": "#2864c8"}, diagonal=True),
        "reliability": charts.reliability_chart(curves.reliability(found.confidence, found.right), "#2864c8"),
        "agreement": charts.square_chart(
            agreement([one.choice for one in board.found.values()]), titles, domain=(0.0, 1.0), as_percent=True
        ),
    }


NAMES = ("pareto", "matrix", "large matrix", "classes", "curves", "reliability", "agreement")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_valid_vega_lite(board: comparisons.Board, name: str) -> None:
    import altair

    spec = every_chart(board)[name]
    # As in the charts of answers: Vega has config.legend.layout, and only Vega-Lite's schema does not know its form.
    spec["config"].pop("legend", None)
    altair.LayerChart.from_dict(spec, validate=True).to_dict()


@pytest.mark.parametrize("name", NAMES)
def test_plain_json_without_nan(board: comparisons.Board, name: str) -> None:
    json.dumps(every_chart(board)[name], allow_nan=False)


@pytest.mark.parametrize("shade", charts.SHADES)
def test_a_cell_carries_its_class_and_its_shade(shade: str) -> None:
    matrix = np.array([[8, 2], [0, 10]])
    spec = charts.matrix_chart(
        matrix, ["cat", "dog"], ["cat", "dog"], shade=shade, pick="cell", indices=([3, 5], [3, 5])
    )
    cells = spec["data"]["values"]
    assert [(cell["row"], cell["column"]) for cell in cells] == [(3, 3), (3, 5), (5, 3), (5, 5)]
    assert max(cell["strength"] for cell in cells) == 1.0
    assert cells[2]["strength"] == 0.0
    assert cells[1]["figure"] == ("20" if shade == "rows" else "2")
    assert spec["layer"][0]["params"][0]["select"]["fields"] == ["row", "column"]


def test_labels_are_strings_and_never_run() -> None:
    spec = charts.matrix_chart(np.eye(2, dtype=np.int64), ['"]+alert(1)//', "b"], ['"]+alert(1)//', "b"])
    assert '\\"]+alert(1)//' in spec["encoding"]["x"]["axis"]["labelExpr"]


def test_sentences(board: comparisons.Board) -> None:
    points, _ = comparisons.frontier(board)
    assert charts.describe_pareto(points).startswith("On the frontier, the fastest first: ")
    matrix = np.array([[8, 2], [1, 9]])
    assert charts.describe_matrix(matrix, ["cat", "dog"]) == (
        "17 of 20 pictures are right. The most frequent mistakes: cat taken for dog (2), dog taken for cat (1)."
    )
    assert charts.describe_matrix(np.diag([3, 4]), ["cat", "dog"]) == "7 of 7 pictures are right."
    found = board.found[board.models[0]]
    bins = curves.reliability(found.confidence, found.right)
    assert "ECE" in charts.describe_reliability(bins, 0.05)
    together = error_correlation([one.right for one in board.found.values()])
    said = charts.describe_square(together, ["a", "b", "c"], "Correlation of errors", as_percent=False)
    assert said.startswith("Correlation of errors: from ")
    assert charts.describe_square(np.array([[1.0]]), ["a"], "X", as_percent=False) == "X: there are no pairs."


def test_an_undefined_figure_is_a_dash(tmp_path: Path) -> None:
    from imgrec.confusion import class_figures

    figures = class_figures(np.array([[5, 0], [0, 0]]))
    spec = charts.class_bars(figures, ["cat", "dog"], "recall", "#2864c8", [0, 1])
    json.dumps(spec, allow_nan=False)
    assert "–" in charts.describe_classes(figures, ["cat", "dog"], "recall", [0, 1])
    assert charts.describe_classes(figures, [], "recall", []) == "There are no classes to show."
