"""Learning curves: every number of the log, the epoch that was kept, and a sentence that says the same."""

from dataclasses import replace

import pytest

from imgrec.charts.learning_curves import MAX_POINTS, QUANTITIES, curve_chart, curve_rows, describe_curve
from imgrec.training.training_job import Curves
from tests.charts.reading import drawn, legend, mark, marks
from tests.training.test_run_summary import HALFWAY, PLAN, epoch, step


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_curve_holds_every_number_of_the_log(quantity: str) -> None:
    rows = curve_rows(HALFWAY, quantity)
    assert [row["x"] for row in rows if row["series"] == "training"] == [0.5, 1.0, 1, 1.5]
    assert [(row["x"], row["y"]) for row in rows if row["series"] == "validation"] == [
        (1, getattr(epoch(1), f"validation_{quantity}"))
    ]
    chart = curve_chart(HALFWAY, quantity)
    assert [(row["x"], row["y"]) for row in drawn(chart, "line")] == [(row["x"], row["y"]) for row in rows]
    assert mark(chart, "line").channels["x"]["scale"]["domain"] == [0, 4]
    dashes = legend(chart, "line", "strokeDash")
    assert dashes["training"] != dashes["validation"]


@pytest.mark.parametrize(("epochs", "count"), [(40, 1), (41, 0)])
def test_points_are_drawn_while_they_stand_apart(epochs: int, count: int) -> None:
    chart = curve_chart(replace(HALFWAY, plan=replace(PLAN, epochs=epochs)), "loss")
    assert sum(one.shape == "point" for one in marks(chart)) == count


def test_the_epoch_that_was_kept_is_marked() -> None:
    many = Curves([epoch(number) for number in range(1, 61)], [], replace(PLAN, epochs=60), None, None)
    assert [row["x"] for row in drawn(curve_chart(many, "accuracy", 25), "point")] == [25]
    assert describe_curve(many, "accuracy", 25).endswith("validation 62.5\u202f%; epoch 25 was kept.")
    assert "kept" not in describe_curve(many, "accuracy", 60)


def test_a_long_log_is_thinned_and_keeps_its_epochs() -> None:
    many = Curves([epoch(i) for i in range(1, 5)], [step(1, i) for i in range(1, 5000)], PLAN, None, None)
    rows = curve_rows(many, "loss")
    assert len(rows) < 2 * MAX_POINTS
    assert sum(row["series"] == "validation" for row in rows) == 4


def test_curves_in_words() -> None:
    assert (
        describe_curve(HALFWAY, "accuracy") == "Accuracy after epoch 1: training 50.0\u202f%, validation 62.5\u202f%."
    )
    assert "no epoch" in describe_curve(Curves([], [], PLAN, None, None), "loss")
