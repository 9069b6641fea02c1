"""Names of models: two runs that wait for each other must not end in one file."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from imgrec import cards
from imgrec.jobs import Job
from imgrec.settings import Settings
from imgrec.training import runs


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
        (folder / "job.json").write_text(json.dumps({"module": runs.WORKER, "configuration": {"name": promised}}))
        if state is not None:
            (folder / "end.json").write_text(json.dumps({"state": state, "error": None}))
    assert runs.free_name("my_model", settings) == name


def test_a_bundled_model_keeps_its_name(tmp_path: Path) -> None:
    assert runs.free_name("cifar_vgg", replace(Settings.from_env({}), home=tmp_path)) == "cifar_vgg_2"


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
    assert runs.final_name(job, settings) == name
    cards.register(replace(settings, home=tmp_path))  # what was registered from there is gone again
