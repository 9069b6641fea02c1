"""The Benchmarks page: empty, full and broken, and no model in any of it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from streamlit.testing.v1 import AppTest

from imgrec import artefacts, boards, comparisons, labelled, pipeline
from imgrec.comparisons import FIGURES
from imgrec.errors import InputError
from imgrec.metrics import Integers
from imgrec.settings import Settings
from imgrec.statistics import p_text
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


def shown(app: AppTest, column: str) -> list[str]:
    """The words of a column of the leaderboard."""
    styler = app.dataframe[0].proto.arrow_data.styler
    table = pyarrow.ipc.open_stream(styler.display_values).read_all().to_pandas()
    return list(map(str, table.iloc[:, list(app.dataframe[0].value).index(column)]))


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


def test_a_measurement_of_ones_own_that_cannot_be_read_hides_nothing_else(page: Open, folder: Path) -> None:
    measure(folder)
    own = artefacts.own_folder(Settings.from_env())
    measure(own, ("mobilenet_a025_224",))
    summary = json.loads((own / artefacts.SUMMARY).read_text())
    del summary["rows"][0]["top_1"]
    (own / artefacts.SUMMARY).write_text(json.dumps(summary))
    app = page("benchmarks.py")
    assert not app.exception
    assert "to be a summary of measurements" in app.warning[0].value
    for view in benchmarks.VIEWS:
        app.session_state["bench_view"] = view
        app.run()
        assert not app.exception, view
        assert not app.error, view


@pytest.mark.parametrize("view", ["Curves", "Errors", "Ensembles"])
def test_answers_that_vanish_while_the_page_is_open(page: Open, folder: Path, view: str) -> None:
    measure(folder)
    app = page("benchmarks.py")
    for model in ("mobilenet", "mobilenet_v2", "mobilenet_a025_128"):
        artefacts.predictions_path(folder, model, "cifar10").unlink()
    app.session_state["bench_view"] = view
    app.run()
    assert not app.exception
    assert "Expected stored predictions at" in app.error[0].value
    app.session_state["bench_view"] = "Leaderboard"
    assert len(app.run().dataframe[0].value) == 3


def test_what_not_all_models_could_read_is_said(page: Open, folder: Path) -> None:
    measure(folder)
    path = artefacts.predictions_path(folder, "mobilenet", "cifar10")
    whole, note = artefacts.read(path), artefacts.read_note(path)
    artefacts.write_part(path, artefacts.Answers(whole.ids[9:], whole.targets[9:], whole.probabilities[9:]), note)
    app = page("benchmarks.py")
    assert "All figures are of the 191 pictures that all models could read; of 9 others at least one" in words(app)
    assert set(app.dataframe[0].value["Pictures"]) == {191}


def test_a_class_that_is_never_chosen_stands_first(page: Open, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no precision at all, which is worse than a low one."""
    measure(folder)
    matrix_of = comparisons.matrix_of

    def without_the_cat(board: boards.Board, model: str) -> Integers:
        matrix = matrix_of(board, model)
        matrix[:, 4] += matrix[:, 3]
        matrix[:, 3] = 0
        return matrix

    monkeypatch.setattr(comparisons, "matrix_of", without_the_cat)
    app = page("benchmarks.py", view="Table")
    app.session_state["bench_view"] = "Classes"
    app.session_state["bench_class_figure"] = "precision"
    table = app.run().dataframe[0].value
    assert table["Class"][0] == "cat"
    assert table["Precision"].isna().tolist() == [True] + 9 * [False]


