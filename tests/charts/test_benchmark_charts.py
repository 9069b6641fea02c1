"""Charts of measurements: valid Vega-Lite, and sentences that say the same."""

import doctest
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from imgrec.charts import confusion_matrix, frames, metric_curves, pareto
from imgrec.evaluation import aligned_results, comparisons
from imgrec.metrics import curves
from imgrec.metrics.calibration import reliability
from imgrec.metrics.significance import agreement, error_correlation
from tests.evaluation.measured import measure


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> aligned_results.AlignedResults:
    folder = tmp_path_factory.mktemp("measured")
    measure(folder)
    return aligned_results.load([folder], "cifar10")


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(frames).failed == 0


def every_chart(results: aligned_results.AlignedResults) -> dict[str, dict[str, object]]:
    model = results.models[0]
    found = results.per_image[model]
    matrix = comparisons.matrix_of(results, model)
    points, _ = comparisons.frontier(results)
    titles = [results.rows[model]["title"] for model in results.models]
    roc = {"a": curves.roc_curve(found.own, found.right)}
    figures = comparisons.figures_by_class(results, model)
    return {
        "pareto": pareto.pareto_chart(points),
        "matrix": confusion_matrix.matrix_chart(matrix, results.labels, results.labels, pick="cell"),
        "large matrix": confusion_matrix.matrix_chart(
            np.eye(20, dtype=np.int64), list("abcdefghijklmnopqrst"), list("abcdefghijklmnopqrst")
        ),
        "classes": metric_curves.class_bars(figures, results.labels, "recall", "#2864c8", range(10)),
        "curves": metric_curves.curve_chart(roc, ("x", "y"), {"a": "#2864c8"}, diagonal=True),
        "reliability": metric_curves.reliability_chart(reliability(found.confidence, found.right), "#2864c8"),
        "agreement": confusion_matrix.square_chart(
            agreement([one.choice for one in results.per_image.values()]), titles, domain=(0.0, 1.0), as_percent=True
        ),
    }


NAMES = ("pareto", "matrix", "large matrix", "classes", "curves", "reliability", "agreement")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_valid_vega_lite(results: aligned_results.AlignedResults, name: str) -> None:
    import altair

    spec = every_chart(results)[name]
    # As in the charts of answers: Vega has config.legend.layout, and only Vega-Lite's schema does not know its form.
    spec["config"].pop("legend", None)
    altair.LayerChart.from_dict(spec, validate=True).to_dict()


@pytest.mark.parametrize("name", NAMES)
def test_plain_json_without_nan(results: aligned_results.AlignedResults, name: str) -> None:
    json.dumps(every_chart(results)[name], allow_nan=False)


@pytest.mark.parametrize("shade", confusion_matrix.SHADES)
def test_a_cell_carries_its_class_and_its_shade(shade: str) -> None:
    matrix = np.array([[8, 2], [0, 10]])
    spec = confusion_matrix.matrix_chart(
        matrix, ["cat", "dog"], ["cat", "dog"], shade=shade, pick="cell", indices=([3, 5], [3, 5])
    )
    cells = spec["data"]["values"]
    assert [(cell["row"], cell["column"]) for cell in cells] == [(3, 3), (3, 5), (5, 3), (5, 5)]
    assert max(cell["strength"] for cell in cells) == 1.0
    assert cells[2]["strength"] == 0.0
    assert cells[1]["figure"] == ("20" if shade == "rows" else "2")
    assert spec["layer"][0]["params"][0]["select"]["fields"] == ["row", "column"]


def test_labels_are_strings_and_never_run() -> None:
    spec = confusion_matrix.matrix_chart(np.eye(2, dtype=np.int64), ['"]+alert(1)//', "b"], ['"]+alert(1)//', "b"])
    assert '\\"]+alert(1)//' in spec["encoding"]["x"]["axis"]["labelExpr"]


