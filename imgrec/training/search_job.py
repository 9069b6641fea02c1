"""Searches: many short trainings of one recipe with other settings, as one job. No TensorFlow here.

The worker is `tuner`; what it has told, read here, is all that is known of a search. A search that was killed asks
the same questions again, in the same order, and the log answers those that were finished.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imgrec import jobs
from imgrec.data.sources import DATASETS
from imgrec.errors import InputError, MemoryBudgetError, UnknownNameError
from imgrec.jobs import Job
from imgrec.settings import MIB, Settings, available_memory_bytes
from imgrec.training import training_job
from imgrec.training.recipes import MAX_EPOCHS, Recipe, get_recipe
from imgrec.training.search_spaces import Choice, Knob, Space, Value, apply, parse_knob

WORKER = "imgrec.training.search_worker"

# Among other jobs it is called so.
TITLE = "Search: "

# What a finished search leaves in its folder: the recipe of its best trial.
BEST = "best.json"

# Whoever wants more starts a second search where the first one ended.
MAX_TRIALS = 1000

# Of each round of hyperband, one in so many goes on, with so many times the epochs.
HYPERBAND_FACTOR = 3

# Random first: with five settings a model of the results needs about fifteen of them before it knows better than
# chance, and on one machine that is a whole search. It also explains itself.
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

    `state` is finished, failed (`reason` says why) or open: running, or left by a worker that ended.
    """

    number: int  # from 1
    values: dict[str, Value]
    state: str
    planned_epochs: int
    epochs: list[dict[str, Any]] = field(default_factory=list)
    step: dict[str, Any] | None = None
    parameters: int | None = None
    accuracy: float | None = None
    loss: float | None = None
    seconds: float = 0.0  # spent training, over all its workers
    wall_seconds: float = 0.0  # with making the network, in the last of them
    reason: str | None = None
    starts: int = 1  # workers that began with it since its last step


