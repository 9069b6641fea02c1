"""The Benchmarks page: empty, full and broken, and no model in any of it."""

import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any, cast

import pyarrow
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from imgrec.data import evaluation_split
from imgrec.errors import InputError
from imgrec.evaluation import aligned_results, stored_predictions
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.evaluation.comparisons import METRICS
from imgrec.explanation import severity
from imgrec.explanation.corruptions import CORRUPTIONS
from imgrec.formatting import THIN_SPACE
from imgrec.inference import classify
from imgrec.metrics.significance import SIGNIFICANCE, p_text
from imgrec.settings import Settings
from imgrec.ui.benchmarks import image_files, measurements, overview, provenance
from imgrec.ui.widget_keys import key_of
from tests.evaluation.measured import measure
from tests.ui.conftest import words

Open = Callable[..., AppTest]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for measurements; a page that asks for a model fails."""
    monkeypatch.setattr(measurements, "FOLDER", tmp_path / "measured")

    def no_model(*_: object, **__: object) -> None:
        raise AssertionError("the Benchmarks page loads no model")

    monkeypatch.setattr(classify, "open_pool", no_model)
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
    assert "No model has been evaluated yet" in app.info[0].value


@pytest.mark.parametrize("shown_as", ["Chart", "Table"])
def test_every_view(page: Open, folder: Path, shown_as: str) -> None:
    measure(folder, rest_of=("mobilenet",))
    app = page("benchmarks.py", view=shown_as)
    for view in overview.VIEWS:
        app.session_state["bench_view"] = view
        app.run()
        assert not app.exception, view
        assert not app.error, view
        assert "Nothing in it is real." in words(app)


def test_every_view_of_one_model(page: Open, folder: Path) -> None:
    measure(folder, ("mobilenet",))
    app = page("benchmarks.py")
    for view in overview.VIEWS:
        app.session_state["bench_view"] = view
        app.run()
        assert not app.exception, view
        assert not app.error, view


def test_a_broken_file_is_named_and_the_rest_is_shown(page: Open, folder: Path) -> None:
    measure(folder)
    stored_predictions.predictions_path(folder, "mobilenet", "cifar10").write_bytes(b"half")
    app = page("benchmarks.py")
    assert not app.exception
    assert "mobilenet is left out" in app.warning[0].value
    assert app.dataframe[0].value.shape[0] == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param('{"version": 0, "datasets": {}, "rows": []}', "Received: version 0", id="an older version"),
        pytest.param(
            '{"version": 1,', "to be a summary of measurements in version 1 of the format, whole", id="half written"
        ),
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
    own = stored_predictions.own_folder(Settings.from_env())
    measure(own, ("mobilenet_a025_224",))
    summary = json.loads((own / stored_predictions.SUMMARY).read_text())
    del summary["rows"][0]["top_1"]
    (own / stored_predictions.SUMMARY).write_text(json.dumps(summary))
    app = page("benchmarks.py")
    assert not app.exception
    assert "to be a summary of measurements" in app.warning[0].value
    for view in overview.VIEWS:
        app.session_state["bench_view"] = view
        app.run()
        assert not app.exception, view
        assert not app.error, view


@pytest.mark.parametrize("view", ["Curves", "Errors", "Ensembles"])
def test_answers_that_vanish_while_the_page_is_open(page: Open, folder: Path, view: str) -> None:
    measure(folder)
    app = page("benchmarks.py")
    for model in ("mobilenet", "mobilenet_v2", "mobilenet_a025_128"):
        stored_predictions.predictions_path(folder, model, "cifar10").unlink()
    app.session_state["bench_view"] = view
    app.run()
    assert not app.exception
    assert "Expected stored predictions at" in app.error[0].value
    app.session_state["bench_view"] = "Leaderboard"
    assert len(app.run().dataframe[0].value) == 3


def test_what_not_all_models_could_read_is_said(page: Open, folder: Path) -> None:
    measure(folder)
    path = stored_predictions.predictions_path(folder, "mobilenet", "cifar10")
    whole, note = stored_predictions.read(path), stored_predictions.read_note(path)
    stored_predictions.write_part(
        path, stored_predictions.Answers(whole.ids[9:], whole.targets[9:], whole.probabilities[9:]), note
    )
    app = page("benchmarks.py")
    assert "**191 images**" in words(app)
    assert "Metrics are of the images that all models could read; 9 are left out." in words(app)


def test_a_class_that_is_never_chosen_stands_first(page: Open, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no precision at all, which is worse than a low one."""
    measure(folder)
    load = aligned_results.load

    def without_the_cat(*args: object) -> aligned_results.AlignedResults:
        results = load(*args)
        for found in results.per_image.values():
            found.choice[found.choice == 3] = 4
        return results

    monkeypatch.setattr(aligned_results, "load", without_the_cat)
    app = page("benchmarks.py", view="Table")
    app.session_state["bench_view"] = "Classes"
    app.session_state["bench_class_figure"] = "precision"
    table = app.run().dataframe[0].value
    assert table["Class"][0] == "cat"
    assert table["Precision"].isna().tolist() == [True] + 9 * [False]


