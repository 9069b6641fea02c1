"""A new model: measured, saved with its card, put into the catalog, and evaluated as `imgrec evaluate` does.

The evaluation is on the dataset's own test split, if it has one; else on the training images that were held out.
"""

import importlib.metadata
import os
import platform
import shlex
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from imgrec import jobs
from imgrec.data.dataset import ArrayDataset
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.errors import ImgrecError
from imgrec.evaluation import evaluate, stored_predictions
from imgrec.evaluation.held_out import part_of, some_of
from imgrec.files import sha256_of, storage_errors
from imgrec.inference import process_info
from imgrec.metrics.classification import first_choices, log_loss
from imgrec.metrics.confusion import confusion_matrix
from imgrec.models import cards, training_images
from imgrec.predictions import out_of_distribution
from imgrec.predictions.ensembles import entropy_bits
from imgrec.predictions.labels import space_name
from imgrec.settings import Settings
from imgrec.training.events import Event, to_fields
from imgrec.training.training_job import final_name, read_curves
from imgrec.training.trial_results import logged


def settings_of(configuration: dict[str, Any]) -> Settings:
    """Return the settings of a run: its own folders, all else from this process."""
    return replace(Settings.from_env(), home=Path(configuration["home"]), keras_home=Path(configuration["keras_home"]))


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


def publish(
    worker: jobs.Worker,
    model: Any,
    data: ArrayDataset,
    metrics: dict[str, Any],
    settings: Settings,
    *,
    title: str,
    fields: dict[str, Any],
    more: dict[str, Any],
) -> cards.Card:
    """Save the Keras model with its card in the folder of the run, and put both where the catalog looks.

    `fields` are further ones of the card's model, `more` of the card itself; all else is from the log of the run.
    """
    job = worker.job
    name, curves = final_name(job, settings), read_curves(job)
    if (published := _published(name, job, settings)) is not None:
        return published
    path = job.folder / f"{name}.json"
    weights = path.with_suffix(".keras")
    with storage_errors(weights):
        weights.unlink(missing_ok=True)  # a resumed run may have linked it before, and Keras writes in place
        model.save(weights)
    card = cards.write(
        path,
        {
            "model": {
                "name": name,
                "title": f"{title} ({name})",
                "label_space": data.label_space or space_name(data.classes),
                "parameters": model.count_params(),
            }
            | fields,
            "classes": list(data.classes),
            "backbone": curves.weights and {"model": curves.weights.model, "sha256": curves.weights.sha256},
            "precision": curves.plan and curves.plan.precision,
            "trained_parameters": curves.plan and curves.plan.trained_parameters,
            "data": _without("notes", curves.data),
            "curves": [_without("confusion", row) for row in curves.epochs],
            "metrics": metrics,
            "unknown_images": out_of_distribution.describe(
                metrics["entropy_bits_95"], metrics["pictures"], len(data.classes)
            ),
            "machine": machine(),
            "versions": versions(),
            "started_at": job.created_at,
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        | more,
    )
    _link(card, cards.home(settings))
    return card


def _published(name: str, job: jobs.Job, settings: Settings) -> cards.Card | None:
    """Return the card of the model that this run has put into the catalog, before it was stopped and resumed.

    It is kept: model and card are two files, and whatever stops a replacement of both would leave a mixture.
    """
    try:
        card = cards.read(cards.home(settings) / f"{name}.json")
        whole = sha256_of(card.weights) == card.fields["weights"]["sha256"]
    except ImgrecError:
        return None
    return card if whole and card.fields.get("started_at") == job.created_at else None


def _without(name: str, event: Event | None) -> dict[str, Any]:
    return {key: value for key, value in (to_fields(event) if event else {}).items() if key != name}


def _link(card: cards.Card, place: Path) -> None:
    """Put model and card into the folder `place`, the card last, because it makes the model known.

    Where the disk can, they are the same files under a second name: a network may have hundreds of MiB.
    """
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


def machine() -> dict[str, Any]:
    """Return what it ran on."""
    return {"processor": process_info.processor(), "cores": os.cpu_count(), "system": platform.system()}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide a result."""
    names = ("keras", "tensorflow", "tensorflow-cpu", "numpy")
    installed = {distribution.name.lower().replace("_", "-") for distribution in importlib.metadata.distributions()}
    found = {name: importlib.metadata.version(name) for name in names if name in installed}
    return {"python": platform.python_version()} | found


def evaluate_new(
    card: cards.Card,
    data: ArrayDataset,
    worker: jobs.Worker,
    settings: Settings,
    *,
    held_out: np.ndarray,
    seed: int,
    part: str = "validation",
) -> None:
    """Keep some training images with the model of `card`, and evaluate it on the test part of `data`.

    Where `data` has none, on its images `held_out`: int64 (K,) indices into `data.train`, split off with `seed`, and
    `part` is a key of `held_out.FLAWS`. Without any, or when the evaluation fails, a sentence is written as
    `unmeasured`: the model is complete in any case.
    """
    spec = cards.load_catalog(settings).get_spec(card.name)
    source = worker.job.configuration["data"]
    try:
        trained_on = np.setdiff1d(np.arange(len(data.train)), held_out)
        if (chosen := some_of(len(trained_on))) is not None:
            training_images.keep(card.name, data.train.pixels[trained_on[chosen]], settings)
        if data.test is None and not len(held_out):
            worker.tell("unmeasured", sentence="It learned from every image, so none is left to measure it on.")
            return
        measured = open_evaluation_split(source, settings)
        command = shlex.join(["imgrec", "evaluate", "--data", source, "--models", card.name])
        if data.test is None:
            # No command deals these images again.
            measured, command = part_of(measured, data, held_out, spec.get_label_space(), part, seed), ""
        evaluate.evaluate(
            spec,
            measured,
            settings,
            stored_predictions.own_folder(settings),
            command=command,
            on_progress=lambda done, count: worker.check(),
        )
    except (ImgrecError, jobs.CanceledJobError) as error:
        worker.tell("unmeasured", sentence=str(error))
