"""Hyperparameter searches: many short trainings of one recipe with other settings, as one job. No TensorFlow here.

`search_worker` is the worker; its log, read here, is all that is known of a search. A search that was killed runs
Keras Tuner again, which proposes the same trials in the same order, and the log has the results of the finished ones.
"""

import math
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from imgrec import json_files
from imgrec.errors import InputError, UnknownNameError
from imgrec.jobs import Job
from imgrec.settings import MIB, Settings
from imgrec.training import events, training_job
from imgrec.training.events import DataRead, EpochEnd, Event, HandedOn, SearchBegin, StepProgress
from imgrec.training.recipes import MAX_EPOCHS, Recipe, get_recipe
from imgrec.training.search_spaces import Hyperparameter, Space, Value, apply, parse

WORKER = "imgrec.training.search_worker"

# The title of a search among other jobs begins with this.
TITLE = "Search: "

# In the folder of a finished search: the recipe of its best trial.
BEST = "best.json"

# More are a second search, which begins where the first one ended.
MAX_TRIALS = 1000

# Of each round of hyperband, one in so many goes on, with so many times the epochs.
HYPERBAND_FACTOR = 3

# Random is the default: with five hyperparameters a model of the results needs about fifteen trials before it is better
# than chance, and on one machine that is a whole search.
METHODS = {
    "random": "Samples settings uniformly at random.",
    "bayesian": "After some random trials, a Gaussian process proposes settings. Worth it from about 30 trials on.",
    "hyperband": "Starts many trials with few epochs; the best third of each round continues with three times as many.",
}

# A checkpoint holds weights and up to two moments of each, and the next one is written beside it.
DISK_COPIES = 6


@dataclass(frozen=True, slots=True)
class Trial:
    """One network of a search. `accuracy` and `loss` are those of the validation after its last epoch.

    `state` is finished, failed (`reason` has why) or open: running, or left by a worker that ended.
    """

    number: int  # from 1
    values: dict[str, Value]
    planned_epochs: int
    state: str = "open"
    epochs: list[EpochEnd] = field(default_factory=list)
    step: StepProgress | None = None
    parameters: int | None = None
    accuracy: float | None = None
    loss: float | None = None
    seconds: float = 0.0  # spent training, over all its workers
    wall_seconds: float = 0.0  # with building the network, in the last of them
    reason: str | None = None
    starts: int = 1  # workers that began with it since its last step


@dataclass(frozen=True, slots=True)
class Search:
    """The log of a search: its trials in their order, and the last event of each other kind."""

    plan: SearchBegin | None
    data: DataRead | None
    trials: list[Trial]
    handed_on: HandedOn | None  # the training of the best, if that was asked for

    @property
    def finished(self) -> list[Trial]:
        """The trials with a result."""
        return [trial for trial in self.trials if trial.state == "finished"]

    @property
    def failed(self) -> list[Trial]:
        """The trials that failed."""
        return [trial for trial in self.trials if trial.state == "failed"]

    @property
    def open(self) -> Trial | None:
        """The trial that is running, or was when the worker ended."""
        return next((trial for trial in self.trials if trial.state == "open"), None)

    @property
    def ranking(self) -> list[Trial]:
        """Finished trials, the most accurate first; of equals the one with the lower loss."""
        return sorted(self.finished, key=lambda trial: (-(trial.accuracy or 0.0), trial.loss or 0.0, trial.number))

    @property
    def best(self) -> Trial | None:
        """The first of the ranking."""
        return next(iter(self.ranking), None)

    @property
    def remaining_seconds(self) -> float | None:
        """Expected from the trials that are finished, or from the epochs of the first; None before there are any."""
        rows, times = self.open.epochs if self.open else [], [trial.wall_seconds for trial in self.finished]
        spent = sum(row.seconds for row in rows)
        if self.open and rows and not times:
            times = [spent / len(rows) * self.open.planned_epochs]
        if self.plan is None or not times:
            return None
        each = sum(times) / len(times)
        left = self.plan.trials - len(self.finished) - len(self.failed)
        return max(0.0, left * each - min(spent, each))


