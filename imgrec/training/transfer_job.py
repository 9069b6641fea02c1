"""Lessons: a head of one's own on a published network. What describes, starts and reads them; no TensorFlow here.

A lesson is a job like a training (see `runs`), with another worker, `teaching`: images → features, once → trials
(each learning rate × each fold) → the final head → one model, which joins the catalogue.
"""

import contextlib
import itertools
import os
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from imgrec import jobs
from imgrec.data.dataset import ArrayDataset
from imgrec.data.features import Pooling, backbone_spec
from imgrec.data.sources import DATASETS
from imgrec.data.splits import split
from imgrec.errors import InputError, MemoryBudgetError, UnknownNameError
from imgrec.images import perceptual_hash
from imgrec.jobs import Job, Needs
from imgrec.metrics.classification import softmax
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.models.downloads import offline_error
from imgrec.settings import MIB, Settings, available_memory_bytes
from imgrec.training import events, training_job
from imgrec.training.events import FeaturesExtracted, FineTuned, HeadChosen, Preparing, TrialEnd, TrialsPlanned
from imgrec.training.recipes import MAX_BATCH_SIZE, MAX_EPOCHS, Optimiser
from imgrec.training.training_job import RUNTIME_BYTES, Curves, activations, curves_in
from imgrec.training.trial_results import Summary, summaries

WORKER = "imgrec.training.transfer_worker"

# The newest state of the head, written while it trains: what `preview` looks at.
CHECKPOINT = "head.npz"

# Heads are cheap, and which rate suits depends on how many images there are.
DEFAULT_LEARNING_RATES = (1e-2, 1e-3, 1e-4)

# More rates or folds than anybody compares, and each multiplies the work.
MAX_LEARNING_RATES = 12
MAX_FOLDS = 20

# Above this Adam's steps no longer lead anywhere.
LARGEST_LEARNING_RATE = 1.0

# All layers of the backbone learn.
ALL_LAYERS = -1

# How the backbone's last layers learn, whatever rate suited the head: with larger steps a few hundred images make a
# network forget in an epoch what it learned from a million. Of 1e-5, 3e-5 and 1e-4 this one helped most often, on 92 to
# 600 images of flowers.
TUNING = Optimiser("adam", 3e-5)


@dataclass(frozen=True, slots=True)
class Head:
    """What is put on a backbone's features: dense layers with `dropout` after each, then one output for each class."""

    title: str
    about: str
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0

    def parameters(self, features: int, classes: int) -> int:
        """Weights and biases of a head for so many features and classes.

        >>> HEADS["linear"].parameters(1024, 5)
        5125
        """
        widths = (features, *self.hidden, classes)
        return sum((before + 1) * after for before, after in itertools.pairwise(widths))


HEADS: dict[str, Head] = {
    "linear": Head("Linear", "One dense layer with softmax. Fast, and least prone to overfitting."),
    "small": Head("Small", "One hidden layer of 128 units.", (128,), 0.2),
    "wide": Head("Wide", "One hidden layer of 1,024 units.", (1024,), 0.05),
    "hidden": Head("Two hidden layers", "Two hidden layers of 1,024 units.", (1024, 1024), 0.05),
}


