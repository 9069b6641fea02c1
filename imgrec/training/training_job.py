"""Trainings as jobs: start one and read its log; no TensorFlow here. The other kinds of runs start alike."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from imgrec import extras, jobs
from imgrec.data.sources import DATASETS
from imgrec.errors import ImgrecError, InputError, MemoryBudgetError
from imgrec.files import is_there, typed_path
from imgrec.jobs import Job, Needs
from imgrec.models import cards
from imgrec.models.catalog import check_name
from imgrec.settings import MIB, Settings, available_memory_bytes
from imgrec.training import events
from imgrec.training.events import DataRead, EpochEnd, Event, Finished, StepProgress, TrainingBegin, WeightsFetched
from imgrec.training.recipes import Optimizer, Recipe

Line = TypeVar("Line")

WORKER = "imgrec.training.training_worker"

# TensorFlow, Keras and their compiled steps take so much before the first image; measured, rounded up.
RUNTIME_BYTES = 900 * MIB

# A step holds each activation for its gradient: about so many bytes for each byte of its images, of values 0 to 255.
ACTIVATIONS = 400

# The same of a backbone that is trained whole, and of one that is frozen or nearly so, which needs no gradients.
# Measured at 256 px: ResNet50 670, VGG16 510; ResNet50 with its last four layers 20; rounded up.
ACTIVATIONS_LEARNING = 700
ACTIVATIONS_FROZEN = 150
FEW_LAYERS = 10

# Between two looks at a run for a terminal.
FOLLOW_S = 0.5

# In a run's folder: everything that a resumed worker needs.
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
        """The seconds spent on whole epochs, without waiting and without pauses between workers."""
        return float(sum(row.seconds for row in self.epochs))

    @property
    def remaining_seconds(self) -> float | None:
        """The seconds expected from the time between the last two epochs; before these, from the throughput.

        None before the second report: the first step compiles.
        """
        if self.plan is None or len(self.steps) < 2 or self.finished:
            return None
        last = self.steps[-1]
        # Two epochs of one worker, so that the time between them is no pause.
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

    Args:
        recipe: What is trained, and how.
        data: A name in `DATASETS` or a path.
        settings: Where runs and models are.
        seed: Decides the split, the order of the images and the first weights; 0 or more.
        name: The name of the new model; else the first free one like `my_` and the recipe.
        folder: The folder of the run; else a new one under `IMGREC_HOME/runs`.

    Raises:
        InputError: The dataset, the name or the folder cannot be used.
        MemoryBudgetError: There is too little memory.
        StorageError: There is too little room on the disk.
    """
    check_source(data)
    name = name_for(name, f"my_{recipe.name}", settings)
    return start_run(
        WORKER,
        {"recipe": recipe.to_dict(), "seed": seed, "name": name},
        data,
        settings,
        title=f"{recipe.title}: {name}",
        needs=needs_of(recipe),
        disk_bytes=disk_bytes(recipe.parameters, recipe.optimizer),
        purpose=f"to train {recipe.name} with batches of {recipe.batch_size}",
        advice="smaller batches need less",
        folder=folder,
    )


def start_run(
    worker: str,
    configuration: dict[str, Any],
    data: str,
    settings: Settings,
    *,
    title: str,
    needs: Needs,
    disk_bytes: int,
    purpose: str,
    advice: str,
    folder: Path | None,
) -> Job:
    """Start a run of any kind after the checks of packages, memory and disk; `purpose` and `advice` are for errors."""
    extras.check("train", purpose)
    check_memory(needs, purpose, f"; {advice}")
    jobs.check_disk(folder or settings.home, disk_bytes)
    configuration = configuration | {
        "data": data if data in DATASETS else str(typed_path(data).resolve()),
        "home": str(settings.home.resolve()),
        "keras_home": str(settings.keras_home.resolve()),
    }
    return jobs.start(worker, configuration, settings, title=title, needs=needs, folder=folder)


def check_memory(needs: Needs, purpose: str, advice: str = "") -> None:
    """Raise `MemoryBudgetError` unless the machine has the memory that a run needs."""
    if (usable := available_memory_bytes()) < needs.memory_bytes:
        raise MemoryBudgetError(
            f"Expected about {needs.memory_bytes / MIB:,.0f} MiB of memory {purpose}. "
            f"Received: {usable / MIB:,.0f} MiB{advice}."
        )


def check_source(data: str) -> None:
    """Raise `InputError` unless `data` is the name of a dataset or a path that exists."""
    if data in DATASETS:
        return
    if not is_there(typed_path(data)):
        raise InputError(f"Expected the name of a dataset ({', '.join(DATASETS)}) or a path. Received: {data!r}.")


def name_for(wanted: str | None, automatic: str, settings: Settings) -> str:
    """Return the wanted name, or without one the first free name like `automatic`.

    Raises `InputError` on a name that no model may have, and on a wanted one that is taken.
    """
    free = free_name(check_name(wanted or automatic), settings)
    if wanted and free != wanted:
        raise InputError(
            f"Expected a name that no other model has, nor a run that is not finished. "
            f"Received: {wanted}; {free} is free."
        )
    return free


