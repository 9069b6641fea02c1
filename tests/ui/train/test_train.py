"""Train: empty, with runs in every state, and with images that cannot be read. No runtime is started."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from imgrec.data import array_files
from imgrec.errors import InputError
from imgrec.jobs import Job, processes
from imgrec.models import cards
from imgrec.settings import Settings
from imgrec.training import training_job
from imgrec.training.augmentation import Augmentation
from imgrec.training.recipes import RECIPES, Recipe, get_recipe
from imgrec.ui.widget_keys import key_of
from tests.models.test_cards import FIELDS
from tests.ui.conftest import words

EPOCH = {
    "event": "epoch",
    "epoch": 1,
    "seconds": 4.0,
    "loss": 1.5,
    "accuracy": 0.5,
    "validation_loss": 1.25,
    "validation_accuracy": 0.625,
    "images_per_second": 100.0,
    "confusion": [[3, 1], [2, 4]],
}
EVENTS: list[dict[str, Any]] = [
    {"event": "data", "classes": ["cat", "dog"], "notes": ["cats/x.jpg: broken"], "left_out": 1},
    {"event": "training", "epochs": 2, "steps": 10, "batch_size": 8, "parameters": 7, "precision": "float32"},
    {"event": "step", "epoch": 1, "step": 5, "loss": 2.0, "accuracy": 0.25, "images_per_second": 100.0},
    EPOCH,
]
MODEL = {"event": "model", "name": "my_model", "metrics": {"accuracy": 0.9, "pictures": 100, "set": "test"}}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Leaves a run as a worker that has ended leaves it."""

    def leave(end: dict[str, Any] | None, *more: dict[str, Any]) -> Path:
        folder = tmp_path / "imgrec" / "runs" / "20260101-000000-000-mine"
        folder.mkdir(parents=True)
        job = {
            "module": training_job.WORKER,
            "title": "Mine",
            "created_at": "2026-01-01T00:00:00",
            "needs": {"memory_bytes": 1, "cores": 1},
            "configuration": {"recipe": get_recipe("simple_cnn").to_dict()},
        }
        (folder / "job.json").write_text(json.dumps(job))
        (folder / "progress.jsonl").write_text("".join(json.dumps(event) + "\n" for event in [*EVENTS, *more]))
        if end is not None:
            (folder / "end.json").write_text(json.dumps(end))
        return folder

    return leave


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The card of a model of one's own, newer than all."""
    place = tmp_path / "imgrec" / "models"
    place.mkdir(parents=True)
    (place / "my_test_model.keras").write_bytes(b"weights")
    row = {"epoch": 1, "loss": 1.0, "validation_loss": 1.0, "accuracy": 0.5, "validation_accuracy": 0.5, "seconds": 1.0}
    card = FIELDS | {"curves": [row], "finished_at": "2999-01-01T00:00:00+00:00"}
    return cards.write(place / "my_test_model.json", card).path


def test_empty_offers_every_recipe_and_says_what_a_run_is(page: Callable[..., AppTest]) -> None:
    app = page("train.py", learn="Train from scratch")
    assert not app.exception
    assert app.selectbox(key="recipe").options == [recipe.title for recipe in RECIPES.values()]
    assert "No runs yet" in words(app)


@pytest.mark.parametrize(
    ("end", "more", "said"),
    [
        ({"state": "finished", "error": None}, [MODEL], ["my_model", "90.0\u202f% accuracy on 100 test images"]),
        ({"state": "failed", "error": "Expected a loss that is a number."}, [], ["Expected a loss"]),
        ({"state": "cancelled", "error": None}, [], ["Canceled"]),
        (None, [], ["Interrupted", "it was killed"]),
    ],
    ids=["finished", "failed", "cancelled", "killed"],
)
def test_a_run_that_has_ended_shows_how(
    page: Callable[..., AppTest],
    run: Callable[..., Path],
    end: dict[str, Any] | None,
    more: list[dict[str, Any]],
    said: list[str],
) -> None:
    run(end, *more)
    app = page("train.py", learn="Train from scratch")
    assert not app.exception
    everything = words(app) + "".join(str(alert.value) for alert in app.success)
    assert all(part in everything for part in said), everything
    assert len(app.get("vega_lite_chart")) >= 3
    assert all(chart.proto.alt for chart in app.get("vega_lite_chart"))
    assert ("resume_run" in {button.key for button in app.button}) == (end is None or end["state"] != "finished")


