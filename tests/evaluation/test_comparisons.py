"""What can be seen on a board of made-up measurements."""

import doctest
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imgrec.evaluation import comparisons
from imgrec.evaluation.aligned_results import load, narrowed, read, stack
from imgrec.evaluation.comparisons import (
    FIGURES,
    Figure,
    PairTest,
    best_at,
    calibration,
    change,
    change_text,
    confused,
    disagreements,
    figures_of,
    frontier,
    hardest,
    in_cell,
    judge,
    matrix_of,
    mistakes,
    most_confused,
    paired_tests,
    versus,
)
from imgrec.metrics.ensemble_selection import combine_stack
from imgrec.metrics.significance import Paired
from tests.evaluation.measured import measure

MODELS = ("mobilenet", "mobilenet_v2", "mobilenet_a025_128")
TOP_1, P50 = FIGURES[0], next(figure for figure in FIGURES if figure.key == "latency_p50_ms")


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


def test_the_frontier_is_whom_nobody_beats(folder: Path) -> None:
    points, left_out = frontier(load([folder], "cifar10"))
    assert left_out == []
    for point in points:
        beaten = [o for o in points if o.latency_ms <= point.latency_ms and o.top_1 >= point.top_1 and o is not point]
        assert point.on_frontier == (not beaten)
    assert [p.latency_ms for p in points] == sorted(p.latency_ms for p in points)


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
    board = load([folder], "cifar10")
    changed = {**board.rows["mobilenet"], **values}
    points, left_out = frontier(replace(board, rows={**board.rows, "mobilenet": changed}))
    assert len(points) == 2
    assert sentence in left_out[0]


def test_the_best_in_a_figure(folder: Path) -> None:
    board = load([folder], "cifar10")
    assert best_at(board, TOP_1) == "mobilenet_a025_128"
    assert best_at(board, P50) == min(board.models, key=lambda model: board.rows[model]["latency_p50_ms"])
    assert best_at(narrowed(board, ["mobilenet"]), TOP_1) is None


def test_a_cell_has_its_images_the_surest_first(folder: Path) -> None:
    board = load([folder], "cifar10")
    matrix = matrix_of(board, "mobilenet")
    for truth, said in np.argwhere(matrix):
        places = in_cell(board, "mobilenet", int(truth), int(said))
        assert len(places) == matrix[truth, said]
        sure = board.found["mobilenet"].confidence[places]
        assert (np.diff(sure) <= 0).all()
    assert len(mistakes(board, "mobilenet")) == matrix.sum() - np.trace(matrix)
    assert len(mistakes(board, "mobilenet", 3)) == matrix[3].sum() - matrix[3, 3]


def test_two_models_in_five_cases(folder: Path) -> None:
    board = load([folder], "cifar10")
    found = versus(board, "mobilenet", "mobilenet_v2")
    cases = (found.both, found.only_a, found.only_b, found.neither_same, found.neither_different)
    assert sum(cases) == 200
    assert len(disagreements(board, "mobilenet", "mobilenet_v2", "a")) == found.only_a
    assert len(disagreements(board, "mobilenet", "mobilenet_v2", "neither")) == found.neither_different
    differ = found.only_a + found.only_b + found.neither_different
    assert len(disagreements(board, "mobilenet", "mobilenet_v2")) == differ


def test_confused_classes_stand_by_how_often_then_how_surely(folder: Path) -> None:
    board = load([folder], "cifar10")
    pairs = confused(board, "mobilenet")
    wrong = matrix_of(board, "mobilenet") * (1 - np.eye(len(board.labels), dtype=int))
    assert {(pair.truth, pair.choice): pair.count for pair in pairs} == {
        (r, c): wrong[r, c] for r, c in zip(*np.nonzero(wrong), strict=True)
    }
    order = [(-pair.count, -pair.confidence) for pair in pairs]
    assert order == sorted(order)
    first = in_cell(board, "mobilenet", pairs[0].truth, pairs[0].choice)[0]
    assert pairs[0].confidence == board.found["mobilenet"].confidence[first]
    assert most_confused(narrowed(board, ["mobilenet"])) == pairs[0].count


def test_every_pair_is_tested_and_raised(folder: Path) -> None:
    tests = paired_tests(load([folder], "cifar10"))
    assert len(tests) == 3
    assert all(test.raised >= test.paired.p_value for test in tests)
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
def test_a_difference_is_a_number_with_words(figure: Figure, value: float, text: str) -> None:
    reference = 0.9 if figure is TOP_1 else 9.0
    found = change(figure, value, reference)
    assert found is not None
    assert change_text(figure, found) == text
    assert change(figure, None, reference) is None


def test_an_ensemble_of_one_is_that_one(folder: Path) -> None:
    board = load([folder], "cifar10")
    alone = judge(combine_stack(stack(board, ["mobilenet"])), board)
    assert alone == pytest.approx(figures_of(board, "mobilenet"), abs=1e-6)


def test_the_hardest_classes() -> None:
    matrix = np.array([[9, 1, 0, 0], [5, 4, 0, 0], [0, 0, 9, 0], [0, 0, 2, 7]])
    assert hardest(matrix, 2).tolist() == [0, 1]
    assert hardest(matrix, 3).tolist() == [0, 1], "a class alone shows no mistake"
    assert hardest(matrix, 4).tolist() == [0, 1, 2, 3]
    assert hardest(np.diag([3, 4]), 2).tolist() == []


@pytest.mark.parametrize("reading", ["strict", "closed"])
def test_calibration_is_that_of_the_row(tmp_path: Path, reading: str) -> None:
    measure(tmp_path, MODELS, rest_of=("mobilenet",))
    board = load([tmp_path], "cifar10", reading)
    row = board.rows["mobilenet"]["temperature"]
    found = calibration(board, "mobilenet", read(board, "mobilenet"))
    assert found is not None
    assert sum(b.count for b in found.before) == sum(b.count for b in found.after) == row["tested"]
    assert found.ece_before == pytest.approx(row["ece_before"], abs=2e-3)
    assert found.ece_after == pytest.approx(row["ece_after"], abs=2e-3)


def test_no_calibration_without_images_to_fit_on(folder: Path) -> None:
    alter(folder, temperature=None)
    board = load([folder], "cifar10")
    assert calibration(board, "mobilenet", read(board, "mobilenet")) is None