def test_pictures_of_a_part_of_a_set_are_looked_for_in_that_part(
    page: Open, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(folder)
    summary = json.loads((folder / artefacts.SUMMARY).read_text())
    summary["datasets"]["cifar10"]["per_class"] = 20
    (folder / artefacts.SUMMARY).write_text(json.dumps(summary))
    asked = []

    def open_set(data: str, settings: Settings, *, per_class: int | None = None) -> None:
        asked.append((data, per_class))
        raise InputError("Expected pictures. Received: none.")

    monkeypatch.setattr(labelled, "open_set", open_set)
    app = look(page, "Errors")
    app.session_state["bench_data_cifar10"] = "some/where"
    app.run()
    assert asked == [("some/where", 20)]


def test_the_leaderboard_compares_with_a_chosen_model(page: Open, folder: Path) -> None:
    measure(folder)
    app = page("benchmarks.py")
    table = app.dataframe[0].value
    assert list(table["Top-1"]) == sorted(table["Top-1"], reverse=True)
    assert next(iter(table["Best in"])).startswith("Top-1")
    assert list(table)[-1] == "Best in"
    # Numbers, so that they sort as such; the words lie over them.
    first, *others = table["Δ Top-1"]
    assert first == 0
    assert all(change < 0 for change in others)
    assert shown(app, "Δ Top-1")[0] == "="
    assert all(text.startswith("▼ −") for text in shown(app, "Δ Top-1")[1:])
    app.selectbox(key="bench_reference_cifar10_3").set_value("mobilenet").run()
    assert next(iter(app.dataframe[0].value["Δ Top-1"])) > 0
    assert shown(app, "Δ Top-1")[0].startswith("▲ +")


def test_best_in_names_no_figure_that_is_not_shown(page: Open, folder: Path) -> None:
    measure(folder)
    app = page("benchmarks.py")
    app.multiselect(key="bench_figures").set_value(["top_1"]).run()
    assert set(app.dataframe[0].value["Best in"]) == {"Top-1", "–"}


def test_every_view_gives_the_same_verdict_on_a_pair(page: Open, folder: Path) -> None:
    measure(folder, ("mobilenet", "mobilenet_v2", "mobilenet_a025_128", "mobilenet_a025_224"), 40)
    app = page("benchmarks.py")
    found = next(
        test
        for test in benchmark_answers.pair_tests(benchmark_answers.board("cifar10"))
        if test.paired.distinguishable and not test.better
    )
    a, b = (benchmark_answers.title(benchmark_answers.board("cifar10"), model) for model in (found.a, found.b))
    app.selectbox(key="bench_reference_cifar10_4").set_value(found.a).run()
    table = app.dataframe[0].value.set_index("Model")
    assert table["Test"][b] == f"not distinguishable ({p_text(found.raised)})"
    app.session_state["bench_view"] = "Pairs"
    table = app.run().dataframe[0].value.set_index(["A", "B"])
    assert table["Verdict"][a, b] == "not distinguishable"
    app.session_state["bench_view"] = "A against B"
    app.run()
    app.selectbox(key="bench_a_cifar10_4").set_value(found.a)
    app.selectbox(key="bench_b_cifar10_4").set_value(found.b).run()
    assert f"{a} and {b} are not distinguishable on 40 pictures" in words(app)
    assert f"{found.p_words})." in words(app)
    assert "after Holm's correction for 6 pairs" in found.p_words


def test_every_figure_has_its_difference(page: Open, folder: Path) -> None:
    measure(folder)
    app = page("benchmarks.py")
    assert "Kappa" not in app.dataframe[0].value
    app.multiselect(key="bench_figures").set_value([]).run()
    table = app.dataframe[0].value
    for figure in FIGURES:
        (_, *changes) = shown(app, f"Δ {figure.title}")
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


def test_sliders_that_do_not_count_are_said(page: Open, folder: Path) -> None:
    measure(folder)
    app = look(page, "Ensembles")
    assert "whatever the sliders above say" not in words(app)
    app.selectbox(key="bench_rule").set_value("weighted_mean").run()
    assert "Every member weighs the same there, whatever the sliders above say." in words(app)


def test_a_dash_beside_a_printed_figure_is_explained(page: Open, folder: Path) -> None:
    measure(folder)
    said = words(look(page, "Published"))
    assert "Nothing here repeats VGG16 features and a small head." in said
    assert "Not measured here on these pictures: CNN from scratch on CIFAR-10; VGG16, pretrained." in said


def test_provenance_says_what_the_weights_are(page: Open, folder: Path) -> None:
    measure(folder)
    app = look(page, "Provenance")
    assert app.info[0].value == "Restored."
    assert "`` imgrec evaluate --data cifar10 --models mobilenet ``" in words(app)
    assert not app.code, "a browser that has shown none would fetch how to colour it first"


def test_a_network_trained_here_says_how_long_that_took_beside_the_printed_time(page: Open) -> None:
    [ways] = [table.value for table in look(page, "Published").table if "In its words" in table.value]
    measured = ways["Measured"].iloc[0]
    assert re.fullmatch(r"78\.6\s% of 10,000, \d+\.\d ms each; trained in \d+ min \d+ s", measured), measured