def test_images_of_a_part_of_a_dataset_are_looked_for_in_that_part(
    page: Open, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(folder)
    summary = json.loads((folder / stored_predictions.SUMMARY).read_text())
    summary["datasets"]["cifar10"]["per_class"] = 20
    (folder / stored_predictions.SUMMARY).write_text(json.dumps(summary))
    asked = []

    def open_set(data: str, settings: Settings, *, per_class: int | None = None) -> None:
        asked.append((data, per_class))
        raise InputError("Expected images. Received: none.")

    monkeypatch.setattr(evaluation_split, "open_evaluation_split", open_set)
    app = look(page, "Errors")
    app.text_input[0].set_value(str(tmp_path / "some.npz")).run()
    assert asked == [(str(tmp_path / "some.npz"), 20)]
    assert "Expected images" in app.warning[0].value


def image_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), "green").save(path)
    return path


def with_files(folder: Path, names: str = "class/{}.png") -> list[str]:
    """Measurements of the dataset `own`, whose ids are paths of files."""
    measure(folder, name="own")
    for path in (folder / "predictions").glob("*.own.parquet"):
        answers, note = stored_predictions.read(path), stored_predictions.read_note(path)
        ids = tuple(names.format(one) for one in answers.ids)
        stored_predictions.write_part(
            path, stored_predictions.Answers(ids, answers.targets, answers.probabilities), note
        )
    return list(ids)


def test_a_folder_given_once_is_remembered(page: Open, folder: Path, tmp_path: Path) -> None:
    ids = with_files(folder)
    for name in ids:
        image_file(tmp_path / "images" / name)
    app = look(page, "Errors")
    assert not app.get("image")
    assert "Add the images to see them here." in words(app)
    field = app.text_input[0].set_value(str(tmp_path / "nowhere")).run().text_input[0]
    assert "There is no folder or file" in app.warning[0].value
    # One folder too high is no obstacle.
    field.set_value(str(tmp_path)).run()
    assert not app.exception
    assert len(app.get("image")) == 12
    assert "Add the images" not in words(app)
    kept = Settings.from_env().home / image_files.REMEMBERED
    assert json.loads(kept.read_text()) == {"d" * 64: str(tmp_path)}
    again = look(page, "A against B")
    assert len(again.get("image")) == 12
    kept.write_text("{")
    assert not look(page, "Errors").get("image")


def test_an_uploaded_zip_is_kept(page: Open, folder: Path, tmp_path: Path) -> None:
    ids = with_files(folder)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in ids[:150]:
            archive.write(image_file(tmp_path / name), f"packed/{name}")
        archive.writestr("packed/class/notes.txt", "no image")
    app = look(page, "Errors")
    app.file_uploader[0].upload("own.zip", data.getvalue()).run()
    assert not app.exception
    assert app.get("image")
    assert any("150 of 200 images" in one.proto.popover.label for one in app.get("popover"))
    assert len(list((Settings.from_env().home / "datasets").iterdir())) == 1
    # Another archive says so, and does not take its place.
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("else/what.png", image_file(tmp_path / "what.png").read_bytes())
    app.file_uploader[0].upload("other.zip", other.getvalue()).run()
    assert "No file in other.zip has the name of an image of this dataset" in app.warning[0].value
    assert look(page, "Errors").get("image")