def card_of_the_run(own: Path, images: int) -> None:
    fields = json.loads(own.read_text())
    fields["metrics"] |= {"accuracy": 0.5, "pictures": images}
    fields["unknown_images"] = "No limit for unknown images: too few held-out images."
    cards.write(own, fields)


def test_charts_of_a_finished_run_stand_on_the_page_once(
    page: Callable[..., AppTest], run: Callable[..., Path], own: Path
) -> None:
    card_of_the_run(own, 4)
    metrics = {"accuracy": 0.5, "pictures": 4, "set": "test"}
    run({"state": "finished", "error": None}, MODEL | {"name": "my_test_model", "metrics": metrics})
    app = page("train.py", learn="Train from scratch")
    assert not app.exception
    assert app.selectbox(key="trained").value == "my_test_model"
    curves = [chart for chart in app.get("vega_lite_chart") if "after epoch" in chart.proto.alt]
    of_runs = [chart for chart in curves if "validation accuracy" not in chart.proto.alt]
    assert len(of_runs) == 2
    app.selectbox(key="trained").select("cifar_vgg").run()
    curves = [chart for chart in app.get("vega_lite_chart") if "after epoch" in chart.proto.alt]
    assert len([chart for chart in curves if "validation accuracy" not in chart.proto.alt]) == 4


@pytest.mark.parametrize(("images", "is_green"), [(4, False), (400, True)])
def test_few_images_are_not_praised(
    page: Callable[..., AppTest], run: Callable[..., Path], own: Path, images: int, is_green: bool
) -> None:
    card_of_the_run(own, images)
    metrics = {"accuracy": 0.5, "pictures": images, "set": "test"}
    run({"state": "finished", "error": None}, MODEL | {"name": "my_test_model", "metrics": metrics})
    app = page("train.py", learn="Train from scratch")
    said = [box.value for box in (app.success if is_green else app.info)]
    assert any("is in the catalog" in sentence for sentence in said)
    assert any("too few to tell" in sentence for sentence in said) == (not is_green)
    assert bool(app.success) == is_green
    assert "No limit for unknown images" in words(app)


