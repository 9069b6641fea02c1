"""Logs from anywhere: every form that Keras writes, what users make of them, and what is no log at all."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrec.errors import InputError
from imgrec.training import log_builder, log_export, log_files, log_json, log_lines, progress_bars
from imgrec.training.log_builder import log_of
from imgrec.training.log_files import joined, read
from imgrec.training.training_log import TrainingLog, divergences, smoothed, summary_row
from tests.training.test_run_summary import HALFWAY

KERAS_2 = """Using TensorFlow backend.
Train on 40 samples, validate on 10 samples
Epoch 1/2

 1/20 [>.............................] - ETA: 2:10:31 - loss: 0.6931 - acc: 0.5000\b\b\b\b\r10/20 [==>..] - ETA: 8s \
- loss: 0.6000 - acc: 0.5500
20/20 [==============================] - 500s 25s/step - loss: 0.5000 - acc: 0.6000
20/20 [==============================] - 562s 28s/step - loss: 0.5000 - acc: 0.6000 - val_loss: 0.4000 - val_acc: 0.7620
Epoch 00001: val_acc improved from -inf to 0.76200, saving model to model.h5
Epoch 2/2
20/20 [==============================] - 560s 28s/step - loss: nan - acc: 0.6100 - val_loss: 1.2e-05 - val_acc: 0.8567
"""

CSV = "epoch,accuracy,loss,val_accuracy,val_loss\n0,0.5,1.0,0.6,0.9\n1,0.7,0.8,NA,nan\n"


def one(name: str, text: str | bytes) -> TrainingLog:
    (log,) = read(name, text if isinstance(text, bytes) else text.encode()).logs
    return log


def test_the_bar_of_keras_2_gives_batches_epochs_and_times() -> None:
    file = read("nohup.out", KERAS_2.encode())
    (log,) = file.logs
    assert log.positions.tolist() == [0.05, 0.5, 1.0]
    assert log.batches["accuracy"].tolist() == [0.5, 0.55, 0.6]
    assert log.epochs["val_accuracy"].tolist() == [0.762, 0.8567]
    assert log.epochs["val_loss"].tolist() == [0.4, 1.2e-05]
    assert log.training_seconds == 562 + 560
    assert log.steps == 20
    assert np.isnan(log.epochs["loss"][1])
    assert log.diverged == {"loss": 2.0}
    assert divergences(log) == ["loss is not a finite number, first at epoch 2; such values are not drawn."]
    assert file.skipped.reasons == {progress_bars.OTHER: 3}
    assert file.skipped.shown[1] == (2, "without figures", "Train on 40 samples, validate on 10 samples")


def test_the_bar_of_keras_3_is_read_as_it_was_written() -> None:
    """The file is what Keras 3.15 wrote to a redirected stdout: two trainings, each with an evaluation after it."""
    file = read("nohup.out", (Path(__file__).parent / "logs" / "keras3_nohup.out").read_bytes())
    with_bar, without = file.logs
    assert with_bar.title == "nohup.out, training 1"
    for log in file.logs:
        assert log.epochs["accuracy"].tolist() == [0.08, 0.18, 0.28]
        assert log.epochs["val_loss"].tolist() == [3.0, 2.0, 1.0]
    assert with_bar.positions.tolist() == [i / 8 for i in range(1, 25)]
    assert not without.positions.size
    assert file.skipped.reasons == {progress_bars.OUTSIDE: 2}


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("313/313 - 5s - 14ms/step - accuracy: 0.5000 - loss: 1.0000", 5),
        ("313/313 - 5s - loss: 1.0000 - accuracy: 0.5000 - 5s/epoch - 16ms/step", 5),
        (" - 5s - loss: 1.0000 - acc: 0.5000", 5),
        ("313/313 [==============================] - 5s - loss: 1.0000 - categorical_accuracy: 0.5000", 5),
    ],
)
def test_every_way_to_write_an_epoch_in_a_line(line: str, seconds: float) -> None:
    log = one("log.txt", f"Epoch 1/1\n{line}\n")
    assert {name: values.tolist() for name, values in log.epochs.items()} == {"accuracy": [0.5], "loss": [1.0]}
    assert log.training_seconds == seconds


def test_a_first_epoch_of_unknown_length_ends_with_the_next() -> None:
    text = "Epoch 1/2\n 1/Unknown - 1s 1s/step - loss: 2.0\n 4/Unknown - 4s 1s/step - loss: 1.0\nEpoch 2/2\n"
    log = one("log", text + "4/4 [==] - 4s - loss: 0.5\n")
    assert log.positions.tolist() == [0.25, 1.0, 2.0]
    assert log.epochs["loss"].tolist() == [1.0, 0.5]


def test_an_epoch_that_was_cut_off_is_no_epoch() -> None:
    log = one("log", "Epoch 1/9\n2/2 [==] - 1s - loss: 1.0\nEpoch 2/9\n1/2 [=>] - ETA: 1s - loss: 0.5\n")
    assert log.count == 1
    assert log.batches["loss"].tolist() == [1.0, 0.5]


def test_a_damaged_bar_is_counted_and_shown() -> None:
    text = "Epoch 1/1\n1/2 [=>..] - ETA: 1s - loss: 0.\x00x9\n9/2 - loss: 1\n2/2 [==] - 1s - loss: 0.5\n"
    with pytest.raises(InputError, match="not text"):
        read("log", text.encode())
    file = read("log", text.replace("\x00", "").encode())
    assert file.skipped.reasons == {progress_bars.DAMAGED: 2}
    assert [number for number, _, _ in file.skipped.shown] == [2, 3]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_of_csvlogger_in_any_encoding(encoding: str, delimiter: str) -> None:
    text = CSV.replace(",", delimiter).replace("\n", "\r\n") + "né" + "\r\n"
    file = read("training.csv", text.encode(encoding))
    (log,) = file.logs
    assert log.kind == log_files.CSV
    assert log.epochs["accuracy"].tolist() == [0.5, 0.7]
    assert np.isnan(log.epochs["val_accuracy"][1])
    assert log.diverged == {"val_loss": 2.0}
    assert file.skipped.reasons == {"with another number of cells": 1}
    assert file.skipped.shown[0][2] == "né"


def test_a_table_that_was_appended_to_is_two_trainings() -> None:
    logs = read("training.csv", f"{CSV}{CSV}".encode()).logs
    assert [log.count for log in logs] == [2, 2]


def test_a_table_of_batches() -> None:
    log = one("steps.csv", "epoch,batch,loss\n0,0,4\n0,1,3\n1,0,2\n1,1,1\n")
    assert log.positions.tolist() == [0.5, 1.0, 1.5, 2.0]
    assert log.batches["loss"].tolist() == [4, 3, 2, 1]


@pytest.mark.parametrize(
    "content",
    [
        {"acc": [0.5, 0.6], "val_loss": [1, 0.5]},
        {"history": {"accuracy": [0.5, 0.6], "val_loss": [1, 0.5]}, "epoch": [0, 1]},
        {"accuracy": {"0": 0.5, "1": 0.6}, "val_loss": {"0": 1, "1": 0.5}},
        [{"epoch": 0, "accuracy": 0.5, "val_loss": 1}, {"epoch": 1, "accuracy": 0.6, "val_loss": 0.5}],
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_history_in_every_shape(content: object, indent: int | None) -> None:
    log = one("history.json", json.dumps(content, indent=indent))
    assert {name: values.tolist() for name, values in log.epochs.items()} == {
        "accuracy": [0.5, 0.6],
        "val_loss": [1, 0.5],
    }


def test_lists_of_different_lengths_in_a_history_are_told() -> None:
    log = one("history.json", '{"loss": [3, 2, NaN], "val_loss": [1, null]}')
    assert log.notes == ("Its lists have different lengths: loss 3, val_loss 2. Each is drawn to its own end.",)
    assert log.diverged == {"loss": 3.0}


def test_the_log_of_a_run_is_read_too() -> None:
    lines = [
        {"event": "training", "epochs": 2, "steps": 4},
        {"event": "step", "epoch": 1, "step": 2, "loss": 2.0, "accuracy": 0.25},
        {"event": "epoch", "epoch": 1, "loss": 1.5, "accuracy": 0.5, "validation_loss": 1, "validation_accuracy": 0.6},
        {"event": "epoch", "epoch": "x"},
    ]
    file = read("progress.jsonl", "\n".join(map(json.dumps, lines)).encode() + b"\n{brok")
    (log,) = file.logs
    assert log.positions.tolist() == [0.5]
    assert log.epochs["val_accuracy"].tolist() == [0.6]
    assert file.skipped.reasons == {log_json.NO_JSON: 1}


def test_two_lists_of_one_training_are_one_log_and_their_lengths_are_told() -> None:
    files = [read("acc_history.txt", b"0.1\n0.2\n0.3\n0.4\n"), read("loss_history.txt", b"[3, 2,\n 1]")]
    (log,) = joined(files)
    assert log.title == "acc_history.txt, loss_history.txt"
    assert log.batches["loss"][:3].tolist() == [3, 2, 1]
    assert log.notes == (
        "The lists have different lengths: acc_history.txt 4, loss_history.txt 3 values. Each is drawn to its own end.",
    )
    in_epochs = log.in_epochs(2)
    assert in_epochs.positions.tolist() == [0.5, 1, 1.5, 2]
    assert in_epochs.epochs["accuracy"].round(3).tolist() == [0.15, 0.35]
    assert in_epochs.epochs["loss"].tolist() == [2.5, 1]


def test_lists_of_two_trainings_stay_apart() -> None:
    logs = joined([read(f"acc_{name}.txt", b"0.1\n0.2") for name in "ab"])
    assert [log.title for log in logs] == ["acc_a.txt", "acc_b.txt"]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("empty.txt", b" \r\n ", "empty.txt, which is empty"),
        ("cat.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "cat.png, which is not text"),
        ("LICENSE", b"Permission is hereby granted, free of charge\n", "LICENSE, in which no line is any of these"),
        ("bars.txt", b"Epoch 1/3\n", "no line is any of these"),
        ("predict.txt", b"32/32 [======] - 1s 20ms/step\n", "no line is any of these"),
        ("h.json", b'{"loss": [1, 2', "h.json, which is not complete JSON"),
        ("h.json", b"[" * 100_000, "not complete JSON"),
        ("h.json", b'{"a": "b"}', "no line is any of these"),
        ("values.txt", b"0.5\n0.6", "Expected acc or loss in the name of a list of numbers"),
        ("t.csv", b"epoch,loss\n", "no line is any of these"),
        ("../../x\x1b[2J.txt", b"hello", "Received: x.txt, in"),
    ],
)
def test_what_is_no_log_is_said_in_a_sentence(name: str, data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=r"^Expected") as caught:
        read(name, data)
    assert said in str(caught.value)


def test_a_log_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_lines, "MAX_LOG_BYTES", 1000)
    with pytest.raises(InputError, match="at most"):
        read("log", b"x" * 1001)
    monkeypatch.setattr(log_json, "MAX_JSON_BYTES", 5)
    with pytest.raises(InputError, match="at most"):
        read("h.json", b'{"loss": [1]}')


def test_memory_of_a_long_log_is_bounded_and_what_was_left_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_builder, "MAX_BATCHES", 50)
    monkeypatch.setattr(log_lines, "MAX_LINES", 900)
    text = "Epoch 1/1\n" + "".join(f"{i}/2000 - loss: {i}\n" for i in range(1, 2001))
    file = read("log", text.encode())
    assert 50 <= file.logs[0].positions.size <= 100
    assert "one in 16 is kept" in file.logs[0].notes[0]
    assert file.skipped.reasons == {"more than 900 lines": 1}


def test_trainings_quantities_and_epochs_of_a_file_are_limited() -> None:
    many = read("log", b"Epoch 1/1\n1/1 - 1s - loss: 1\n" * 1000)
    assert len(many.logs) == log_builder.MAX_TRAININGS
    assert many.skipped.reasons == {progress_bars.TOO_MANY: 1000 - log_builder.MAX_TRAININGS}
    wide = one("log", "Epoch 1/1\n1/1 - 1s" + "".join(f" - m{i}: 1" for i in range(1000)))
    assert len(wide.epochs) == log_builder.MAX_QUANTITIES
    with pytest.raises(InputError):
        read("log", b"Epoch 9999999/9999999\n1/1 - 1s - loss: 1\n")


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_sentence(data: bytes) -> None:
    for beginning in (
        b"",
        b"Epoch 1/2\n",
        b"epoch,loss\n",
        b"0.5\n",
        b'{"loss": ',
        b'{"event": "epoch", "epoch": 1}\n',
    ):
        try:
            logs = read("acc.txt", beginning + data).logs
        except InputError:
            continue
        for log in logs:
            summary_row(log)
            log_export.zipped(log)


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 12), st.sampled_from(["0.5", "nan", "inf", "-1e-30", "x", ""])),
        max_size=30,
    )
)
def test_any_order_of_bars_gives_finite_figures_in_rising_positions(bars: list[tuple[int, int, str]]) -> None:
    text = "".join(f"Epoch {epoch}/9\n" if step == 0 else f"{step}/9 - loss: {loss}\n" for epoch, step, loss in bars)
    try:
        logs = read("log", text.encode() or b"x").logs
    except InputError:
        return
    for log in logs:
        for values in (*log.epochs.values(), *log.batches.values()):
            assert not np.isinf(values).any()
        assert np.isfinite(log.positions).all()
        assert (log.positions >= 0).all()


@pytest.mark.parametrize("name", [log_export.CSV, log_export.HISTORY, log_export.BAR])
def test_what_a_run_exports_is_read_back(name: str) -> None:
    log = log_of(HALFWAY, "mine")
    text = log_export.files_of(log)[name]
    again = one(name, text)
    assert again.epochs.keys() == log.epochs.keys()
    for quantity, values in log.epochs.items():
        assert again.epochs[quantity].tolist() == pytest.approx(values.tolist(), abs=1e-4)
    assert again.training_seconds == pytest.approx(log.training_seconds, abs=0.5)
    if name == log_export.BAR:
        known = {round(float(x), 6) for x in log.positions}
        assert known >= {round(float(x), 6) for x in again.positions if x % 1}
        assert again.steps == log.steps


def test_exported_lists_are_read_back() -> None:
    log = log_of(HALFWAY, "mine")
    files = log_export.files_of(log)
    (again,) = joined([read(name, files[name].encode()) for name in (log_export.ACCURACY, log_export.LOSS)])
    assert again.batches["accuracy"].tolist() == log.batches["accuracy"].tolist()
    assert again.batches["loss"].tolist() == log.batches["loss"].tolist()


def test_smoothing_keeps_a_constant_and_what_is_missing() -> None:
    values = np.array([2.0, np.nan, 2.0, 2.0])
    assert np.array_equal(smoothed(values, 0.9), values, equal_nan=True)
    assert smoothed(np.array([0.0, 1.0]), 0.0).tolist() == [0.0, 1.0]
