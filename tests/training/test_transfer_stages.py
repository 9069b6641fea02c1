"""The stages of transfer learning: where a run is, how much of it is done, and what each stage does in words."""

import doctest
from dataclasses import replace

import pytest

from imgrec.training import transfer_stages
from imgrec.training.events import (
    DataRead,
    EpochEnd,
    FeaturesExtracted,
    FineTuned,
    Finished,
    HeadChosen,
    StepProgress,
    TrainingBegin,
    TrialEnd,
)
from imgrec.training.run_summary import status
from imgrec.training.training_job import Curves
from imgrec.training.transfer_config import TransferConfig
from imgrec.training.transfer_job import Progress
from imgrec.training.transfer_stages import (
    describe_curves,
    describe_measured,
    describe_plan,
    kept_epoch,
    share_done,
    stage,
    stages,
)

NOTHING = Curves([], [], None, None, None)
DATA = DataRead(classes=["cat", "dog"])
EPOCH = EpochEnd(1, 1.0, 1.0, 0.5, 1.0, 0.5)
PLAN = TrainingBegin(epochs=2, steps=1, batch_size=8, parameters=7)
FINISHED = Finished("x")


FOLDS = TransferConfig("mobilenet", learning_rates=(0.01, 0.001), folds=2)
SPLIT = TransferConfig("mobilenet", learning_rates=(0.01, 0.001))
UNFROZEN = TransferConfig("mobilenet", learning_rates=(0.01,), fine_tune_layers=30, fine_tune_epochs=2)
TUNED = FineTuned(0, 2, 0.8, 0.5, 0.8, 0.5, 0.7, 0.9)


def trial(rate: float, fold: int, accuracy: float) -> TrialEnd:
    return TrialEnd(rate, fold, 3, 0.9, 0.1, accuracy, 0.5, 1.0)


def progress(
    *,
    preparing: str = "",
    features: tuple[FeaturesExtracted, ...] = (),
    trials: tuple[TrialEnd, ...] = (),
    planned: int = 0,
    chosen: HeadChosen | None = None,
    curves: Curves = NOTHING,
    tuned: FineTuned | None = None,
) -> Progress:
    return Progress(preparing, features, trials, planned, chosen, curves, tuned)


HALF = FeaturesExtracted("train", 50, 100, 5.0, False)
WHOLE = FeaturesExtracted("train", 100, 100, 10.0, False)
TRIALS = (trial(0.01, 1, 0.8), trial(0.01, 2, 0.9), trial(0.001, 1, 0.6))
READ = Curves([], [], None, DATA, None)


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(transfer_stages).failed == 0


@pytest.mark.parametrize(
    ("told", "at"),
    [
        (progress(), 0),
        (progress(curves=READ), 1),
        (progress(preparing="fetching"), 1),
        (progress(features=(HALF,), curves=READ), 1),
        (progress(features=(WHOLE,), curves=READ), 2),
        (progress(features=(WHOLE,), trials=TRIALS, planned=4, curves=READ), 2),
        (progress(features=(WHOLE,), chosen=HeadChosen(0.1, 3, "best"), curves=READ), 3),
        (progress(curves=Curves([EPOCH], [], PLAN, DATA, None)), 3),
        (progress(curves=Curves([EPOCH, EPOCH], [], replace(PLAN, epochs=5), DATA, None)), 3),
        (progress(curves=Curves([EPOCH, EPOCH], [], PLAN, DATA, None)), 4),
        (progress(curves=Curves([EPOCH, EPOCH], [], PLAN, DATA, FINISHED)), 5),
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
        progress(features=(WHOLE,), chosen=HeadChosen(0.1, 2, "best"), curves=Curves([EPOCH], [], PLAN, DATA, None)),
        progress(curves=Curves([EPOCH, EPOCH], [], PLAN, DATA, FINISHED)),
    ]
    shares = [share_done(told, FOLDS) for told in course]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)


def test_the_bar_begins_at_nothing_when_the_features_are_there_already() -> None:
    cached = FeaturesExtracted("train", 100, 100, 0.0, True)
    data = replace(DATA, counts={"cat": [50, 10], "dog": [50, 10]}, trained_on=100)
    read = Curves([], [], None, data, None)
    assert share_done(progress(features=(cached,), planned=4, curves=read), FOLDS) == 0
    half = progress(features=(cached,), trials=TRIALS[:2], planned=4, curves=read)
    assert share_done(half, FOLDS) == pytest.approx(2 / 5)  # four heads and the final one


