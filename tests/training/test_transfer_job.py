"""Lessons: what can be meant, what is read from their logs, and the head in numpy."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrec.data.dataset import ArrayDataset, Images
from imgrec.errors import ImgrecError, InputError, OfflineError, UnknownNameError
from imgrec.jobs import Job
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import Settings
from imgrec.training import run_summary, training_job, transfer_config, transfer_job
from imgrec.training.augmentation import Augmentation
from imgrec.training.events import FineTuned, HeadChosen, TrialEnd, to_fields
from imgrec.training.transfer_config import HEADS, TransferConfig
from imgrec.training.trial_results import choose, summaries


def trial(rate: float, fold: int, accuracy: float, *, loss: float = 0.5, best: int = 10) -> TrialEnd:
    return TrialEnd(rate, fold, best, 0.9, 0.3, accuracy, loss, 1.0)


def test_a_run_survives_json() -> None:
    config = TransferConfig("mobilenet", "hidden", learning_rates=(1e-2, 1e-6), folds=5, input_size=(256, 256))
    assert TransferConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.trials == 10
    augmented = replace(config, augmentation=Augmentation(mirror=True, zoom=0.2), copies=2)
    assert TransferConfig.from_dict(json.loads(json.dumps(augmented.to_dict()))) == augmented
    before = {name: value for name, value in config.to_dict().items() if name not in {"augmentation", "copies"}}
    assert TransferConfig.from_dict(before) == config
    assert TransferConfig("mobilenet").trials == len(transfer_config.DEFAULT_LEARNING_RATES)


@pytest.mark.parametrize(
    ("fields", "error", "sentence"),
    [
        ({"copies": 1}, InputError, "augmentation that changes something"),
        ({"copies": 11, "augmentation": Augmentation(mirror=True)}, InputError, "0 to 10 augmented copies"),
        ({"backbone": "mobilnet"}, UnknownNameError, "mobilenet"),
        ({"backbone": "cifar_vgg"}, InputError, "published weights.*Received: cifar_vgg"),
        ({"head": "liner"}, UnknownNameError, "linear"),
        ({"epochs": 0}, InputError, "Received: 0 of 32"),
        ({"batch_size": 5000}, InputError, "Received: 20 of 5000"),
        ({"learning_rates": ()}, InputError, "1 to 12 different"),
        ({"learning_rates": (0.1, 0.1)}, InputError, "different"),
        ({"learning_rates": (0.1, 1e30)}, InputError, "at most 1. Received: 0.1, 1e\\+30"),
        ({"learning_rates": (float("nan"),)}, InputError, "Received: nan"),
        ({"folds": 1}, InputError, "2 to 20 folds"),
        ({"validation_fraction": 1.0}, InputError, "share in"),
        ({"fine_tune_layers": -2}, InputError, "Received: -2"),
        ({"input_size": (16, 16)}, InputError, "32 px or more"),
        ({"pooling": "max"}, InputError, "pooling"),
        ({"pooling": None, "head": "hidden"}, InputError, "without pooling"),
        ({"backbone": "convnext_tiny", "fine_tune_layers": 1}, InputError, "train the classifier only"),
    ],
    ids=lambda value: next(iter(value), "none") if isinstance(value, dict) else None,
)
def test_nonsense_is_refused(fields: dict[str, Any], error: type[ImgrecError], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        TransferConfig(**{"backbone": "mobilenet"} | fields)


@pytest.mark.parametrize(
    ("head", "features", "parameters"),
    [("linear", 1024, 5_125), ("hidden", 2048, 3_152_901), ("linear", 2048, 10_245)],
    ids=["PB3's MobileNet", "PB3's ResNet50 without what is unfrozen", "linear on ResNet50"],
)
def test_heads_have_the_parameters_that_were_printed(head: str, features: int, parameters: int) -> None:
    assert HEADS[head].parameters(features, 5) == parameters


def test_summaries_are_means_and_sample_deviations() -> None:
    # Table 7 of PB3 (Biology Inspired Computations): five folds at the learning rate 1e-4.
    accuracies = (0.9617, 0.9617, 0.9675, 0.9633, 0.9633)
    rows = summaries([trial(1e-4, i, value) for i, value in enumerate(accuracies, 1)] + [trial(0.1, 1, 0.2)])
    assert [row.learning_rate for row in rows] == [0.1, 1e-4]
    assert rows[1].validation_accuracy == pytest.approx(0.9635, abs=5e-5)
    assert rows[1].validation_accuracy_sd == pytest.approx(np.std(accuracies, ddof=1))
    assert (rows[0].trials, rows[0].validation_accuracy_sd) == (1, 0.0)


@pytest.mark.parametrize(
    ("trials", "chosen"),
    [
        ([trial(0.1, 1, 0.9), trial(0.1, 2, 0.5), trial(0.01, 1, 0.8), trial(0.01, 2, 0.8)], 0.01),
        ([trial(0.1, 0, 0.8, loss=0.4), trial(0.01, 0, 0.8, loss=0.3)], 0.01),
        ([trial(0.1, 0, 0.8), trial(0.01, 0, 0.8)], 0.1),
    ],
    ids=["the mean counts", "then the loss", "then the larger rate"],
)
def test_a_learning_rate_is_chosen(trials: list[TrialEnd], chosen: float) -> None:
    assert choose(trials).learning_rate == chosen


@given(st.integers(1, 5), st.integers(1, 4), st.lists(st.integers(1, 6), max_size=2), st.integers(0, 99))
def test_the_head_in_numpy_gives_probabilities(rows: int, classes: int, hidden: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    widths = [12, *hidden, classes]
    layers = [(rng.normal(0, 9, (a, b)), rng.normal(0, 9, b)) for a, b in itertools.pairwise(widths)]
    features = rng.normal(0, 99, (rows, 2, 2, 3))
    probabilities = transfer_job.forward(layers, features)
    assert probabilities.shape == (rows, classes)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    x = features.reshape(rows, -1)
    for kernel, bias in layers[:-1]:
        x = np.maximum(x @ kernel + bias, 0)
    logits = x @ layers[-1][0] + layers[-1][1]
    assert (np.take_along_axis(logits, probabilities.argmax(1)[:, None], 1)[:, 0] >= logits.max(axis=1) - 1e-3).all()


def test_the_preview_reads_the_newest_head(tmp_path: Path) -> None:
    job, features = Job(tmp_path), np.ones((1, 3), np.float32)
    assert transfer_job.preview(job, features) is None
    np.savez(tmp_path / transfer_job.CHECKPOINT, kernel_0=np.zeros((3, 2), np.float32), bias_0=np.zeros(2, np.float32))
    assert np.array_equal(transfer_job.preview(job, features), [[0.5, 0.5]])
    (tmp_path / transfer_job.CHECKPOINT).write_bytes(b"half a file")
    assert transfer_job.preview(job, features) is None


TUNED = FineTuned(1, 5, 0.8, 0.5, 0.9, 0.4, 0.9, 0.4)


def test_progress_is_read_from_the_log(tmp_path: Path) -> None:
    part = {"event": "features", "part": "train", "count": 9, "seconds": 1.5, "cached": False}
    events = [
        {"event": "preparing", "sentence": "converting MobileNet"},
        part | {"done": 4},
        part | {"done": 9},
        {"event": "trials", "count": 2},
        {"event": "trial"} | to_fields(trial(0.1, 1, 0.5)),
        {"event": "trial"} | to_fields(trial(0.1, 2, 0.7)),
        # A worker that was killed before it could tell does so again.
        {"event": "trial"} | to_fields(trial(0.1, 2, 0.7)),
        {"event": "chosen", "learning_rate": 0.1, "epochs": 10, "why": "best"},
        {"event": "tuned"} | to_fields(TUNED),
    ]
    lines: list[str] = []
    seen = []
    for event in events:
        lines.append(json.dumps(event | {"at": 0.0}) + "\n")
        (tmp_path / "progress.jsonl").write_text("".join(lines))
        seen.append(run_summary.status(transfer_job.read_progress(Job(tmp_path)), "running"))
    assert seen[0] == "converting MobileNet"
    assert seen[1] == "features of train images · 4 of 9 · 3 images/s"
    assert seen[-1] == "trial 2 of 2 · learning rate 0.1, fold 2: validation accuracy 70.0\u202f%"
    progress = transfer_job.read_progress(Job(tmp_path))
    assert [row.done for row in progress.features] == [9]
    assert len(progress.trials) == progress.trials_planned == 2
    assert progress.summaries[0].validation_accuracy == pytest.approx(0.6)
    assert progress.chosen == HeadChosen(0.1, 10, "best")
    assert progress.tuned == TUNED


def images_of(counts: list[int]) -> ArrayDataset:
    targets = np.repeat(np.arange(len(counts)), counts)
    images = Images(np.zeros((len(targets), 1, 1, 3), np.uint8), targets)
    return ArrayDataset("drawn", tuple(f"<b>{i}</b>" for i in range(len(counts))), images, None, "here")


@pytest.mark.parametrize(
    ("counts", "folds", "sentence"),
    [
        ([9, 2], 5, "5 training images or more of each class for 5 folds. Received: 2 of '<b>1</b>'"),
        ([2, 2], 0, None),
        ([2, 2], 2, None),
    ],
    ids=["more folds than images", "two images of each class", "as many folds"],
)
def test_images_that_do_not_fit_are_refused(counts: list[int], folds: int, sentence: str | None) -> None:
    config, data = TransferConfig("mobilenet", folds=folds), images_of(counts)
    if sentence is None:
        transfer_job.check_data(config, data)
    else:
        with pytest.raises(InputError, match=sentence):
            transfer_job.check_data(config, data)


def hold_out(config: TransferConfig, data: ArrayDataset) -> ArrayDataset:
    return transfer_job.with_test_split(data, *transfer_job.test_split(config, data))


def test_a_test_set_is_held_out_of_images_without_one() -> None:
    rng = np.random.default_rng(0)
    images = Images(rng.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8), np.arange(40) % 2)
    data = ArrayDataset("drawn", ("a", "b"), images, None, "here", files=tuple(f"{i}.png" for i in range(40)))
    before = data.sha256
    config = TransferConfig("mobilenet", test_fraction=0.2)
    held_out = hold_out(config, data)
    assert held_out.counts() == {"a": (16, 4), "b": (16, 4)}
    assert held_out.test is not None
    both = np.concatenate([held_out.train.pixels, held_out.test.pixels]).reshape(40, -1)
    assert len(np.unique(both, axis=0)) == 40
    assert [int(name.removesuffix(".png")) for name in held_out.files] == transfer_job.test_split(config, data)[
        0
    ].tolist()
    assert held_out.sha256 != before, "a config that goes on must find what it learned from"
    assert hold_out(config, data).sha256 == held_out.sha256
    # What has a test set keeps it, and nobody has to.
    assert hold_out(config, held_out) is held_out
    assert hold_out(TransferConfig("mobilenet"), data) is data


def test_a_run_does_not_start_without_what_it_needs(tmp_path: Path, settings: Settings) -> None:
    config = TransferConfig("mobilenet")
    with pytest.raises(InputError, match="name of a dataset"):
        transfer_job.start(config, "nowhere", settings)
    with pytest.raises(OfflineError, match=r"mobilenet_1_0_224_tf\.h5"):
        transfer_job.start(config, str(tmp_path), settings)
    spec = BUILT_IN.get_spec("mobilenet")
    path = settings.keras_home / "models" / spec.weights.filename
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(InputError, match="model name"):
        transfer_job.start(config, str(tmp_path), settings, name="<script>")
    with pytest.raises(InputError, match="stopped"):
        training_job.find_stopped(transfer_job.WORKER, "mobilenet", settings, None)
    with pytest.raises(InputError, match="folder with a run"):
        training_job.find_stopped(transfer_job.WORKER, "mobilenet", settings, tmp_path)
    assert not (settings.home / "runs").exists()


def test_what_a_run_needs_grows_with_what_learns() -> None:
    frozen = TransferConfig("mobilenet")
    few, all_layers = replace(frozen, fine_tune_layers=4), replace(frozen, fine_tune_layers=transfer_config.ALL_LAYERS)
    needed = [transfer_job.needs_of(config).memory_bytes for config in (frozen, few, all_layers)]
    assert needed == sorted(set(needed))
    # As much for the images of a step as a recipe that trains the same backbone.
    images = 32 * 224 * 224 * 3
    assert needed[2] - needed[1] == (training_job.ACTIVATIONS_LEARNING - training_job.ACTIVATIONS_FROZEN) * images
