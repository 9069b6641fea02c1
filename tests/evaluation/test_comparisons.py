"""Comparisons of made-up measurements."""

import doctest
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imgrec.evaluation import comparisons
from imgrec.evaluation.aligned_results import load, narrowed, read, stack
from imgrec.evaluation.comparisons import (
    METRICS,
    Metric,
    PairTest,
    best_at,
    calibration,
    change,
    change_text,
    confused,
    frontier,
    hardest,
    in_cell,
    most_certain,
    most_confused,
    outcomes,
    paired_tests,
    wrong_images,
)
from imgrec.evaluation.metrics_row import figures, per_image
from imgrec.evaluation.stored_predictions import Answers
from imgrec.metrics.calibration import calibration_error
from imgrec.metrics.ensemble_selection import combine_stack
from imgrec.metrics.significance import Paired
from tests.evaluation.measured import measure

MODELS = ("mobilenet", "mobilenet_v2", "mobilenet_a025_128")
TOP_1, P50 = METRICS[0], next(figure for figure in METRICS if figure.key == "latency_p50_ms")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    measure(tmp_path, MODELS)
    return tmp_path


def alter(folder: Path, **values: object) -> None:
    """Change the first row of the summary."""
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    summary["rows"][0] |= values
    path.write_text(json.dumps(summary))


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(comparisons).failed == 0


def test_the_frontier_holds_the_models_that_no_other_model_beats(folder: Path) -> None:
    points, left_out = frontier(load([folder], "cifar10"))
    assert left_out == []
    for point in points:
        beaten = [o for o in points if o.latency_ms <= point.latency_ms and o.top_1 >= point.top_1 and o is not point]
        assert point.on_frontier == (not beaten)
    assert [p.latency_ms for p in points] == sorted(p.latency_ms for p in points)


@pytest.mark.parametrize(
    ("places", "on_frontier"),
    [
        pytest.param({"mobilenet": (2.0, 0.8), "mobilenet_v2": (2.0, 0.8)}, {"mobilenet", "mobilenet_v2"}, id="equal"),
        pytest.param({"mobilenet": (2.0, 0.8), "mobilenet_v2": (2.0, 0.9)}, {"mobilenet_v2"}, id="as fast"),
        pytest.param({"mobilenet": (2.0, 0.8), "mobilenet_v2": (3.0, 0.8)}, {"mobilenet"}, id="as accurate"),
        pytest.param(
            {"mobilenet": (2.0, 0.8), "mobilenet_v2": (3.0, 0.9)}, {"mobilenet", "mobilenet_v2"}, id="neither"
        ),
    ],
)
def test_ties_on_the_frontier(folder: Path, places: dict[str, tuple[float, float]], on_frontier: set[str]) -> None:
    results = narrowed(load([folder], "cifar10"), list(places))
    rows = {m: {**results.rows[m], "latency_p50_ms": ms, "top_1": top_1} for m, (ms, top_1) in places.items()}
    points, _ = frontier(replace(results, rows=rows))
    assert {point.model for point in points if point.on_frontier} == on_frontier


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        pytest.param({"latency_p50_ms": None}, "no latency was measured", id="not timed"),
        pytest.param(
            {"hardware": "Another"}, "latency was measured on another machine (Another)", id="another machine"
        ),
    ],
)
def test_who_is_not_on_the_chart_is_named(folder: Path, values: dict[str, object], sentence: str) -> None:
    results = load([folder], "cifar10")
    changed = {**results.rows["mobilenet"], **values}
    points, left_out = frontier(replace(results, rows={**results.rows, "mobilenet": changed}))
    assert len(points) == 2
    assert sentence in left_out[0]


def test_the_best_in_a_figure(folder: Path) -> None:
    results = load([folder], "cifar10")
    assert best_at(results, TOP_1) == "mobilenet_a025_128"
    assert best_at(results, P50) == min(results.models, key=lambda model: results.rows[model]["latency_p50_ms"])
    assert best_at(narrowed(results, ["mobilenet"]), TOP_1) is None
    fastest = best_at(results, P50)
    assert fastest is not None
    elsewhere = {**results.rows, fastest: {**results.rows[fastest], "hardware": "Another"}}
    second = min(set(results.models) - {fastest}, key=lambda model: results.rows[model]["latency_p50_ms"])
    assert best_at(replace(results, rows=elsewhere), P50) == second, "times of another machine do not count"


def test_a_cell_has_its_images_the_surest_first(folder: Path) -> None:
    results = load([folder], "cifar10")
    matrix = results.per_image["mobilenet"].matrix
    for truth, said in np.argwhere(matrix):
        places = in_cell(results, "mobilenet", int(truth), int(said))
        assert len(places) == matrix[truth, said]
        sure = results.per_image["mobilenet"].confidence[places]
        assert (np.diff(sure) <= 0).all()
    assert len(wrong_images(results, "mobilenet")) == matrix.sum() - np.trace(matrix)
    assert len(wrong_images(results, "mobilenet", 3)) == matrix[3].sum() - matrix[3, 3]
    for truth in (None, 3):
        sure = results.per_image["mobilenet"].confidence[wrong_images(results, "mobilenet", truth)]
        assert (np.diff(sure) <= 0).all()
        assert sure[0] > sure[-1]