def test_sentences(results: aligned_results.AlignedResults) -> None:
    points, _ = comparisons.frontier(results)
    assert pareto.describe_pareto(points).startswith("On the frontier, the fastest first: ")
    matrix = np.array([[8, 2], [1, 9]])
    assert confusion_matrix.describe_matrix(matrix, ["cat", "dog"]) == (
        "17 of 20 images are correct. Mistakes, each at most twice: cat taken for dog (2), dog taken for cat (1)."
    )
    many = np.eye(5, dtype=np.int64)
    many[[0, 1, 2, 3], [1, 2, 3, 4]] = [5, 2, 1, 1]
    assert confusion_matrix.describe_matrix(many, "abcde").endswith(
        "Most frequent mistakes: a taken for b (5), b taken for c (2)."
    )
    many[0, 1], many[1, 2] = 1, 1
    assert (
        confusion_matrix.describe_matrix(many, "abcde")
        == "5 of 9 images are correct. Mistakes, each once: 4 pairs of classes."
    )
    assert confusion_matrix.describe_matrix(np.diag([3, 4]), ["cat", "dog"]) == "7 of 7 images are correct."
    found = results.per_image[results.models[0]]
    bins = reliability(found.confidence, found.right)
    assert "ECE" in metric_curves.describe_reliability(bins, 0.05)
    together = error_correlation([one.right for one in results.per_image.values()])
    said = confusion_matrix.describe_square(together, ["a", "b", "c"], "Correlation of errors", as_percent=False)
    assert said.startswith("Correlation of errors: from ")
    assert confusion_matrix.describe_square(np.array([[1.0]]), ["a"], "X", as_percent=False) == "X: there are no pairs."


def test_an_undefined_figure_is_a_dash(tmp_path: Path) -> None:
    from imgrec.metrics.confusion import class_figures

    figures = class_figures(np.array([[5, 0], [0, 0]]))
    spec = metric_curves.class_bars(figures, ["cat", "dog"], "recall", "#2864c8", [0, 1])
    json.dumps(spec, allow_nan=False)
    assert "–" in metric_curves.describe_classes(figures, ["cat", "dog"], "recall", [0, 1])
    assert metric_curves.describe_classes(figures, [], "recall", []) == "There are no classes to show."


def luminance(color: str, over: str, opacity: float) -> float:
    """Relative luminance (WCAG 2.2) of a color that lies over another."""
    shares = []
    for i in (1, 3, 5):
        mixed = (opacity * int(color[i : i + 2], 16) + (1 - opacity) * int(over[i : i + 2], 16)) / 255
        shares.append(mixed / 12.92 if mixed <= 0.04045 else ((mixed + 0.055) / 1.055) ** 2.4)
    return 0.2126 * shares[0] + 0.7152 * shares[1] + 0.0722 * shares[2]


@pytest.mark.parametrize("page", ["#FBFAF7", "#0E1318"], ids=["light", "dark"])
def test_figures_in_cells_can_be_read(page: str) -> None:
    """4.5:1 at every shade, as WCAG asks of small text."""
    test = confusion_matrix.FIGURE_COLOR["condition"]["test"]
    assert test == f"datum.strength >= {confusion_matrix.WHITE_FROM} || luminance(background) < 0.4"
    weakest, strongest = confusion_matrix.OPACITIES
    for strength in np.linspace(0, 1, 201):
        cell = luminance(confusion_matrix.MATRIX_COLOR, page, weakest + (strongest - weakest) * strength)
        white = strength >= confusion_matrix.WHITE_FROM or luminance(page, page, 1) < 0.4
        figure = luminance("#ffffff" if white else confusion_matrix.BLACK, page, 1)
        contrast = (max(cell, figure) + 0.05) / (min(cell, figure) + 0.05)
        assert contrast >= 4.5, (strength, contrast)


def point(model: str, latency_ms: float, top_1: float) -> comparisons.Point:
    return comparisons.Point(model, f"{model} network", latency_ms, top_1, top_1 - 0.01, top_1 + 0.01, 1, True)


def test_names_that_would_cover_each_other_go_elsewhere() -> None:
    apart = pareto.pareto_chart([point("a", 1, 0.5), point("b", 10, 0.9)])
    assert [row["wide"] for row in apart["layer"][2]["data"]["values"]] == ["right", "right"]
    crowd = pareto.pareto_chart([point(name, 1 + 0.001 * i, 0.7) for i, name in enumerate("abcdefgh")])
    rows = crowd["layer"][2]["data"]["values"]
    assert {"right", "left"} <= {row["wide"] for row in rows}


