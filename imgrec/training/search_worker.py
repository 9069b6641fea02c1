"""The worker process of a search: `python -m imgrec.training.search_worker FOLDER`. See `search_job` for its files.

Keras Tuner asks, `trainer.train` answers: each trial has the split, the preprocessing and the loop of any other
training here. Of a search that goes on, Keras Tuner is asked from the start again: with the same seed and the same
answers it asks the same questions, and `progress.jsonl` has the answers to those that were finished. Its own way of
going on (`overwrite=False`) forgets the state of its random numbers, and the files that it reads are written in
place, so that a kill may leave half of one.
"""

import os

# Before Keras is imported, by whoever imports it first: training is TensorFlow's.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import gc
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import tensorflow as tf

from imgrec import jobs
from imgrec.data.dataset import Images
from imgrec.errors import InputError, MemoryBudgetError
from imgrec.files import replacing, storage_errors
from imgrec.jobs import job_folder
from imgrec.settings import MIB, Settings, available_memory_bytes
from imgrec.training import backbones, search_job, trainer, training_job
from imgrec.training.backbones import Backbone
from imgrec.training.recipes import Recipe
from imgrec.training.search_spaces import Choice, Knob, Value, apply, rounded
from imgrec.training.training_worker import open_data

OBJECTIVE = "validation_accuracy"

# A trial whose workers ended so often before its first step is the one that ends them: most likely the kernel
# did, for want of memory.
MAX_STARTS = 3

# Random trials before a Gaussian process is asked: this share of all, and at least what it takes to fit one.
RANDOM_SHARE = 1 / 3
MIN_RANDOM = 3

# What makes a trial fail, and lets the search go on. Anything else ends it: another trial would fail as well.
TRIAL_ERRORS = (InputError, MemoryBudgetError, MemoryError, tf.errors.ResourceExhaustedError)


def run(worker: jobs.Worker) -> None:
    """Pictures, trials, the best of them as a recipe."""
    configuration = worker.job.configuration
    settings = replace(
        Settings.from_env(), home=Path(configuration["home"]), keras_home=Path(configuration["keras_home"])
    )
    recipe = Recipe.from_dict(configuration["recipe"])
    data, train, validation = open_data(worker, recipe, settings)
    backbone = None
    if recipe.backbone is not None:
        backbone = backbones.fetch(recipe.backbone, recipe.trainable_layers, settings, worker)
    worker.tell("search", trials=configuration["trials"])
    # It would warn of a function traced anew for each trial, which is what other networks are.
    tf.get_logger().setLevel("ERROR")
    trials = Trials(worker, recipe, backbone, train, validation, len(data.classes))
    try:
        trials.search(verbose=0)
    except keras_tuner.errors.FatalError as error:
        raise (error.__cause__ or error) from None
    _finish(worker, settings)


def _finish(worker: jobs.Worker, settings: Settings) -> None:
    """Write the best recipe down, and hand it on if that was asked for."""
    job = worker.job
    search = search_job.read(job)
    shutil.rmtree(job.folder / "trials", ignore_errors=True)
    if (best := search.best) is None:
        reason = next((trial.reason for trial in search.failed), "there was none")
        raise InputError(f"Expected a trial that learns. Received: none of {len(search.trials)}; the first: {reason}")
    job_folder.write(job.folder / search_job.BEST, search_job.recipe_of(job, best).to_dict())
    if job.configuration["train_best"] and search.handed_on is None:
        training = search_job.train_best(job, best, settings)
        worker.tell("handed_on", run=training.name, model=training.configuration["name"])


