"""Runs: trainings as jobs. What starts them and reads how they go; no TensorFlow here."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from imgrec import jobs
from imgrec.data.sources import DATASETS
from imgrec.errors import ImgrecError, InputError, MemoryBudgetError
from imgrec.jobs import Job, Needs
from imgrec.models import cards
from imgrec.models.catalog import check_name
from imgrec.settings import MIB, Settings, available_memory_bytes
from imgrec.training import events
from imgrec.training.events import DataRead, EpochEnd, Event, Finished, StepProgress, TrainingBegin, WeightsFetched
from imgrec.training.recipes import Optimiser, Recipe

Said = TypeVar("Said")

WORKER = "imgrec.training.training_worker"

# TensorFlow, Keras and their compiled steps take so much before the first image; measured, rounded up.
RUNTIME_BYTES = 900 * MIB

# A step holds each activation for its gradient: about so many bytes for each byte of its images, of values 0 to 255.
ACTIVATIONS = 400

# The same of a backbone that learns whole, and of one that is frozen or nearly so, whose gradients nobody asks for.
# Measured at 256 px: ResNet50 670, VGG16 510; ResNet50 with its last four layers 20; rounded up.
ACTIVATIONS_LEARNING = 700
ACTIVATIONS_FROZEN = 150
FEW_LAYERS = 10

# How often a terminal is told anew.
FOLLOW_S = 0.5

# In a run's folder: all that it goes on from.
CHECKPOINT = "checkpoint.npz"

# Running means that an optimizer keeps for each weight, besides its momentum.
MEANS = {"adam": 2, "rmsprop": 1}

# What a run's log and card take.
NOTES_BYTES = 16 * MIB


@dataclass(frozen=True, slots=True)
class Curves:
    """The log of a training: its epochs and steps in their order, and the last event of each other kind."""

    epochs: list[EpochEnd]
    steps: list[StepProgress]
    plan: TrainingBegin | None
    data: DataRead | None
    finished: Finished | None
    weights: WeightsFetched | None = None  # of the backbone
    learning_rates: tuple[tuple[int, float], ...] = ()  # (from which epoch on, the peak); of old logs none

    @property
    def training_seconds(self) -> float:
        """Time spent training, from the log: whole epochs, without waiting and without pauses between workers."""
        return float(sum(row.seconds for row in self.epochs))

    @property
    def remaining_seconds(self) -> float | None:
        """Expected from the time between the last two epochs, with validation and checkpoint; else from throughput.

        None before the second report: the first step compiles.
        """
        if self.plan is None or len(self.steps) < 2 or self.finished:
            return None
        last = self.steps[-1]
        # Two epochs of one worker: what lies between them is no pause.
        if len(self.epochs) > 1 and self.epochs[-2].at > self.plan.at:
            before, latest = self.epochs[-2].at, self.epochs[-1].at
            epochs_left = self.plan.epochs - len(self.epochs)
            return max(0.0, epochs_left * (latest - before) - max(0.0, last.at - latest))
        left = (self.plan.epochs - last.epoch + 1) * self.plan.steps - last.step
        return left * self.plan.batch_size / last.images_per_second


def start(
    recipe: Recipe, data: str, settings: Settings, *, seed: int = 0, name: str | None = None, folder: Path | None = None
) -> Job:
    """Start a training in a worker of its own; returns at once.

    `data` as in `datasets.load`; `name` is what the model will be called. Raises `InputError` on a dataset or a
    folder that cannot be meant, `MemoryBudgetError` and `StorageError` with the figures when there is too little.
    """
    if data not in DATASETS and not Path(data).expanduser().exists():
        raise InputError(f"Expected the name of a dataset ({', '.join(DATASETS)}) or a path. Received: {data!r}.")
    needs = needs_of(recipe)
    if (usable := available_memory_bytes()) < needs.memory_bytes:
        raise MemoryBudgetError(
            f"Expected about {needs.memory_bytes / MIB:,.0f} MiB of memory to train {recipe.name} with batches of "
            f"{recipe.batch_size}. Received: {usable / MIB:,.0f} MiB; smaller batches need less."
        )
    jobs.check_disk(folder or settings.home, disk_bytes(recipe.parameters, recipe.optimiser))
    name = name_for(name, f"my_{recipe.name}", settings)
    configuration = {
        "recipe": recipe.to_dict(),
        "data": data if data in DATASETS else str(Path(data).expanduser().resolve()),
        "seed": seed,
        "name": name,
        "home": str(settings.home.resolve()),
        "keras_home": str(settings.keras_home.resolve()),
    }
    return jobs.start(WORKER, configuration, settings, title=f"{recipe.title}: {name}", needs=needs, folder=folder)


def name_for(wanted: str | None, automatic: str, settings: Settings) -> str:
    """Return the name that was asked for, or, without one, the first like `automatic` that is free.

    Raises `InputError` on a name that no model may have, and on one that was asked for and is taken.
    """
    if not wanted:
        return free_name(check_name(automatic), settings)
    free = free_name(check_name(wanted), settings)
    if free != wanted:
        raise InputError(
            f"Expected a name that no other model has, nor a run that is not finished. "
            f"Received: {wanted}; {free} is free."
        )
    return wanted


def free_name(wanted: str, settings: Settings) -> str:
    """`wanted`, or it with the first number that no model has, nor a run that is not finished will give its own."""
    promised = {job.configuration.get("name") for job in jobs.all_jobs(settings) if job.state != "finished"}
    names = (wanted if number == 1 else f"{wanted}_{number}" for number in count(1))
    return next(name for name in names if name not in promised and cards.free_name(name, settings) == name)


def final_name(job: Job, settings: Settings) -> str:
    """What the model of a run is called at its end: as promised, unless a model of another run has that name by now.

    Names are promised among the runs in one place; one whose folder lies elsewhere may have taken it meanwhile.
    """
    name = str(job.configuration["name"])
    with suppress(ImgrecError):  # no such card, or a broken one
        if cards.read(cards.home(settings) / f"{name}.json").fields.get("started_at") == job.created_at:
            return name  # published by this run, before it was stopped and resumed
    return cards.free_name(name, settings)


def find_unfinished(recipe: str, settings: Settings, folder: Path | None) -> Job:
    """The run in `folder`, or of `recipe` the newest that can be gone on with; raises `InputError` without any."""
    if folder is not None:
        job = Job(folder)
        if job.module != WORKER:
            raise InputError(f"Expected a folder with a run to go on with. Received: {folder}.")
        return job
    mine = (job for job in jobs.all_jobs(settings, WORKER) if job.configuration["recipe"]["name"] == recipe)
    if (found := jobs.next_to_resume(mine)) is None:
        raise InputError(f"Expected a run of {recipe} that was stopped. Received: none under {settings.home / 'runs'}.")
    return found


def resume(job: Job, *, learning_rate: float | None = None) -> None:
    """Go on with a run that was stopped, from here on at another learning rate (the peak, if it changes) if given.

    The log remembers which rate held from which epoch on. Raises `InputError` on a rate that cannot be meant, and as
    `Job.resume`.
    """
    configuration = job.configuration
    recipe = Recipe.from_dict(configuration["recipe"]).changed(learning_rate=learning_rate)
    job.resume(configuration | {"recipe": recipe.to_dict()})


def follow(job: Job, describe: Callable[[Job, str], Said]) -> Iterator[Said]:
    """Return what `describe` says of the run and its state, whenever that changes, until its worker has ended."""
    last = None
    while True:
        state = job.state
        line = describe(job, state)
        if line != last:
            yield line
        if state not in {"queued", "running"}:
            return
        last = line
        time.sleep(FOLLOW_S)


def needs_of(recipe: Recipe) -> Needs:
    """Memory and cores of one training; a network on all cores is faster than two on half of them."""
    height, width = recipe.working_size
    batch_bytes = recipe.batch_size * height * width * 3
    held = ACTIVATIONS if recipe.backbone is None else activations(recipe.trainable_layers)
    memory = RUNTIME_BYTES + held * batch_bytes + 4 * 4 * recipe.parameters
    return Needs(memory_bytes=memory, cores=os.cpu_count() or 1)


def disk_bytes(parameters: int, optimiser: Optimiser | None) -> int:
    """Room for all that a training of so many parameters writes: its model and, if any learn, two checkpoints.

    A checkpoint holds the weights and what `optimizer` keeps for each; the next one is written beside it.
    """
    copies = 1
    if optimiser is not None:
        copies += 2 * (1 + MEANS.get(optimiser.kind, 0) + (optimiser.momentum > 0))
    return copies * 4 * parameters + NOTES_BYTES


def activations(trainable_layers: int | None) -> int:
    """Bytes for each byte of a step's images, while the last `trainable_layers` of a backbone learn; None: all."""
    few = trainable_layers is not None and trainable_layers <= FEW_LAYERS
    return ACTIVATIONS_FROZEN if few else ACTIVATIONS_LEARNING


def read_curves(job: Job) -> Curves:
    """All that the run has told, read from its log."""
    return curves_in(job.progress()[0])


def curves_in(lines: Iterable[dict[str, Any]]) -> Curves:
    """Return the curves in the lines of a log. Steps and epochs that a resumed run repeats count once, as last told."""
    epochs: dict[int, EpochEnd] = {}
    steps: dict[tuple[int, int], StepProgress] = {}
    last: dict[type[Event], Any] = {}
    rates: dict[int, float] = {}
    for event in events.read(lines):
        last[type(event)] = event
        match event:
            case EpochEnd():
                epochs[event.epoch] = event
            case StepProgress():
                steps[event.epoch, event.step] = event
            case TrainingBegin():
                first = event.resumed_at[0] + 1
                rates = {epoch: rate for epoch, rate in rates.items() if epoch < first}
                if event.learning_rate is not None and event.learning_rate not in list(rates.values())[-1:]:
                    rates[first] = event.learning_rate
    return Curves(
        [epochs[i] for i in sorted(epochs)],
        [steps[i] for i in sorted(steps)],
        last.get(TrainingBegin),
        last.get(DataRead),
        last.get(Finished),
        last.get(WeightsFetched),
        tuple(rates.items()),
    )
