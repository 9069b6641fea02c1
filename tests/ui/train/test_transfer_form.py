"""Transfer learning on the Train page: nothing is lost, no run starts that cannot work, a run shows all its results."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from imgrec.data import collections
from imgrec.data.collections import Collection
from imgrec.errors import InputError
from imgrec.images import decoding
from imgrec.jobs import Job
from imgrec.settings import Settings
from imgrec.training import transfer_job
from imgrec.training.augmentation import Augmentation
from imgrec.training.transfer_config import TransferConfig
from imgrec.ui.train import transfer_form
from imgrec.ui.widget_keys import key_of
from tests.ui.conftest import photo, words

LESSON = TransferConfig("mobilenet", learning_rates=(0.01, 0.001), folds=2)
CLASSES = ["cat", "<b>dog"]


def trial(rate: float, fold: int, accuracy: float) -> dict[str, Any]:
    figures = {"train_accuracy": 0.9, "train_loss": 0.2, "validation_accuracy": accuracy, "validation_loss": 0.5}
    return {"event": "trial", "learning_rate": rate, "fold": fold, "best_epoch": 3, "seconds": 0.5, **figures}


EPOCH = {"loss": 0.3, "accuracy": 0.9, "validation_loss": 0.4, "validation_accuracy": 0.75, "seconds": 0.25}
EVENTS: list[dict[str, Any]] = [
    {"event": "data", "classes": CLASSES, "notes": ["x.jpg: broken"], "left_out": 1},
    {"event": "features", "part": "train", "done": 40, "count": 40, "seconds": 4.0, "cached": False},
    {"event": "features", "part": "test", "done": 10, "count": 10, "seconds": 0.0, "cached": True},
    {"event": "trials", "count": 4},
    *(trial(rate, fold, 0.5 + rate * 10 * fold) for rate in (0.01, 0.001) for fold in (1, 2)),
    {"event": "chosen", "learning_rate": 0.01, "epochs": 3, "why": "65.00 % of validation right"},
    {"event": "training", "epochs": 1, "steps": 2, "batch_size": 20, "parameters": 7, "precision": "float32"},
    {"event": "epoch", "epoch": 1, "images_per_second": 80.0, "confusion": [[3, 1], [2, 4]], **EPOCH},
]
METRICS = {"accuracy": 0.8, "pictures": 10, "set": "test", "confusion": [[4, 1], [1, 4]]}
MODEL = {"event": "model", "name": "my_pets", "metrics": METRICS}


@pytest.fixture
def leave(tmp_path: Path) -> Callable[..., Path]:
    """Leaves a run as a worker that has ended leaves it."""

    def leave(end: dict[str, Any] | None, events: list[dict[str, Any]]) -> Path:
        folder = tmp_path / "imgrec" / "runs" / "20260101-000000-000-lesson"
        folder.mkdir(parents=True)
        job = {
            "module": transfer_job.WORKER,
            "title": "MobileNet: my_pets",
            "created_at": "2026-01-01T00:00:00",
            "needs": {"memory_bytes": 1, "cores": 1},
            "configuration": {"lesson": LESSON.to_dict(), "data": "pets", "name": "my_pets"},
        }
        (folder / "job.json").write_text(json.dumps(job))
        (folder / "progress.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
        if end is not None:
            (folder / "end.json").write_text(json.dumps(end))
        # A head that says "<b>dog" of whatever the fake engine makes features of.
        kernel = np.zeros((1000, 2), np.float32)
        np.savez(folder / transfer_job.CHECKPOINT, kernel_0=kernel, bias_0=np.array([0, 2], np.float32))
        return folder

    return leave


def image(seed: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def collection(name: str) -> Collection:
    """The set called `name`."""
    return next(found for found in collections.all_collections(Settings.from_env()) if found.name == name)


def keys(app: AppTest) -> set[str | None]:
    return {button.key for button in app.button}


def drop(app: AppTest, place: int, *files: tuple[str, bytes]) -> AppTest:
    """Drop `files` on the row of class number `place`."""
    for name, data in files:
        app.file_uploader[place].upload(name, data)
    return app.run()


def test_empty_offers_two_classes_and_says_what_comes_first(page: Callable[..., AppTest], tmp_path: Path) -> None:
    app = page("train.py")
    assert not app.exception
    assert [name.value for name in app.text_input][:2] == ["Class 1", "Class 2"]
    assert "Add images first" in words(app)
    assert app.button(key="start_transfer").disabled
    assert not (tmp_path / "imgrec" / "sets").exists(), "looking makes no set"


def test_networks_on_this_machine_stand_first_and_the_others_say_so(page: Callable[..., AppTest]) -> None:
    app = page("train.py")
    chooser = app.selectbox(key="backbone")
    assert chooser.options[:3] == ["MobileNetV3Small", "MobileNetV2", "MobileNet"]
    assert "On this machine." in words(app)
    chooser.select("VGG16").run()
    assert "Not downloaded, and downloads are disabled" in words(app)


def test_an_address_that_was_shared_before_still_chooses(page: Callable[..., AppTest]) -> None:
    app = page("train.py", source="Known set", layers="Everything")
    assert app.selectbox(key="teach_set")
    assert app.selectbox(key="layers").value == "All layers"


def test_what_is_dropped_is_kept_and_what_is_broken_is_listed(page: Callable[..., AppTest]) -> None:
    app = page("train.py")
    drop(app, 0, ("1.png", image(1)), ("broken.jpg", b"no image"), ("2.png", image(2)), ("same.png", image(1)))
    assert not app.exception
    found = collection("My images")
    assert found.counts() == {"Class 1": 2, "Class 2": 0}
    said = "1 file skipped, 1 duplicate"
    assert said in {expander.label for expander in app.expander}
    assert "broken.jpg" in words(app).replace("\\", "")
    assert "2 images" in words(app)


def test_a_set_survives_the_visit_and_its_names_are_harmless(page: Callable[..., AppTest]) -> None:
    app = page("train.py")
    drop(app, 0, ("1.png", image(1)))
    app.text_input(key=f"name_{key_of('class', 'My images', 'Class 1')}").set_value("<b>cats</b>/../x").run()
    assert not app.exception
    found = collection("My images")
    assert [label for label, count in found.counts().items() if count] == ["＜b＞cats＜／b＞／..／x"]
    app.text_input(key=f"name_{key_of('class', 'My images', 'Class 2')}").set_value("test").run()
    assert "Expected the name of a class" in app.error[0].value
    again = page("train.py")
    assert again.selectbox(key="album").value == "My images"
    assert [name.value for name in again.text_input][:2] == found.labels


def test_classes_come_and_go(page: Callable[..., AppTest]) -> None:
    app = page("train.py")
    app.button(key="add_class").click().run()
    assert collection("My images").labels == ["Class 1", "Class 2", "Class 3"]
    app.button(key=f"remove_{key_of('class', 'My images', 'Class 2')}").click().run()
    assert collection("My images").labels == ["Class 1", "Class 3"]
    app.button(key="delete_album").click().run()
    assert not app.exception
    assert collections.all_collections(Settings.from_env()) == []


def test_a_zip_becomes_a_set_and_what_it_cannot_give_is_listed(page: Callable[..., AppTest]) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for seed in range(6):
            archive.writestr(f"pets/{('cat', 'dog')[seed % 2]}/{seed}.png", image(seed))
        archive.writestr("pets/cat/notes.txt", "none")
        archive.writestr("../../climb/cat/1.png", image(9))
    app = page("train.py")
    app.segmented_control(key="source").set_value("Folder or archive").run()
    next(drop for drop in app.file_uploader if "zip" in drop.label).upload("my pets.zip", file.getvalue())
    app.run()
    assert not app.exception
    assert collection("my pets").counts() == {"cat": 3, "dog": 3}
    assert (app.segmented_control(key="source").value, app.selectbox(key="album").value) == ("My classes", "my pets")
    assert "2 files skipped" in {expander.label for expander in app.expander}


def test_an_archive_without_images_gets_a_sentence(page: Callable[..., AppTest], tmp_path: Path) -> None:
    app = page("train.py")
    app.segmented_control(key="source").set_value("Folder or archive").run()
    next(drop for drop in app.file_uploader if "zip" in drop.label).upload("x.zip", b"no archive")
    app.run()
    assert not app.exception
    assert "Received: x.zip, which is none of these" in app.error[0].value
    assert not list((tmp_path / "imgrec" / "sets").iterdir()), "nothing is left behind"
    assert collections.all_collections(Settings.from_env()) == []


def test_one_class_is_stopped_before_it_starts(page: Callable[..., AppTest]) -> None:
    app = page("train.py")
    drop(app, 0, *((f"{seed}.png", image(seed)) for seed in range(4)))
    until(app, lambda: "**Error:**" in words(app))
    assert not app.exception
    assert "At least two classes are needed" in words(app)
    assert app.button(key="start_transfer").disabled


def test_a_path_that_is_not_there_gets_a_sentence(page: Callable[..., AppTest]) -> None:
    app = page("train.py")
    app.segmented_control(key="source").set_value("Folder or archive").run()
    app.text_input(key="transfer_path").set_value("/no/such/<folder>").run()
    until(app, lambda: bool(app.error))
    assert "Expected the name of a dataset" in app.error[0].value
    assert app.button(key="start_transfer").disabled


def test_settings_that_cannot_be_meant_get_a_sentence(page: Callable[..., AppTest]) -> None:
    app = page("train.py")
    app.multiselect(key="rates").set_value([]).run()
    assert "learning rates" in app.error[0].value
    assert app.button(key="start_transfer").disabled
    app.session_state["rates"] = ["1e-4", "fast"]
    app.run()
    assert app.error[0].value == "Expected learning rates such as 0.01 or 1e-4. Received: 1e-4, fast."
    app.session_state["rates"] = ["1e-4"]
    app.run()
    assert not app.error


def test_start_passes_on_what_was_chosen(
    page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch, leave: Callable[..., Path]
) -> None:
    asked: list[tuple[TransferConfig, str, str | None]] = []

    def start(lesson: TransferConfig, data: str, settings: Settings, *, name: str | None = None) -> Job:
        asked.append((lesson, data, name))
        if len(asked) == 1:
            raise InputError("Expected another [name].")
        return Job(leave({"state": "cancelled", "error": None}, EVENTS[:3]))

    monkeypatch.setattr(transfer_job, "start", start)
    album = collections.create("pets", Settings.from_env(), ("cat", "dog"))
    for seed in range(8):
        album.add(("cat", "dog")[seed % 2], image(seed), max_bytes=10**6)
    app = page("train.py", backbone="MobileNet", folds="5 folds")
    until(app, lambda: not app.button(key="start_transfer").disabled)
    app.text_input(key="transfer_name").set_value("my_pets").run()
    app.button(key="start_transfer").click().run()
    assert app.error[0].value.replace("\\", "") == "Expected another [name]."
    app.button(key="start_transfer").click().run()
    assert asked[-1] == (TransferConfig("mobilenet", folds=5), str(album.folder), "my_pets")
    assert "Canceled" in words(app)


def test_augmentation_is_passed_on_and_shown_on_an_image_of_the_data(
    page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch, leave: Callable[..., Path]
) -> None:
    asked: list[TransferConfig] = []

    def start(lesson: TransferConfig, data: str, settings: Settings, *, name: str | None = None) -> Job:
        asked.append(lesson)
        return Job(leave({"state": "cancelled", "error": None}, EVENTS[:3]))

    monkeypatch.setattr(transfer_job, "start", start)
    album = collections.create("pets", Settings.from_env(), ("cat", "dog"))
    for seed in range(8):
        album.add(("cat", "dog")[seed % 2], image(seed), max_bytes=10**6)
    app = page("train.py", backbone="MobileNet")
    app.toggle(key="transfer_augmented").set_value(True).run()
    app.slider(key="rotation_transfer").set_value(45.0).run()
    app.number_input(key="transfer_copies").set_value(2).run()
    app.toggle(key="preview_transfer").set_value(True).run()
    assert not app.exception
    shown = [image.alt for element in (*app.get("imgs"), *app.get("image")) for image in element.proto.imgs]
    assert "cat, and 7 augmented copies" in shown
    until(app, lambda: not app.button(key="start_transfer").disabled)
    assert "on each image and 2 augmented copies" in words(app)
    app.button(key="start_transfer").click().run()
    assert asked[-1].copies == 2
    assert asked[-1].augmentation == Augmentation(mirror=True, rotation=45.0, shift=0.2, zoom=0.2)
    for name in ("rotation", "shift", "zoom"):
        app.slider(key=f"{name}_transfer").set_value(0.0).run()
    app.toggle(key="mirror_transfer").set_value(False).run()
    assert "no copies are made" in words(app)


def test_many_images_without_a_test_set_are_tested_on_a_fifth(
    page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch, leave: Callable[..., Path]
) -> None:
    monkeypatch.setattr(transfer_form, "ENOUGH_TO_TEST", 4)
    asked: list[TransferConfig] = []

    def start(lesson: TransferConfig, data: str, settings: Settings, *, name: str | None = None) -> Job:
        asked.append(lesson)
        return Job(leave({"state": "cancelled", "error": None}, EVENTS[:3]))

    monkeypatch.setattr(transfer_job, "start", start)
    album = collections.create("pets", Settings.from_env(), ("cat", "dog"))
    for seed in range(8):
        album.add(("cat", "dog")[seed % 2], image(seed), max_bytes=10**6)
    app = page("train.py", backbone="MobileNet")
    until(app, lambda: not app.button(key="start_transfer").disabled)
    assert "The test set is used once, at the end." in words(app)
    app.toggle(key="transfer_test_True").set_value(False).run()
    assert "used once" not in words(app)
    app.toggle(key="transfer_test_True").set_value(True).run()
    app.button(key="start_transfer").click().run()
    assert asked == [TransferConfig("mobilenet", test_fraction=0.2)]
    album.add("cat", image(99), max_bytes=10**6, test=True)
    album.add("dog", image(98), max_bytes=10**6, test=True)
    app = page("train.py", backbone="MobileNet")
    until(app, lambda: not app.button(key="start_transfer").disabled)
    assert not [toggle for toggle in app.toggle if toggle.key == "transfer_test_True"], "it has a test set"
    assert "The test set is used once, at the end." in words(app)


TUNED = {"event": "tuned", "kept": 0, "epochs": 1, "head_accuracy": 0.8, "head_loss": 0.5}
TUNED |= {"kept_accuracy": 0.8, "kept_loss": 0.5, "reached_accuracy": 0.7, "reached_loss": 0.9}


def test_a_finished_run_shows_what_fine_tuning_did_and_both_matrices(
    page: Callable[..., AppTest], leave: Callable[..., Path]
) -> None:
    training = {"accuracy": 1.0, "pictures": 8, "confusion": [[4, 0], [0, 4]]}
    leave({"state": "finished", "error": None}, [*EVENTS, TUNED, MODEL | {"training": training}])
    app = page("train.py")
    assert not app.exception
    said = words(app)
    assert "Fine-tuning did not help: 70.0\u202f% after 1 epoch; the classifier alone (80.0\u202f%) was kept." in said
    assert said.index("8 of 8 training images correct") < said.index("8 of 10 test images correct")
    assert "Test" in said


def until(app: AppTest, holds: Callable[[], bool]) -> None:
    """Let the page run until what works in the background has come so far."""
    for _ in range(50):
        if holds():
            return
        app.run()
    raise AssertionError(words(app))


@pytest.mark.parametrize(
    ("end", "events", "said"),
    [
        ({"state": "failed", "error": "Expected <two> classes."}, EVENTS[:1], ["Failed", "Expected <two> classes."]),
        (None, EVENTS[:5], ["Interrupted", "Of 1 learning rates"][:1]),
        (
            {"state": "finished", "error": None},
            [*EVENTS, MODEL],
            [
                "8 of 10 test images correct (95 %: 49–94 %); too few to tell; features in 4.0 s, 4 trials in 2.0 s",
                "Best of 2 learning rates: 0.01, validation accuracy 65.0 ± 7.1 % over 2 folds.",
                "Learning rate 0.01, 3 epochs: 65.00 % of validation right",
                "**Test set**",
                "Features of 40 training images: 4.0 s, 10 images/s.",
                "Features of 10 test images: read from cache.",
            ],
        ),
    ],
    ids=["failed", "killed", "finished"],
)
def test_a_run_shows_its_results_so_far(
    page: Callable[..., AppTest],
    leave: Callable[..., Path],
    end: dict[str, Any] | None,
    events: list[dict[str, Any]],
    said: list[str],
) -> None:
    leave(end, events)
    app = page("train.py")
    assert not app.exception
    everything = words(app) + "".join(str(alert.value) for alert in [*app.success, *app.info])
    everything = everything.replace("\\", "").replace("\u202f", " ")
    assert all(part in everything for part in said), everything
    assert all(chart.proto.alt for chart in app.get("vega_lite_chart"))
    assert ("resume_run" in keys(app)) == (end is None or end["state"] != "finished")


def test_the_head_can_be_asked(page: Callable[..., AppTest], leave: Callable[..., Path]) -> None:
    leave({"state": "finished", "error": None}, [*EVENTS, MODEL])
    app = page("train.py")
    preview = next(drop for drop in app.file_uploader if drop.label == "Image to try")
    preview.upload("mine.jpg", photo())
    app.run()
    assert not app.exception
    assert "<b>dog 88.1 %, cat 11.9 %" in words(app).replace("\\", "").replace("\u202f", " ")


@pytest.mark.parametrize("data", [photo(), b"no image"], ids=["an image", "something else"])
def test_what_the_head_is_asked_about_is_decoded_once(
    page: Callable[..., AppTest], leave: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    leave({"state": "finished", "error": None}, [*EVENTS, MODEL])
    decoded: list[str | None] = []
    decode = decoding.decode

    def counted(data: bytes, *, max_bytes: int, name: str | None = None) -> decoding.DecodedImage:
        decoded.append(name)
        return decode(data, max_bytes=max_bytes, name=name)

    monkeypatch.setattr(decoding, "decode", counted)
    app = page("train.py")
    next(drop for drop in app.file_uploader if drop.label == "Image to try").upload("mine.jpg", data)
    said = [words(app.run()) for _ in range(3)]
    assert said[0] == said[2]
    assert bool(app.error) == (data == b"no image")
    assert decoded.count("mine.jpg") == 1


def test_the_log_is_read_once_for_all_that_is_shown(
    page: Callable[..., AppTest], leave: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave({"state": "finished", "error": None}, [*EVENTS, MODEL])
    reads: list[str] = []
    progress = Job.progress

    def counted(job: Job, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        reads.append(job.name)
        return progress(job, offset)

    monkeypatch.setattr(Job, "progress", counted)
    assert not page("train.py").exception
    assert len(reads) == 1


def test_tables_instead_of_charts(page: Callable[..., AppTest], leave: Callable[..., Path]) -> None:
    leave({"state": "finished", "error": None}, [*EVENTS, MODEL])
    app = page("train.py")
    app.segmented_control(key="view").set_value("Table").run()
    assert not app.exception
    tables = [set(frame.value.columns) for frame in app.dataframe]
    for columns in ({"Learning rate", "Validation accuracy"}, {"Epoch", "Loss"}, {"true class", "predicted cat"}):
        assert any(columns <= found for found in tables), columns


def test_a_demo_shows_the_form_and_trains_nothing(
    page: Callable[..., AppTest], leave: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(None, EVENTS[:5])
    monkeypatch.setenv("IMGREC_DEMO", "1")
    app = page("train.py")
    assert not app.exception
    assert "demo" in words(app)
    assert not {"start_transfer", "resume_run", "add_class"} & keys(app)
    assert not app.text_input
