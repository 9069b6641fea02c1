"""Real trainings of small networks: kills, resumes, NaN, cards, and parity with what is served."""

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from imgrec.errors import InputError
from imgrec.evaluation import aligned_results, stored_predictions
from imgrec.jobs import Job
from imgrec.models import cards
from imgrec.settings import ROOT, Settings
from imgrec.training import training_job
from imgrec.training.recipes import get_recipe

pytestmark = pytest.mark.slow

RECIPE, SEED = get_recipe("simple_cnn").changed(epochs=8, batch_size=8), 1


def stripes(path: Path, **more: np.ndarray) -> Path:
    """Write three classes of 8 × 8 stripes on 32 × 32 images, easily told apart; `more` arrays beside them."""
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(3), 120)
    pixels = rng.integers(0, 120, (360, 32, 32, 3), dtype=np.uint8)
    pixels[targets == 1, ::4] += 120
    pixels[targets == 2, :, ::4] += 120
    names = np.array(["plain", "rows", "columns"])
    np.savez(path, allow_pickle=False, x_train=pixels, y_train=targets, class_names=names, **more)
    return path


def fresh_settings(folder: Path) -> Settings:
    return Settings.from_env(
        {"IMGREC_HOME": str(folder / "imgrec"), "KERAS_HOME": str(folder / "keras"), "IMGREC_OFFLINE": "1"}
    )


class Run(NamedTuple):
    job: Job
    data: Path
    settings: Settings


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was left alone."""
    folder = tmp_path_factory.mktemp("whole")
    data, settings = stripes(folder / "stripes.npz"), fresh_settings(folder)
    return Run(finish(training_job.start(RECIPE, str(data), settings, seed=SEED)), data, settings)


def finish(job: Job, timeout_s: float = 240) -> Job:
    state = job.wait(timeout_s)
    assert state == "finished", f"{state}: {job.error}\n{(job.folder / 'worker.log').read_text()}"
    return job


def test_a_run_learns_and_its_model_joins_the_catalog(whole: Run) -> None:
    job, _, settings = whole
    curves = training_job.read_curves(job)
    assert [row.epoch for row in curves.epochs] == list(range(1, 9))
    assert curves.epochs[-1].validation_accuracy > 0.8
    assert curves.training_seconds == sum(row.seconds for row in curves.epochs)
    assert np.sum(curves.epochs[-1].confusion) == 36
    [card] = [card for card in cards.all_cards(settings) if card.name == "my_simple_cnn"]
    assert card.classes == ("plain", "rows", "columns")
    assert card.metrics["set"] == "validation"
    # On the Benchmarks page, what was held out stands in for the test part that the set does not have.
    [name] = aligned_results.dataset_names([stored_predictions.own_folder(settings)])
    assert name == "validation part of stripes (seed 1, 36 images)"
    results = aligned_results.load([stored_predictions.own_folder(settings)], name)
    assert "a test part would be stricter" in results.about["flaws"][0]
    assert results.top_1("my_simple_cnn") == pytest.approx(card.metrics["accuracy"])
    # One file under two names, and no checkpoint that nothing will go on from.
    assert (job.folder / "my_simple_cnn.keras").samefile(card.weights)
    assert not list(job.folder.glob("*.npz"))
    assert card.training_seconds == pytest.approx(curves.training_seconds)


def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_been(whole: Run) -> None:
    broken = training_job.start(RECIPE, str(whole.data), whole.settings, seed=SEED, name="broken")
    end = time.monotonic() + 120
    while len(training_job.read_curves(broken).epochs) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    os.kill(json.loads((broken.folder / "started.json").read_text())["pid"], signal.SIGKILL)
    while broken.state != "interrupted":
        assert time.monotonic() < end
        time.sleep(0.05)
    broken.resume()
    finish(broken)
    assert training_job.read_curves(broken).plan.resumed_at[0] >= 1
    for once, twice in zip(
        training_job.read_curves(whole.job).epochs, training_job.read_curves(broken).epochs, strict=True
    ):
        # To the last bit: the same images in the same order, changed in the same way, with the same dropout.
        for field in ("loss", "accuracy", "validation_loss", "confusion"):
            assert getattr(twice, field) == getattr(once, field)
    for once_array, twice_array in zip(*(saved_weights(job) for job in (whole.job, broken)), strict=True):
        np.testing.assert_array_equal(once_array, twice_array)


def saved_weights(job: Job) -> list[np.ndarray]:
    """Every array in the model that `job` saved, in the order of their names."""
    import h5py

    [file] = job.folder.glob("*.keras")
    found: list[np.ndarray] = []
    with zipfile.ZipFile(file) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as arrays:
        arrays.visititems(lambda _, item: found.append(item[...]) if isinstance(item, h5py.Dataset) else None)
    assert len(found) == 10  # kernels and biases of five layers
    return found


class Mended(NamedTuple):
    """A run that failed twice and ended well: the errors, and what was left after the first."""

    errors: tuple[str, str]
    left: set[str]
    job: Job
    settings: Settings


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory) -> Mended:
    folder = tmp_path_factory.mktemp("mended")
    settings, data = fresh_settings(folder), stripes(folder / "stripes.npz")
    with np.load(data) as file:
        arrays = dict(file)
    arrays |= {"x_test": arrays["x_train"][::10], "y_test": arrays["y_train"][::10]}
    np.savez(data, allow_pickle=False, **arrays)
    job = training_job.start(RECIPE.changed(epochs=3, batch_size=32, learning_rate=1e30), str(data), settings)
    assert job.wait(120) == "failed"
    first, left = str(job.error), {path.name for path in job.folder.iterdir()}
    np.savez(data, allow_pickle=False, **arrays | {"x_train": 255 - arrays["x_train"]})
    job.resume()
    assert job.wait(120) == "failed"
    second = str(job.error)
    np.savez(data, allow_pickle=False, **arrays)
    training_job.resume(job, learning_rate=1e-3)
    return Mended((first, second), left, finish(job), settings)


def test_a_loss_that_is_no_number_stops_the_run_with_a_sentence(mended: Mended) -> None:
    assert "a smaller learning rate than 1e+30" in mended.errors[0]
    assert "checkpoint.npz" not in mended.left  # nothing of it is worth going on from
    # Nor with other images: they would be split anew, and validated on what was learned from.
    assert "that this run began with" in mended.errors[1]
    # With its own again, and a rate that leads somewhere, it ended well.
    [card] = [card for card in cards.all_cards(mended.settings) if card.name == "my_simple_cnn"]
    assert card.fields["learning_rate_from_epoch"] == [[1, 1e-3]]


def test_what_was_tested_stands_on_the_benchmarks_page(mended: Mended) -> None:
    own = stored_predictions.own_folder(mended.settings)
    [row] = stored_predictions.read_summary(own)["rows"]
    metrics = training_job.read_curves(mended.job).finished.metrics
    assert (row["model"], row["images"]) == ("my_simple_cnn", metrics["pictures"]) == ("my_simple_cnn", 36)
    assert row["top_1"] == pytest.approx(metrics["accuracy"])
    assert aligned_results.load([own], "stripes").top_1("my_simple_cnn") == pytest.approx(metrics["accuracy"])


def run_process(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.loop_process", *arguments],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def found(whole: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process found out: see `loop_process`."""
    folder = str(tmp_path_factory.mktemp("loops"))
    answer: dict[str, Any] = run_process("all", folder, str(whole.job.folder), str(whole.data))
    return answer