def test_a_demo_takes_no_path_of_the_server_and_keeps_nothing(
    page: Open, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMGREC_DEMO", "1")
    ids = with_files(folder)
    for name in ids:
        image_file(Settings.from_env().home / "datasets" / "own" / name)
    app = look(page, "Errors")
    assert not app.text_input
    assert not app.get("image")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in ids:
            archive.write(image_file(tmp_path / name), name)
    app.file_uploader[0].upload("own.zip", data.getvalue()).run()
    assert len(app.get("image")) == 12
    assert not (Settings.from_env().home / image_files.REMEMBERED).exists()
    assert not look(page, "Errors").get("image"), "another visitor sees none of them"


@pytest.mark.parametrize(
    ("ids", "names", "found"),
    [
        pytest.param(["a/1.png"], ["a/1.png", "b/1.png"], {"a/1.png": "a/1.png"}, id="the same path"),
        pytest.param(["a/1.png"], ["top/a/1.png"], {"a/1.png": "top/a/1.png"}, id="a folder above"),
        pytest.param(["t/a/1.png", "t/b/2.png"], ["a/1.png"], {"t/a/1.png": "a/1.png"}, id="a folder below"),
        pytest.param(["t/a/1.png", "t/b/1.png"], ["x/1.png"], {}, id="two of one name"),
        pytest.param(["a/1.png"], ["x/1.png", "y/1.png"], {}, id="two files of one name"),
        pytest.param(["1.png"], ["2.png"], {}, id="another file"),
    ],
)
def test_files_belong_to_predictions_by_their_names(ids: list[str], names: list[str], found: dict[str, str]) -> None:
    assert image_files.match(ids, [PurePosixPath(name) for name in names]) == {
        name: PurePosixPath(file) for name, file in found.items()
    }


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        pytest.param(["mobilenet"], "small_imagenet", id="its own classes before a larger dataset"),
        pytest.param(["cifar_vgg"], "cifar10", id="ten classes"),
        pytest.param(["vgg16"], "small_imagenet", id="not measured, its classes are"),
        pytest.param([], "cifar10", id="nothing chosen: the largest"),
    ],
)
def test_the_page_opens_on_the_dataset_of_the_chosen_models(
    page: Open, folder: Path, models: list[str], expected: str
) -> None:
    measure(folder, ("mobilenet", "cifar_vgg"))
    own = stored_predictions.own_folder(Settings.from_env())
    measure(own, ("mobilenet",), 40, name="small_imagenet")
    summary = json.loads((own / stored_predictions.SUMMARY).read_text())
    summary["datasets"]["small_imagenet"]["label_space"] = "imagenet_1k"
    (own / stored_predictions.SUMMARY).write_text(json.dumps(summary))
    app = page("compare.py")
    app.session_state["choices"] = {"models": models}
    app.switch_page("../../pages/benchmarks.py").run()
    assert not app.exception
    assert app.selectbox(key="bench_set").value == expected
    # Other models are chosen, then a dataset here, then other models again.
    app.session_state["choices"] = {"models": ["mobilenet"]}
    assert app.run().selectbox(key="bench_set").value == "small_imagenet"
    app.session_state["bench_set"] = "cifar10"
    app.run()
    app.session_state["choices"] = {"models": ["mobilenet_v2"]}
    assert app.run().selectbox(key="bench_set").value == "cifar10"


def test_the_leaderboard_compares_with_a_chosen_model(page: Open, folder: Path) -> None:
    measure(folder)
    app = page("benchmarks.py")
    table = app.dataframe[0].value
    assert list(table["Top-1"]) == sorted(table["Top-1"], reverse=True)
    assert shown(app, "Top-1")[0].startswith("★ ")
    assert not any(text.startswith("★") for text in shown(app, "Top-1")[1:])
    # Numbers, so that they sort as such; the words lie over them.
    first, *others = table["Top-1 diff."]
    assert first == 0
    assert all(change < 0 for change in others)
    assert shown(app, "Top-1 diff.")[0] == "same"
    assert all(re.fullmatch(r"[\d.]+ points worse|no clear difference", text) for text in shown(app, "Top-1 diff.")[1:])
    app.selectbox(key=key_of("bench_reference", "cifar10", 3)).set_value("mobilenet").run()
    assert next(iter(app.dataframe[0].value["Top-1 diff."])) > 0
    assert shown(app, "Top-1 diff.")[0].endswith("points better")


