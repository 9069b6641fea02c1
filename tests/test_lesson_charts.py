"""A lesson in words and charts: where it is, what was tried, and what the head says."""

from typing import Any

import numpy as np
import pytest

from imgrec import lesson_charts
from imgrec.lesson_charts import describe_preview, describe_rates, preview_lines, rates_chart, share_done, stage
from imgrec.training.figures import Trial
from imgrec.training.lessons import Extraction, Progress
from imgrec.training.runs import Curves

NOTHING = Curves([], [], None, None, None)
DATA: dict[str, Any] = {"classes": ["cat", "dog"], "notes": [], "left_out": 0}
EPOCH = {"epoch": 1, "seconds": 1.0, "loss": 1.0, "accuracy": 0.5, "validation_loss": 1.0, "validation_accuracy": 0.5}
PLAN = {"epochs": 2, "steps": 1, "batch_size": 8, "parameters": 7}


def trial(rate: float, fold: int, accuracy: float) -> Trial:
    return Trial(rate, fold, 3, 0.9, 0.1, accuracy, 0.5, 1.0)


def progress(
    *,
    preparing: str = "",
    features: tuple[Extraction, ...] = (),
    trials: tuple[Trial, ...] = (),
    planned: int = 0,
    chosen: dict[str, Any] | None = None,
    curves: Curves = NOTHING,
) -> Progress:
    return Progress(preparing, features, trials, planned, chosen, curves)


HALF = Extraction("train", 50, 100, 5.0, False)
WHOLE = Extraction("train", 100, 100, 10.0, False)
TRIALS = (trial(0.01, 1, 0.8), trial(0.01, 2, 0.9), trial(0.001, 1, 0.6))
READ = Curves([], [], None, DATA, None)


@pytest.mark.parametrize(
    ("told", "at"),
    [
        (progress(), 0),
        (progress(curves=READ), 1),
        (progress(preparing="fetching"), 1),
        (progress(features=(HALF,), curves=READ), 1),
        (progress(features=(WHOLE,), curves=READ), 2),
        (progress(features=(WHOLE,), trials=TRIALS, planned=4, curves=READ), 2),
        (progress(features=(WHOLE,), chosen={"epochs": 3}, curves=READ), 3),
        (progress(curves=Curves([EPOCH], [], PLAN, DATA, None)), 3),
        (progress(curves=Curves([EPOCH, EPOCH], [], PLAN | {"epochs": 5}, DATA, None)), 3),
        (progress(curves=Curves([EPOCH, EPOCH], [], PLAN, DATA, None)), 4),
        (progress(curves=Curves([EPOCH, EPOCH], [], PLAN, DATA, {"name": "x"})), 5),
    ],
    ids=[
        "new",
        "read",
        "fetching",
        "half",
        "features",
        "trials",
        "chosen",
        "final",
        "still to be unfrozen",
        "trained",
        "done",
    ],
)
def test_the_stage_of_a_lesson(told: Progress, at: int) -> None:
    assert stage(told) == at
    assert 0 <= share_done(told) <= 1


def test_the_bar_never_runs_backwards() -> None:
    course = [
        progress(),
        progress(features=(HALF,), curves=READ),
        progress(features=(WHOLE,), curves=READ),
        progress(features=(WHOLE,), trials=TRIALS, planned=4, curves=READ),
        progress(features=(WHOLE,), chosen={"epochs": 2}, curves=Curves([EPOCH], [], PLAN, DATA, None)),
        progress(curves=Curves([EPOCH, EPOCH], [], PLAN, DATA, {"name": "x"})),
    ]
    shares = [share_done(told) for told in course]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)


def test_the_line_does_not_stand_still_while_the_runtime_starts() -> None:
    assert "runtime" in lesson_charts.status(progress(features=(WHOLE,), curves=READ), "running")
    assert "50 of 100" in lesson_charts.status(progress(features=(HALF,), curves=READ), "running")


def test_rates_are_compared_by_mean_and_spread() -> None:
    told = progress(trials=TRIALS, planned=4)
    assert describe_rates(told.summaries, folds=True) == "Of 2 learning rates 0.01 does best: 85.0 ± 7.1 % on 2 folds."
    spread, each, means = (layer["data"]["values"] for layer in rates_chart(told)["layer"])
    assert [row["value"] for row in each] == [0.8, 0.9, 0.6]
    assert [row["value"] for row in means] == pytest.approx([0.85, 0.6])
    assert spread[0]["high"] - spread[0]["low"] == pytest.approx(2 * np.std([0.8, 0.9], ddof=1))
    assert rates_chart(told)["layer"][0]["encoding"]["x"]["sort"] == ["0.001", "0.01"]
    assert [row["Fold"] for row in lesson_charts.trial_rows(told)] == ["1", "2", "1"]
    assert [row["Heads"] for row in lesson_charts.summary_rows(told.summaries)] == [2, 1]


def test_a_rate_that_diverged_has_no_figures() -> None:
    failed = Trial(1.0, 1, 0, 0.0, 0.0, 0.0, 0.0, 0.1, "Expected a loss that is a number.")
    told = progress(features=(WHOLE,), trials=(*TRIALS, failed), planned=6)
    assert lesson_charts.status(told, "running").endswith("learning rate 1, fold 1: failed")
    assert lesson_charts.describe_failures(told.trials).startswith("At the learning rate 1 ")
    assert lesson_charts.describe_failures(TRIALS) == ""
    assert lesson_charts.trial_rows(told)[-1]["Validation accuracy"] is None
    assert [row.learning_rate for row in told.summaries] == [0.01, 0.001]
    assert "1" not in {row["rate"] for layer in rates_chart(told)["layer"] for row in layer["data"]["values"]}


@pytest.mark.parametrize(
    ("trials", "folds", "words"),
    [
        ((), False, "No head has been tried yet."),
        ((trial(0.01, 0, 0.8),), False, "Learning rate 0.01: 80.0 % of the validation pictures right, on one split."),
        ((trial(0.01, 1, 0.8),), True, "Learning rate 0.01: 80.0 % of the validation pictures right, on 1 fold."),
    ],
    ids=["none", "one split", "the first of several folds"],
)
def test_rates_in_words(trials: tuple[Trial, ...], folds: bool, words: str) -> None:
    assert describe_rates(progress(trials=trials).summaries, folds=folds) == words


def test_the_bars_of_a_preview_keep_their_places() -> None:
    lines = preview_lines(np.array([0.25, 0.75]), ["cat", "dog"])
    assert lines == [("cat", 0.25), ("dog", 0.75)]
    assert describe_preview(lines).startswith("dog")
    many = preview_lines(np.linspace(0, 1, 50), [f"class {i}" for i in range(50)])
    assert [label for label, _ in many] == [f"class {i}" for i in range(40, 50)]
    assert len(lesson_charts.preview_chart(lines)["layer"]) == 2
