"""Several trainings in one chart: every point of the logs, a color for each, and a table with the same figures."""

import numpy as np
import pytest

from imgrec.charts.training_logs import MAX_LOGS, describe_log, epoch_rows, log_chart, log_rows
from imgrec.formatting import THIN_SPACE
from imgrec.training.log_builder import LogBuilder
from imgrec.training.training_log import TrainingLog
from tests.charts.reading import drawn, legend, mark


def log_named(title: str, epochs: int = 3, batches: int = 2) -> TrainingLog:
    builder = LogBuilder()
    for epoch in range(1, epochs + 1):
        for step in range(1, batches + 1):
            builder.add_batch(epoch, step, batches, {"accuracy": 0.1 * epoch, "loss": 1 / epoch})
        figures = {
            "accuracy": 0.1 * epoch,
            "loss": 1 / epoch,
            "val_accuracy": 0.2,
            "val_loss": 9.0 if epoch < 3 else None,
        }
        builder.end_epoch(epoch, figures, 2.0)
    return builder.build(title, "test")


ONE = log_named("a.csv")


def chart(*logs: TrainingLog, quantity: str = "accuracy", batches: bool = True, smoothing: float = 0.0) -> dict:
    return log_chart(logs, quantity, among=logs, batches=batches, smoothing=smoothing, x_title="epoch")


def test_batches_and_epochs_are_drawn_as_chosen() -> None:
    by_batch = drawn(chart(ONE), "line")
    training = [row["x"] for row in by_batch if row["series"] == "training"]
    assert training == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    by_epoch = drawn(chart(ONE, batches=False), "line")
    assert [(row["x"], row["y"]) for row in by_epoch if row["series"] == "training"] == [
        (1, 0.1),
        (2, 0.2),
        (3, pytest.approx(0.3)),
    ]
    assert [row["x"] for row in by_epoch if row["series"] == "validation"] == [1, 2, 3]


def test_a_missing_value_is_not_drawn_and_large_ones_have_their_axis() -> None:
    loss = chart(ONE, quantity="loss", batches=False)
    assert [row["x"] for row in drawn(loss, "line") if row["series"] == "validation"] == [1, 2]
    assert "domain" not in mark(loss, "line").channels["y"]["scale"]
    assert mark(chart(ONE), "line").channels["y"]["scale"]["domain"] == [0, 1]


def test_each_log_has_a_color_and_its_validation_is_dashed() -> None:
    logs = [log_named(f"{i}.csv") for i in range(MAX_LOGS)]
    colors = legend(chart(*logs), "line")
    assert len(set(colors.values())) == MAX_LOGS
    assert colors["0.csv"] == colors["0.csv, validation"]
    dashes = legend(chart(*logs), "line", "strokeDash")
    assert dashes["0.csv"] != dashes["0.csv, validation"]
    alone = log_chart(logs[3:4], "loss", among=logs, batches=True, smoothing=0, x_title="epoch")
    assert legend(alone, "line")["3.csv"] == colors["3.csv"]


def test_smoothing_makes_a_line_calmer() -> None:
    rough, calm = (
        [row["y"] for row in log_rows([ONE], "accuracy", among=[ONE], batches=True, smoothing=weight)]
        for weight in (0.0, 0.9)
    )
    assert len(rough) == len(calm)
    assert np.ptp(calm) < np.ptp(rough)


def test_a_long_log_is_thinned() -> None:
    long = log_named("long", epochs=20, batches=250)
    rows = log_rows([long], "loss", among=[long], batches=True, smoothing=0)
    assert 600 <= len(rows) < 1300


def test_words_and_table_have_the_same_figures() -> None:
    assert (
        describe_log(ONE, "accuracy")
        == f"a.csv, accuracy after epoch 3: training 30.0{THIN_SPACE}%, validation 20.0{THIN_SPACE}%."
    )
    last = epoch_rows([ONE])[-1]
    assert (last["Log"], last["Epoch"], last["accuracy"], last["val_loss"]) == ("a.csv", 3, pytest.approx(0.3), None)