def free_name(wanted: str, settings: Settings) -> str:
    """Return `wanted`, or it with the first number that no model has and no unfinished run will give its own."""
    promised = {job.configuration.get("name") for job in jobs.all_jobs(settings) if job.state != "finished"}
    names = (wanted if number == 1 else f"{wanted}_{number}" for number in count(1))
    return next(name for name in names if name not in promised and cards.free_name(name, settings) == name)


def final_name(job: Job, settings: Settings) -> str:
    """Return the name of a run's model at its end: the promised one, unless a model of another run has it by now.

    Names are promised among the runs in one place; a run whose folder is elsewhere may have taken it meanwhile.
    """
    name = str(job.configuration["name"])
    with suppress(ImgrecError):  # no such card, or a broken one
        if cards.read(cards.home(settings) / f"{name}.json").fields.get("started_at") == job.created_at:
            return name  # published by this run, before it was stopped and resumed
    return cards.free_name(name, settings)


def find_stopped(worker: str, wanted: str, settings: Settings, folder: Path | None, noun: str = "run") -> Job:
    """Return the run of `worker` in `folder`, or the newest stopped one of the recipe, backbone or space `wanted`.

    Raises `InputError` when there is none.
    """
    if folder is not None:
        job = Job(folder)
        if job.module != worker:
            raise InputError(f"Expected a folder with a {noun} to go on with. Received: {folder}.")
        return job
    found = (job for job in jobs.all_jobs(settings, worker) if _subject(job.configuration) == wanted)
    if (stopped := jobs.next_to_resume(found)) is None:
        raise InputError(
            f"Expected a {noun} of {wanted} that was stopped. Received: none under {settings.home / 'runs'}."
        )
    return stopped


def _subject(configuration: dict[str, Any]) -> str:
    """Return the space that is searched, the backbone that is fine-tuned, or else the recipe that is trained."""
    transfer, recipe = configuration.get("lesson"), configuration.get("recipe")
    if isinstance(transfer, dict):
        return str(transfer.get("backbone"))
    return str(configuration.get("space") or (recipe.get("name") if isinstance(recipe, dict) else ""))


def resume(job: Job, *, learning_rate: float | None = None) -> None:
    """Go on with a stopped run of any kind; of a recipe, from here on with another learning rate (its peak) if given.

    The log records which rate was used from which epoch on.

    Raises:
        MissingExtraError: This installation cannot train.
        InputError: A rate out of range, and as `Job.resume`.
    """
    extras.check("train", "to go on")
    if learning_rate is None:
        job.resume()
        return
    configuration = job.configuration
    recipe = Recipe.from_dict(configuration["recipe"]).changed(learning_rate=learning_rate)
    job.resume(configuration | {"recipe": recipe.to_dict()})


def follow(job: Job, describe: Callable[[Job, str], Line]) -> Iterator[Line]:
    """Return what `describe` returns for the run and its state, on each change, until its worker has ended."""
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
    """Return memory and cores of one training; a network on all cores is faster than two on half of them."""
    height, width = recipe.working_size
    batch_bytes = recipe.batch_size * height * width * 3
    held = ACTIVATIONS if recipe.backbone is None else activations(recipe.trainable_layers)
    memory = RUNTIME_BYTES + held * batch_bytes + 4 * 4 * recipe.parameters
    return Needs(memory_bytes=memory, cores=os.cpu_count() or 1)


def disk_bytes(parameters: int, optimizer: Optimizer | None) -> int:
    """Return the bytes that a training of so many parameters writes: its model and, with an optimizer, two checkpoints.

    A checkpoint holds the weights and what `optimizer` keeps for each; the next one is written beside it.
    """
    copies = 1
    if optimizer is not None:
        copies += 2 * (1 + MEANS.get(optimizer.kind, 0) + (optimizer.momentum > 0))
    return copies * 4 * parameters + NOTES_BYTES


def activations(trainable_layers: int | None) -> int:
    """Return the bytes for each byte of a step's images while the last `trainable_layers` are trained; None: all."""
    few = trainable_layers is not None and trainable_layers <= FEW_LAYERS
    return ACTIVATIONS_FROZEN if few else ACTIVATIONS_LEARNING


def read_curves(job: Job) -> Curves:
    """Return the curves in the log of a run."""
    return curves_in(job.progress()[0])


def curves_in(lines: Iterable[dict[str, Any]]) -> Curves:
    """Return the curves in the lines of a log. What a resumed run repeats counts once, as last written."""
    found = list(events.read(lines))
    last: dict[type[Event], Any] = {type(event): event for event in found}
    epochs = {event.epoch: event for event in found if isinstance(event, EpochEnd)}
    steps = {(event.epoch, event.step): event for event in found if isinstance(event, StepProgress)}
    rates: dict[int, float] = {}
    for event in found:
        if isinstance(event, TrainingBegin):
            first = sum(event.resumed_at[:1]) + 1
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