def test_only_differences_that_were_tested_are_tinted(page: Open, folder: Path) -> None:
    measure(folder)
    app = page("benchmarks.py")
    columns = list(app.dataframe[0].value)
    rules = app.dataframe[0].proto.arrow_data.styler.styles.split("}")
    tinted = {
        columns[int(at)] for rule in rules if "background-color" in rule for at in re.findall(r"_row\d+_col(\d+)", rule)
    }
    assert "Top-1 diff." in tinted
    assert not {name for name in tinted if name.endswith(" diff.")} - {"Top-1 diff."}


def test_every_view_gives_the_same_verdict_on_a_pair(page: Open, folder: Path) -> None:
    measure(folder, ("mobilenet", "mobilenet_v2", "mobilenet_a025_128", "mobilenet_a025_224"), 40)
    app = page("benchmarks.py")
    found = next(
        test
        for test in measurements.pair_tests(measurements.load("cifar10"))
        if test.paired.p_value < SIGNIFICANCE and not test.better
    )
    a, b = (measurements.title(measurements.load("cifar10"), model) for model in (found.a, found.b))
    app.selectbox(key=key_of("bench_reference", "cifar10", 4)).set_value(found.a).run()
    table = app.dataframe[0].value.set_index("Model")
    assert f"p = {table['p'][b]}" == p_text(found.corrected)
    assert shown(app, "Top-1 diff.")[list(table.index).index(b)] == "no clear difference"
    app.session_state["bench_view"] = "Pairs"
    table = app.run().dataframe[0].value.set_index(["A", "B"])
    assert table["Result"][a, b] == "no clear difference"
    app.session_state["bench_view"] = "A against B"
    app.run()
    app.selectbox(key=key_of("bench_a", "cifar10", 4)).set_value(found.a)
    app.selectbox(key=key_of("bench_b", "cifar10", 4)).set_value(found.b).run()
    assert f"No clear difference between {a} and {b} on 40 images" in words(app)
    assert f"{found.p_words})." in words(app)
    assert "Holm-corrected for 6 pairs" in found.p_words


def test_every_figure_has_its_difference(page: Open, folder: Path) -> None:
    measure(folder)
    app = page("benchmarks.py")
    assert "Kappa" not in app.dataframe[0].value
    app.multiselect(key="bench_figures").set_value([]).run()
    table = app.dataframe[0].value
    for figure in METRICS:
        (_, *changes) = shown(app, f"{figure.title} diff.")
        values = list(table[figure.title])
        for value, change in zip(values[1:], changes, strict=True):
            better = (value > values[0]) == figure.higher_is_better
            expected = {"same", "no clear difference", figure.words[0 if better else 1]}
            assert change in expected or change.split()[-1] in expected, (figure.key, change)


def test_what_is_neither_can_be_left_out(page: Open, folder: Path) -> None:
    measure(folder, rest_of=("mobilenet",))
    app = page("benchmarks.py")
    strict = app.dataframe[0].value.set_index("Model")["Top-1"]
    app.session_state["bench_reading"] = "closed"
    closed = app.run().dataframe[0].value.set_index("Model")["Top-1"]
    assert closed["MobileNet"] > strict["MobileNet"]
    assert "Ignored: only the probabilities of these classes are compared" in words(app)


def test_a_repeated_protocol_stands_beside_the_printed_one(
    page: Open, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "PROTOCOLS", tmp_path)
    lesson = {"title": "Our folds", "provenance": {"data": "flowers"}, "columns": ["fold"], "rows": [[1]], "note": "N."}
    (tmp_path / "folds.json").write_text(json.dumps(lesson))
    (tmp_path / "half.json").write_text("{")
    report = {"title": "A report", "provenance": {"data": "flowers"}, "beside": "Seven models on CIFAR-10"}
    (tmp_path / "report.json").write_text(json.dumps(report | {"tables": [lesson, lesson | {"title": "Our heads"}]}))
    measure(folder)
    app = look(page, "Published")
    assert "Our folds" in words(app)
    folded = [one.label for one in app.expander if one.label.startswith("A report")]
    assert folded == ["A report · Our folds", "A report · Our heads"]
    assert "Expected half.json to be a table" in app.warning[0].value


