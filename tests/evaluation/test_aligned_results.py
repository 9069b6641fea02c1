"""Boards of made-up measurements: aligned, counted in two ways, and honest about what is missing."""

import json
from pathlib import Path

import numpy as np
import pytest

from imgrec.errors import InputError, UnknownNameError
from imgrec.evaluation import stored_predictions
from imgrec.evaluation.aligned_results import REST, best_dataset, dataset_names, load, read, stack
from imgrec.evaluation.metrics_row import figures
from imgrec.metrics.curves import macro_auc
from tests.evaluation.measured import measure

MODELS = ("mobilenet", "mobilenet_v2", "mobilenet_a025_128")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    measure(tmp_path, MODELS)
    return tmp_path


def change_row(folder: Path, model: str, **values: object) -> None:
    """Change the row of a model in the summary."""
    path = folder / stored_predictions.SUMMARY
    summary = json.loads(path.read_text())
    for row in summary["rows"]:
        row |= values if row["model"] == model else {}
    path.write_text(json.dumps(summary))


def test_a_board_has_what_the_summary_says(folder: Path) -> None:
    assert dataset_names([folder]) == ["cifar10"]
    results = load([folder], "cifar10")
    assert set(results.models) == set(MODELS)
    assert results.images == 200
    assert len(results.labels) == 10
    for model in results.models:
        found = figures(results.per_image[model])
        assert {key: round(value, 6) for key, value in found.items()} == {
            key: results.rows[model][key] for key in found
        }


def test_a_model_without_something_else_stands_beside_one_with_it(tmp_path: Path) -> None:
    measure(tmp_path, MODELS, rest_of=("mobilenet",))
    results = load([tmp_path], "cifar10")
    assert results.labels[-1] == REST
    assert results.per_image["mobilenet_v2"].matrix.shape == (11, 11)
    assert stack(results, MODELS).shape == (3, 200, 11)


def test_only_images_that_all_were_asked_about_are_compared(folder: Path) -> None:
    path = stored_predictions.predictions_path(folder, "mobilenet", "cifar10")
    whole, note = stored_predictions.read(path), stored_predictions.read_note(path)
    keep = np.arange(len(whole))[::-1][50:]
    shuffled = stored_predictions.Answers(
        tuple(whole.ids[i] for i in keep), whole.targets[keep], whole.probabilities[keep]
    )
    stored_predictions.write_part(path, shuffled, note)
    results = load([folder], "cifar10")
    assert results.images == 150
    assert len({one.ids for one in results.per_image.values()}) == 1
    assert (results.target == np.array([int(name) % 10 for name in results.ids])).all()
    layers = stack(results, results.models)
    assert (layers.argmax(2) == [one.choice for one in results.per_image.values()]).all()


def test_a_broken_file_leaves_its_model_out_and_is_named(folder: Path) -> None:
    path = stored_predictions.predictions_path(folder, "mobilenet", "cifar10")
    path.write_bytes(path.read_bytes()[:200])
    results = load([folder], "cifar10")
    assert "mobilenet" not in results.models
    assert results.problems[0].startswith("mobilenet is left out. Expected mobilenet.cifar10.parquet to be predictions")


def test_figures_are_of_the_images_that_all_could_read(folder: Path) -> None:
    """Where models failed on different images, the leaderboard is paired, too."""
    path = stored_predictions.predictions_path(folder, "mobilenet", "cifar10")
    whole, note = stored_predictions.read(path), stored_predictions.read_note(path)
    stored_predictions.write_part(
        path, stored_predictions.Answers(whole.ids[50:], whole.targets[50:], whole.probabilities[50:]), note
    )
    results = load([folder], "cifar10")
    assert (results.images, results.unread) == (150, 50)
    for model in MODELS:
        row, right = results.rows[model], results.per_image[model].right
        assert row["images"] == len(right) == 150
        assert row["top_1"] == right.mean()
        assert row["top_1_low"] < right.mean() < row["top_1_high"]
        assert figures(results.per_image[model]).items() <= row.items()
        assert row["macro_auc"] == pytest.approx(macro_auc(stack(results, [model])[0], results.target))
        assert "macro_f1_low" not in row, "an interval of other images"
        assert row["latency_p50_ms"] is not None


