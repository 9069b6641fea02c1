"""Searches by the real worker: killed at any moment, with networks that cannot be made, and by every method."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgrec.settings import ROOT, Settings
from imgrec.training import search_job, training_job
from imgrec.training.recipes import Recipe
from imgrec.training.search_spaces import get_space

pytestmark = pytest.mark.slow

TINY = ["conv_1_filter=4", "conv_1_kernel=3", "conv_2_filter=4", "conv_2_kernel=3,9", "dense_1_units=4,8"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two classes of stripes on 32 × 32 images."""
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(2), 200)
    pixels = rng.integers(0, 120, (400, 32, 32, 3), dtype=np.uint8)
    pixels[targets == 1, ::4] += 120
    path = tmp_path / "stripes.npz"
    np.savez(path, x_train=pixels, y_train=targets, class_names=np.array(["plain", "rows"]))
    return path


def test_a_killed_search_goes_on_and_repeats_no_trial(data: Path, settings: Settings) -> None:
    space = get_space("tuned_cnn_6").varied(["learning_rate=0.001", "batch_size=8", *TINY])
    job = search_job.start(space, str(data), settings, trials=9, epochs=2, train_best=True)
    end = time.monotonic() + 300
    while not any(trial.state == "finished" for trial in search_job.read(job).trials) or not search_job.read(job).open:
        assert time.monotonic() < end, (job.folder / "worker.log").read_text()
        assert job.state in {"queued", "running"}, job.error
        time.sleep(0.02)
    os.kill(json.loads((job.folder / "started.json").read_text())["pid"], signal.SIGKILL)
    while job.state != "interrupted":
        assert time.monotonic() < end
        time.sleep(0.05)
    before = search_job.read(job)
    job.resume()
    assert job.wait(300) == "finished", f"{job.error}\n{(job.folder / 'worker.log').read_text()}"

    search = search_job.read(job)
    assert search.plan is not None
    assert search.plan.trials == space.count == 4
    results = [event["trial"] for event in job.progress()[0] if event["event"] == "result"]
    assert sorted(results) == sorted(set(results))
    assert all(trial in search.trials for trial in before.finished)
    assert {trial.values["conv_2_kernel"] for trial in search.finished} == {3}
    assert {trial.values["conv_2_kernel"] for trial in search.failed} == {9}
    assert all("Expected images of at least" in str(trial.reason) for trial in search.failed)
    assert all(len(trial.epochs) == 2 and trial.seconds > 0 for trial in search.finished)

    # The best is handed on to a run of its own, on the same split.
    assert search.best is not None
    assert search.handed_on is not None
    run = training_job.Job(settings.home / "runs" / search.handed_on.run)
    try:
        assert Recipe.from_dict(run.configuration["recipe"]) == search_job.recipe_of(job, search.best)
        assert run.configuration["seed"] == job.configuration["seed"]
    finally:
        run.cancel()
        run.wait(120)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.search_process", str(tmp_path_factory.mktemp("searches"))],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.mark.parametrize("method", search_job.METHODS)
def test_a_search_that_was_killed_often_is_the_one_that_was_not(asked: dict[str, Any], method: str) -> None:
    whole, killed = asked[method]
    assert killed["workers"] > 1
    assert killed["trials"] == whole["trials"]
    assert killed["results"] == whole["results"] == list(range(1, len(whole["trials"]) + 1))
    assert killed["best"] == whole["best"]
    # A trial that was killed after its first epoch went on behind it.
    assert 1 in killed["began_at"]
    # Checkpoints are gone when nobody can need them any more.
    assert whole["left"] == killed["left"] == ["oracle"]


def test_a_trial_that_fails_is_a_result_like_any_other(asked: dict[str, Any]) -> None:
    states = [(trial[2], trial[4]) for trial in asked["random"][0]["trials"]]
    assert ("failed", "Expected a loss that is a number. Received: nan.") in states
    assert ("finished", None) in states


def test_a_network_that_ends_every_worker_is_given_up(asked: dict[str, Any]) -> None:
    [deadly] = asked["deadly"]
    assert deadly["workers"] == 4
    assert [trial[2] for trial in deadly["trials"]].count("failed") == 3
    assert deadly["trials"][1][4] == (
        "Expected the worker to survive this network. Received: it ended 3 times before the first step, most likely "
        "for want of memory."
    )


def test_hyperband_goes_on_where_the_better_ones_ended(asked: dict[str, Any]) -> None:
    whole = asked["hyperband"][0]
    # Three networks learn for one epoch; the best of them goes on behind that one.
    assert whole["began_at"][:4] == [0, 0, 0, 1]
    assert whole["trials"][3][1] == max(whole["trials"][:3], key=lambda trial: trial[3])[1]