def test_the_bar_weighs_what_is_to_be_computed() -> None:
    data = replace(DATA, counts={"cat": [40, 10], "dog": [60, 0]}, trained_on=100)
    told = progress(features=(WHOLE,), planned=1, curves=Curves([], [], None, data, None))
    shares = {config: share_done(told, config) for config in (SPLIT, replace(SPLIT, epochs=1000), UNFROZEN)}
    assert max(shares, key=lambda config: shares[config]) is SPLIT, "the others have most of it before them"
    tuning = Curves([EPOCH] * 3, [StepProgress(4, 1)], replace(PLAN, epochs=4, steps=2), data, None)
    before = share_done(progress(features=(WHOLE,), trials=TRIALS[:1], planned=1, curves=tuning), UNFROZEN)
    assert shares[UNFROZEN] < before < 1


@pytest.mark.parametrize(
    ("counts", "last"),
    [({"cat": [8, 2], "dog": [8, 2]}, "Test"), ({"cat": [8, 0], "dog": [8, 0]}, "Final training")],
    ids=["with a test set", "without"],
)
def test_there_is_no_test_without_a_test_set(counts: dict[str, list[int]], last: str) -> None:
    told = progress(curves=Curves([], [], None, replace(DATA, counts=counts), None))
    assert stages(told, FOLDS)[-1] == last
    assert [stages(told, config)[3] for config in (SPLIT, UNFROZEN)] == ["Selection", "Fine-tuning"]
    tested = transfer_stages.has_test(told)
    assert ("used once" in describe_plan(SPLIT, tested=tested)) == tested
    assert "A test set, if there is one" in describe_plan(SPLIT)


def finished(kind: str, epochs: int = 5) -> Curves:
    metrics = {"set": kind, "pictures": 10, "accuracy": 0.8, "confusion": [[4, 1], [1, 4]]}
    return Curves([EPOCH] * epochs, [], replace(PLAN, epochs=epochs), DATA, Finished("x", metrics))


@pytest.mark.parametrize(
    ("config", "tuned", "kept", "title", "words"),
    [
        (SPLIT, None, 3, "Best trial", "The ring marks the saved model: epoch 3"),
        (FOLDS, None, None, "Final training", "mean over 2 folds"),
        (UNFROZEN, TUNED, 3, "Classifier, then fine-tuning", "Classifier only up to epoch 3."),
        (UNFROZEN, replace(TUNED, kept=2), 5, "Classifier, then fine-tuning", "saved model: epoch 5"),
    ],
    ids=["one split", "folds", "tuning in vain", "tuning"],
)
def test_curves_say_what_they_are_of(
    config: TransferConfig, tuned: FineTuned | None, kept: int | None, title: str, words: str
) -> None:
    told = progress(chosen=HeadChosen(0.1, 3, "best"), curves=finished("validation"), tuned=tuned)
    assert kept_epoch(told, config) == kept
    assert describe_curves(told, config)[0] == title
    assert words in describe_curves(told, config)[1]


@pytest.mark.parametrize(
    ("config", "kind", "title", "words"),
    [
        (SPLIT, "validation", "Validation set", "It also selected the classifier"),
        (UNFROZEN, "validation", "Validation set", "It also selected the epoch"),
        (FOLDS, "validation", "Cross-validation", "a classifier not trained on it"),
        (UNFROZEN, "test", "Test set", ""),
        (replace(SPLIT, test_fraction=0.2), "test", "Test set", "20\u202f% of each class"),
    ],
    ids=["one split", "unfrozen", "folds", "test", "held out"],
)
def test_the_figure_says_what_it_is_worth(config: TransferConfig, kind: str, title: str, words: str) -> None:
    found = describe_measured(progress(curves=finished(kind)), config)
    assert found[0] == title
    assert words in found[1]


def test_a_finished_run_says_its_outcome_and_not_its_last_epoch() -> None:
    told = progress(trials=TRIALS, chosen=HeadChosen(0.1, 3, "best"), curves=finished("validation"))
    assert status(told, "finished") == "8 of 10 validation images correct (95\u202f%: 49–94\u202f%); too few to tell"


def test_the_line_does_not_stand_still_while_the_runtime_starts() -> None:
    assert "starting TensorFlow" in status(progress(features=(WHOLE,), curves=READ), "running")
    assert "50 of 100" in status(progress(features=(HALF,), curves=READ), "running")