def test_wrong_images_are_refused_before_the_first_epoch(found: dict[str, Any], settings: Settings) -> None:
    assert "64 × 64" in found["refused"]
    with pytest.raises(InputError, match="dataset"):
        training_job.start(get_recipe("simple_cnn"), "no_such_data", settings)


def test_training_validation_and_serving_see_the_same_values(whole: Run, found: dict[str, Any]) -> None:
    """The slip of normalizing one generator and not the other (chance-level validation) cannot be made."""
    last = training_job.read_curves(whole.job).epochs[-1]
    assert found["served"]["accuracy"] == pytest.approx(last.validation_accuracy, abs=1e-9)
    assert found["served"]["loss"] == pytest.approx(last.validation_loss, rel=1e-3)


def test_a_run_stopped_in_the_middle_of_an_epoch_ends_with_the_same_weights(found: dict[str, Any]) -> None:
    """To the last bit, whatever has a state: dropout, batch normalization, two optimizers and their schedules."""
    assert found["resumed"] == {"simple_cnn": 0.0, "cifar_vgg": 0.0}


def test_a_run_resumed_with_another_learning_rate_learns_at_that(found: dict[str, Any]) -> None:
    assert found["slowed"] < 1e-20


def test_validation_is_near_chance_where_only_training_images_are_normalized() -> None:
    keras_home = Path(os.environ.get("KERAS_HOME", "/nonexistent"))
    if not (keras_home / "datasets" / "cifar10.npz").is_file():
        pytest.skip("CIFAR-10 is not under KERAS_HOME/datasets")
    found = run_process("mistaken", str(keras_home))
    alike, one_sided = np.mean(found["alike"]), np.mean(found["one_sided"])
    assert one_sided < 0.18  # of ten classes
    assert alike > one_sided + 0.06