@dataclass(frozen=True, slots=True)
class Lesson:
    """All settings of a fine-tuning run.

    With `folds` of 2 or more each learning rate is tried on each fold, and the final head learns from all training
    images; with 0 there is one split, of which `validation_fraction` is held out. With `step_epochs` the rate falls
    to a tenth after each so many epochs. `unfreeze` last layers of the backbone (`ALL_LAYERS`: all) learn too, for
    `tuning_epochs` once the head is there, gently (`TUNING`); the better of both is kept. Without `pooling` the head
    sees the whole map. Of images that come without a test set `test_fraction` of each class are held out as one.

    Raises `InputError` on what cannot be meant, `UnknownNameError` on an unknown backbone or head.
    """

    backbone: str
    head: str = "linear"
    unfreeze: int = 0
    epochs: int = 20
    batch_size: int = 32
    learning_rates: tuple[float, ...] = DEFAULT_LEARNING_RATES
    step_epochs: int = 0
    folds: int = 0
    validation_fraction: float = 0.2
    seed: int = 0
    pooling: Pooling = "avg"
    input_size: tuple[int, int] | None = None
    tuning_epochs: int = 5
    test_fraction: float = 0.0

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise UnknownNameError.of("head", self.head, list(HEADS))
        backbone_spec(BUILT_IN.get_spec(self.backbone), pooling=self.pooling, input_size=self.input_size)
        if not 1 <= self.epochs <= MAX_EPOCHS or not 1 <= self.batch_size <= MAX_BATCH_SIZE:
            raise InputError(
                f"Expected 1 to {MAX_EPOCHS} epochs of batches of 1 to {MAX_BATCH_SIZE}. "
                f"Received: {self.epochs} of {self.batch_size}."
            )
        rates = self.learning_rates
        if not 1 <= len(set(rates)) == len(rates) <= MAX_LEARNING_RATES:
            raise InputError(
                f"Expected 1 to {MAX_LEARNING_RATES} different learning rates. Received: {', '.join(map(str, rates))}."
            )
        if not all(0 < rate <= LARGEST_LEARNING_RATE for rate in rates):
            raise InputError(
                f"Expected learning rates above 0, at most {LARGEST_LEARNING_RATE:g}. "
                f"Received: {', '.join(map(str, rates))}."
            )
        if self.folds != 0 and not 2 <= self.folds <= MAX_FOLDS:
            raise InputError(f"Expected 2 to {MAX_FOLDS} folds, or 0 for one split. Received: {self.folds}.")
        if self.pooling is None and HEADS[self.head].hidden:
            raise InputError(
                f"Expected the head linear without pooling, whose map has too many features for a hidden layer. "
                f"Received: {self.head}."
            )
        if self.unfreeze and BUILT_IN.get_spec(self.backbone).architecture.startswith("ConvNeXt"):
            raise InputError(
                f"Expected a backbone whose features are the average of its map, to unfreeze it. "
                f"Received: {self.backbone}, which normalizes them once more; train the classifier only."
            )
        if not 0 < self.validation_fraction < 1 or not 0 <= self.test_fraction < 1:
            raise InputError(
                f"Expected a validation share in (0, 1) and a test share in [0, 1). "
                f"Received: {self.validation_fraction} and {self.test_fraction}."
            )
        if self.unfreeze < ALL_LAYERS or self.step_epochs < 0 or not 1 <= self.tuning_epochs <= MAX_EPOCHS:
            raise InputError(
                f"Expected {ALL_LAYERS} (all) or more layers to unfreeze, steps of 0 epochs or more and 1 to "
                f"{MAX_EPOCHS} epochs of tuning. "
                f"Received: {self.unfreeze}, {self.step_epochs} and {self.tuning_epochs}."
            )

    def backbone_row(self) -> ModelSpec:
        """Return the backbone without its top, as the pool and `features.extract` take it."""
        return backbone_spec(BUILT_IN.get_spec(self.backbone), pooling=self.pooling, input_size=self.input_size)

    @property
    def trainable_layers(self) -> int | None:
        """How many last layers of the backbone learn, as `Backbone` and `Recipe` take it: None for all."""
        return None if self.unfreeze == ALL_LAYERS else self.unfreeze

    @property
    def trials(self) -> int:
        """How many heads are tried."""
        return len(self.learning_rates) * max(1, self.folds)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; `from_dict` is the way back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Lesson":
        size = fields.get("input_size")
        return cls(
            **fields | {"learning_rates": tuple(fields["learning_rates"]), "input_size": tuple(size) if size else None}
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """What a lesson has told so far.

    `preparing` is a sentence while weights are fetched or converted. `curves` is the final training as `runs` reads
    it (its rows, the data, the model with its metrics). `chosen` has the learning rate, the epochs and why. `tuned` is
    what became of unfrozen layers.
    """

    preparing: str
    features: tuple[FeaturesExtracted, ...]
    trials: tuple[TrialEnd, ...]
    trials_planned: int
    chosen: HeadChosen | None
    curves: Curves
    tuned: FineTuned | None = None

    @property
    def summaries(self) -> list[Summary]:
        return summaries(self.trials)


def start(lesson: Lesson, data: str, settings: Settings, *, name: str | None = None, folder: Path | None = None) -> Job:
    """Start teaching in a worker of its own; returns at once.

    `data` as in `datasets.load`; `name` is what the model will be called. Raises `InputError` on a dataset, a name
    or a folder that cannot be meant, `OfflineError` when the weights are not here and cannot be fetched,
    `MemoryBudgetError` and `StorageError` with the figures when there is too little.
    """
    if data not in DATASETS and not Path(data).expanduser().exists():
        raise InputError(f"Expected the name of a dataset ({', '.join(DATASETS)}) or a path. Received: {data!r}.")
    backbone = BUILT_IN.get_spec(lesson.backbone)
    if settings.offline and weights.locate(backbone, settings) is None:
        raise offline_error(backbone.weights.url, weights.target_path(backbone, settings), "IMGREC_OFFLINE=1")
    needs = needs_of(lesson)
    if (usable := available_memory_bytes()) < needs.memory_bytes:
        raise MemoryBudgetError(
            f"Expected about {needs.memory_bytes / MIB:,.0f} MiB of memory to fine-tune {backbone.title}. "
            f"Received: {usable / MIB:,.0f} MiB; a smaller backbone needs less."
        )
    jobs.check_disk(folder or settings.home, disk_bytes(lesson))
    name = training_job.name_for(name, f"my_{lesson.backbone}", settings)
    configuration = {
        "lesson": lesson.to_dict(),
        "data": data if data in DATASETS else str(Path(data).expanduser().resolve()),
        "name": name,
        "home": str(settings.home.resolve()),
        "keras_home": str(settings.keras_home.resolve()),
    }
    return jobs.start(WORKER, configuration, settings, title=f"{backbone.title}: {name}", needs=needs, folder=folder)


def check_data(lesson: Lesson, data: ArrayDataset) -> None:
    """Raise `InputError` on fewer images of a class than there are folds."""
    fewest, label = min((train, label) for label, (train, _) in data.counts().items())
    if fewest < lesson.folds:
        raise InputError(
            f"Expected {lesson.folds} training images or more of each class for {lesson.folds} folds. "
            f"Received: {fewest} of {label!r}; use fewer folds, or none."
        )


def dealt(lesson: Lesson, data: ArrayDataset) -> tuple[np.ndarray, np.ndarray]:
    """Indices into the training images, sorted: of those that teach, and of those that are held out for the test.

    The same seed holds out the same images, the same share of each class, and copies of one stay together. There is
    nothing to hold out of a set that has a test set, or unless the lesson wants it. Raises `InputError` as
    `datasets.split`.
    """
    if data.test is not None or not lesson.test_fraction:
        return np.arange(len(data.train)), np.empty(0, np.int64)
    groups = perceptual_hash.groups(data.train.pixels, data.train.targets)
    kept, test = split(data.train.targets, lesson.test_fraction, lesson.seed, groups)
    return np.sort(kept), np.sort(test)


def held_out(data: ArrayDataset, kept: np.ndarray, test: np.ndarray) -> ArrayDataset:
    """`data` with what was `dealt` for the test as its test set; as it is where nothing was."""
    if not len(test):
        return data
    files = tuple(data.files[i] for i in kept) if data.files else ()
    return replace(data, train=data.train.take(kept), test=data.train.take(test), files=files)


def needs_of(lesson: Lesson) -> Needs:
    """Memory and cores of one lesson, besides its images, which `datasets.load` limits by itself."""
    backbone = lesson.backbone_row()
    memory = RUNTIME_BYTES + 3 * 4 * backbone.parameters
    if lesson.unfreeze:
        height, width = backbone.input_size
        memory += activations(lesson.trainable_layers) * lesson.batch_size * height * width * 3
        memory += 2 * 4 * backbone.parameters
    return Needs(memory_bytes=memory, cores=os.cpu_count() or 1)


def disk_bytes(lesson: Lesson) -> int:
    """Room for the backbone's weights, as Keras holds them, the model, and the checkpoints while layers of it learn."""
    parameters = BUILT_IN.get_spec(lesson.backbone).parameters
    copies = 1 + bool(lesson.unfreeze)  # the best epoch so far lies beside the checkpoint
    return copies * 4 * parameters + training_job.disk_bytes(parameters, TUNING if lesson.unfreeze else None)


def read_progress(job: Job) -> Progress:
    """All that the lesson has told, read from its log."""
    return progress_in(job.progress()[0])


def progress_in(lines: Sequence[dict[str, Any]]) -> Progress:
    """Return the progress in the lines of a log. What a resumed run repeats counts once, as last told."""
    preparing, planned = "", 0
    parts: dict[str, FeaturesExtracted] = {}
    trials: dict[tuple[float, int], TrialEnd] = {}
    chosen: HeadChosen | None = None
    tuned: FineTuned | None = None
    for event in events.read(lines):
        match event:
            case Preparing():
                preparing = event.sentence
            case FeaturesExtracted():
                preparing, parts[event.part] = "", event
            case TrialsPlanned():
                planned = event.count
            case TrialEnd():
                trials[event.learning_rate, event.fold] = event
            case HeadChosen():
                chosen = event
            case FineTuned():
                tuned = event
    return Progress(preparing, tuple(parts.values()), tuple(trials.values()), planned, chosen, curves_in(lines), tuned)


def preview(job: Job, features: np.ndarray) -> np.ndarray | None:
    """Probabilities float32 (N, C) of the newest head for `features` (N, …) of the backbone; None before the first.

    Without TensorFlow, in well under a millisecond: while the worker trains, a page shows what it says by now.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        # Opened here: numpy forgets to close what turns out to be no archive.
        with (job.folder / CHECKPOINT).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            layers = [(file[f"kernel_{i}"], file[f"bias_{i}"]) for i in range(len(file.files) // 2)]
        return forward(layers, features)
    return None


def forward(layers: Sequence[tuple[np.ndarray, np.ndarray]], features: np.ndarray) -> np.ndarray:
    """Softmax of dense layers (kernel (D, E), bias (E,)) with ReLU between: float32 (N, C) for `features` (N, …)."""
    x = np.asarray(features, np.float32).reshape(len(features), -1)
    for number, (kernel, bias) in enumerate(layers):
        x = x @ kernel + bias
        if number < len(layers) - 1:
            x = np.maximum(x, 0)
    return softmax(x)


def find_unfinished(backbone: str, settings: Settings, folder: Path | None) -> Job:
    """The lesson in `folder`, or on `backbone` the newest to go on with; raises `InputError` if there is none."""
    if folder is not None:
        job = Job(folder)
        if job.module != WORKER:
            raise InputError(f"Expected a folder with a lesson to go on with. Received: {folder}.")
        return job
    mine = (job for job in jobs.all_jobs(settings, WORKER) if job.configuration["lesson"]["backbone"] == backbone)
    if (found := jobs.next_to_resume(mine)) is None:
        raise InputError(
            f"Expected a lesson on {backbone} that was stopped. Received: none under {settings.home / 'runs'}."
        )
    return found