@pytest.mark.parametrize("what", ["dataset_digest", "pictures_sha256"])
def test_answers_to_other_images_of_that_name_are_left_out(folder: Path, what: str) -> None:
    """A set that changed under its name: what was measured before is of other images."""
    path = folder / stored_predictions.SUMMARY
    summary = json.loads(path.read_text())
    summary["datasets"]["cifar10"]["pictures_sha256"] = "d" * 64
    path.write_text(json.dumps(summary))
    change_row(folder, "mobilenet", **{what: "e" * 64})
    results = load([folder], "cifar10")
    assert set(results.models) == {"mobilenet_v2", "mobilenet_a025_128"}
    assert results.problems == (
        "mobilenet is left out. Expected answers to the images that summary.json describes as cifar10. "
        "Received: answers to others of that name; measure it again.",
    )


def test_nothing_that_can_be_used(tmp_path: Path) -> None:
    measure(tmp_path, ("mobilenet",))
    stored_predictions.predictions_path(tmp_path, "mobilenet", "cifar10").unlink()
    with pytest.raises(InputError, match="Received: nothing"):
        load([tmp_path], "cifar10")
    with pytest.raises(UnknownNameError, match="cifar10"):
        load([tmp_path], "cifar1")


def test_only_the_classes_of_the_set_can_be_counted(tmp_path: Path) -> None:
    measure(tmp_path, MODELS, rest_of=("mobilenet",))
    strict, closed = load([tmp_path], "cifar10"), load([tmp_path], "cifar10", "closed")
    assert strict.has_rest
    assert closed.has_rest
    assert (len(strict.labels), len(closed.labels)) == (11, 10)
    assert closed.top_1("mobilenet") > strict.top_1("mobilenet")
    assert closed.top_1("mobilenet_v2") == strict.top_1("mobilenet_v2")
    for model in MODELS:
        found = figures(closed.per_image[model])
        assert found == pytest.approx({key: closed.rows[model][key] for key in found}, abs=1e-6)
        assert closed.rows[model]["latency_p50_ms"] == strict.rows[model]["latency_p50_ms"]
    answers = read(closed, "mobilenet")
    assert (answers.probabilities.argmax(1) == closed.per_image["mobilenet"].choice).all()
    assert answers.probabilities.sum(1) == pytest.approx(1, abs=5e-3)
    assert stack(closed, MODELS).dtype == np.float16


def test_a_summary_from_before_there_were_two_ways_is_named(tmp_path: Path) -> None:
    measure(tmp_path, MODELS, rest_of=("mobilenet",))
    path = tmp_path / "summary.json"
    summary = json.loads(path.read_text())
    for row in summary["rows"]:
        row.pop("closed")
    path.write_text(json.dumps(summary))
    assert load([tmp_path], "cifar10").problems == ()
    results = load([tmp_path], "cifar10", "closed")
    assert "mobilenet" not in results.models
    assert "figures of these classes only. Received: an older one" in results.problems[0]


def test_another_reading_is_named(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="strict"):
        load([folder], "cifar10", "kind")


def test_the_best_stands_first(folder: Path) -> None:
    results = load([folder], "cifar10")
    assert [results.top_1(model) for model in results.models] == sorted(
        map(results.top_1, results.models), reverse=True
    )


