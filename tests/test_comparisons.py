"""Boards of made-up measurements: aligned, compared, and honest about what is missing."""

import doctest
import json
from pathlib import Path

import numpy as np
import pytest

from imgrec import artefacts, comparisons
from imgrec.comparisons import (
    FIGURES,
    REST,
    best_at,
    disagreements,
    figures_of,
    frontier,
    hardest,
    in_cell,
    judge,
    load,
    matrix_of,
    mistakes,
    narrowed,
    paired_tests,
    set_names,
    stack,
    versus,
)
from imgrec.errors import InputError, UnknownNameError
from imgrec.stacks import combine_stack
from tests.measured import measure

MODELS = ("mobilenet", "mobilenet_v2", "mobilenet_a025_128")
TOP_1, P50 = FIGURES[0], next(figure for figure in FIGURES if figure.key == "latency_p50_ms")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    measure(tmp_path, MODELS)
    return tmp_path


def change(folder: Path, **values: object) -> None:
    """Change the first row of the summary."""
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    summary["rows"][0] |= values
    path.write_text(json.dumps(summary))


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(comparisons).failed == 0


def test_a_board_has_what_the_summary_says(folder: Path) -> None:
    assert set_names(folder) == ["cifar10"]
    board = load(folder, "cifar10")
    assert set(board.models) == set(MODELS)
    assert board.images == 200
    assert len(board.labels) == 10
    for model in board.models:
        figures = figures_of(board, model)
        assert {key: round(value, 6) for key, value in figures.items()} == {
            key: board.rows[model][key] for key in figures
        }


def test_a_model_without_something_else_stands_beside_one_with_it(tmp_path: Path) -> None:
    measure(tmp_path, MODELS, rest_of=("mobilenet",))
    board = load(tmp_path, "cifar10")
    assert board.labels[-1] == REST
    assert matrix_of(board, "mobilenet_v2").shape == (11, 11)
    assert stack(tmp_path, board, MODELS).shape == (3, 200, 11)


def test_only_pictures_that_all_were_asked_about_are_compared(folder: Path) -> None:
    path = artefacts.predictions_path(folder, "mobilenet", "cifar10")
    whole, note = artefacts.read(path), artefacts.read_note(path)
    keep = np.arange(len(whole))[::-1][50:]
    shuffled = artefacts.Answers(tuple(whole.ids[i] for i in keep), whole.targets[keep], whole.probabilities[keep])
    artefacts.write_part(path, shuffled, note)
    board = load(folder, "cifar10")
    assert board.images == 150
    assert len({one.ids for one in board.found.values()}) == 1
    assert (board.target == np.array([int(name) % 10 for name in board.ids])).all()
    layers = stack(folder, board, board.models)
    assert (layers.argmax(2) == [one.choice for one in board.found.values()]).all()


def test_a_broken_file_leaves_its_model_out_and_is_named(folder: Path) -> None:
    path = artefacts.predictions_path(folder, "mobilenet", "cifar10")
    path.write_bytes(path.read_bytes()[:200])
    board = load(folder, "cifar10")
    assert "mobilenet" not in board.models
    assert board.problems[0].startswith("mobilenet is left out. Expected mobilenet.cifar10.parquet to be predictions")


def test_nothing_that_can_be_used(tmp_path: Path) -> None:
    measure(tmp_path, ("mobilenet",))
    artefacts.predictions_path(tmp_path, "mobilenet", "cifar10").unlink()
    with pytest.raises(InputError, match="Received: nothing"):
        load(tmp_path, "cifar10")
    with pytest.raises(UnknownNameError, match="cifar10"):
        load(tmp_path, "cifar1")


def test_the_frontier_is_whom_nobody_beats(folder: Path) -> None:
    points, left_out = frontier(load(folder, "cifar10"))
    assert left_out == []
    for point in points:
        beaten = [o for o in points if o.latency_ms <= point.latency_ms and o.top_1 >= point.top_1 and o is not point]
        assert point.on_frontier == (not beaten)
    assert [p.latency_ms for p in points] == sorted(p.latency_ms for p in points)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        pytest.param({"latency_p50_ms": None}, "was not timed", id="not timed"),
        pytest.param({"hardware": "Another"}, "was timed on another machine (Another)", id="another machine"),
    ],
)
def test_who_is_not_on_the_chart_is_named(folder: Path, values: dict[str, object], sentence: str) -> None:
    change(folder, **values)
    points, left_out = frontier(load(folder, "cifar10"))
    assert len(points) == 2
    assert sentence in left_out[0]


def test_the_best_in_a_figure(folder: Path) -> None:
    board = load(folder, "cifar10")
    assert best_at(board, TOP_1) == "mobilenet_a025_128"
    assert best_at(board, P50) == min(board.models, key=lambda model: board.rows[model]["latency_p50_ms"])
    assert best_at(narrowed(board, ["mobilenet"]), TOP_1) is None


def test_a_cell_has_its_pictures_the_surest_first(folder: Path) -> None:
    board = load(folder, "cifar10")
    matrix = matrix_of(board, "mobilenet")
    for truth, said in np.argwhere(matrix):
        places = in_cell(board, "mobilenet", int(truth), int(said))
        assert len(places) == matrix[truth, said]
        sure = board.found["mobilenet"].confidence[places]
        assert (np.diff(sure) <= 0).all()
    assert len(mistakes(board, "mobilenet")) == matrix.sum() - np.trace(matrix)
    assert len(mistakes(board, "mobilenet", 3)) == matrix[3].sum() - matrix[3, 3]


def test_two_models_in_five_cases(folder: Path) -> None:
    board = load(folder, "cifar10")
    found = versus(board, "mobilenet", "mobilenet_v2")
    cases = (found.both, found.only_a, found.only_b, found.neither_same, found.neither_different)
    assert sum(cases) == 200
    assert len(disagreements(board, "mobilenet", "mobilenet_v2", "a")) == found.only_a
    assert len(disagreements(board, "mobilenet", "mobilenet_v2", "neither")) == found.neither_different
    differ = found.only_a + found.only_b + found.neither_different
    assert len(disagreements(board, "mobilenet", "mobilenet_v2")) == differ


def test_every_pair_is_tested_and_raised(folder: Path) -> None:
    tests = paired_tests(load(folder, "cifar10"))
    assert len(tests) == 3
    assert all(raised >= test.p_value for _, _, test, raised in tests)
    assert paired_tests(narrowed(load(folder, "cifar10"), ["mobilenet"])) == []


def test_an_ensemble_of_one_is_that_one(folder: Path) -> None:
    board = load(folder, "cifar10")
    alone = judge(combine_stack(stack(folder, board, ["mobilenet"])), board)
    assert alone == pytest.approx(figures_of(board, "mobilenet"), abs=1e-6)


def test_the_hardest_classes() -> None:
    matrix = np.array([[9, 1, 0, 0], [5, 4, 0, 0], [0, 0, 9, 0], [0, 0, 0, 9]])
    assert hardest(matrix, 2).tolist() == [0, 1]
