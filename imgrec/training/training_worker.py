"""The worker process of a training: `python -m imgrec.training.training_worker FOLDER`. See `jobs`."""

import os

# Before the first import of Keras: training needs TensorFlow as its backend.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import importlib.metadata
import platform
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from imgrec import jobs
from imgrec.data import arrays
from imgrec.data.dataset import ArrayDataset, Images
from imgrec.data.splits import split
from imgrec.errors import InputError
from imgrec.files import storage_errors
from imgrec.inference import process_info
from imgrec.metrics.classification import first_choices, log_loss
from imgrec.metrics.confusion import confusion_matrix
from imgrec.models import cards
from imgrec.predictions import out_of_distribution
from imgrec.predictions.ensembles import entropy_bits
from imgrec.predictions.labels import space_name
from imgrec.settings import Settings
from imgrec.training import backbones, trained_model, trainer
from imgrec.training.events import DataRead, Finished, to_fields, write
from imgrec.training.recipes import Recipe
from imgrec.training.train_step import predict
from imgrec.training.training_job import Curves, final_name, read_curves
from imgrec.training.trial_results import logged

# Listed one by one on the page; of more, the count suffices.
MAX_NOTES = 50


def run(worker: jobs.Worker) -> None:
    """Run all steps: data, training, test, card."""
    configuration = worker.job.configuration
    recipe = Recipe.from_dict(configuration["recipe"])
    seed = int(configuration["seed"])
    settings = replace(
        Settings.from_env(), home=Path(configuration["home"]), keras_home=Path(configuration["keras_home"])
    )
    data, train, validation = open_data(worker, recipe, settings)
    backbone = None
    if recipe.backbone is not None:
        backbone = backbones.fetch(recipe.backbone, recipe.trainable_layers, settings, worker)
    folder = worker.job.folder
    model = trainer.train(
        recipe, train, validation, len(data.classes), seed=seed, folder=folder, listener=worker, backbone=backbone
    )
    # The only time that this model meets the test set.
    seen = data.test or validation
    metrics = measure(predict(model, seen.pixels, recipe.preprocess), seen.targets) | {
        "set": "test" if data.test else "validation"
    }
    name = final_name(worker.job, settings)
    path = folder / f"{name}.json"
    save(model, path.with_suffix(".keras"))
    card = cards.write(path, _card(worker.job, name, recipe, data, seed, model.count_params(), metrics))
    publish(card, settings)
    trained_model.rank(card, data, worker, settings, held_out=_divided(data, recipe, seed)[1], seed=seed)
    write(worker, Finished(card.name, metrics))
    (folder / trainer.CHECKPOINT).unlink(missing_ok=True)  # nothing goes on from here


def open_data(worker: jobs.Worker, recipe: Recipe, settings: Settings) -> tuple[ArrayDataset, Images, Images]:
    """Return the job's set, and its images to train and to validate on; told as `data`.

    The same seed gives the same split, in whichever job. Raises `InputError` when `recipe` cannot take them, and
    what `datasets.load` raises.
    """
    configuration = worker.job.configuration
    data = arrays.load(configuration["data"], settings, recipe.input_size)
    _check(data, recipe)
    kept, held_out = _divided(data, recipe, int(configuration["seed"]))
    train, validation = data.train.take(kept), data.train.take(held_out)
    tell_data(worker, data, trained_on=len(train), validated_on=len(validation))
    return data, train, validation