def test_a_mistake_shows_its_images_with_both_models(page: Open, folder: Path) -> None:
    measure(folder)
    app = look(page, "Confusion")
    chooser = app.selectbox(key=key_of("bench_cell", "cifar10"))
    chooser.select_index(0).run()
    assert not app.exception
    said = words(app)
    assert "predicted as" in said
    assert "MobileNet" in said
    assert said.count("✓") >= 1


def test_the_ensemble_answers_at_once(page: Open, folder: Path) -> None:
    measure(folder)
    app = look(page, "Ensembles", models="mobilenet,mobilenet_v2,mobilenet_a025_128")
    assert "Ensemble:" in words(app)
    assert app.dataframe[0].value.shape[0] == 4
    app.selectbox(key="bench_rule").set_value("rank_vote").run()
    app.button(key="bench_find").click().run()
    assert not app.exception
    assert "on the half of the images that they were not chosen on" in app.success[0].value
    app.multiselect[1].set_value([]).run()
    assert "Choose at least one member" in app.info[0].value


@pytest.mark.parametrize(
    ("compared", "members"),
    [
        pytest.param("mobilenet,mobilenet_v2", {"MobileNet", "MobileNetV2"}, id="those of the Compare page"),
        pytest.param("mobilenet,vgg16", {"MobileNet", "MobileNetV2", "MobileNet 0.25 128"}, id="one is no ensemble"),
    ],
)
def test_the_ensemble_begins_with_the_compared_models(
    page: Open, folder: Path, compared: str, members: set[str]
) -> None:
    measure(folder, ("mobilenet", "mobilenet_v2", "mobilenet_a025_128"))
    app = look(page, "Ensembles", models=compared)
    assert set(app.dataframe[0].value.iloc[:, 0]) == {"Ensemble", *members}


@pytest.mark.parametrize("link", ["ImageNet, 668 validation images", "imagenet_val_a"])
def test_old_links_and_names_of_datasets_are_understood(page: Open, folder: Path, link: str) -> None:
    measure(folder)
    measure(stored_predictions.own_folder(Settings.from_env()), name="imagenet_val_a", count=40)
    assert page("benchmarks.py").selectbox(key="bench_set").value == "cifar10"
    assert page("benchmarks.py", bench_set=link).selectbox(key="bench_set").value == "imagenet_val_a"


def test_latencies_of_another_machine_are_a_click_away(page: Open, folder: Path) -> None:
    """The machine of the compared models comes first, though more models were timed on another one."""
    measure(folder)
    summary = json.loads((folder / stored_predictions.SUMMARY).read_text())
    for row in summary["rows"]:
        if row["model"] == "mobilenet_v2":
            row["hardware"] = "Another one"
    (folder / stored_predictions.SUMMARY).write_text(json.dumps(summary))
    app = page("benchmarks.py", models="mobilenet_v2", view="Table")
    app.session_state["bench_view"] = "Speed"
    app.run()
    assert list(app.dataframe[0].value["Model"]) == ["mobilenet_v2"]
    machines = next(one for one in app.selectbox if one.label == "Latency measured on")
    assert machines.options == ["A processor, 2 cores, 4 GiB (2 models)", "Another one (1 model)"]
    machines.select_index(0).run()
    assert set(app.dataframe[0].value["Model"]) == {"mobilenet", "mobilenet_a025_128"}


def test_sliders_that_do_not_count_are_said(page: Open, folder: Path) -> None:
    measure(folder)
    app = look(page, "Ensembles")
    assert "All members have the same weight here." not in words(app)
    app.selectbox(key="bench_rule").set_value("weighted_mean").run()
    assert "All members have the same weight here." in words(app)


def test_a_dash_beside_a_printed_figure_is_explained(page: Open, folder: Path) -> None:
    measure(folder)
    said = words(look(page, "Published"))
    assert "Not repeated here: VGG16 features and a small head." in said
    assert "Not evaluated here on this dataset: CNN from scratch on CIFAR-10; VGG16, pretrained." in said


