"""Runs from outside: names that must not end in one file, what a run takes of the disk, how one goes on."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from imgrec.errors import InputError
from imgrec.jobs import Job, processes
from imgrec.models import cards
from imgrec.settings import Settings
from imgrec.training import training_job
from imgrec.training.recipes import Optimizer, get_recipe


@pytest.mark.parametrize(
    ("others", "name"),
    [
        ([], "my_model"),
        ([("my_model", None)], "my_model_2"),
        ([("my_model", None), ("my_model_2", "failed")], "my_model_3"),
        ([("my_model", "finished")], "my_model"),  # it was removed, or it would have a card
    ],
    ids=["alone", "one waits", "one could be gone on with", "one is done"],
)
def test_a_name_that_a_run_will_give_is_taken(tmp_path: Path, others: list[tuple[str, str | None]], name: str) -> None:
    settings = replace(Settings.from_env({}), home=tmp_path)
    for number, (promised, state) in enumerate(others):
        folder = tmp_path / "runs" / f"run-{number}"
        folder.mkdir(parents=True)
        (folder / "job.json").write_text(
            json.dumps({"module": training_job.WORKER, "configuration": {"name": promised}})
        )
        if state is not None:
            (folder / "end.json").write_text(json.dumps({"state": state, "error": None}))
    assert training_job.free_name("my_model", settings) == name


def test_a_name_that_was_asked_for_is_never_changed(tmp_path: Path) -> None:
    settings = replace(Settings.from_env({}), home=tmp_path)
    with pytest.raises(InputError, match=r"Received: mobilenet; mobilenet_2 is free"):
        training_job.name_for("mobilenet", "my_mobilenet", settings)
    assert training_job.name_for(None, "mobilenet", settings) == "mobilenet_2"
    assert training_job.name_for("mine", "my_mobilenet", settings) == "mine"


def test_a_bundled_model_keeps_its_name(tmp_path: Path) -> None:
    assert training_job.free_name("cifar_vgg", replace(Settings.from_env({}), home=tmp_path)) == "cifar_vgg_2"


@pytest.mark.parametrize(
    ("published_by", "name"),
    [(None, "mine"), ("2026-01-01", "mine"), ("2025-12-31", "mine_2"), ("broken", "mine_2")],
    ids=["nobody", "itself, before it was resumed", "a run whose folder lies elsewhere", "nobody knows"],
)
def test_no_run_takes_the_place_of_anothers_model(tmp_path: Path, published_by: str | None, name: str) -> None:
    settings = replace(Settings.from_env({}), home=tmp_path / "home")
    place = cards.home(settings)
    place.mkdir(parents=True)
    if published_by is not None:
        fields = json.loads((cards.BUNDLED / "cifar_vgg.json").read_text())
        fields["model"] |= {"name": "mine", "label_space": "cifar_10"}
        fields["started_at"] = published_by
        (place / "mine.json").write_text(json.dumps(fields)[: 100 if published_by == "broken" else None])
    job = Job(tmp_path / "elsewhere")
    job.folder.mkdir()
    (job.folder / "job.json").write_text(json.dumps({"created_at": "2026-01-01", "configuration": {"name": "mine"}}))
    assert training_job.final_name(job, settings) == name


@pytest.mark.parametrize(
    ("optimizer", "copies"),
    [
        (None, 1),
        (Optimizer("sgd", 0.1), 3),
        (Optimizer("sgd", 0.1, momentum=0.9), 5),
        (Optimizer("rmsprop", 0.1), 5),
        (Optimizer("adam", 0.1), 7),
    ],
    ids=["nothing learns", "plain", "momentum", "rmsprop", "adam"],
)
def test_room_for_two_checkpoints_and_the_model(optimizer: Optimizer | None, copies: int) -> None:
    assert training_job.disk_bytes(1_000_000, optimizer) == copies * 4_000_000 + training_job.NOTES_BYTES


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A run that has ended, whose worker is never started."""
    monkeypatch.setattr(processes, "spawn", lambda *_: None)
    configuration = {"recipe": get_recipe("cifar_resnet").to_dict(), "name": "mine"}
    (tmp_path / "job.json").write_text(json.dumps({"module": training_job.WORKER, "configuration": configuration}))
    (tmp_path / "end.json").write_text(json.dumps({"state": "failed", "error": "Expected a loss."}))
    return Job(tmp_path)


def test_a_run_goes_on_with_another_learning_rate(stopped: Job) -> None:
    before = stopped.configuration
    training_job.resume(stopped, learning_rate=0.01)
    after = Job(stopped.folder).configuration
    assert after["recipe"]["optimiser"].pop("learning_rate") == 0.01
    assert before["recipe"]["optimiser"].pop("learning_rate") == 0.5
    assert json.loads(json.dumps(before)) == after


@pytest.mark.parametrize("rate", [0.0, float("nan"), float("inf")])
def test_a_run_goes_on_with_no_rate_that_cannot_be_meant(stopped: Job, rate: float) -> None:
    with pytest.raises(InputError, match="learning rate"):
        training_job.resume(stopped, learning_rate=rate)
    assert stopped.state == "failed"
