"""The worker process of a search: `python -m imgrec.training.search_worker FOLDER`. See `search_job` for its files.

Keras Tuner proposes trials, and `trainer.train` makes them: each has the split, the preprocessing and the loop of any
other training. A search that goes on runs Keras Tuner from the start: with the same seed and the same results it
proposes the same trials, and `progress.jsonl` has the results of those that were finished. Its own way of going on
(`overwrite=False`) loses the state of its random numbers, and a kill may leave half of one of its files.
"""

import os

# Before the first import of Keras: training is TensorFlow's.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import gc
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import tensorflow as tf

from imgrec import jobs
from imgrec.errors import InputError, MemoryBudgetError
from imgrec.files import replacing, storage_errors
from imgrec.jobs import job_folder
from imgrec.training import backbones, search_job, trainer, training_job
from imgrec.training.events import HandedOn, SearchBegin, SearchTrialBegin, SearchTrialEnd, write
from imgrec.training.recipes import Recipe
from imgrec.training.search_job import Trial
from imgrec.training.search_spaces import Hyperparameter, Value, apply
from imgrec.training.trained_model import settings_of
from imgrec.training.training_worker import open_data

OBJECTIVE = "validation_accuracy"

# A trial whose workers ended so often before its first step most likely ends them itself, for want of memory.
MAX_STARTS = 3

# Random trials before a Gaussian process proposes others: this share of all, and at least what it takes to fit one.
RANDOM_SHARE = 1 / 3
MIN_RANDOM = 3

# A trial that fails with one of these is a result. Anything else ends the search: another trial would fail as well.
TRIAL_ERRORS = (InputError, MemoryBudgetError, MemoryError, tf.errors.ResourceExhaustedError)


def run(worker: jobs.Worker) -> None:
    """Read the images, make the trials, and write the recipe of the best one."""
    job, configuration = worker.job, worker.job.configuration
    settings = settings_of(configuration)
    recipe = Recipe.from_dict(configuration["recipe"])
    data, train, validation = open_data(worker, recipe, settings)
    backbone = backbones.fetch(recipe, settings, worker)
    write(worker, SearchBegin(trials=configuration["trials"]))
    # Else it warns of a function traced again for each trial, which has another network.
    tf.get_logger().setLevel("ERROR")
    train_network = partial(
        trainer.train,
        images=train,
        validation=validation,
        classes=len(data.classes),
        seed=configuration["seed"],
        backbone=backbone,
    )
    try:
        Tuner(worker, recipe, train_network).search(verbose=0)
    except keras_tuner.errors.FatalError as error:
        raise (error.__cause__ or error) from None
    search = search_job.read(job)
    shutil.rmtree(job.folder / "trials", ignore_errors=True)
    if (best := search.best) is None:
        reason = next((trial.reason for trial in search.failed), "there was none")
        raise InputError(f"Expected a trial that learns. Received: none of {len(search.trials)}; the first: {reason}")
    job_folder.write(job.folder / search_job.BEST, search_job.recipe_of(job, best).to_dict())
    if configuration["train_best"] and search.handed_on is None:
        training = search_job.train_best(job, best, settings)
        write(worker, HandedOn(run=training.name, model=training.configuration["name"]))


