"""Searches from outside: what is refused, what a log says, what is still to come, and what is done with the best."""

from pathlib import Path
from typing import Any

import pytest

from imgrec import jobs
from imgrec.errors import InputError, MemoryBudgetError, StorageError, UnknownNameError
from imgrec.settings import Settings
from imgrec.training import search_job, training_job
from imgrec.training.recipes import Recipe, get_recipe
from imgrec.training.search_spaces import get_space
from tests.training.searches import EVENTS, leave, trial


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Configurations of the jobs that would have been started."""
    found: list[dict[str, Any]] = []

    def start(module: str, configuration: dict[str, Any], *_: Any, **fields: Any) -> None:
        found.append(configuration | {"module": module} | fields)

    monkeypatch.setattr(jobs, "start", start)
    return found


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"trials": 0}, "Expected 1 to 1,000 trials. Received: 0"),
        ({"trials": 1001}, "Expected 1 to 1,000 trials"),
        ({"epochs": 0}, "epochs for each trial. Received: 0"),
        ({"method": "grid"}, "way to search"),
        ({"method": "hyperband", "epochs": 9}, "at least 13 trials"),
        ({"data": "no_such_folder"}, "dataset"),
    ],
    ids=["no trial", "too many trials", "no epoch", "method", "too few for hyperband", "pictures"],
)
def test_what_cannot_be_meant_is_refused_before_anything_starts(
    arguments: dict[str, Any], sentence: str, settings: Settings, started: list[dict[str, Any]]
) -> None:
    given = {"data": "cifar10", "trials": 3} | arguments
    with pytest.raises(InputError, match=sentence):
        search_job.start(get_space("six_layers"), given.pop("data"), settings, **given)
    assert not started


@pytest.mark.parametrize(
    ("place", "error"), [("available_memory_bytes", MemoryBudgetError), ("disk", StorageError)], ids=["memory", "disk"]
)
def test_too_little_is_said_with_the_figures(
    place: str, error: type[Exception], settings: Settings, started: list[dict[str, Any]], monkeypatch: Any
) -> None:
    monkeypatch.setattr(training_job, "available_memory_bytes", lambda: 1 << 20 if place != "disk" else 1 << 40)
    if place == "disk":
        monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1})())
    with pytest.raises(error, match=r"MiB.*Received"):
        search_job.start(get_space("six_layers"), "cifar10", settings, trials=3)
    assert not started


def test_a_search_is_all_in_its_configuration(settings: Settings, started: list[dict[str, Any]]) -> None:
    space = get_space("six_layers").varied(["conv_1_kernel=5", "dense_1_units=32:64:32"])
    search_job.start(space, "cifar10", settings, trials=300, seed=4, train_best=True)
    [found] = started
    assert found["module"] == search_job.WORKER
    assert (found["trials"], found["epochs"], found["seed"], found["train_best"]) == (7 * 3 * 2 * 2, 5, 4, True)
    assert "dense_1_units=32:64:32" in found["knobs"]
    # Memory is reckoned with the largest batch that may come.
    wide = get_space("six_layers").varied(["batch_size=512"])
    search_job.start(wide, "cifar10", settings, trials=1)
    assert started[1]["needs"].memory_bytes > found["needs"].memory_bytes


@pytest.mark.parametrize(
    ("epochs", "rounds"),
    [(1, [[1]]), (3, [[3, 1], [2]]), (9, [[9, 3, 1], [5, 2], [3]]), (27, [[27, 9, 3, 1], [12, 4, 2], [6, 2], [4]])],
)
def test_hyperbands_rounds_are_known_ahead(epochs: int, rounds: list[list[int]]) -> None:
    assert search_job.hyperband_rounds(epochs) == rounds


def test_a_log_says_what_was_tried(tmp_path: Path) -> None:
    search = search_job.read(leave(tmp_path / "search", EVENTS))
    assert [(t.number, t.state) for t in search.trials] == [(1, "finished"), (2, "failed"), (3, "finished")]
    assert search.best is not None
    assert (search.best.number, search.best.parameters, search.best.accuracy) == (3, 3000, 0.625)
    assert search.failed[0].reason == "Expected a loss that is a number. Received: nan."
    assert search.open is None
    assert search.remaining_seconds == 2 * 10.0


def test_of_equals_the_one_with_the_lower_loss_is_best(tmp_path: Path) -> None:
    events = [*EVENTS, *trial(4, 0.002, 16, accuracy=0.625, loss=0.5)]
    best = search_job.read(leave(tmp_path / "search", events)).best
    assert best is not None
    assert best.number == 4


@pytest.mark.parametrize(
    ("events", "seconds"),
    [
        ([], None),
        (EVENTS[:3], None),
        (EVENTS[:6], 5 * 8.0 - 4.0),
        ([*EVENTS, *trial(4, 0.002, 16)], 2 * 10.0 - 8.0),
        ([*EVENTS, *trial(4, 0.002, 16, accuracy=0.1), *trial(5, 0.003, 16, accuracy=0.1)], 0.0),
    ],
    ids=["nothing told", "no epoch yet", "from the first epoch", "from finished trials", "all done"],
)
def test_what_is_left_is_reckoned_from_what_was_done(
    events: list[dict[str, Any]], seconds: float | None, tmp_path: Path
) -> None:
    assert search_job.read(leave(tmp_path / "search", events)).remaining_seconds == seconds


def test_what_a_resumed_search_does_again_counts_once(tmp_path: Path) -> None:
    began = trial(4, 0.002, 16)[:1]
    search = search_job.read(leave(tmp_path / "search", [*EVENTS, *began, *began, *began]))
    assert search.open is not None
    assert search.open.starts == 3
    moved = search_job.read(leave(tmp_path / "again", [*EVENTS, *began, *trial(4, 0.002, 16), *began]))
    assert moved.open is not None
    assert (moved.open.starts, len(moved.open.epochs)) == (1, 2)
    other = search_job.read(leave(tmp_path / "other", [*EVENTS, *trial(4, 0.002, 16), *trial(4, 0.005, 32)[:1]]))
    assert other.open is not None
    assert other.open.epochs == []


def test_the_best_is_a_recipe_like_any_other(tmp_path: Path) -> None:
    job = leave(tmp_path / "search", EVENTS, {"state": "finished", "error": None})
    best = search_job.read(job).best
    assert best is not None
    recipe = search_job.recipe_of(job, best)
    assert (recipe.optimizer.learning_rate, recipe.batch_size, recipe.parameters) == (0.0001, 32, 3000)
    assert (recipe.name, recipe.epochs) == ("simple_cnn_tuned", get_recipe("simple_cnn").epochs)
    assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_the_best_is_trained_on_the_images_of_the_search(
    tmp_path: Path, settings: Settings, started: list[dict[str, Any]]
) -> None:
    job = leave(tmp_path / "search", EVENTS, {"state": "finished", "error": None})
    best = search_job.read(job).best
    assert best is not None
    search_job.train_best(job, best, settings)
    [found] = started
    assert (found["module"], found["data"], found["seed"]) == (training_job.WORKER, "cifar10", 3)
    assert found["name"].startswith("my_simple_cnn_tuned")


def test_the_search_to_go_on_with_is_found(settings: Settings) -> None:
    with pytest.raises(InputError, match="Expected a search of simple_cnn"):
        training_job.find_stopped(search_job.WORKER, "simple_cnn", settings, None, "search")
    job = leave(settings.home / "runs" / "mine", EVENTS)
    assert training_job.find_stopped(search_job.WORKER, "simple_cnn", settings, None, "search").name == job.name
    assert training_job.find_stopped(search_job.WORKER, "simple_cnn", settings, job.folder, "search").name == job.name
    with pytest.raises(InputError, match="folder with a search"):
        training_job.find_stopped(search_job.WORKER, "simple_cnn", settings, settings.home, "search")
    with pytest.raises(UnknownNameError):
        get_space("nothing")
