"""A search in words and charts: every figure of the log is there, and the best is named, not only colored."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from imgrec.charts.hyperparameter_search import (
    describe_parallel,
    describe_size,
    outcome,
    parallel_chart,
    size_chart,
    status,
    table_rows,
    to_csv,
)
from imgrec.training import search_job
from imgrec.training.search_job import Search
from tests.training.searches import EVENTS, leave, trial


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return search_job.read(leave(tmp_path / "search", EVENTS))


@pytest.fixture
def knobs(tmp_path: Path) -> Any:
    return search_job.knobs_of(leave(tmp_path / "knobs", EVENTS))


EMPTY = Search(None, None, [], None)


@pytest.mark.parametrize(
    ("events", "state", "line"),
    [
        ([], "queued", "queued"),
        ([], "running", "reading the images"),
        (
            [*EVENTS, *trial(4, 0.002, 16)],
            "running",
            "trial 4 of 5 · epoch 1 of 2 · 1 failed · best 62.5\u202f% (trial 3) · 12 s left",
        ),
        (EVENTS, "finished", "trial 3 of 5 · 1 failed · best 62.5\u202f% (trial 3)"),
        (EVENTS[:2], "failed", "trial 0 of 5"),
    ],
    ids=["queued", "reading", "in the middle", "at the end", "nothing came of it"],
)
def test_the_line_says_where_the_search_is(events: list[dict[str, Any]], state: str, line: str, tmp_path: Path) -> None:
    assert status(search_job.read(leave(tmp_path / "search", events)), state) == line


def test_what_came_of_it_is_a_sentence(search: Search) -> None:
    assert outcome(search) == (
        "Best of 2 trials: trial 3, validation accuracy 62.5\u202f%, with learning rate 0.0001, batch size 32 "
        "(3,000 parameters); 24 s of training in total."
    )
    assert outcome(EMPTY) == "No trial is finished yet."


def test_the_table_has_every_trial_and_is_the_csv(search: Search, knobs: Any) -> None:
    rows = table_rows(search, knobs)
    assert [row["State"] for row in rows] == ["finished", "failed", "best"]
    assert rows[1]["Remark"].startswith("Expected a loss")
    assert rows[2]["Learning rate"] == 0.0001
    read = list(csv.DictReader(io.StringIO(to_csv(rows))))
    assert [row["Validation accuracy"] for row in read] == ["0.5", "", "0.625"]
    assert to_csv([]) == "Trial\n"


def test_each_finished_trial_is_a_line_over_all_axes(search: Search, knobs: Any) -> None:
    ordinary, winning, marks, name = parallel_chart(search, knobs)["layer"]
    assert [row["trial"] for row in ordinary["data"]["values"]] == [1, 1, 1]
    assert [row["axis"] for row in winning["data"]["values"]] == ["learning rate", "batch size", "accuracy"]
    assert [row["height"] for row in winning["data"]["values"][:2]] == [0.0, 1.0]
    assert ordinary["data"]["values"][0]["height"] == pytest.approx(0.5)
    assert {row["text"] for row in marks["data"]["values"]} >= {"0.0001", "0.001", "0.01", "16", "32"}
    assert name["encoding"]["text"] == {"value": "best"}
    heights = [row["height"] for layer in (ordinary, winning, marks) for row in layer["data"]["values"]]
    assert all(0 <= height <= 1 for height in heights)


def test_accuracy_stands_over_parameters_and_the_best_is_named(search: Search) -> None:
    points, name = size_chart(search)["layer"]
    assert [(row["parameters"], row["accuracy"]) for row in points["data"]["values"]] == [(1000, 0.5), (3000, 0.625)]
    assert [row["Trial"] for row in name["data"]["values"]] == ["3"]
    low, high = points["encoding"]["y"]["scale"]["domain"]
    assert low < 0.5 < 0.625 < high


def test_charts_are_told_in_a_sentence(search: Search, knobs: Any) -> None:
    assert describe_parallel(search, knobs) == (
        "2 trials over learning rate, batch size. Best: trial 3, 62.5\u202f%, learning rate 0.0001, batch size 32. "
        "Worst: trial 1, 50.0\u202f%, learning rate 0.001, batch size 16."
    )
    assert describe_size(search) == (
        "The best trial has 3,000 parameters and reaches 62.5\u202f%; "
        "the smallest network has 1,000 and reaches 50.0\u202f%."
    )
    assert "No trial is finished yet" in describe_parallel(EMPTY, knobs)
    assert "No trial is finished yet" in describe_size(EMPTY)


def test_one_trial_alone_makes_a_chart(tmp_path: Path, knobs: Any) -> None:
    alone = search_job.read(leave(tmp_path / "alone", EVENTS[:8]))
    assert parallel_chart(alone, knobs)["layer"][0]["data"]["values"] == []
    assert size_chart(alone)["layer"][0]["data"]["values"][0]["accuracy"] == 0.5
    assert describe_size(alone) == "Every network of this search has 1,000 parameters."
    assert "Weakest" not in describe_parallel(alone, knobs)