class Tuner(keras_tuner.Tuner):  # type: ignore[misc]  # Keras Tuner has no types
    """Keras Tuner's loop around `trainer.train`."""

    def __init__(self, worker: jobs.Worker, recipe: Recipe, train_network: Callable[..., Any]) -> None:
        self._worker = worker
        self._configuration = worker.job.configuration
        self._recipe = recipe
        self._train_network = train_network
        self._varied = search_job.hyperparameters_of(worker.job)
        self._known = {trial.number: trial for trial in search_job.read(worker.job).trials}
        super().__init__(
            oracle=_oracle(self._configuration, self._varied),
            directory=str(worker.job.folder),
            project_name="oracle",
            overwrite=True,
        )

    def run_trial(self, trial: Any, **_: Any) -> dict[str, float]:
        """Return the validation accuracy of a trial, made now or read from the log; raises Keras Tuner's errors."""
        try:
            result = self._result(int(trial.trial_id) + 1, trial.hyperparameters)
        except Exception as error:
            # Keras Tuner would take anything else for a failed trial, and go on.
            raise keras_tuner.errors.FatalError(str(error)) from error
        if result.state == "failed":
            raise keras_tuner.errors.FailedTrialError(result.reason)
        return {OBJECTIVE: float(result.accuracy or 0.0)}

    def _result(self, number: int, proposed: Any) -> Trial:
        self._worker.check()
        values = {one.name: one.rounded(proposed.get(one.name)) for one in self._varied}
        epochs = int(proposed.values.get("tuner/epochs", self._configuration["epochs"]))
        known = self._known.get(number)
        if known is not None and (known.values, known.planned_epochs) == (values, epochs) and known.state != "open":
            return known
        folder = self._worker.job.folder / "trials" / str(number)
        if known is not None and known.values != values:
            shutil.rmtree(folder, ignore_errors=True)  # another version of Keras Tuner proposes other trials
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write(self._worker, SearchTrialBegin(trial=number, values=values, epochs=epochs))
        if (earlier := proposed.values.get("tuner/trial_id")) is not None:
            self._copy_checkpoint(folder.parent / str(int(earlier) + 1), folder)
        write(self._worker, self._train(number, values, epochs, folder))
        if self._configuration["method"] != "hyperband":
            shutil.rmtree(folder, ignore_errors=True)
        return self._read(number)

    def _copy_checkpoint(self, earlier: Path, folder: Path) -> None:
        """Begin where hyperband's `earlier` trial ended, unless this one has begun, or its rate went by one cycle."""
        source, target = earlier / trainer.CHECKPOINT, folder / trainer.CHECKPOINT
        if source.exists() and not target.exists() and not self._recipe.optimizer.one_cycle:
            with replacing(target) as beside:
                shutil.copyfile(source, beside)

    def _train(self, number: int, values: dict[str, Value], epochs: int, folder: Path) -> SearchTrialEnd:
        """Train the network of `values`; return the end of the trial."""
        began = time.perf_counter()
        reason = None
        listener = TrialListener(self._worker, number)
        try:
            if self._read(number).starts > MAX_STARTS:
                raise InputError(
                    f"Expected the worker to survive this network. Received: it ended {MAX_STARTS} times before the "
                    "first step, most likely for want of memory."
                )
            listener.recipe = replace(apply(self._recipe, values), epochs=epochs)
            self._train_network(listener.recipe, folder=folder, listener=listener)
        except TRIAL_ERRORS as error:
            reason = str(error) or f"Expected enough memory for this network. Received: {type(error).__name__}."
        except ValueError as error:
            if self._read(number).parameters is not None:  # the network was built
                raise
            reason = f"Expected settings of which Keras can make a network. Received: {error}"
        keras.utils.clear_session()
        gc.collect()
        trial = self._read(number)
        last = trial.epochs[-1] if trial.epochs and reason is None else None
        return SearchTrialEnd(
            trial=number,
            state="finished" if last else "failed",
            reason=reason,
            parameters=trial.parameters,
            accuracy=last.validation_accuracy if last else None,
            loss=last.validation_loss if last else None,
            seconds=sum(row.seconds for row in trial.epochs),
            wall_seconds=time.perf_counter() - began,
        )

    def _read(self, number: int) -> Trial:
        """Return the log of a trial that has begun."""
        return next(trial for trial in search_job.read(self._worker.job).trials if trial.number == number)


class TrialListener:
    """Writes the events of a trial with its number, and refuses a network that does not fit in memory."""

    def __init__(self, worker: jobs.Worker, number: int) -> None:
        self.number = number
        self.recipe: Recipe | None = None
        self.check = worker.check
        self._tell = partial(worker.tell, trial=number)

    def tell(self, event: str, **fields: Any) -> None:
        """Append an event to the log of the search; without the confusion matrix, which is never shown."""
        fields.pop("confusion", None)
        self._tell(event, **fields)
        if event == "training" and self.recipe is not None:
            recipe = replace(self.recipe, parameters=fields["parameters"])
            training_job.check_memory(
                training_job.needs_of(recipe), f"for a network of {recipe.parameters:,} parameters"
            )


def _oracle(configuration: dict[str, Any], varied: tuple[Hyperparameter, ...]) -> Any:
    """Return what proposes the trials; always the same ones with the same seed and results."""
    trials: int = configuration["trials"]
    common = {
        "objective": keras_tuner.Objective(OBJECTIVE, "max"),
        "hyperparameters": _keras_hyperparameters(varied),
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


def _keras_hyperparameters(varied: tuple[Hyperparameter, ...]) -> Any:
    space = keras_tuner.HyperParameters()
    for one in varied:
        if one.kind == "choice":
            space.Choice(one.name, list(one.values))
        elif one.is_whole:
            space.Int(one.name, round(one.low), round(one.high), step=round(one.step))
        else:
            sampling = "log" if one.kind == "log" else "linear"
            space.Float(one.name, one.low, one.high, step=one.step or None, sampling=sampling)
    return space


if __name__ == "__main__":
    sys.exit(jobs.work(Path(sys.argv[1]), run))
