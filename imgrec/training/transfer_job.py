"""Transfer learning runs: start one and read its log; no TensorFlow here.

A run is a job like a training, with another worker: images → features, once → trials (each learning rate × each
fold) → the final head → one model, which joins the catalog.
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from imgrec.data.dataset import ArrayDataset
from imgrec.data.splits import split
from imgrec.errors import InputError, StorageError
from imgrec.images import perceptual_hash
from imgrec.jobs import Job, Needs
from imgrec.metrics.classification import softmax
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN
from imgrec.models.downloads import offline_error
from imgrec.settings import Settings
from imgrec.training import array_archives, events, training_job
from imgrec.training.events import Event, FeaturesExtracted, FineTuned, HeadChosen, Preparing, TrialEnd, TrialsPlanned
from imgrec.training.training_job import RUNTIME_BYTES, Curves, activations, curves_in
from imgrec.training.transfer_config import FINE_TUNING, TransferConfig
from imgrec.training.trial_results import Summary, summaries

WORKER = "imgrec.training.transfer_worker"

# The newest state of the head, written while it trains: what `preview` reads.
CHECKPOINT = "head.npz"


@dataclass(frozen=True, slots=True)
class Progress:
    """The log of a transfer learning run. `preparing` is a sentence while weights are downloaded or converted."""

    preparing: str
    features: tuple[FeaturesExtracted, ...]
    trials: tuple[TrialEnd, ...]
    trials_planned: int
    chosen: HeadChosen | None
    curves: Curves
    tuned: FineTuned | None = None

    @property
    def summaries(self) -> list[Summary]:
        """The trials by learning rate."""
        return summaries(self.trials)


def start(
    config: TransferConfig, data: str, settings: Settings, *, name: str | None = None, folder: Path | None = None
) -> Job:
    """Start transfer learning in a worker of its own; returns at once.

    Args:
        config: What is trained, and how.
        data: A name in `DATASETS` or a path.
        settings: Where runs, models and weights are.
        name: The name of the new model; else the first free one like `my_` and the backbone.
        folder: The folder of the run; else a new one under `IMGREC_HOME/runs`.

    Raises:
        InputError: The dataset, the name or the folder cannot be used.
        OfflineError: The weights are not on this machine and cannot be downloaded.
        MemoryBudgetError: There is too little memory.
        StorageError: There is too little room on the disk.
    """
    backbone = BUILT_IN.get_spec(config.backbone)
    training_job.check_source(data)
    if settings.offline and weights.locate(backbone, settings) is None:
        raise offline_error(backbone.weights.url, weights.target_path(backbone, settings), "IMGREC_OFFLINE=1")
    name = training_job.name_for(name, f"my_{config.backbone}", settings)
    return training_job.start_run(
        WORKER,
        {"lesson": config.to_dict(), "name": name},
        data,
        settings,
        title=f"{backbone.title}: {name}",
        needs=needs_of(config),
        disk_bytes=disk_bytes(config),
        purpose=f"to fine-tune {backbone.title}",
        advice="a smaller backbone needs less",
        folder=folder,
    )


def check_data(config: TransferConfig, data: ArrayDataset) -> None:
    """Raise `InputError` on fewer images of a class than there are folds."""
    fewest, label = min((train, label) for label, (train, _) in data.counts().items())
    if fewest < config.folds:
        raise InputError(
            f"Expected {config.folds} training images or more of each class for {config.folds} folds. "
            f"Received: {fewest} of {label!r}; use fewer folds, or none."
        )


def test_split(config: TransferConfig, data: ArrayDataset) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted indices into the training images: those to train on, and those that are held out for the test.

    The same seed holds out the same images, the same share of each class, and copies of one image stay together. None
    are held out where there is a test set, or without a `test_fraction`. Raises `InputError` as `splits.split`.
    """
    if data.test is not None or not config.test_fraction:
        return np.arange(len(data.train)), np.empty(0, np.int64)
    groups = perceptual_hash.groups(data.train.pixels, data.train.targets)
    kept, test = split(data.train.targets, config.test_fraction, config.seed, groups)
    return np.sort(kept), np.sort(test)


def with_test_split(data: ArrayDataset, kept: np.ndarray, test: np.ndarray) -> ArrayDataset:
    """Return `data` with the images at `test` as its test set; unchanged where there are none."""
    if not len(test):
        return data
    files = tuple(data.files[i] for i in kept) if data.files else ()
    return replace(data, train=data.train.take(kept), test=data.train.take(test), files=files)


def needs_of(config: TransferConfig) -> Needs:
    """Return memory and cores of one run without its images, which `training_arrays.load` limits by itself."""
    backbone = config.backbone_spec()
    memory = RUNTIME_BYTES + 3 * 4 * backbone.parameters
    if config.fine_tune_layers:
        height, width = backbone.input_size
        memory += activations(config.trainable_layers) * config.batch_size * height * width * 3
        memory += 2 * 4 * backbone.parameters
    return Needs(memory_bytes=memory, cores=os.cpu_count() or 1)


def disk_bytes(config: TransferConfig) -> int:
    """Return the bytes of the backbone's weights as Keras holds them, the model, and the checkpoints of fine-tuning."""
    parameters = BUILT_IN.get_spec(config.backbone).parameters
    copies = 1 + bool(config.fine_tune_layers)  # the best epoch so far is kept beside the checkpoint
    return copies * 4 * parameters + training_job.disk_bytes(
        parameters, FINE_TUNING if config.fine_tune_layers else None
    )


def read_progress(job: Job) -> Progress:
    """Return the progress in the log of a run."""
    return progress_in(job.progress()[0])


def progress_in(lines: Sequence[dict[str, Any]]) -> Progress:
    """Return the progress in the lines of a log. What a resumed run repeats counts once, as last told."""
    found = list(events.read(lines))
    last: dict[type[Event], Any] = {type(event): event for event in found}
    parts = {event.part: event for event in found if isinstance(event, FeaturesExtracted)}
    trials = {(event.learning_rate, event.fold): event for event in found if isinstance(event, TrialEnd)}
    newest = [event for event in found if isinstance(event, Preparing | FeaturesExtracted)][-1:]
    return Progress(
        "".join(event.sentence for event in newest if isinstance(event, Preparing)),
        tuple(parts.values()),
        tuple(trials.values()),
        last[TrialsPlanned].count if TrialsPlanned in last else 0,
        last.get(HeadChosen),
        curves_in(lines),
        last.get(FineTuned),
    )


def preview(job: Job, features: np.ndarray) -> np.ndarray | None:
    """Return probabilities float32 (N, C) of the newest head for `features` (N, …); None before the first head.

    This takes well under a millisecond and no TensorFlow, so that a page can follow the training.
    """
    with contextlib.suppress(StorageError, ValueError, KeyError):
        return forward(array_archives.to_layers(array_archives.read(job.folder / CHECKPOINT)), features)
    return None


def forward(layers: Sequence[tuple[np.ndarray, np.ndarray]], features: np.ndarray) -> np.ndarray:
    """Return softmax float32 (N, C) of dense layers (kernel (D, E), bias (E,)) with ReLU between, on (N, …)."""
    x = np.asarray(features, np.float32).reshape(len(features), -1)
    for number, (kernel, bias) in enumerate(layers):
        x = x @ kernel + bias
        if number < len(layers) - 1:
            x = np.maximum(x, 0)
    return softmax(x)