def _divided(data: ArrayDataset, recipe: Recipe, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return indices into the training images, to train and to validate on."""
    return split(data.train.targets, recipe.validation_fraction, seed)


def tell_data(worker: jobs.Worker, data: ArrayDataset, *, trained_on: int, validated_on: int) -> None:
    """Return what the run learns from, and what was left out and why.

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


def measure(probabilities: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    """Of float32 (N, C): accuracy, and the cross-entropy in nats, whatever loss it was trained with: to be compared."""
    matrix = confusion_matrix(targets, first_choices(probabilities), probabilities.shape[1])
    return {
        "pictures": len(targets),
        "accuracy": float(np.trace(matrix) / matrix.sum()),
        "loss": log_loss(probabilities, targets),
        # Of 95 % of these images the entropy is less: above it, most likely none of the classes.
        "entropy_bits_95": out_of_distribution.limit_of(entropy_bits(probabilities)),
        "confusion": logged(matrix),
    }


def describe_limit(metrics: dict[str, Any], classes: int) -> str:
    """Return the sentence of a card with these `metrics` on images of none of its classes."""
    return out_of_distribution.describe(metrics["entropy_bits_95"], metrics["pictures"], classes)


def _card(
    job: jobs.Job, name: str, recipe: Recipe, data: ArrayDataset, seed: int, parameters: int, metrics: dict[str, Any]
) -> dict[str, Any]:
    told = read_curves(job)
    return {
        "model": {
            "name": name,
            "title": f"{recipe.title} ({name})",
            "architecture": recipe.network,
            "input_size": list(recipe.input_size),
            "preprocess": recipe.preprocess,
            "crop_fraction": 1.0,
            "label_space": data.label_space or space_name(data.classes),
            "parameters": parameters,
            "cam_layer": "features",
            "licence": "yours",
        },
        "classes": list(data.classes),
        "recipe": recipe.to_dict(),
        "learning_rate_from_epoch": [list(pair) for pair in told.learning_rates],
        "backbone": told.weights and {"model": told.weights.model, "sha256": told.weights.sha256},
        "seed": seed,
        "precision": told.plan and told.plan.precision,
        "trained_parameters": told.plan and told.plan.trained_parameters,
        "data": data_fields(told),
        "curves": curve_fields(told),
        "metrics": metrics,
        "unknown_images": describe_limit(metrics, len(data.classes)),
        "machine": machine(),
        "versions": versions(),
        "started_at": job.created_at,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def data_fields(curves: Curves) -> dict[str, Any]:
    """Return the images of a run for its card, without the notes about single files."""
    fields = {} if curves.data is None else to_fields(curves.data)
    return {name: value for name, value in fields.items() if name != "notes"}


def curve_fields(curves: Curves) -> list[dict[str, Any]]:
    """Return the epochs of a run for its card, without confusion matrices."""
    return [{name: value for name, value in to_fields(row).items() if name != "confusion"} for row in curves.epochs]


def machine() -> dict[str, Any]:
    """Return what it ran on."""
    return {"processor": process_info.processor(), "cores": os.cpu_count(), "system": platform.system()}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide a result."""
    names = ("keras", "tensorflow", "tensorflow-cpu", "numpy")
    installed = {distribution.name.lower().replace("_", "-") for distribution in importlib.metadata.distributions()}
    found = {name: importlib.metadata.version(name) for name in names if name in installed}
    return {"python": platform.python_version()} | found


def save(model: Any, path: Path) -> None:
    """Save the Keras model in `path`; one that was published from there before stays as it is."""
    with storage_errors(path):
        path.unlink(missing_ok=True)  # `publish` may have linked it, and Keras writes in place
        model.save(path)


def publish(card: cards.Card, settings: Settings) -> None:
    """Put model and card where the catalog looks; the card last, since it is what counts.

    Where the disk can, they are the same files under a second name: a network may have hundreds of MiB.
    """
    place = cards.home(settings)
    with storage_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        for file in (card.weights, card.path):
            beside = place / f"{file.name}.part"
            beside.unlink(missing_ok=True)
            try:
                os.link(file, beside)
            except OSError:  # another disk, or one without links
                shutil.copyfile(file, beside)
            os.replace(beside, place / file.name)
            beside.unlink(missing_ok=True)  # renaming a file to itself leaves both names


if __name__ == "__main__":
    sys.exit(jobs.work(Path(sys.argv[1]), run))
