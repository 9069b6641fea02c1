"""Real configs on a real backbone: images to a model that serves; kills; unfreezing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from imgrec.data import features, training_arrays
from imgrec.evaluation import aligned_results, stored_predictions
from imgrec.images.preprocessing import frame
from imgrec.inference.preparation import Preparations
from imgrec.jobs import Job
from imgrec.models import cards
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ROOT, Settings
from imgrec.training import transfer_job
from imgrec.training.augmentation import Augmentation
from imgrec.training.events import to_fields
from imgrec.training.transfer_config import TransferConfig
from imgrec.training.transfer_stages import describe_fine_tuning

pytestmark = pytest.mark.slow

BACKBONE = "mobilenet_a025_128"

# Two runtimes, in float32.
TOLERANCE = 1e-4

CLASSES = ("plain", "rows", "columns")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with the backbone's weights: published ones if KERAS_HOME has them, random ones otherwise."""
    folder = tmp_path_factory.mktemp("transfer")
    file = BUILT_IN.get_spec(BACKBONE).weights.filename
    home = Path(os.environ.get("KERAS_HOME", "/nonexistent"))
    if not (home / "models" / file).exists():
        home = folder / "keras"
        (home / "models").mkdir(parents=True)
        path = str(home / "models" / file)
        code = f"from tests.inference.keras_process import randomize; randomise({BACKBONE!r}, {path!r})"
        environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    return Settings.from_env({"IMGREC_HOME": str(folder / "imgrec"), "KERAS_HOME": str(home), "IMGREC_OFFLINE": "1"})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three classes of stripes on 48 × 48 images, which the backbone is shown enlarged; 16 and 4 of each."""
    rng = np.random.default_rng(0)
    targets = np.tile(np.arange(3), 20)
    pixels = rng.integers(0, 120, (60, 48, 48, 3), dtype=np.uint8)
    pixels[targets == 1, ::8] += 120
    pixels[targets == 2, :, ::8] += 120
    path = tmp_path_factory.mktemp("data") / "stripes.npz"
    arrays = {"x_train": pixels[:48], "y_train": targets[:48], "x_test": pixels[48:], "y_test": targets[48:]}
    np.savez(path, class_names=np.array(CLASSES), allow_pickle=False, **arrays)
    return str(path)


def wait_for(job: Job, event: str, timeout_s: float = 240) -> None:
    end = time.monotonic() + timeout_s
    while not any(told["event"] == event for told in job.progress()[0]):
        assert time.monotonic() < end
        assert job.state in {"queued", "running"}, f"{job.error}\n{(job.folder / 'worker.log').read_text()}"
        time.sleep(0.02)


def finish(job: Job, timeout_s: float = 240) -> Job:
    state = job.wait(timeout_s)
    assert state == "finished", f"{state}: {job.error}\n{(job.folder / 'worker.log').read_text()}"
    return job


def test_a_killed_run_goes_on_and_its_model_serves(here: Settings, data: str) -> None:
    # So many epochs that the kill comes between two trials.
    config = TransferConfig(BACKBONE, learning_rates=(1e-2, 1e-3), folds=2, epochs=400, batch_size=8)
    job = transfer_job.start(config, data, here, name="stripes")
    wait_for(job, "trial")
    os.kill(json.loads((job.folder / "started.json").read_text())["pid"], signal.SIGKILL)
    end = time.monotonic() + 60
    while job.state != "interrupted":
        assert time.monotonic() < end
        time.sleep(0.05)
    done = [event for event in job.progress()[0] if event["event"] == "trial"]
    assert done
    job.resume()
    finish(job)
    # Told again as they were, their seconds included: none was done again.
    told = [event for event in job.progress()[0] if event["event"] == "trial"][len(done) :]
    assert [fields | {"at": None} for fields in told[: len(done)]] == [fields | {"at": None} for fields in done]
    assert not (job.folder / "trials").exists()

    progress = transfer_job.read_progress(job)
    assert all(part.cached for part in progress.features)
    assert len(progress.trials) == progress.trials_planned == 4
    assert progress.chosen is not None
    assert len(progress.curves.epochs) == progress.chosen.epochs
    [card] = [card for card in cards.all_cards(here) if card.name == "stripes"]
    assert card.classes == CLASSES
    assert (card.metrics["set"], card.metrics["pictures"]) == ("test", 12)
    assert card.metrics["accuracy"] > 0.6
    assert len(card.fields["trials"]) == 4

    # What a visitor is told is what the head says of the features.
    spec = cards.load_catalog(here).get_spec("stripes")
    assert spec.get_label_space().labels == CLASSES
    test = training_arrays.load(data, here).test
    assert test is not None
    rows = features.extract(config.backbone_spec(), test, here).rows
    expected = transfer_job.preview(job, rows)
    assert expected is not None
    from imgrec.inference.openvino_engine import OpenVINOEngine

    served = OpenVINOEngine(Preparations(here).ensure(spec), 1)
    batch = np.stack([frame(image, spec.input_size, spec.crop_fraction) for image in test.pixels])
    assert np.abs(served.predict(batch) - expected).max() < TOLERANCE
    served.close()
    assert card.metrics["accuracy"] == pytest.approx((expected.argmax(axis=1) == test.targets).mean())


def test_unfrozen_layers_learn_after_the_head(here: Settings, data: str) -> None:
    config = TransferConfig(
        BACKBONE, learning_rates=(1e-2,), epochs=3, batch_size=8, fine_tune_layers=2, fine_tune_epochs=1
    )
    job = finish(transfer_job.start(config, data, here, name="tuned_stripes"))
    progress = transfer_job.read_progress(job)
    assert progress.chosen is not None
    epochs = progress.chosen.epochs + 1
    assert [row.epoch for row in progress.curves.epochs] == list(range(1, epochs + 1))
    # From the beginning: a page would take the head's last epoch for the end.
    assert [event["epochs"] for event in job.progress()[0] if event["event"] == "training"] == [epochs, epochs]
    [card] = [card for card in cards.all_cards(here) if card.name == "tuned_stripes"]
    assert card.metrics["set"] == "test"
    assert progress.tuned is not None
    assert progress.tuned.kept_accuracy >= progress.tuned.head_accuracy
    assert card.fields["tuned"] == to_fields(progress.tuned) | {"sentence": describe_fine_tuning(progress.tuned, 9)}
    assert np.sum(card.fields["training"]["confusion"]) == card.fields["training"]["pictures"] == 39
    from imgrec.inference.openvino_engine import OpenVINOEngine

    spec = cards.load_catalog(here).get_spec("tuned_stripes")
    served = OpenVINOEngine(Preparations(here).ensure(spec), 1)
    test = training_arrays.load(data, here).test
    assert test is not None
    batch = np.stack([frame(image, spec.input_size, spec.crop_fraction) for image in test.pixels])
    said = served.predict(batch)
    served.close()
    assert (said.argmax(axis=1) == test.targets).mean() == pytest.approx(card.metrics["accuracy"], abs=1 / 12 + 1e-9)


@pytest.mark.exhaustive
def test_few_images_without_a_test_set_give_no_limit_of_doubt(here: Settings, data: str, tmp_path: Path) -> None:
    """Frozen and unfrozen: nine held-out images do not tell above which entropy it is none of the classes."""
    with np.load(data) as arrays:
        path = tmp_path / "no_test.npz"
        kept = {name: arrays[name] for name in ("x_train", "y_train", "class_names")}
    np.savez(path, allow_pickle=False, **kept)
    for name, unfreeze in (("frozen", 0), ("unfrozen", 2)):
        config = TransferConfig(
            BACKBONE, learning_rates=(1e-2,), epochs=3, batch_size=8, fine_tune_layers=unfreeze, fine_tune_epochs=1
        )
        job = finish(transfer_job.start(config, str(path), here, name=name))
        [card] = [card for card in cards.all_cards(here) if card.name == name]
        assert (card.metrics["set"], card.metrics["pictures"]) == ("validation", 9)
        results = aligned_results.load(
            [stored_predictions.own_folder(here)], "validation part of no_test (seed 0, 9 images)"
        )
        assert results.top_1(name) == pytest.approx(card.metrics["accuracy"], abs=1 / 9 + 1e-9)
        assert card.metrics["entropy_bits_95"] is None
        assert card.fields["unknown_images"] == "No limit for unknown images: too few held-out images (9)."
        assert np.sum(card.metrics["confusion"]) == 9
        if unfreeze:
            assert card.fields["tuned"]["kept_accuracy"] == card.metrics["accuracy"]
        # One file under two names, and nothing that only a worker would go on from.
        assert (job.folder / f"{name}.keras").samefile(card.weights)
        assert {entry.name for entry in job.folder.iterdir() if entry.suffix == ".npz"} == {"head.npz"}


def test_copies_are_not_validated_on_where_their_like_is_learned_from(here: Settings, tmp_path: Path) -> None:
    """Three images of each class, each four times: a fifth of twelve would be two, and one image is four."""
    rng = np.random.default_rng(0)
    originals = rng.integers(0, 240, (6, 48, 48, 3), dtype=np.uint8)
    pixels = np.concatenate([originals + np.uint8(copy) for copy in range(4)])
    path = tmp_path / "copies.npz"
    np.savez(path, allow_pickle=False, x_train=pixels, y_train=np.tile([0, 1], 12))
    config = TransferConfig(BACKBONE, learning_rates=(1e-2,), epochs=1, batch_size=8)
    job = finish(transfer_job.start(config, str(path), here, name="copies"))
    told = transfer_job.read_progress(job).curves.data
    assert told is not None
    assert (told.trained_on, told.validated_on) == (16, 8)


def test_augmented_copies_are_learned_from_and_never_validated_on(here: Settings, data: str) -> None:
    augmentation = Augmentation(mirror=True, rotation=8.0, shift=0.1)
    config = TransferConfig(
        BACKBONE, learning_rates=(1e-2,), epochs=40, batch_size=8, augmentation=augmentation, copies=2
    )
    job = finish(transfer_job.start(config, data, here, name="augmented_stripes"))
    progress = transfer_job.read_progress(job)
    assert [(part.part, part.count) for part in progress.features] == [
        ("train", 48),
        ("test", 12),
        ("augmented (1 of 2)", 48),
        ("augmented (2 of 2)", 48),
    ]
    [card] = [card for card in cards.all_cards(here) if card.name == "augmented_stripes"]
    assert (card.metrics["set"], card.metrics["pictures"]) == ("test", 12)
    assert card.metrics["accuracy"] > 0.6
    assert TransferConfig.from_dict(card.fields["lesson"]) == config
    plan, data_read = progress.curves.plan, progress.curves.data
    assert plan is not None
    assert data_read is not None
    assert plan.steps == 48 * 3 // 8
    assert data_read.validated_on == 48 // 5