def test_a_point_whose_name_has_no_room_has_its_number() -> None:
    points = [point(name, 1 + 0.1 * i, 0.7) for i, name in enumerate("abcdefgh")]
    rows = pareto.pareto_chart(points)["layer"][2]["data"]["values"]
    for size in ("wide", "narrow"):
        assert "" not in {row[size] for row in rows}
        assert all(row[f"{size}_name"] in (row["Model"], str(i)) for i, row in enumerate(rows, 1))
    assert {row["narrow_name"] for row in rows} & set("12345678")
    assert pareto.numbers(points[:2]) == "1\u00a0a network, 2\u00a0b network"


@pytest.mark.parametrize(
    ("titles", "names"),
    [
        pytest.param(["Cat", "Dog"], ["Cat", "Dog"], id="short"),
        pytest.param(["A long name of a network, alone"], ["A long name of a network, alone"], id="nothing like it"),
        pytest.param(
            ["MobileNet, taught (flowers_1em04)", "MobileNet, taught (flowers_1em05)", "MobileNet"],
            ["MobileNet, taught (fl…1em04)", "MobileNet, taught (fl…1em05)", "MobileNet"],
            id="alike at first",
        ),
        pytest.param(
            ["MobileNet, taught (flowers_1em04)", "VGG16, taught (flowers_by_me_1em04)"],
            ["MobileNet, taught (flowers_1em04)", "VGG16, taught (flowers_by_me_1em04)"],
            id="alike at last",
        ),
    ],
)
def test_names_that_begin_alike_are_told_apart(titles: list[str], names: list[str]) -> None:
    assert frames.told_apart(titles) == names


def test_charts_tell_long_names_apart() -> None:
    titles = ["MobileNet, taught (flowers_1em04)", "MobileNet, taught (flowers_1em05)"]
    square = confusion_matrix.square_chart(np.eye(2), titles, domain=(0.0, 1.0), as_percent=True)
    curve = curves.roc_curve([0.9, 0.1], [True, False])
    drawn = metric_curves.curve_chart(dict.fromkeys(titles, curve), ("x", "y"), dict.fromkeys(titles, "#111111"))
    for words in (
        square["encoding"]["y"]["axis"]["labelExpr"],
        drawn["layer"][0]["encoding"]["color"]["legend"]["labelExpr"],
    ):
        assert json.dumps("MobileNet, taught (fl…1em05)") in words


def test_a_narrow_square_has_whole_percents() -> None:
    spec = confusion_matrix.square_chart(
        np.array([[1.0, 0.9996], [0.004, float("nan")]]), ["a", "b"], domain=(0.0, 1.0), as_percent=True
    )
    assert [cell["whole"] for cell in spec["data"]["values"]] == ["100", ">99", "<1", "–"]
    none, whole = spec["layer"][1]["encoding"]["text"]["condition"]
    assert (none["test"], whole["test"]) == ("width < 48", "width < 84")
    assert whole["value"] == {"expr": "datum.whole"}


def test_precision_and_recall_are_drawn_as_the_steps_that_are_added_up() -> None:
    """The area below the steps is the average precision: from one point to the next, y is the next one's."""
    curve = curves.precision_recall_curve([0.9, 0.8, 0.3, 0.1], [True, False, True, False])
    spec = metric_curves.curve_chart({"a": curve}, ("recall", "precision"), {"a": "#111111"}, steps=True)
    assert spec["layer"][0]["mark"]["interpolate"] == "step-before"
    points = [(row["x"], row["y"]) for row in spec["layer"][0]["data"]["values"]]
    area = sum((right[0] - left[0]) * right[1] for left, right in pairwise(points))
    assert area == pytest.approx(curve.area, abs=1e-4)


def test_curves_of_one_color_differ_in_their_dashes() -> None:
    curve = curves.roc_curve([0.9, 0.1], [True, False])
    same = metric_curves.curve_chart(dict.fromkeys("abcdef", curve), ("x", "y"), dict.fromkeys("abcdef", "#111111"))
    patterns = same["layer"][0]["encoding"]["strokeDash"]["scale"]["range"]
    assert len({tuple(pattern) for pattern in patterns}) == 6
    colors = {"a": "#111111", "b": "#222222", "c": "#111111"}
    spec = metric_curves.curve_chart(dict.fromkeys("abc", curve), ("x", "y"), colors, diagonal=False)
    dashes = spec["layer"][0]["encoding"]["strokeDash"]["scale"]["range"]
    assert dashes[0] == dashes[1] != dashes[2]