def test_every_image_has_one_of_five_outcomes(folder: Path) -> None:
    results = load([folder], "cifar10")
    found = outcomes(results, "mobilenet", "mobilenet_v2")
    assert (np.sum(list(found.values()), axis=0) == 1).all()
    one, two = (results.per_image[model] for model in ("mobilenet", "mobilenet_v2"))
    differ = found["only_a"] | found["only_b"] | found["neither_different"]
    assert (differ == (one.choice != two.choice)).all()
    assert (found["only_a"] == (one.right & ~two.right)).all()
    assert (found["only_b"] == (~one.right & two.right)).all()
    assert (found["neither_same"] == (~one.right & (one.choice == two.choice))).all()


def test_the_most_certain_stand_first_and_ties_keep_their_order() -> None:
    chosen = np.array([True, True, False, True, True])
    first, second = np.array([0.5, 0.9, 1.0, 0.5, 0.4]), np.array([0.0, 0.0, 0.0, 0.0, 0.9])
    assert most_certain(chosen, first) == [1, 0, 3, 4]
    assert most_certain(chosen, first, second) == [4, 1, 0, 3]


def test_confused_classes_stand_by_how_often_then_how_certainly(folder: Path) -> None:
    results = load([folder], "cifar10")
    pairs = confused(results, "mobilenet")
    wrong = results.per_image["mobilenet"].matrix * (1 - np.eye(len(results.labels), dtype=int))
    counts = dict(zip(zip(pairs["truth"], pairs["choice"], strict=True), pairs["count"], strict=True))
    assert counts == {(r, c): wrong[r, c] for r, c in zip(*np.nonzero(wrong), strict=True)}
    order = list(zip(-pairs["count"], -pairs["confidence"], strict=True))
    assert order == sorted(order)
    first = in_cell(results, "mobilenet", pairs["truth"][0], pairs["choice"][0])[0]
    assert pairs["confidence"][0] == results.per_image["mobilenet"].confidence[first]
    assert most_confused(narrowed(results, ["mobilenet"])) == pairs["count"][0]


def test_every_pair_is_tested_and_raised(folder: Path) -> None:
    tests = paired_tests(load([folder], "cifar10"))
    assert len(tests) == 3
    assert all(test.corrected >= test.paired.p_value for test in tests)
    assert paired_tests(narrowed(load([folder], "cifar10"), ["mobilenet"])) == []


@pytest.mark.parametrize(
    ("raised", "pairs", "better", "words"),
    [
        pytest.param(0.226, 55, None, "p = 0.039; 0.226 Holm-corrected for 55 pairs", id="not for all pairs"),
        pytest.param(0.0002, 3, "a", "p = 0.039; < 0.001 Holm-corrected for 3 pairs", id="for all pairs"),
        pytest.param(0.039, 1, "a", "p = 0.039", id="the only pair"),
    ],
)
def test_the_verdict_goes_by_the_raised_p(raised: float, pairs: int, better: str | None, words: str) -> None:
    test = PairTest("a", "b", Paired(1000, 30, 16, 0.039), raised, pairs)
    assert (test.better, test.p_words) == (better, words)
    said = test.sentence({"a": "This one", "b": "that one"})
    counts = f"(on 30 only This one is correct, on 16 only that one; {words})."
    verdict = (
        "This one is more accurate than that one" if better else "No clear difference between This one and that one"
    )
    assert said == f"{verdict} on 1,000 images {counts}"


@pytest.mark.parametrize(
    ("figure", "value", "text"),
    [
        pytest.param(TOP_1, 0.892, "0.8 points worse", id="worse"),
        pytest.param(P50, 8.0, "1.0 ms faster", id="less is better"),
        pytest.param(P50, 9.04, "same", id="the same in its decimals"),
    ],
)
def test_a_difference_is_a_number_with_words(figure: Metric, value: float, text: str) -> None:
    reference = 0.9 if figure is TOP_1 else 9.0
    found = change(figure, value, reference)
    assert found is not None
    assert change_text(figure, found) == text
    assert change(figure, None, reference) is None


def test_an_ensemble_of_one_is_that_one(folder: Path) -> None:
    results = load([folder], "cifar10")
    alone = Answers(results.ids, results.target, combine_stack(stack(results, ["mobilenet"])))
    assert figures(per_image([alone])) == pytest.approx(figures(results.per_image["mobilenet"]), abs=1e-6)


def test_the_hardest_classes() -> None:
    matrix = np.array([[9, 1, 0, 0], [5, 4, 0, 0], [0, 0, 9, 0], [0, 0, 2, 7]])
    assert hardest(matrix, 2).tolist() == [0, 1]
    assert hardest(matrix, 3).tolist() == [0, 1], "a class alone shows no mistake"
    assert hardest(matrix, 4).tolist() == [0, 1, 2, 3]
    assert hardest(np.diag([3, 4]), 2).tolist() == []


@pytest.mark.parametrize("reading", ["strict", "closed"])
def test_calibration_is_that_of_the_row(tmp_path: Path, reading: str) -> None:
    measure(tmp_path, MODELS, rest_of=("mobilenet",))
    results = load([tmp_path], "cifar10", reading)
    row = results.rows["mobilenet"]["temperature"]
    found = calibration(results, "mobilenet", read(results, "mobilenet"))
    assert found is not None
    assert len(found.before) == len(found.after) == len(found.right) == row["tested"]
    assert calibration_error(found.before, found.right) == pytest.approx(row["ece_before"], abs=2e-3)
    assert calibration_error(found.after, found.right) == pytest.approx(row["ece_after"], abs=2e-3)
    assert found.temperature == row["temperature"]


def test_no_calibration_without_images_to_fit_on(folder: Path) -> None:
    alter(folder, temperature=None)
    results = load([folder], "cifar10")
    assert calibration(results, "mobilenet", read(results, "mobilenet")) is None