class Trials(keras_tuner.Tuner):  # type: ignore[misc]  # Keras Tuner has no types
    """Keras Tuner's loop around `trainer.train`."""

    def __init__(
        self,
        worker: jobs.Worker,
        recipe: Recipe,
        backbone: Backbone | None,
        train: Images,
        validation: Images,
        classes: int,
    ) -> None:
        self._worker = worker
        self._recipe = recipe
        self._backbone = backbone
        self._images = train, validation
        self._classes = classes
        self._knobs = search_job.knobs_of(worker.job)
        self._told = {trial.number: trial for trial in search_job.read(worker.job).trials}
        super().__init__(
            oracle=_oracle(worker.job, self._knobs),
            directory=str(worker.job.folder),
            project_name="oracle",
            overwrite=True,
        )

    def run_trial(self, trial: Any, **_: Any) -> dict[str, float]:
        """One network, trained or remembered; its validation accuracy. Raises Keras Tuner's own errors only."""
        try:
            result = self._result(trial)
        except Exception as error:
            # Anything but these two Keras Tuner would take for a bad trial, and go on.
            raise keras_tuner.errors.FatalError(str(error)) from error
        if result.state == "failed":
            raise keras_tuner.errors.FailedTrialError(result.reason)
        return {OBJECTIVE: float(result.accuracy or 0.0)}

    def _result(self, trial: Any) -> search_job.Trial:
        self._worker.check()
        number, wanted = int(trial.trial_id) + 1, trial.hyperparameters
        values = {knob.name: rounded(knob, wanted.get(knob.name)) for knob in self._knobs}
        epochs = int(wanted.values.get("tuner/epochs", self._worker.job.configuration["epochs"]))
        told = self._told.get(number)
        if told is not None and (told.values, told.planned_epochs) == (values, epochs) and told.state != "open":
            return told
        folder = self._worker.job.folder / "trials" / str(number)
        if told is not None and told.values != values:
            shutil.rmtree(folder, ignore_errors=True)  # another version of Keras Tuner asks other questions
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._worker.tell("trial", trial=number, values=values, epochs=epochs)
        self._continue(folder, wanted.values.get("tuner/trial_id"))
        result = self._trained(number, values, epochs, folder)
        self._worker.tell("result", trial=number, **result)
        if self._worker.job.configuration["method"] != "hyperband":
            shutil.rmtree(folder, ignore_errors=True)
        return self._read(number)

    def _trained(self, number: int, values: dict[str, Value], epochs: int, folder: Path) -> dict[str, Any]:
        """Train the network of `values`; the fields of its `result` event."""
        began = time.perf_counter()
        listener = Listener(self._worker, number)
        reason = None
        if self._read(number).starts > MAX_STARTS:
            reason = (
                f"Expected the worker to survive this network. Received: it ended {MAX_STARTS} times before the "
                "first step, most likely for want of memory."
            )
        else:
            try:
                self._train(apply(self._recipe, values), epochs, folder, listener)
            except TRIAL_ERRORS as error:
                reason = str(error) or f"Expected enough memory for this network. Received: {type(error).__name__}."
            except ValueError as error:
                if listener.parameters is not None:
                    raise
                reason = f"Expected settings of which Keras can make a network. Received: {error}"
        keras.utils.clear_session()
        gc.collect()
        rows = self._read(number).epochs
        last = rows[-1] if rows and reason is None else None
        return {
            "state": "finished" if last else "failed",
            "reason": reason,
            "parameters": listener.parameters,
            "accuracy": last and last["validation_accuracy"],
            "loss": last and last["validation_loss"],
            "seconds": sum(row["seconds"] for row in rows),
            "wall_seconds": time.perf_counter() - began,
        }

    def _train(self, recipe: Recipe, epochs: int, folder: Path, listener: "Listener") -> None:
        train, validation = self._images
        recipe = listener.recipe = replace(recipe, epochs=epochs)
        seed = self._worker.job.configuration["seed"]
        trainer.train(
            recipe,
            train,
            validation,
            self._classes,
            seed=seed,
            folder=folder,
            listener=listener,
            backbone=self._backbone,
        )

    def _continue(self, folder: Path, earlier: str | None) -> None:
        """Begin where hyperband's trial `earlier` ended, unless this one has begun, or its rate went by one cycle."""
        if earlier is None or self._recipe.optimizer.one_cycle or (folder / trainer.CHECKPOINT).exists():
            return
        source = folder.parent / str(int(earlier) + 1) / trainer.CHECKPOINT
        if source.exists():
            with replacing(folder / trainer.CHECKPOINT) as beside:
                shutil.copyfile(source, beside)

    def _read(self, number: int) -> search_job.Trial:
        """Return what has been told of a trial that has begun."""
        return next(trial for trial in search_job.read(self._worker.job).trials if trial.number == number)


@dataclass
class Listener:
    """Tells a trial's events with its number, and refuses a network that the machine cannot hold."""

    worker: jobs.Worker
    number: int
    recipe: Recipe | None = None
    parameters: int | None = None

    def tell(self, event: str, **fields: Any) -> None:
        fields.pop("confusion", None)  # thousands of cells that nobody looks at
        self.worker.tell(event, trial=self.number, **fields)
        if event == "training" and self.recipe is not None:
            self.parameters = fields["parameters"]
            needed = training_job.needs_of(replace(self.recipe, parameters=self.parameters)).memory_bytes
            if (usable := available_memory_bytes()) < needed:
                raise MemoryBudgetError(
                    f"Expected about {needed / MIB:,.0f} MiB of memory for a network of {self.parameters:,} "
                    f"parameters. Received: {usable / MIB:,.0f} MiB."
                )

    def check(self) -> None:
        self.worker.check()


def _oracle(job: jobs.Job, knobs: tuple[Knob, ...]) -> Any:
    """Who decides what is tried next; always the same with the same seed and results."""
    configuration = job.configuration
    trials: int = configuration["trials"]
    common = {
        "objective": keras_tuner.Objective(OBJECTIVE, "max"),
        "hyperparameters": _hyperparameters(knobs),
        # 0 would mean any.
        "seed": configuration["seed"] + 1,
        # A trial that fails is a result like any other.
        "max_consecutive_failed_trials": trials + 1,
    }
    if configuration["method"] == "hyperband":
        oracle = keras_tuner.oracles.HyperbandOracle(
            max_epochs=configuration["epochs"], factor=search_job.HYPERBAND_FACTOR, hyperband_iterations=1, **common
        )
        oracle.max_trials = trials
        return oracle
    if configuration["method"] == "bayesian":
        first = max(MIN_RANDOM, round(trials * RANDOM_SHARE))
        return keras_tuner.oracles.BayesianOptimizationOracle(max_trials=trials, num_initial_points=first, **common)
    return keras_tuner.oracles.RandomSearchOracle(max_trials=trials, **common)


def _hyperparameters(knobs: tuple[Knob, ...]) -> Any:
    space = keras_tuner.HyperParameters()
    for knob in knobs:
        if isinstance(knob, Choice):
            space.Choice(knob.name, list(knob.values))
        elif knob.is_whole:
            space.Int(knob.name, round(knob.low), round(knob.high), step=round(knob.step))
        else:
            sampling = "log" if knob.log else "linear"
            space.Float(knob.name, knob.low, knob.high, step=knob.step or None, sampling=sampling)
    return space


if __name__ == "__main__":
    sys.exit(jobs.work(Path(sys.argv[1]), run))
