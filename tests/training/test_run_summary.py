"""What is said of a run: where it is, what came of it, and what is still to come."""

import doctest
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imgrec.models.cards import Card
from imgrec.training import events, run_summary, search_job
from imgrec.training.events import DataRead, EpochEnd, Finished, StepProgress, TrainingBegin, WeightsFetched
from imgrec.training.run_summary import outcome, status
from imgrec.training.search_job import Search
from imgrec.training.training_job import Curves, curves_in
from tests.training.searches import EVENTS, leave, trial

PLAN = TrainingBegin(epochs=4, steps=10, batch_size=8, parameters=7)


def step(epoch: int, number: int, rate: float = 100.0) -> StepProgress:
    return StepProgress(epoch, number, 2.0, 0.25, rate)


def epoch(number: int) -> EpochEnd:
    return EpochEnd(number, 30.0, 1.5, 0.5, 1.25, 0.625, 100.0)


METRICS = {"accuracy": 0.9, "pictures": 1000, "set": "test"}
HALFWAY = Curves([epoch(1)], [step(1, 5), step(1, 10), step(2, 5)], PLAN, None, None)


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(run_summary).failed == 0


@pytest.mark.parametrize(
    ("fields", "epochs"),
    [
        ({}, 300),
        ({"chosen": {"epochs": 25}, "lesson": {"unfreeze": 0}}, 25),
        ({"chosen": {"epochs": 25}, "lesson": {"unfreeze": 30}, "tuned": {"kept": 3}}, 28),
        ({"chosen": {"epochs": 25}, "lesson": {"unfreeze": 30}}, 300),
    ],
    ids=["from scratch", "transfer learning", "tuned", "tuned before it was told"],
)
def test_epochs_are_those_of_the_published_model(tmp_path: Path, fields: dict[str, Any], epochs: int) -> None:
    curves = [events.to_fields(epoch(number)) for number in range(1, 301)]
    assert run_summary.epochs_of(Card(tmp_path, fields | {"curves": curves})) == epochs


def test_few_validation_images_are_counted_in_the_line_of_a_run() -> None:
    few = replace(HALFWAY, data=DataRead(validated_on=16))
    assert "validation accuracy 10 of 16" in status(few, "running")


@pytest.mark.parametrize(
    ("curves", "state", "parts"),
    [
        (Curves([], [], None, None, None), "queued", ["queued"]),
        (Curves([], [], None, None, None), "running", ["reading the images"]),
        (Curves([], [], PLAN, None, None), "running", ["building the network"]),
        (
            HALFWAY,
            "running",
            ["epoch 2 of 4", "step 5 of 10", "validation accuracy 62.5\u202f%", "100 images/s", "2.0 s left"],
        ),
    ],
    ids=["queued", "reading", "compiling", "running"],
)
def test_the_line_of_a_run(curves: Curves, state: str, parts: list[str]) -> None:
    line = status(curves, state)
    assert all(part in line for part in parts), line


def test_time_is_derived_from_the_log() -> None:
    assert HALFWAY.training_seconds == 30.0
    # 25 of 40 steps of 8 images at 100 a second.
    assert HALFWAY.remaining_seconds == pytest.approx(2.0)
    done = Curves([epoch(1), epoch(2)], [], PLAN, None, Finished("mine", METRICS))
    assert done.remaining_seconds is None
    assert outcome(done) == "90.0\u202f% accuracy on 1,000 test images; 2 epochs in 1 min 0 s"


@pytest.mark.parametrize(
    ("begun_at", "seconds"),
    [(0.0, 2 * 50.0 - 20.0), (160.0, (40 - 25) * 8 / 100.0)],
    ids=["what an epoch took with its validation", "a pause between the two says nothing"],
)
def test_the_time_left_counts_all_of_an_epoch(begun_at: float, seconds: float) -> None:
    epochs = [replace(epoch(1), at=150.0), replace(epoch(2), at=200.0)]
    steps = [replace(step(1, 5), at=110.0), replace(step(3, 5), at=220.0)]
    curves = Curves(epochs, steps, replace(PLAN, at=begun_at), None, None)
    assert curves.remaining_seconds == pytest.approx(seconds)


def test_which_learning_rate_held_from_which_epoch_on() -> None:
    def began(epoch: int, rate: float | None) -> dict[str, Any]:
        return {"event": "training", "resumed_at": [epoch, 3]} | ({} if rate is None else {"learning_rate": rate})

    log = [began(0, 300.0), began(5, 300.0), began(5, 0.5), began(5, 0.1), began(8, 0.1), began(9, 0.01)]
    curves = curves_in(log)
    assert curves.learning_rates == ((1, 300.0), (6, 0.1), (10, 0.01))
    assert (
        run_summary.learning_rates(curves) == "with the learning rate 300, from epoch 6 on 0.1, from epoch 10 on 0.01"
    )
    assert curves_in([began(0, None)]).learning_rates == ()
    finished = Finished("mine", METRICS)
    assert outcome(replace(curves, finished=finished)).endswith("from epoch 10 on 0.01")


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, ()), (2, ("skipped: 0", "skipped: 1")), (60, ("skipped: 0", "skipped: 1", "skipped: 2", "57 more"))],
)
def test_what_was_left_out_is_counted_and_the_first_are_named(count: int, said: tuple[str, ...]) -> None:
    data = DataRead(left_out=count, notes=[str(number) for number in range(min(count, 50))])
    found = run_summary.left_out(Curves([], [], None, data, None))
    assert len(found) == len(said)
    assert all(part in line for part, line in zip(said, found, strict=True))


def test_nothing_is_foretold_from_the_first_step_which_compiles() -> None:
    assert Curves([], [step(1, 1, 1.0)], PLAN, None, None).remaining_seconds is None


def test_a_download_of_a_backbone_is_told() -> None:
    under_way = WeightsFetched("vgg16", 3 * 2**20, 12 * 2**20)
    curves = Curves([], [], None, None, None, under_way)
    assert status(curves, "running") == "downloading vgg16, 3 of 12 MiB"
    assert status(curves, "cancelled") == "cancelled"


@pytest.mark.parametrize(
    ("events", "state", "line"),
    [
        ([], "queued", "queued"),
        ([], "running", "reading the images"),
        (
            [*EVENTS, *trial(4, 0.002, 16)],
            "running",
            "trial 4 of 5 · epoch 1 of 2 · 1 failed · best 62.5\u202f% (trial 3) · 12 s left",
        ),
        (EVENTS, "finished", "trial 3 of 5 · 1 failed · best 62.5\u202f% (trial 3)"),
        (EVENTS[:2], "failed", "trial 0 of 5"),
    ],
    ids=["queued", "reading", "in the middle", "at the end", "nothing came of it"],
)
def test_the_line_says_where_the_search_is(events: list[dict[str, Any]], state: str, line: str, tmp_path: Path) -> None:
    assert status(search_job.read(leave(tmp_path / "search", events)), state) == line


def test_what_came_of_a_search_is_a_sentence(tmp_path: Path) -> None:
    search = search_job.read(leave(tmp_path / "search", EVENTS))
    assert outcome(search) == (
        "Best of 2 trials: trial 3, validation accuracy 62.5\u202f%, with learning rate 0.0001, batch size 32 "
        "(3,000 parameters); 24 s of training in total."
    )
    assert outcome(Search(None, None, [], None)) == "No trial is finished yet."