@dataclass(frozen=True, slots=True)
class Search:
    """What a search has told so far."""

    plan: dict[str, Any] | None  # trials, and what else the worker decided
    data: dict[str, Any] | None  # classes, counts, notes
    trials: list[Trial]
    handed_on: dict[str, Any] | None  # run and name of the training of the best, where that was asked for

    @property
    def finished(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.state == "finished"]

    @property
    def failed(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.state == "failed"]

    @property
    def open(self) -> Trial | None:
        """The trial that is being trained, or was when the worker ended."""
        return next((trial for trial in self.trials if trial.state == "open"), None)

    @property
    def ranking(self) -> list[Trial]:
        """Finished trials, the most accurate first; of equals the one with the lower loss."""
        return sorted(self.finished, key=lambda trial: (-(trial.accuracy or 0.0), trial.loss or 0.0, trial.number))

    @property
    def best(self) -> Trial | None:
        return next(iter(self.ranking), None)

    @property
    def remaining_seconds(self) -> float | None:
        """Expected from the trials that are finished, or from the epochs of the first; None before one is."""
        if self.plan is None:
            return None
        now = self.open
        spent = sum(row["seconds"] for row in now.epochs) if now else 0.0
        times = [trial.wall_seconds for trial in self.finished]
        if times:
            each = sum(times) / len(times)
        elif now is not None and now.epochs:
            each = spent / len(now.epochs) * now.planned_epochs
        else:
            return None
        left = self.plan["trials"] - len(self.finished) - len(self.failed)
        return float(max(0.0, left * each - min(spent, each)))


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

    `data` as in `datasets.load`; `epochs` is how long each trial learns, else as the space says. With `train_best`
    a training of the best with the whole recipe's epochs follows by itself. All trials see the same split.
    Raises `InputError` on what cannot be meant, `MemoryBudgetError` and `StorageError` when there is too little.
    """
    if method not in METHODS:
        raise UnknownNameError.of("way to search", method, list(METHODS))
    if data not in DATASETS and not Path(data).expanduser().exists():
        raise InputError(f"Expected the name of a dataset ({', '.join(DATASETS)}) or a path. Received: {data!r}.")
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
    needs = training_job.needs_of(largest(recipe, space.knobs))
    if (usable := available_memory_bytes()) < needs.memory_bytes:
        raise MemoryBudgetError(
            f"Expected about {needs.memory_bytes / MIB:,.0f} MiB of memory for the largest network of {space.name}. "
            f"Received: {usable / MIB:,.0f} MiB; smaller batches need less."
        )
    kept = trials if method == "hyperband" else 1  # whose checkpoints wait for the next round
    jobs.check_disk(folder or settings.home, kept * DISK_COPIES * 4 * recipe.parameters + 16 * MIB)
    configuration = {
        "space": space.name,
        "recipe": recipe.to_dict(),
        "knobs": [str(knob) for knob in space.knobs],
        "trials": min(trials, sum(map(sum, rounds)) if method == "hyperband" else space.count or trials),
        "epochs": epochs,
        "method": method,
        "data": data if data in DATASETS else str(Path(data).expanduser().resolve()),
        "seed": seed,
        "train_best": train_best,
        "home": str(settings.home.resolve()),
        "keras_home": str(settings.keras_home.resolve()),
    }
    return jobs.start(WORKER, configuration, settings, title=f"{TITLE}{space.title}", needs=needs, folder=folder)


def find_unfinished(space: str, settings: Settings, folder: Path | None) -> Job:
    """Return the search in `folder`, or the newest of `space` that is not finished; raises `InputError` without one."""
    if folder is not None:
        if Job(folder).module != WORKER:
            raise InputError(f"Expected a folder with a search to go on with. Received: {folder}.")
        return Job(folder)
    found = (job for job in jobs.all_jobs(settings, WORKER) if job.configuration["space"] == space)
    if (job := jobs.next_to_resume(found)) is not None:
        return job
    raise InputError(f"Expected a search of {space} that was stopped. Received: none under {settings.home / 'runs'}.")


def knobs_of(job: Job) -> tuple[Knob, ...]:
    """Return what the search of `job` varies."""
    return tuple(map(parse_knob, job.configuration["knobs"]))


def recipe_of(job: Job, trial: Trial, *, epochs: int | None = None) -> Recipe:
    """The recipe that trains the network of `trial` anew, with the epochs of the whole recipe unless others are said.

    With the trial's own epochs, the same data and the same seed it ends where the trial ended.
    """
    recipe = apply(Recipe.from_dict(job.configuration["recipe"]), trial.values)
    return replace(
        recipe,
        name=f"{recipe.name}_tuned",
        title=f"{recipe.title}, tuned",
        about=f"{recipe.about} Settings from trial {trial.number} of a search.",
        parameters=trial.parameters or recipe.parameters,
        epochs=epochs or recipe.epochs,
    )


def train_best(job: Job, trial: Trial, settings: Settings) -> Job:
    """Start a training of what `trial` found, on the images of the search; raises as `runs.start` does."""
    configuration = job.configuration
    return training_job.start(recipe_of(job, trial), configuration["data"], settings, seed=configuration["seed"])


def largest(recipe: Recipe, knobs: Sequence[Knob]) -> Recipe:
    """`recipe` with the largest value of each setting: what takes the most memory."""
    values = {knob.name: _largest(knob) for knob in knobs}
    return apply(recipe, values)


def hyperband_rounds(epochs: int) -> list[list[int]]:
    """How many networks each round of each of hyperband's brackets trains, if one may have `epochs` epochs.

    The first bracket begins with the most networks and the fewest epochs, the last one trains all to the end.

    >>> hyperband_rounds(9)
    [[9, 3, 1], [5, 2], [3]]
    """
    brackets = 1
    while HYPERBAND_FACTOR**brackets <= epochs:
        brackets += 1
    most = math.ceil(1 + math.log(epochs, HYPERBAND_FACTOR))
    return [
        [math.ceil(most / (bracket + 1) * HYPERBAND_FACTOR**left) for left in range(bracket, -1, -1)]
        for bracket in range(brackets - 1, -1, -1)
    ]


def read(job: Job) -> Search:
    """All that the search has told. What a resumed search did again counts once, as last told."""
    plan = data = handed_on = None
    trials: dict[int, Trial] = {}
    for event in job.progress()[0]:
        kind, number = event["event"], int(event.get("trial", 0))
        if kind == "search":
            plan = event
        elif kind == "data":
            data = event
        elif kind == "handed_on":
            handed_on = event
        elif kind == "trial":
            before = trials.get(number)
            if before is None or before.values != event["values"]:
                trials[number] = Trial(number, event["values"], "open", event["epochs"])
            else:  # its next worker goes on with it
                trials[number] = replace(before, state="open", starts=before.starts + 1)
        elif number in trials:
            trials[number] = _told(trials[number], event)
    return Search(plan, data, [trials[number] for number in sorted(trials)], handed_on)


def _told(trial: Trial, event: Mapping[str, Any]) -> Trial:
    """`trial` after one more event of its own."""
    kind = event["event"]
    if kind == "training":
        return replace(trial, parameters=event["parameters"])
    if kind == "step":
        return replace(trial, step=dict(event), starts=0)
    if kind == "epoch":
        rows = {row["epoch"]: row for row in trial.epochs} | {event["epoch"]: dict(event)}
        return replace(trial, epochs=[rows[epoch] for epoch in sorted(rows)])
    if kind == "result":
        names = ("state", "parameters", "accuracy", "loss", "seconds", "wall_seconds", "reason")
        return replace(trial, **{name: event[name] for name in names})
    return trial


def _largest(knob: Knob) -> Value:
    if not isinstance(knob, Choice):
        return round(knob.high) if knob.is_whole else knob.high
    numbers = [value for value in knob.values if not isinstance(value, str)]
    return max(numbers) if numbers else knob.values[0]