def test_what_was_measured_here_stands_beside_what_comes_with_imgrec(tmp_path: Path) -> None:
    came, own = tmp_path / "came", tmp_path / "own"
    measure(came, ("mobilenet", "mobilenet_v2"))
    measure(own, ("mobilenet_a025_128", "mobilenet"))
    results = load([came, own], "cifar10")
    assert set(results.models) == set(MODELS)
    assert [results.paths[model].is_relative_to(own) for model in MODELS] == [True, False, True]
    assert stack(results, MODELS).shape == (3, 200, 10)


def test_a_set_of_the_same_name_with_other_images_is_another(tmp_path: Path) -> None:
    came, own = tmp_path / "came", tmp_path / "own"
    measure(came, ("mobilenet",))
    measure(own, ("mobilenet_v2",))
    path = own / stored_predictions.SUMMARY
    path.write_text(path.read_text().replace("d" * 64, "e" * 64))
    assert dataset_names([came, own]) == ["cifar10", "cifar10 (measured here)"]
    assert load([came, own], "cifar10").models == ["mobilenet"]
    assert load([came, own], "cifar10 (measured here)").models == ["mobilenet_v2"]


@pytest.mark.parametrize("what", ["file", "digest"])
def test_a_broken_measurement_of_ones_own_hides_no_earlier_one(tmp_path: Path, what: str) -> None:
    came, own = tmp_path / "came", tmp_path / "own"
    measure(came, ("mobilenet", "mobilenet_v2"))
    measure(own, ("mobilenet",))
    if what == "file":
        stored_predictions.predictions_path(own, "mobilenet", "cifar10").unlink()
    else:
        change_row(own, "mobilenet", dataset_digest="e" * 64)
    results = load([came, own], "cifar10")
    assert results.paths["mobilenet"].is_relative_to(came)
    assert results.problems[0].startswith("A later measurement of mobilenet is left out. Expected ")


@pytest.mark.parametrize("lost", ["top_1", "versions", "model", "predictions_sha256"])
def test_a_row_without_its_figures_hides_nothing_else(tmp_path: Path, lost: str) -> None:
    came, own = tmp_path / "came", tmp_path / "own"
    measure(came, ("mobilenet",))
    measure(own, ("mobilenet_v2",))
    summary = json.loads((own / stored_predictions.SUMMARY).read_text())
    del summary["rows"][0][lost]
    (own / stored_predictions.SUMMARY).write_text(json.dumps(summary))
    results = load([came, own], "cifar10")
    assert results.models == ["mobilenet"]
    assert "Expected" in results.problems[0]


def test_a_broken_summary_of_ones_own_hides_nothing_else(tmp_path: Path) -> None:
    came, own = tmp_path / "came", tmp_path / "own"
    measure(came, ("mobilenet",))
    own.mkdir()
    (own / stored_predictions.SUMMARY).write_text("{")
    results = load([came, own], "cifar10")
    assert results.models == ["mobilenet"]
    assert "summary of measurements" in results.problems[0]


@pytest.mark.parametrize(
    ("spaces", "expected"),
    [
        pytest.param({}, "large", id="no model: the largest"),
        pytest.param({"mobilenet": "cifar_10"}, "small", id="its own classes before a larger dataset"),
        pytest.param(dict.fromkeys(("mobilenet", "mobilenet_v2"), "imagenet_1k"), "small", id="most models first"),
        pytest.param({"mobilenet": None}, "large", id="a model without a label space"),
    ],
)
def test_the_dataset_that_fits_the_models(tmp_path: Path, spaces: dict[str, str | None], expected: str) -> None:
    measure(tmp_path, ("mobilenet", "mobilenet_v2"), 40, name="small")
    measure(tmp_path / "other", ("mobilenet",), 200, name="large")
    path = tmp_path / "other" / stored_predictions.SUMMARY
    summary = json.loads(path.read_text())
    summary["datasets"]["large"]["label_space"] = "imagenet_1k"
    path.write_text(json.dumps(summary))
    assert best_dataset([tmp_path, tmp_path / "other"], spaces) == expected
    assert best_dataset([tmp_path / "none"], spaces) is None
