"""The Benchmarks page: empty, full and broken, and no model in any of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from imgrec import artefacts, pipeline
from imgrec.comparisons import FIGURES
from imgrec.ui import benchmark_answers, benchmark_sources, benchmarks
from tests.measured import measure
from tests.pages.conftest import words

Open = Callable[..., AppTest]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for measurements; a page that asks for a model fails."""
    monkeypatch.setattr(benchmark_answers, "FOLDER", tmp_path / "measured")

    def no_model(*_: object, **__: object) -> None:
        raise AssertionError("the Benchmarks page loads no model")

    monkeypatch.setattr(pipeline, "open_pool", no_model)
    return tmp_path / "measured"


def look(page: Open, what: str, **query: str) -> AppTest:
    app = page("benchmarks.py", **query)
    app.session_state["bench_view"] = what
    return app.run()


def test_nothing_measured(page: Open, folder: Path) -> None:
    app = page("benchmarks.py")
    assert not app.exception
    assert "Nothing has been measured yet" in app.info[0].value


@pytest.mark.parametrize("shown_as", ["Chart", "Table"])
def test_every_view(page: Open, folder: Path, shown_as: str) -> None:
    measure(folder, rest_of=("mobilenet",))
    app = page("benchmarks.py", view=shown_as)
    for view in benchmarks.VIEWS:
        app.session_state["bench_view"] = view
        app.run()
        assert not app.exception, view
        assert not app.error, view
        assert "Nothing in it is real." in words(app)


def test_every_view_of_one_model(page: Open, folder: Path) -> None:
    measure(folder, ("mobilenet",))
    app = page("benchmarks.py")
    for view in benchmarks.VIEWS:
        app.session_state["bench_view"] = view
        app.run()
        assert not app.exception, view
        assert not app.error, view


def test_a_broken_file_is_named_and_the_rest_is_shown(page: Open, folder: Path) -> None:
    measure(folder)
    artefacts.predictions_path(folder, "mobilenet", "cifar10").write_bytes(b"half")
    app = page("benchmarks.py")
    assert not app.exception
    assert "mobilenet is left out" in app.warning[0].value
    assert app.dataframe[0].value.shape[0] == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param('{"version": 0, "datasets": {}, "rows": []}', "Received: version 0", id="an older version"),
        pytest.param('{"version": 1,', "to be a summary of measurements, whole", id="half written"),
    ],
)
def test_a_summary_that_cannot_be_read(page: Open, folder: Path, text: str, sentence: str) -> None:
    folder.mkdir()
    (folder / "summary.json").write_text(text)
    app = page("benchmarks.py")
    assert not app.exception
    assert sentence in app.error[0].value


def test_the_leaderboard_compares_with_a_chosen_model(page: Open, folder: Path) -> None:
    measure(folder)
    app = page("benchmarks.py")
    table = app.dataframe[0].value
    assert list(table["Top-1"]) == sorted(table["Top-1"], reverse=True)
    assert next(iter(table["Best in"])).startswith("Top-1")
    assert next(iter(table["Δ Top-1"])) == ""
    assert all(change.startswith("▼") for change in list(table["Δ Top-1"])[1:])
    app.selectbox(key="bench_reference_cifar10_3").set_value("mobilenet").run()
    assert next(iter(app.dataframe[0].value["Δ Top-1"])).startswith("▲")


def test_every_figure_has_its_difference(page: Open, folder: Path) -> None:
    measure(folder)
    app = page("benchmarks.py")
    assert "Kappa" not in app.dataframe[0].value
    app.multiselect(key="bench_figures").set_value([]).run()
    table = app.dataframe[0].value
    for figure in FIGURES:
        (_, *changes) = table[f"Δ {figure.title}"]
        values = list(table[figure.title])
        for value, change in zip(values[1:], changes, strict=True):
            better = (value > values[0]) == figure.higher_is_better
            assert change == "=" or change[0] == ("▲" if better else "▼"), (figure.key, change)


def test_what_is_neither_can_be_left_out(page: Open, folder: Path) -> None:
    measure(folder, rest_of=("mobilenet",))
    app = page("benchmarks.py")
    strict = app.dataframe[0].value.set_index("Model")["Top-1"]
    app.session_state["bench_reading"] = "closed"
    closed = app.run().dataframe[0].value.set_index("Model")["Top-1"]
    assert closed["MobileNet"] > strict["MobileNet"]
    assert "Only these classes: what a network gives to others is left out" in words(app)


def test_a_repeated_protocol_stands_beside_the_printed_one(
    page: Open, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark_sources, "LESSONS", tmp_path)
    lesson = {"title": "Our folds", "provenance": {"data": "flowers"}, "columns": ["fold"], "rows": [[1]], "note": "N."}
    (tmp_path / "folds.json").write_text(json.dumps(lesson))
    (tmp_path / "half.json").write_text("{")
    measure(folder)
    app = look(page, "Published")
    assert "Our folds" in words(app)
    assert "Expected half.json to be a table" in app.warning[0].value


def test_a_mistake_shows_its_pictures_with_both_models(page: Open, folder: Path) -> None:
    measure(folder)
    app = look(page, "Confusion")
    chooser = app.selectbox(key="bench_cell_cifar10")
    chooser.select_index(0).run()
    assert not app.exception
    said = words(app)
    assert "wrongly taken for" in said
    assert "MobileNet" in said
    assert said.count("✓") >= 1


def test_the_ensemble_answers_at_once(page: Open, folder: Path) -> None:
    measure(folder)
    app = look(page, "Ensembles")
    assert "Ensemble:" in words(app)
    assert app.dataframe[0].value.shape[0] == 4
    app.selectbox(key="bench_rule").set_value("rank_vote").run()
    app.button(key="bench_find").click().run()
    assert not app.exception
    assert "on the half that they were not chosen on" in app.success[0].value
    app.multiselect[1].set_value([]).run()
    assert "Expected at least one member" in app.info[0].value


def test_provenance_says_what_the_weights_are(page: Open, folder: Path) -> None:
    measure(folder)
    app = look(page, "Provenance")
    assert app.info[0].value == "Restored."
    assert "imgrec evaluate --data cifar10 --models mobilenet" in [code.value for code in app.code]
