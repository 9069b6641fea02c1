"""A lesson in words and charts: where it is, what was tried, and what the head says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from imgrec.charts import transfer
from imgrec.charts.transfer import (
    describe_curves,
    describe_measured,
    describe_plan,
    describe_preview,
    describe_rates,
    kept_epoch,
    preview_lines,
    rates_chart,
    share_done,
    stage,
    stages,
)
from imgrec.training.training_job import Curves
from imgrec.training.transfer_job import Extraction, Lesson, Progress
from imgrec.training.trial_results import Trial, Tuned

NOTHING = Curves([], [], None, None, None)
DATA: dict[str, Any] = {"classes": ["cat", "dog"], "notes": [], "left_out": 0}
EPOCH = {"epoch": 1, "seconds": 1.0, "loss": 1.0, "accuracy": 0.5, "validation_loss": 1.0, "validation_accuracy": 0.5}
PLAN = {"epochs": 2, "steps": 1, "batch_size": 8, "parameters": 7}


FOLDS = Lesson("mobilenet", learning_rates=(0.01, 0.001), folds=2)
SPLIT = Lesson("mobilenet", learning_rates=(0.01, 0.001))
UNFROZEN = Lesson("mobilenet", learning_rates=(0.01,), unfreeze=30, tuning_epochs=2)
TUNED = Tuned(0, 2, 0.8, 0.5, 0.8, 0.5, 0.7, 0.9)


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
    tuned: Tuned | None = None,
) -> Progress:
    return Progress(preparing, features, trials, planned, chosen, curves, tuned)


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
    assert 0 <= share_done(told, FOLDS) <= 1


def test_the_bar_never_runs_backwards() -> None:
    course = [
        progress(),
        progress(features=(HALF,), curves=READ),
        progress(features=(WHOLE,), curves=READ),
        progress(features=(WHOLE,), trials=TRIALS, planned=4, curves=READ),
        progress(features=(WHOLE,), chosen={"epochs": 2}, curves=Curves([EPOCH], [], PLAN, DATA, None)),
        progress(curves=Curves([EPOCH, EPOCH], [], PLAN, DATA, {"name": "x"})),
    ]
    shares = [share_done(told, FOLDS) for told in course]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)


def test_the_bar_begins_at_nothing_when_the_features_are_there_already() -> None:
    cached = Extraction("train", 100, 100, 0.0, True)
    data = DATA | {"counts": {"cat": [50, 10], "dog": [50, 10]}, "trained_on": 100}
    read = Curves([], [], None, data, None)
    assert share_done(progress(features=(cached,), planned=4, curves=read), FOLDS) == 0
    half = progress(features=(cached,), trials=TRIALS[:2], planned=4, curves=read)
    assert share_done(half, FOLDS) == pytest.approx(2 / 5)  # four heads and the final one


def test_the_bar_weighs_what_is_to_be_computed() -> None:
    data = DATA | {"counts": {"cat": [40, 10], "dog": [60, 0]}, "trained_on": 100}
    told = progress(features=(WHOLE,), planned=1, curves=Curves([], [], None, data, None))
    shares = {lesson: share_done(told, lesson) for lesson in (SPLIT, replace(SPLIT, epochs=1000), UNFROZEN)}
    assert max(shares, key=lambda lesson: shares[lesson]) is SPLIT, "the others have most of it before them"
    tuning = Curves([EPOCH] * 3, [{"epoch": 4, "step": 1}], PLAN | {"epochs": 4, "steps": 2}, data, None)
    before = share_done(progress(features=(WHOLE,), trials=TRIALS[:1], planned=1, curves=tuning), UNFROZEN)
    assert shares[UNFROZEN] < before < 1


@pytest.mark.parametrize(
    ("counts", "last"),
    [({"cat": [8, 2], "dog": [8, 2]}, "Test"), ({"cat": [8, 0], "dog": [8, 0]}, "Final training")],
    ids=["with a test set", "without"],
)
def test_there_is_no_test_without_a_test_set(counts: dict[str, list[int]], last: str) -> None:
    told = progress(curves=Curves([], [], None, DATA | {"counts": counts}, None))
    assert stages(told, FOLDS)[-1] == last
    assert [stages(told, lesson)[3] for lesson in (SPLIT, UNFROZEN)] == ["Selection", "Fine-tuning"]
    tested = transfer.has_test(told)
    assert ("used once" in describe_plan(SPLIT, tested=tested)) == tested
    assert "A test set, if there is one" in describe_plan(SPLIT)


def finished(kind: str, epochs: int = 5) -> Curves:
    metrics = {"set": kind, "pictures": 10, "accuracy": 0.8, "confusion": [[4, 1], [1, 4]]}
    return Curves([EPOCH] * epochs, [], PLAN | {"epochs": epochs}, DATA, {"name": "x", "metrics": metrics})


@pytest.mark.parametrize(
    ("lesson", "tuned", "kept", "title", "words"),
    [
        (SPLIT, None, 3, "Best trial", "The ring marks the saved model: epoch 3"),
        (FOLDS, None, None, "Final training", "mean over 2 folds"),
        (UNFROZEN, TUNED, 3, "Classifier, then fine-tuning", "Classifier only up to epoch 3."),
        (UNFROZEN, replace(TUNED, kept=2), 5, "Classifier, then fine-tuning", "saved model: epoch 5"),
    ],
    ids=["one split", "folds", "tuning in vain", "tuning"],
)
def test_curves_say_what_they_are_of(
    lesson: Lesson, tuned: Tuned | None, kept: int | None, title: str, words: str
) -> None:
    told = progress(chosen={"epochs": 3}, curves=finished("validation"), tuned=tuned)
    assert kept_epoch(told, lesson) == kept
    assert describe_curves(told, lesson)[0] == title
    assert words in describe_curves(told, lesson)[1]


@pytest.mark.parametrize(
    ("lesson", "kind", "title", "words"),
    [
        (SPLIT, "validation", "Validation set", "It also selected the classifier"),
        (UNFROZEN, "validation", "Validation set", "It also selected the epoch"),
        (FOLDS, "validation", "Cross-validation", "a classifier not trained on it"),
        (UNFROZEN, "test", "Test set", ""),
        (replace(SPLIT, test_fraction=0.2), "test", "Test set", "20\u202f% of each class"),
    ],
    ids=["one split", "unfrozen", "folds", "test", "held out"],
)
def test_the_figure_says_what_it_is_worth(lesson: Lesson, kind: str, title: str, words: str) -> None:
    found = describe_measured(progress(curves=finished(kind)), lesson)
    assert found[0] == title
    assert words in found[1]


def test_a_finished_lesson_says_its_outcome_and_not_its_last_epoch() -> None:
    told = progress(trials=TRIALS, chosen={"epochs": 3}, curves=finished("validation"))
    assert (
        transfer.status(told, "finished")
        == "8 of 10 validation images correct (95\u202f%: 49–94\u202f%); too few to tell"
    )


def test_the_line_does_not_stand_still_while_the_runtime_starts() -> None:
    assert "starting TensorFlow" in transfer.status(progress(features=(WHOLE,), curves=READ), "running")
    assert "50 of 100" in transfer.status(progress(features=(HALF,), curves=READ), "running")


def test_rates_are_compared_by_mean_and_spread() -> None:
    told = progress(trials=TRIALS, planned=4)
    assert describe_rates(told.summaries, folds=True) == (
        "Best of 2 learning rates: 0.01, validation accuracy 85.0 ± 7.1\u202f% over 2 folds."
    )
    spread, each, means = (layer["data"]["values"] for layer in rates_chart(told)["layer"])
    assert [row["value"] for row in each] == [0.8, 0.9, 0.6]
    assert [row["value"] for row in means] == pytest.approx([0.85, 0.6])
    assert spread[0]["high"] - spread[0]["low"] == pytest.approx(2 * np.std([0.8, 0.9], ddof=1))
    assert rates_chart(told)["layer"][0]["encoding"]["x"]["sort"] == ["0.001", "0.01"]
    assert [row["Fold"] for row in transfer.trial_rows(told)] == ["1", "2", "1"]
    assert [row["Trials"] for row in transfer.summary_rows(told.summaries)] == [2, 1]


def test_a_rate_that_diverged_has_no_figures() -> None:
    failed = Trial(1.0, 1, 0, 0.0, 0.0, 0.0, 0.0, 0.1, "Expected a loss that is a number.")
    told = progress(features=(WHOLE,), trials=(*TRIALS, failed), planned=6)
    assert transfer.status(told, "running").endswith("learning rate 1, fold 1: failed")
    assert transfer.describe_failures(told.trials) == "The loss became NaN at learning rate 1."
    assert transfer.describe_failures(TRIALS) == ""
    assert transfer.trial_rows(told)[-1]["Validation accuracy"] is None
    assert [row.learning_rate for row in told.summaries] == [0.01, 0.001]
    assert "1" not in {row["rate"] for layer in rates_chart(told)["layer"] for row in layer["data"]["values"]}


@pytest.mark.parametrize(
    ("trials", "folds", "words"),
    [
        ((), False, "No trial is finished yet."),
        ((trial(0.01, 0, 0.8),), False, "Learning rate 0.01: validation accuracy 80.0\u202f%."),
        ((trial(0.01, 1, 0.8),), True, "Learning rate 0.01: validation accuracy 80.0\u202f% over 1 fold."),
    ],
    ids=["none", "one split", "the first of several folds"],
)
def test_rates_in_words(trials: tuple[Trial, ...], folds: bool, words: str) -> None:
    assert describe_rates(progress(trials=trials).summaries, folds=folds) == words


def test_few_images_of_one_split_are_counted() -> None:
    found = progress(trials=(trial(0.01, 0, 0.75), trial(0.1, 0, 0.5))).summaries
    words = "Best of 2 learning rates: 0.01, validation accuracy 12 of 16 images."
    assert describe_rates(found, folds=False, images=16) == words
    assert "75.0\u202f%" in describe_rates(found, folds=False, images=400)
    assert "accuracy 12 of 16, best" in transfer.describe_rate(found[1], 16)


def test_the_bars_of_a_preview_keep_their_places() -> None:
    lines = preview_lines(np.array([0.25, 0.75]), ["cat", "dog"])
    assert lines == [("cat", 0.25), ("dog", 0.75)]
    assert describe_preview(lines).startswith("dog")
    many = preview_lines(np.linspace(0, 1, 50), [f"class {i}" for i in range(50)])
    assert [label for label, _ in many] == [f"class {i}" for i in range(40, 50)]
    assert len(transfer.preview_chart(lines)["layer"]) == 2
