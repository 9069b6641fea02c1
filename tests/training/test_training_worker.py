"""Real trainings of small networks: kills, resumes, NaN, cards, and parity with what is served."""

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

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


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three classes of 8 × 8 stripes on 32 × 32 images, easily told apart."""
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(3), 120)
    pixels = rng.integers(0, 120, (360, 32, 32, 3), dtype=np.uint8)
    pixels[targets == 1, ::4] += 120
    pixels[targets == 2, :, ::4] += 120
    path = tmp_path / "stripes.npz"
    np.savez(path, x_train=pixels, y_train=targets, class_names=np.array(["plain", "rows", "columns"]))
    return path


def finish(job: Job, timeout_s: float = 240) -> Job:
    state = job.wait(timeout_s)
    assert state == "finished", f"{state}: {job.error}\n{(job.folder / 'worker.log').read_text()}"
    return job


def test_a_run_learns_and_its_model_joins_the_catalog(data: Path, settings: Settings) -> None:
    job = finish(training_job.start(get_recipe("simple_cnn").changed(epochs=8, batch_size=16), str(data), settings))
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
    assert name == "validation part of stripes (seed 0, 36 images)"
    results = aligned_results.load([stored_predictions.own_folder(settings)], name)
    assert "a test part would be stricter" in results.about["flaws"][0]
    assert results.top_1("my_simple_cnn") == pytest.approx(card.metrics["accuracy"])
    # One file under two names, and no checkpoint that nothing will go on from.
    assert (job.folder / "my_simple_cnn.keras").samefile(card.weights)
    assert not list(job.folder.glob("*.npz"))
    assert card.training_seconds == pytest.approx(curves.training_seconds)


def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_been(
    data: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = get_recipe("simple_cnn").changed(epochs=6, batch_size=8)
    whole = finish(training_job.start(recipe, str(data), settings, seed=1, name="whole"))
    broken = training_job.start(recipe, str(data), settings, seed=1, name="broken")
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
        training_job.read_curves(whole).epochs, training_job.read_curves(broken).epochs, strict=True
    ):
        # To the last bit: the same images in the same order, changed in the same way, with the same dropout.
        for field in ("loss", "accuracy", "validation_loss", "confusion"):
            assert getattr(twice, field) == getattr(once, field)
    for once_array, twice_array in zip(*(saved_weights(job) for job in (whole, broken)), strict=True):
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


def test_a_loss_that_is_no_number_stops_the_run_with_a_sentence(data: Path, settings: Settings) -> None:
    recipe = get_recipe("simple_cnn").changed(epochs=3, batch_size=32, learning_rate=1e30)
    job = training_job.start(recipe, str(data), settings)
    assert job.wait(120) == "failed"
    assert "a smaller learning rate than 1e+30" in str(job.error)
    assert not (job.folder / "checkpoint.npz").exists()  # nothing of it is worth going on from
    # Nor with other images: they would be split anew, and validated on what was learned from.
    with np.load(data) as file:
        np.savez(data, **dict(file) | {"x_train": 255 - file["x_train"]})
    job.resume()
    assert job.wait(120) == "failed"
    assert "that this run began with" in str(job.error)
    # With its own again, and a rate that leads somewhere, it ends well.
    with np.load(data) as file:
        np.savez(data, **dict(file) | {"x_train": 255 - file["x_train"]})
    training_job.resume(job, learning_rate=1e-3)
    finish(job)
    [card] = [card for card in cards.all_cards(settings) if card.name == "my_simple_cnn"]
    assert card.fields["learning_rate_from_epoch"] == [[1, 1e-3]]


def test_what_was_tested_stands_on_the_benchmarks_page(data: Path, settings: Settings) -> None:
    with np.load(data) as file:
        np.savez(data, **dict(file), x_test=file["x_train"][::10], y_test=file["y_train"][::10])
    job = finish(training_job.start(get_recipe("simple_cnn").changed(epochs=1, batch_size=32), str(data), settings))
    [row] = stored_predictions.read_summary(stored_predictions.own_folder(settings))["rows"]
    metrics = training_job.read_curves(job).finished.metrics
    assert (row["model"], row["images"]) == ("my_simple_cnn", metrics["pictures"]) == ("my_simple_cnn", 36)
    assert row["top_1"] == pytest.approx(metrics["accuracy"])
    results = aligned_results.load([stored_predictions.own_folder(settings)], "stripes")
    assert results.top_1("my_simple_cnn") == pytest.approx(metrics["accuracy"])


def test_wrong_images_are_refused_before_the_first_epoch(data: Path, settings: Settings) -> None:
    job = training_job.start(get_recipe("cats_dogs_cnn"), str(data), settings)
    assert job.wait(120) == "failed"
    assert "64 × 64" in str(job.error)
    with pytest.raises(InputError, match="dataset"):
        training_job.start(get_recipe("simple_cnn"), "no_such_data", settings)


def test_training_validation_and_serving_see_the_same_values(data: Path, settings: Settings) -> None:
    """The slip of normalizing one generator and not the other (chance-level validation) cannot be made."""
    recipe = replace(get_recipe("simple_cnn").changed(epochs=2, batch_size=32), validation_fraction=0.3)
    job = finish(training_job.start(recipe, str(data), settings, seed=2))
    # What a server would say of the validation images, through preprocessing.normalize and the saved file.
    code = (
        "import json, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from imgrec.data import splits, training_arrays\n"
        "from imgrec.models import cards\n"
        "from imgrec.images.preprocessing import normalize\n"
        "from imgrec.inference import keras_networks\n"
        "from imgrec.settings import Settings\n"
        f"card = cards.read(Path({str(job.folder)!r}) / 'my_simple_cnn.json')\n"
        "spec = card.spec(bundled=False)\n"
        "model = keras_networks.load(spec, card.weights)\n"
        f"data = training_arrays.load({str(data)!r}, Settings.from_env({{}}))\n"
        "_, held = splits.split(data.train.targets, 0.3, 2)\n"
        "p = model.predict_on_batch(normalize(data.train.pixels[held], spec.preprocess))\n"
        "print(float((p.argmax(1) == data.train.targets[held]).mean()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    served = float(done.stdout.strip().splitlines()[-1])
    assert served == pytest.approx(training_job.read_curves(job).epochs[-1].validation_accuracy, abs=1e-9)


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


def test_a_run_stopped_in_the_middle_of_an_epoch_ends_with_the_same_weights(tmp_path: Path) -> None:
    """To the last bit, whatever has a state: dropout, batch normalization, two optimizers and their schedules."""
    assert run_process("resumed", str(tmp_path)) == {"simple_cnn": 0.0, "cifar_vgg": 0.0}


def test_a_run_resumed_with_another_learning_rate_learns_at_that(tmp_path: Path) -> None:
    assert run_process("slowed", str(tmp_path)) < 1e-20


def test_validation_is_near_chance_where_only_training_images_are_normalized() -> None:
    keras_home = Path(os.environ.get("KERAS_HOME", "/nonexistent"))
    if not (keras_home / "datasets" / "cifar10.npz").is_file():
        pytest.skip("CIFAR-10 is not under KERAS_HOME/datasets")
    found = run_process("mistaken", str(keras_home))
    alike, one_sided = np.mean(found["alike"]), np.mean(found["one_sided"])
    assert one_sided < 0.18  # of ten classes
    assert alike > one_sided + 0.06
