"""Train, logs: files that are logs and files that are none, runs and printed logs over each other."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.ui.train import training_logs
from tests.training.test_log_files import CSV, KERAS_2
from tests.ui.conftest import upload, words
from tests.ui.train.test_train import MODEL, run  # noqa: F401

LOGS = {"learn": "Read logs"}


def charts(app: AppTest) -> list[str]:
    return [chart.proto.alt for chart in app.get("vega_lite_chart")]


def test_empty_says_what_a_log_is(page: Callable[..., AppTest]) -> None:
    app = page("train.py", **LOGS)
    assert not app.exception
    assert "No logs yet" in words(app)
    assert not charts(app)


def test_logs_are_drawn_over_each_other_and_what_is_none_is_said(page: Callable[..., AppTest]) -> None:
    app = page("train.py", **LOGS)
    upload(app, ("nohup.out", KERAS_2.encode()), ("training.csv", CSV.encode()), ("cat.png", b"\x89PNG\0"))
    assert not app.exception
    accuracy, loss = charts(app)
    assert "nohup.out, accuracy after epoch 2: training 61.0" in accuracy
    assert "training.csv, accuracy after epoch 2: training 70.0" in accuracy
    assert "validation" in loss
    assert [error.value for error in app.error] == [
        "Expected a training log, which is text. Received: cat.png, which is not text."
    ]
    (expander,) = app.expander
    assert expander.label == "3 of 10 lines skipped: 3 without figures."
    assert "loss is not a finite number, first at epoch 2" in words(app).replace("\\", "")
    app.button(key="remove_log_0").click().run()
    assert len(app.error) == 0
    assert "nohup.out" not in charts(app)[0]


def test_lists_ask_for_the_values_of_an_epoch(page: Callable[..., AppTest]) -> None:
    app = page("train.py", **LOGS)
    upload(app, ("acc_history.txt", b"0.1\n0.2\n0.3\n0.4"), ("loss_history.txt", b"4\n3\n2"))
    assert "different lengths: acc_history.txt 4, loss_history.txt 3" in words(app).replace("\\", "")
    app.number_input(key="log_values").set_value(2).run()
    assert "after epoch 2" in charts(app)[0]


def test_choices_are_in_the_address(page: Callable[..., AppTest]) -> None:
    app = page("train.py", **LOGS, log_published="vgg16,_transfer", log_points="batches", smoothing="0.5")
    assert not app.exception
    assert app.multiselect(key="log_published").value == ["VGG16, transfer"]
    assert app.slider(key="smoothing").value == 0.5
    assert "VGG16, transfer, accuracy after epoch 5: validation 55.0" in charts(app)[0]


def test_a_run_stands_beside_printed_logs_and_can_be_taken_along(
    page: Callable[..., AppTest],
    run: Callable[..., Path],  # noqa: F811
) -> None:
    folder = run({"state": "finished", "error": None}, MODEL)
    app = page("train.py", **LOGS)
    app.multiselect(key="log_runs").set_value([folder.name]).run()
    app.multiselect(key="log_published").set_value(["ResNet50, transfer"]).run()
    assert "Mine, accuracy after epoch 1: training 50.0" in charts(app)[0]
    assert "ResNet50, transfer, accuracy after epoch 5: validation 93.0" in charts(app)[0]
    app.segmented_control(key="view").set_value("Table").run()
    assert not charts(app)
    assert {"Mine", "ResNet50, transfer"} == set(app.dataframe[1].value["Log"])


def test_files_beyond_the_limit_are_refused(page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_logs, "MAX_FILES", 1)
    app = upload(page("train.py", **LOGS), ("a.csv", CSV.encode()), ("b.csv", CSV.encode()))
    assert "Expected at most 1 files" in app.error[0].value
    assert len(charts(app)) == 2


def test_a_run_has_a_button_for_its_log(page: Callable[..., AppTest], run: Callable[..., Path]) -> None:  # noqa: F811
    folder = run({"state": "finished", "error": None}, MODEL)
    app = page("train.py", learn="Train from scratch")
    assert not app.exception
    assert any(button.proto.id.endswith("run_log") for button in app.get("download_button"))
    from imgrec.jobs import Job
    from imgrec.training import log_export

    log = training_logs.run_log(Job(folder))
    assert log is not None
    with zipfile.ZipFile(io.BytesIO(log_export.zipped(log))) as archive:
        assert set(archive.namelist()) == {
            "training.csv",
            "history.json",
            "acc_history.txt",
            "loss_history.txt",
            "nohup.out",
        }
        assert json.loads(archive.read("history.json"))["val_accuracy"] == [0.625]