def start(
    space: Space,
    data: str,
    settings: Settings,
    *,
    trials: int,
    epochs: int | None = None,
    method: str = "random",
    seed: int = 0,
    train_best: bool = False,
    folder: Path | None = None,
) -> Job:
    """Start a search in a worker of its own; returns at once.

    Args:
        space: What is varied.
        data: A dataset as in `training_arrays.load`; all trials have the same split of it.
        settings: Where the search lies.
        trials: The number of networks; a space may have fewer.
        epochs: The length of each trial; by default as in the space.
        method: A key of `METHODS`.
        seed: Decides the trials, the split and the first weights.
        train_best: Whether a training of the best with all epochs of its recipe follows.
        folder: The folder of the search; by default a new one.

    Raises:
        InputError: An argument is not valid.
        MemoryBudgetError, StorageError: There is too little memory or disk.
    """
    if method not in METHODS:
        raise UnknownNameError.of("way to search", method, list(METHODS))
    training_job.check_source(data)
    epochs = space.epochs if epochs is None else epochs
    if not 1 <= trials <= MAX_TRIALS:
        raise InputError(f"Expected 1 to {MAX_TRIALS:,} trials. Received: {trials:,}.")
    if not 1 <= epochs <= MAX_EPOCHS:
        raise InputError(f"Expected 1 to {MAX_EPOCHS:,} epochs for each trial. Received: {epochs:,}.")
    rounds = hyperband_rounds(epochs)
    if method == "hyperband" and trials < (least := sum(rounds[0])):
        raise InputError(
            f"Expected at least {least} trials for hyperband over {epochs} epochs, which is what it takes for one "
            f"network to get through. Received: {trials}. Fewer epochs need fewer trials."
        )
    recipe = get_recipe(space.recipe)
    largest = apply(recipe, {one.name: one.largest for one in space.hyperparameters})
    kept = trials if method == "hyperband" else 1  # checkpoints that are kept for the next round
    configuration = {
        "space": space.name,
        "recipe": recipe.to_dict(),
        "knobs": list(map(str, space.hyperparameters)),
        "trials": min(trials, sum(map(sum, rounds)) if method == "hyperband" else space.count or trials),
        "epochs": epochs,
        "method": method,
        "seed": seed,
        "train_best": train_best,
    }
    return training_job.start_run(
        WORKER,
        configuration,
        data,
        settings,
        title=f"{TITLE}{space.title}",
        needs=training_job.needs_of(largest),
        disk_bytes=kept * DISK_COPIES * 4 * recipe.parameters + 16 * MIB,
        purpose=f"for the largest network of {space.name}",
        advice="smaller batches need less",
        folder=folder,
    )


def hyperparameters_of(job: Job) -> tuple[Hyperparameter, ...]:
    """Return what the search of `job` varies."""
    if not json_files.fits(texts := job.configuration["knobs"], list[str]):
        raise InputError(f"Expected a list of ranges in the job.json of {job.name}. Received: {texts!r:.60}.")
    return tuple(map(parse, texts))


def recipe_of(job: Job, trial: Trial) -> Recipe:
    """Return the recipe that trains the network of `trial` again, with all epochs of the recipe of the search.

    With the trial's own epochs, the same data and the same seed it ends where the trial ended.
    """
    recipe = apply(Recipe.from_dict(job.configuration["recipe"]), trial.values)
    return replace(
        recipe,
        name=f"{recipe.name}_tuned",
        title=f"{recipe.title}, tuned",
        about=f"{recipe.about} Settings from trial {trial.number} of a search.",
        parameters=trial.parameters or recipe.parameters,
    )


def train_best(job: Job, trial: Trial, settings: Settings) -> Job:
    """Start a training of the network of `trial`, on the images of the search; raises as `training_job.start` does."""
    configuration = job.configuration
    return training_job.start(recipe_of(job, trial), configuration["data"], settings, seed=configuration["seed"])


def hyperband_rounds(epochs: int) -> list[list[int]]:
    """Return how many networks each round of each of hyperband's brackets trains, if one may have `epochs` epochs.

    The first bracket begins with the most networks and the fewest epochs, the last one trains all to the end.

    >>> hyperband_rounds(9)
    [[9, 3, 1], [5, 2], [3]]
    """
    brackets = next(bracket for bracket in count(1) if HYPERBAND_FACTOR**bracket > epochs)
    most = math.ceil(1 + math.log(epochs, HYPERBAND_FACTOR))
    return [
        [math.ceil(most / (bracket + 1) * HYPERBAND_FACTOR**left) for left in range(bracket, -1, -1)]
        for bracket in range(brackets - 1, -1, -1)
    ]


def read(job: Job) -> Search:
    """Return the log of a search. What a resumed search repeats counts once, as last told."""
    last: dict[type[Event], Any] = {}
    trials: dict[int, Trial] = {}
    for event in events.read(job.progress()[0]):
        last[type(event)] = event
        before = trials.get(event.trial or 0)
        match event:
            case events.SearchTrialBegin(trial=int(number)):
                if before is None or before.values != event.values:
                    trials[number] = Trial(number, event.values, event.epochs)
                else:  # the next worker goes on with it
                    trials[number] = replace(before, state="open", starts=before.starts + 1)
            case events.TrainingBegin() if before:
                trials[before.number] = replace(before, parameters=event.parameters)
            case StepProgress() if before:
                trials[before.number] = replace(before, step=event, starts=0)
            case EpochEnd() if before:
                rows = [row for row in before.epochs if row.epoch < event.epoch]
                trials[before.number] = replace(before, epochs=[*rows, event])
            case events.SearchTrialEnd() if before:
                trials[before.number] = replace(before, **events.to_fields(event))
    ordered = [trials[number] for number in sorted(trials)]
    return Search(last.get(SearchBegin), last.get(DataRead), ordered, last.get(HandedOn))
