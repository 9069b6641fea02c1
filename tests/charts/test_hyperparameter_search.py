"""A search in words and charts: every figure of the log is there, and the best is named, not only colored."""

from pathlib import Path
from typing import Any

import pytest

from imgrec.charts.hyperparameter_search import describe_size, size_chart
from imgrec.training import search_job
from imgrec.training.search_job import Search
from tests.charts.reading import drawn, mark
from tests.training.searches import EVENTS, leave


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return search_job.read(leave(tmp_path / "search", EVENTS))


@pytest.fixture
def hyperparameters(tmp_path: Path) -> Any:
    return search_job.hyperparameters_of(leave(tmp_path / "hyperparameters", EVENTS))


EMPTY = Search(None, None, [], None)


def test_accuracy_stands_over_parameters_and_the_best_is_named(search: Search) -> None:
    spec = size_chart(search)
    assert [(row["parameters"], row["accuracy"]) for row in drawn(spec, "point")] == [(1000, 0.5), (3000, 0.625)]
    assert [row["Trial"] for row in drawn(spec, "text") if row["name"]] == ["3"]
    assert {row["Trial"]: row["shape"] for row in drawn(spec, "point")} == {"1": "circle", "3": "diamond"}
    assert not mark(spec, "point").channels["y"]["scale"]["zero"], "accuracies that lie close stand apart"


def test_sizes_are_told_in_a_sentence(search: Search) -> None:
    assert describe_size(search) == (
        "The best trial has 3,000 parameters and reaches 62.5\u202f%; "
        "the smallest network has 1,000 and reaches 50.0\u202f%."
    )
    assert "No trial is finished yet" in describe_size(EMPTY)


def test_one_trial_alone_makes_a_chart(tmp_path: Path) -> None:
    alone = search_job.read(leave(tmp_path / "alone", EVENTS[:8]))
    assert [row["accuracy"] for row in drawn(size_chart(alone), "point")] == [0.5]
    assert describe_size(alone) == "Every network of this search has 1,000 parameters."