def test_a_run_that_diverged_goes_on_with_a_smaller_learning_rate(
    page: Callable[..., AppTest], run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run({"state": "failed", "error": "Expected a loss that is a number."})
    monkeypatch.setattr(processes, "spawn", lambda *_: None)
    app = page("train.py", learn="Train from scratch")
    field = app.number_input(key=key_of("resume_rate", folder.name))
    assert field.value == get_recipe("simple_cnn").optimizer.learning_rate
    field.set_value(0.0).run()
    app.button(key="resume_run").click().run()
    assert "learning rate above 0" in words(app)
    assert (folder / "end.json").exists()
    app.number_input(key=key_of("resume_rate", folder.name)).set_value(1e-5).run()
    app.button(key="resume_run").click().run()
    assert not app.exception
    recipe = json.loads((folder / "job.json").read_text())["configuration"]["recipe"]
    assert recipe["optimiser"]["learning_rate"] == 1e-5
    assert not (folder / "end.json").exists()


def test_images_that_are_not_there_get_a_sentence(page: Callable[..., AppTest]) -> None:
    app = page("train.py", learn="Train from scratch")
    app.selectbox(key="data_cifar_vgg").select("My folder or file").run()
    app.text_input(key="data_path").set_value("/no/such/folder").run()
    assert "Expected the name of a dataset" in app.error[0].value
    assert app.button(key="start_training").disabled


def test_the_images_are_shown_with_counts_changes_and_numbers(page: Callable[..., AppTest], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", x_train=pixels, y_train=np.arange(20) % 2, class_names=np.array(["sun", "rain"]))
    app = page("train.py", learn="Train from scratch")
    app.selectbox(key="data_cifar_vgg").select("My folder or file").run()
    app.text_input(key="data_path").set_value(str(tmp_path / "set.npz")).run()
    app.toggle(key="explore").set_value(True).run()
    assert not app.exception
    assert app.dataframe[0].value["Class"].tolist() == ["sun", "rain"]
    assert app.dataframe[0].value["Training"].tolist() == [10, 10]
    assert "32 rows of 32 pixels" in words(app)
    assert "20 images of 2 classes, all to train on." in words(app)
    np.savez(tmp_path / "set.npz", x_train=pixels[:10], y_train=np.arange(10) % 2)
    app.run()
    assert app.dataframe[0].value["Training"].tolist() == [5, 5], "the set has changed"


def test_cifar10_that_cannot_be_had_gets_a_sentence(page: Callable[..., AppTest]) -> None:
    app = page("train.py", learn="Train from scratch")
    app.toggle(key="explore").set_value(True).run()
    assert array_files.URL in app.error[0].value


def test_a_demo_trains_nothing(page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGREC_DEMO", "1")
    app = page("train.py", learn="Train from scratch")
    assert not app.exception
    assert "demo" in words(app)
    assert "start_training" not in {button.key for button in app.button}


@pytest.mark.parametrize("demo", ["", "1"], ids=["on one's own machine", "on a public demo"])
def test_a_demo_does_not_tell_where_things_lie(
    page: Callable[..., AppTest],
    run: Callable[..., Path],
    own: Path,
    monkeypatch: pytest.MonkeyPatch,
    demo: str,
) -> None:
    run({"state": "failed", "error": "Expected access to /home/jane/cats/1.jpg. Received: Permission denied."})
    monkeypatch.setenv("IMGREC_DEMO", demo)
    app = page("train.py", learn="Train from scratch")
    assert not app.json, "sent when somebody opens it"
    app.session_state["whole_card"] = True
    app.run()
    assert not app.exception
    assert app.selectbox(key="trained").value == "my_test_model"
    assert ("/home/jane/cats/1.jpg" in app.error[0].value) == (not demo)
    assert ("/home/Jane Doe/weather" in app.json[0].value) == (not demo)


def test_a_card_without_a_figure_has_a_dash_in_the_table(page: Callable[..., AppTest], own: Path) -> None:
    app = page("train.py", learn="Train from scratch")
    table = app.dataframe[-1]
    assert table.value["Trainable"].isna().sum() == 1
    assert table.proto.placeholder == "–"


def test_a_card_that_says_too_little_breaks_nothing(page: Callable[..., AppTest], own: Path) -> None:
    fields = json.loads(own.read_text())
    del fields["finished_at"]
    own.write_text(json.dumps(fields))
    app = page("train.py", learn="Train from scratch")
    assert not app.exception
    assert "my_test_model" not in app.selectbox(key="trained").options


def test_the_sliders_of_augmentation_start_from_the_recipe_and_are_passed_on(
    page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Recipe] = []

    def start(recipe: Recipe, data: str, settings: Settings) -> Job:
        asked.append(recipe)
        raise InputError("Expected another.")

    monkeypatch.setattr(training_job, "start", start)
    app = page("train.py", learn="Train from scratch", recipe="simple_cnn")
    assert app.slider(key="rotation_simple_cnn").value == 20.0
    assert app.toggle(key="featurewise_center_simple_cnn").value
    app.slider(key="zoom_simple_cnn").set_value(0.5).run()
    app.toggle(key="featurewise_std_normalization_simple_cnn").set_value(False).run()
    app.toggle(key="mirror_simple_cnn").set_value(False).run()
    app.toggle(key="preview_simple_cnn").set_value(True).run()
    assert not app.exception
    app.button(key="start_training").click().run()
    assert asked[0].augmentation == Augmentation(rotation=20.0, shift=0.2, shear=0.2, zoom=0.5)
    assert (asked[0].featurewise_center, asked[0].featurewise_std_normalization) == (True, False)
    app.selectbox(key="recipe").set_value("cifar_vgg").run()
    assert "The recipe adds shifts of 3 px and covered squares of 6 px." in words(app)
    assert "featurewise_center_cifar_vgg" not in {toggle.key for toggle in app.toggle}
