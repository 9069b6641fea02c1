"""Charts over classes and thresholds: bars, curves and reliability, and sentences that say the same."""

from itertools import pairwise

import numpy as np
import pytest

from imgrec.charts import metric_curves
from imgrec.metrics import calibration, curves
from imgrec.metrics.confusion import class_figures
from tests.charts.reading import bars, drawn, legend, mark, words


def test_an_undefined_figure_is_a_dash() -> None:
    figures = class_figures(np.array([[5, 0], [0, 0]]))
    spec = metric_curves.class_bars(figures, ["cat", "dog"], "recall", "#2864c8", [0, 1])
    assert words(spec, "y", "right") == ["100.0\u202f%", "–"]
    assert [(bar["Class"], bar["end"], bar["Images"]) for bar in bars(spec).rows] == [
        ("cat", 1.0, "5"),
        ("dog", 0.0, "0"),
    ]
    assert "–" in metric_curves.describe_classes(figures, ["cat", "dog"], "recall", [0, 1])
    assert metric_curves.describe_classes(figures, [], "recall", []) == "There are no classes to show."


def test_the_order_of_the_classes_is_the_readers() -> None:
    figures = class_figures(np.array([[5, 0], [4, 6]]))
    assert words(metric_curves.class_bars(figures, ["cat", "dog"], "recall", "#2864c8", [1, 0]), "y") == ["dog", "cat"]


def test_precision_and_recall_are_drawn_as_the_steps_that_are_added_up() -> None:
    """The area below the steps is the average precision: from one point to the next, y is the next one's."""
    curve = curves.precision_recall_curve([0.9, 0.8, 0.3, 0.1], [True, False, True, False])
    line = mark(metric_curves.curve_chart({"a": curve}, ("recall", "precision"), {"a": "#111111"}, steps=True), "line")
    assert line.look["interpolate"] == "step-before"
    assert line.channels["order"]["field"] == "place"
    points = [(row["x"], row["y"]) for row in sorted(line.rows, key=lambda row: row["place"])]
    area = sum((right[0] - left[0]) * right[1] for left, right in pairwise(points))
    assert area == pytest.approx(curve.area, abs=1e-4)


def test_guessing_is_drawn_where_it_is_a_diagonal() -> None:
    curve = curves.roc_curve([0.9, 0.1], [True, False])
    spec = metric_curves.curve_chart({"a": curve}, ("x", "y"), {"a": "#111111"}, diagonal=True)
    guess = drawn(spec, "line")
    assert guess == [{"x": 0, "y": 0}, {"x": 1, "y": 1}]
    assert all(mark(spec, "line").channels[axis]["scale"]["domain"] == [0, 1] for axis in "xy")
    assert "series" in drawn(metric_curves.curve_chart({"a": curve}, ("x", "y"), {"a": "#111111"}), "line")[0]


def test_curves_of_one_color_differ_in_their_dashes() -> None:
    curve = curves.roc_curve([0.9, 0.1], [True, False])
    same = metric_curves.curve_chart(dict.fromkeys("abcdef", curve), ("x", "y"), dict.fromkeys("abcdef", "#111111"))
    assert len({tuple(dash) for dash in legend(same, "line", "strokeDash").values()}) == 6
    colors = {"a": "#111111", "b": "#222222", "c": "#111111"}
    spec = metric_curves.curve_chart(dict.fromkeys("abc", curve), ("x", "y"), colors)
    dashes = legend(spec, "line", "strokeDash")
    assert dashes["a"] == dashes["b"] != dashes["c"]
    assert legend(spec, "line") == colors


def test_the_legend_tells_long_names_apart_and_the_tooltip_has_them_whole() -> None:
    titles = ["MobileNet, taught (flowers_1em04)", "MobileNet, taught (flowers_1em05)"]
    curve = curves.roc_curve([0.9, 0.1], [True, False])
    spec = metric_curves.curve_chart(dict.fromkeys(titles, curve), ("x", "y"), dict.fromkeys(titles, "#111111"))
    assert list(legend(spec, "line")) == ["MobileNet, taught (fl…1em04)", "MobileNet, taught (fl…1em05)"]
    assert {row["Curve"] for row in drawn(spec, "line")} == set(titles)


def test_reliability_has_a_bar_for_each_bin_with_images() -> None:
    confidence, right = np.array([0.95, 0.97, 0.15, 0.55]), np.array([True, False, False, True])
    bins = calibration.reliability(confidence, right)
    rows = drawn(metric_curves.reliability_chart(bins, "#2864c8"), "bar")
    assert [row["accuracy"] for row in rows] == [b.accuracy for b in bins if b.count]
    assert [row["strength"] for row in rows] == [0.625, 0.625, 1.0], "bins of fewer images are fainter"
    assert sum(int(row["Images"]) for row in rows) == 4
    said = metric_curves.describe_reliability(bins, 0.05).replace("\u202f", " ")
    assert said.startswith("ECE 5.0 %: on the whole surer than it should be. 2 of 4 first choices")
    assert said.endswith("50.0 % of these are right.")


def test_risk_over_coverage_ends_where_the_risk_does_and_says_what_half_is_worth() -> None:
    curve = curves.risk_coverage([0.1, 0.2, 0.3, 0.9], [True, True, False, True])
    spec = metric_curves.curve_chart({"a": curve}, ("share kept", "wrong"), {"a": "#111111"}, y_end=None)
    assert mark(spec, "line").channels["x"]["scale"]["domain"] == [0, 1]
    assert "domain" not in mark(spec, "line").channels["y"]["scale"]
    said = metric_curves.describe_risks({"a": curve, "b": curve}).replace("\u202f", " ")
    one = "25.0 % of all predictions are wrong, 0 % of the surest half (AURC 0.1458)"
    assert said == f"a: {one}; b: {one}"
