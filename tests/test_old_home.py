"""What version 0.1 left in its folder is read by today's code: runs of each kind, and a model of one's own."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from imgrec import jobs
from imgrec.errors import InputError
from imgrec.files import sha256_of
from imgrec.inference import conversion
from imgrec.jobs import Job, processes
from imgrec.models import cards
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ROOT, Settings
from imgrec.training import run_summary, search_job, training_job, transfer_job, transfer_stages
from imgrec.training.recipes import Recipe, read_recipe
from imgrec.training.transfer_config import TransferConfig

OLD_HOME = ROOT / "tests" / "old_home"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose home is a copy of an old one."""
    shutil.copytree(OLD_HOME, tmp_path / "home")
    return replace(Settings.from_env({}), home=tmp_path / "home")


def run_of(module: str, settings: Settings) -> Job:
    [job] = jobs.all_jobs(settings, module)
    return job


def test_every_run_is_listed_with_its_title_and_its_end(settings: Settings) -> None:
    assert [(job.title, job.state, job.error) for job in jobs.all_jobs(settings)] == [
        ("Tiny CNN: old_scratch", "finished", None),
        ("MobileNet 0.25 128: old_transfer", "finished", None),
        ("Search: Simple CNN: optimizer settings", "finished", None),
    ]
    assert training_job.free_name("old_scratch", settings) == "old_scratch_2"


def test_a_training_shows_its_curves_and_its_outcome(settings: Settings) -> None:
    job = run_of(training_job.WORKER, settings)
    curves = training_job.read_curves(job)
    assert curves.plan is not None
    assert (curves.plan.epochs, curves.plan.steps, curves.plan.batch_size, curves.plan.precision) == (
        3,
        2,
        8,
        "float32",
    )
    assert [row.epoch for row in curves.epochs] == [1, 2, 3]
    assert all(row.seconds > 0 and row.validation_loss > 0 and row.confusion for row in curves.epochs)
    assert curves.data is not None
    assert (curves.data.classes, curves.data.counts) == (["cat", "dog"], {"cat": [10, 3], "dog": [10, 3]})
    assert curves.learning_rates == ((1, 0.001),)
    assert run_summary.share_done(curves) == 1.0
    assert run_summary.outcome(curves).startswith(
        "3 of 6 test images correct (95\u202f%: 19–81\u202f%); too few to tell; 3 epochs"
    )
    recipe = Recipe.from_dict(job.configuration["recipe"])
    assert (recipe.name, recipe.epochs, dict(recipe.arguments)["blocks"]) == ("tiny_cnn", 3, 2)


def test_a_transfer_learning_run_shows_its_trials(settings: Settings) -> None:
    job = run_of(transfer_job.WORKER, settings)
    progress = transfer_job.read_progress(job)
    assert [(part.part, part.done, part.count) for part in progress.features] == [("train", 20, 20), ("test", 6, 6)]
    assert [(trial.learning_rate, trial.fold) for trial in progress.trials] == [
        (0.01, 1),
        (0.01, 2),
        (0.001, 1),
        (0.001, 2),
    ]
    assert [row.learning_rate for row in progress.summaries] == [0.01, 0.001]
    assert progress.chosen is not None
    assert (progress.chosen.learning_rate, progress.chosen.epochs) == (0.01, 2)
    assert len(progress.curves.epochs) == 2
    lesson = TransferConfig.from_dict(job.configuration["lesson"])
    assert (lesson.backbone, lesson.folds, lesson.learning_rates) == ("mobilenet_a025_128", 2, (0.01, 0.001))
    assert transfer_stages.share_done(progress, lesson) == 1.0
    assert run_summary.status(progress, job.state).startswith("3 of 6 test images correct")


def test_a_search_shows_its_trials_and_its_best_recipe(settings: Settings) -> None:
    job = run_of(search_job.WORKER, settings)
    search = search_job.read(job)
    assert [(trial.number, trial.state, len(trial.epochs)) for trial in search.trials] == [
        (1, "finished", 2),
        (2, "finished", 2),
    ]
    assert search.best is not None
    found = read_recipe(job.folder / search_job.BEST)
    assert search_job.recipe_of(job, search.best) == found
    assert "Best of 2 trials: trial 2" in run_summary.outcome(search)


@pytest.mark.parametrize("module", [training_job.WORKER, transfer_job.WORKER, search_job.WORKER])
def test_a_run_that_was_interrupted_goes_on_with_todays_worker(
    module: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, str]] = []
    monkeypatch.setattr(processes, "spawn", lambda folder, module: started.append((folder.name, module)))
    job = run_of(module, settings)
    with pytest.raises(InputError, match="which is finished"):
        job.resume()
    (job.folder / "end.json").unlink()
    assert job.state == "interrupted"
    assert [other.name for other in jobs.all_jobs(settings) if other.state != "finished"] == [job.name]
    job.resume()
    assert started == [(job.folder.name, module)]
    assert Job(job.folder).configuration == json.loads((job.folder / "job.json").read_text())["configuration"]


def test_a_model_of_ones_own_is_in_the_catalog(settings: Settings) -> None:
    catalog = cards.load_catalog(settings)
    assert "old_scratch" in catalog.own
    assert not catalog.problems
    spec = catalog.get_spec("old_scratch")
    assert (spec.title, spec.input_size, spec.parameters) == ("Tiny CNN (old_scratch)", (32, 32), 1420)
    [card] = [card for card in cards.all_cards(settings) if card.name == "old_scratch"]
    assert card.fields["weights"]["sha256"] == sha256_of(card.weights)
    curves = run_summary.curves_of(card)
    assert [row.epoch for row in curves.epochs] == [1, 2, 3]
    assert run_summary.epochs_of(card) == 3
    assert Recipe.from_dict(card.fields["recipe"]).title == "Tiny CNN"


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("vgg16", "vgg16-2cca833a3d70c944"),
        ("efficientnet_lite0", "efficientnet_lite0-e0bada249ec81778"),
        ("cifar_vgg", "cifar_vgg-5ab44c2cdd2ecd53"),
    ],
)
def test_a_compiled_network_is_found_where_it_was(
    model: str, folder: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "versions", lambda: {"imgrec": "0.1.0", "keras": "3.15.1"})
    assert conversion.compiled_path(BUILT_IN.get_spec(model), "a" * 64, settings).parent.name == folder