def test_provenance_says_what_the_weights_are(page: Open, folder: Path) -> None:
    measure(folder)
    app = look(page, "Provenance")
    assert app.info[0].value == "Restored."
    assert "`` imgrec evaluate --data cifar10 --models mobilenet ``" in words(app)
    assert not app.code, "a browser that has shown none would fetch how to color it first"


def test_a_network_trained_here_says_how_long_that_took_beside_the_printed_time(page: Open) -> None:
    [ways] = [table.value for table in look(page, "Published").table if "In its words" in table.value]
    measured = ways["Measured"].iloc[0]
    assert re.fullmatch(r"78\.6\s% of 10,000, \d+\.\d ms each; trained in \d+ min \d+ s", measured), measured


def severity_row(model: str, **changes: Any) -> severity.SeverityRow:
    row = severity.SeverityRow(
        model=model, title=model.upper(), dataset="cifar10_first_9", base="cifar10", images=90, clean=80,
        correct={kind: [70, 60, 50, 40, 30] for kind in CORRUPTIONS}, framing="crop", side_px=256, dataset_digest="",
        per_class=9, source="", flaws=[], weights_sha256="0" * 64, versions={}, measured_at="2026-11-28T12:00:00",
        command="imgrec evaluate --corruptions",
    )  # fmt: skip
    return replace(row, **changes)


def put_severity(folder: Path, *rows: severity.SeverityRow) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / severity.FILE).write_text(
        json.dumps({"version": severity.VERSION, "rows": [asdict(row) for row in rows]})
    )


def test_accuracy_over_damage_is_shown_for_the_models_that_have_it(page: Open, folder: Path) -> None:
    measure(folder)
    put_severity(folder, severity_row("mobilenet"), severity_row("vgg16"))
    app = page("benchmarks.py", bench_view="robustness")
    assert not app.exception
    assert len(app.get("vega_lite_chart")) == 1
    assert "90 images (the first 9 of each class)" in words(app)
    table = page("benchmarks.py", bench_view="robustness", view="table", bench_damage="noise").dataframe[-1].value
    assert list(table["Model"]) == ["MOBILENET"]
    assert table["0"][0] == f"88.9{THIN_SPACE}%"
    assert table["5"][0] == f"33.3{THIN_SPACE}%"


def test_ones_own_measurement_stands_instead_of_the_one_that_comes_with_imgrec(page: Open, folder: Path) -> None:
    measure(folder)
    put_severity(folder, severity_row("mobilenet"))
    put_severity(stored_predictions.own_folder(Settings.from_env()), severity_row("mobilenet", clean=45))
    table = page("benchmarks.py", bench_view="robustness", view="table").dataframe[-1].value
    assert list(table["0"]) == [f"50.0{THIN_SPACE}%"]


def test_without_damage_measured_the_command_is_named(page: Open, folder: Path) -> None:
    measure(folder)
    app = page("benchmarks.py", bench_view="robustness")
    assert "imgrec evaluate --data cifar10 --corruptions" in app.info[0].value


def test_a_broken_file_of_damage_has_its_sentence(page: Open, folder: Path) -> None:
    measure(folder)
    (folder / severity.FILE).write_text("{")
    app = page("benchmarks.py", bench_view="robustness")
    assert not app.exception
    assert "corruptions.json" in app.error[0].value


def test_a_compact_twin_is_no_runner_up_and_no_member_beside_its_original() -> None:
    shares = {"a": 0.9, "a.int8": 0.89, "b": 0.8, "b.int8": 0.81, "c": 0.7}
    results = cast(AlignedResults, SimpleNamespace(models=list(shares), top_1=shares.__getitem__))
    assert measurements.with_best_other(results, "a") == ["a", "b.int8"]
    assert measurements.with_best_other(results, "c") == ["c", "a"]
    assert measurements.best_networks(results, 3) == ["a", "b.int8", "c"]
    pair = cast(AlignedResults, SimpleNamespace(models=["a", "a.int8"], top_1=shares.__getitem__))
    assert measurements.with_best_other(pair, "a") == ["a", "a.int8"]
