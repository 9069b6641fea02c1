"""The worker process of a training: `python -m imgrec.training.training_worker FOLDER`. See `jobs`."""

import os

# Before the first import of Keras: training needs TensorFlow as its backend.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import sys
from pathlib import Path

import numpy as np

from imgrec import jobs
from imgrec.data import training_arrays
from imgrec.data.dataset import ArrayDataset, Images
from imgrec.data.splits import split
from imgrec.errors import InputError
from imgrec.settings import Settings
from imgrec.training import backbones, trained_model, trainer
from imgrec.training.events import DataRead, Finished, write
from imgrec.training.recipes import Recipe
from imgrec.training.train_step import predict
from imgrec.training.training_job import read_curves

# Listed one by one on the page; of more, the count suffices.
MAX_NOTES = 50


def run(worker: jobs.Worker) -> None:
    """Run all steps: data, training, test, card."""
    configuration = worker.job.configuration
    recipe = Recipe.from_dict(configuration["recipe"])
    seed = int(configuration["seed"])
    settings = trained_model.settings_of(configuration)
    data, train, validation = open_data(worker, recipe, settings)
    backbone = backbones.fetch(recipe, settings, worker)
    folder = worker.job.folder
    model = trainer.train(
        recipe, train, validation, len(data.classes), seed=seed, folder=folder, listener=worker, backbone=backbone
    )
    # The only time that this model meets the test set.
    seen = data.test or validation
    metrics = trained_model.measure(predict(model, seen.pixels, recipe.preprocess), seen.targets)
    metrics["set"] = "test" if data.test else "validation"
    card = trained_model.publish(
        worker,
        model,
        data,
        metrics,
        settings,
        title=recipe.title,
        fields={
            "architecture": recipe.network,
            "input_size": list(recipe.input_size),
            "preprocess": recipe.preprocess,
            "crop_fraction": 1.0,
            "licence": "yours",
        },
        more={
            "recipe": recipe.to_dict(),
            "seed": seed,
            "learning_rate_from_epoch": [list(pair) for pair in read_curves(worker.job).learning_rates],
        },
    )
    trained_model.evaluate_new(card, data, worker, settings, held_out=_divided(data, recipe, seed)[1], seed=seed)
    write(worker, Finished(card.name, metrics))
    (folder / trainer.CHECKPOINT).unlink(missing_ok=True)  # nothing goes on from here


def open_data(worker: jobs.Worker, recipe: Recipe, settings: Settings) -> tuple[ArrayDataset, Images, Images]:
    """Return the dataset of the job, and its images to train and to validate on; written to the log.

    The same seed gives the same split, in whichever job. Raises `InputError` when `recipe` cannot take them, and
    what `datasets.load` raises.
    """
    configuration = worker.job.configuration
    data = training_arrays.load(configuration["data"], settings, recipe.input_size)
    _check(data, recipe)
    train, validation = map(data.train.take, _divided(data, recipe, int(configuration["seed"])))
    tell_data(worker, data, trained_on=len(train), validated_on=len(validation))
    return data, train, validation


def _divided(data: ArrayDataset, recipe: Recipe, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return indices into the training images, to train and to validate on."""
    return split(data.train.targets, recipe.validation_fraction, seed)


def tell_data(worker: jobs.Worker, data: ArrayDataset, *, trained_on: int, validated_on: int) -> None:
    """Write to the log what the run is trained on, and what was left out and why.

    Raises `InputError` when a run goes on with other images than it began with: they would be split anew, and what
    it has learned from would be validated on.
    """
    before = read_curves(worker.job).data
    if before is not None and before.sha256 != data.sha256:
        raise InputError(
            f"Expected the images that this run began with. Received: others in {data.name}; "
            "put back what was there, or start a new run."
        )
    write(
        worker,
        DataRead(
            name=data.name,
            source=data.source,
            classes=list(data.classes),
            counts={label: list(counts) for label, counts in data.counts().items()},
            trained_on=trained_on,
            validated_on=validated_on,
            sha256=data.sha256,
            notes=list(data.notes[:MAX_NOTES]),
            left_out=len(data.notes),
        ),
    )


def _check(data: ArrayDataset, recipe: Recipe) -> None:
    """Raise `InputError` when these images cannot go into this network."""
    if data.train.pixels.shape[1:3] != recipe.input_size:
        height, width = data.train.pixels.shape[1:3]
        raise InputError(
            f"Expected images of {recipe.input_size[0]} × {recipe.input_size[1]} px for {recipe.name}. "
            f"Received: {height} × {width} in {data.name}."
        )
    if recipe.for_two_classes and len(data.classes) != 2:
        raise InputError(f"Expected two classes for {recipe.name}. Received: {len(data.classes)} in {data.name}.")


if __name__ == "__main__":
    sys.exit(jobs.work(Path(sys.argv[1]), run))
