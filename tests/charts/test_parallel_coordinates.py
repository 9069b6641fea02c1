"""The page to keep of a search: every finished trial is on it, the best last, and markup in names stays text."""

from pathlib import Path
from typing import Any

import pytest
from plotly.graph_objects import Figure

from imgrec.charts.parallel_coordinates import brushable_page, describe_parallel, figure_of
from imgrec.training import search_job
from imgrec.training.search_job import Search
from tests.training.searches import EVENTS, leave


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return search_job.read(leave(tmp_path / "search", EVENTS))


@pytest.fixture
def hyperparameters(tmp_path: Path) -> Any:
    return search_job.hyperparameters_of(leave(tmp_path / "hyperparameters", EVENTS))


def test_plotly_accepts_the_figure_and_the_best_trial_is_drawn_last(search: Search, hyperparameters: Any) -> None:
    lines = Figure(figure_of(search, hyperparameters)).data[0]
    axes = {axis.label: axis for axis in lines.dimensions}
    assert list(axes) == ["learning rate", "batch size", "parameters", "accuracy"]
    assert axes["accuracy"].values == (0.5, 0.625)
    assert lines.line.color == (0, 1)
    ranges = [(axis.range or (min(axis.values), max(axis.values)), axis.values) for axis in lines.dimensions]
    assert all(low <= value <= high for (low, high), values in ranges for value in values)


def test_the_page_needs_nothing_else_and_says_what_it_shows(search: Search, hyperparameters: Any) -> None:
    page = brushable_page(search, hyperparameters, "A <script>alert(1)</script> & more")
    assert "<script>alert(1)" not in page
    assert "A &lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page
    assert 'src="http' not in page
    assert "cdn.plot.ly" not in page.split("Plotly.newPlot")[-1]
    assert "Best: trial 3, 62.5\u202f%" in page


def test_a_search_without_a_finished_trial_has_no_page() -> None:
    with pytest.raises(ValueError, match="Received: none"):
        figure_of(Search(None, None, [], None), ())


def test_the_chart_is_told_in_a_sentence(search: Search, hyperparameters: Any, tmp_path: Path) -> None:
    assert describe_parallel(search, hyperparameters) == (
        "2 trials over learning rate, batch size. Best: trial 3, 62.5\u202f%, learning rate 0.0001, batch size 32. "
        "Worst: trial 1, 50.0\u202f%, learning rate 0.001, batch size 16."
    )
    assert "No trial is finished yet" in describe_parallel(Search(None, None, [], None), hyperparameters)
    alone = search_job.read(leave(tmp_path / "alone", EVENTS[:8]))
    assert "Worst" not in describe_parallel(alone, hyperparameters)


def test_the_axes_name_values_that_a_reader_knows(search: Search, hyperparameters: Any) -> None:
    axes = {axis.label: axis for axis in Figure(figure_of(search, hyperparameters)).data[0].dimensions}
    assert axes["learning rate"].ticktext == ("0.0001", "0.001", "0.01")
    assert axes["batch size"].ticktext == ("16", "32")


def test_words_and_page_have_the_colors_of_the_theme(search: Search, hyperparameters: Any) -> None:
    figure = Figure(figure_of(search, hyperparameters, ink="#E7EAEE", paper="#0E1318"))
    assert figure.layout.paper_bgcolor == "#0E1318"
    assert figure.data[0].labelfont.color == figure.data[0].tickfont.color == "#E7EAEE"
