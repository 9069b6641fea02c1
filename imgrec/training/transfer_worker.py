"""The worker process of a config: `python -m imgrec.training.transfer_worker FOLDER`. See `jobs` for how it is kept.

Images → features by the compiled engine → trials and the final head (`trials`) → one Keras model → its card. Events:
`data`, `preparing`, `features`, `trials`, `trial`, `chosen`, as in a training `training`, `epoch` and `model`, and of
unfrozen layers `tuned`.
"""

import os

# Before the first import of Keras: training needs TensorFlow as its backend.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import hashlib
import json
import shutil
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from imgrec import jobs
from imgrec.data import features, training_arrays
from imgrec.data.array_files import MEMORY_SHARE
from imgrec.data.dataset import ArrayDataset, Images
from imgrec.data.splits import split
from imgrec.errors import ConversionError, WeightsError
from imgrec.images import perceptual_hash
from imgrec.images.preprocessing import frame, normalize
from imgrec.inference import keras_networks
from imgrec.inference.preparation import Preparation
from imgrec.models import cards, weights
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.settings import MIB, Settings, available_memory_bytes
from imgrec.training import array_archives, cross_validation, fine_tuning, heads, trained_model, trainer, transfer_job
from imgrec.training.array_archives import Layers
from imgrec.training.backbones import Backbone
from imgrec.training.events import (
    FeaturesExtracted,
    Finished,
    Preparing,
    TrainingBegin,
    TrialsPlanned,
    to_fields,
    write,
)
from imgrec.training.run_summary import validated_on
from imgrec.training.train_step import predict
from imgrec.training.training_worker import tell_data
from imgrec.training.transfer_config import HEADS, TransferConfig
from imgrec.training.transfer_job import CHECKPOINT
from imgrec.training.transfer_stages import describe_fine_tuning

# In the job's folder, what each learning rate and fold came to.
TRIALS = "trials"

# Between two lines of the log about the same thing, and between two files of the head, for the page.
TELL_S = 1.0

# Features are on disk, as a tensor, and as a copy while that is made.
FEATURE_COPIES = 2

# Features that a head looks at together: maps may be large.
MEASURED_TOGETHER = 500

# Images on which the saved model must predict what its head predicts from features, and the largest difference.
CHECKED_IMAGES = 4
CHECK_TOLERANCE = 1e-3


def run(job: jobs.Worker) -> None:
    """Run all steps: data, features, trials, head, model, test, card."""
    configuration = job.job.configuration
    config = TransferConfig.from_dict(configuration["lesson"])
    settings = trained_model.settings_of(configuration)
    row = config.backbone_spec()
    loaded = training_arrays.load(configuration["data"], settings, row.input_size)
    rest, tested = transfer_job.test_split(config, loaded)
    data = transfer_job.with_test_split(loaded, rest, tested)
    transfer_job.check_data(config, data)
    # They are not stored: a resumed worker computes the same from the images.
    groups = perceptual_hash.groups(data.train.pixels, data.train.targets)
    kept = cross_validation.final_rows(config, data.train.targets, groups)
    # Where the final head is trained on all images, each fold was validated on in its turn.
    validated_on = len(data.train) - len(kept) or len(cross_validation.parts(config, data.train.targets, groups)[0][2])
    tell_data(job, data, trained_on=len(kept), validated_on=validated_on)
    train_features = _extract(job, "train", row, data.train, settings)
    test_features = None if data.test is None else _extract(job, "test", row, data.test, settings)
    final = _train_head(job, config, data, groups, _with_copies(job, config, row, data.train, train_features, settings))
    weights_path = weights.find(BUILT_IN.get_spec(config.backbone), settings)
    if weights_path is None:
        raise WeightsError(f"Expected the weights of {row.title} on this machine. Received: none any more.")
    if config.fine_tune_layers:
        backbone = Backbone(BUILT_IN.get_spec(config.backbone), weights_path, config.trainable_layers)
        model, metrics, training = _fine_tune(job, config, data, groups, final, backbone)
    else:
        model = heads.compose(keras_networks.load(row, weights_path), HEADS[config.head], final.layers)
        _check_agreement(model, row, data.train, train_features, final.layers)
        training = _measure_head(final.layers, train_features, data.train.targets, kept)
        metrics = final.metrics | {"set": "validation"}
        if data.test is not None and test_features is not None:
            # The only time that this model meets the test set.
            every = np.arange(len(data.test))
            metrics = _measure_head(final.layers, test_features, data.test.targets, every) | {"set": "test"}
    card = _publish(job, config, data, model, metrics, training, settings)
    # Where the set has no test part: what the model has not learned from.
    held_out = tested if len(tested) else np.setdiff1d(np.arange(len(data.train)), kept)
    part = "test" if len(tested) else "validation"
    trained_model.evaluate_new(card, loaded, job, settings, held_out=held_out, seed=config.seed, part=part)
    write(job, Finished(card.name, metrics, training))
    # Nothing goes on from here. The newest head stays: a page may still ask it.
    for file in (trainer.CHECKPOINT, fine_tuning.BEST):
        (job.job.folder / file).unlink(missing_ok=True)
    shutil.rmtree(job.job.folder / TRIALS, ignore_errors=True)


def _with_copies(
    job: jobs.Worker, config: TransferConfig, row: ModelSpec, images: Images, rows: np.ndarray, settings: Settings
) -> np.ndarray:
    """Return the features of `images`, which are `rows`, and after them those of their augmented copies."""
    parts = [rows]
    for number in range(1, config.copies + 1):
        changed = config.augmentation.copy_of(images, seed=config.seed, number=number, on_block=job.check)
        name = "augmented" if config.copies == 1 else f"augmented ({number} of {config.copies})"
        parts.append(_extract(job, name, row, changed, settings, share=1 / (config.copies + 1)))
    return np.concatenate(parts) if config.copies else rows


def _extract(
    job: jobs.Worker, part: str, row: ModelSpec, images: Images, settings: Settings, share: float = 1.0
) -> np.ndarray:
    """Return the features of `images`, float32 (N, D) on disk; the progress is written to the log."""
    start = written = time.monotonic()
    last = ""

    def preparing(preparation: Preparation) -> None:
        nonlocal written, last
        job.check()
        sentence = f"{preparation.stage} {row.title}" if preparation.stage in {"downloading", "converting"} else ""
        if preparation.stage == "downloading" and preparation.total_bytes:
            sentence += f", {preparation.done_bytes / MIB:,.0f} of {preparation.total_bytes / MIB:,.0f} MiB"
        if sentence and sentence != last and (not last or time.monotonic() - written > TELL_S):
            write(job, Preparing(sentence))
            written, last = time.monotonic(), sentence

    def extracting(done: int, count: int) -> None:
        nonlocal start, written
        job.check()
        if done == 1:
            start = time.monotonic()  # what came before was preparing
        if time.monotonic() - written > TELL_S and done < count:
            written = time.monotonic()
            write(job, FeaturesExtracted(part, done, count, written - start))

    most_bytes = int(available_memory_bytes() * MEMORY_SHARE * share) // FEATURE_COPIES
    found = features.extract(row, images, settings, extracting, preparing, most_bytes=most_bytes)
    count = len(images)
    write(job, FeaturesExtracted(part, count, count, found.seconds, found.cached))
    return found.rows


def _train_head(
    job: jobs.Worker, config: TransferConfig, data: ArrayDataset, groups: np.ndarray, rows: np.ndarray
) -> cross_validation.FinalHead:
    """All trials, and the final head."""
    targets, classes, folder = data.train.targets, len(data.classes), job.job.folder
    head_trainer = heads.HeadTrainer(HEADS[config.head], rows, targets, classes, seed=config.seed, copies=config.copies)
    saved = 0.0

    def save(layers: Layers) -> None:
        nonlocal saved
        array_archives.write(folder / CHECKPOINT, array_archives.from_layers(layers))
        saved = time.monotonic()

    def on_epoch(_: heads.Epoch) -> None:
        job.check()
        if time.monotonic() - saved >= TELL_S:
            save(head_trainer.layers())

    write(job, TrialsPlanned(config.trials))
    key, tell = _key(config, data, groups), partial(write, job)
    final = cross_validation.cross_validate(
        config, head_trainer, targets, classes, folder / TRIALS, key, tell, on_epoch, groups
    )
    save(final.layers)
    batch = min(config.batch_size, len(targets))
    learned = sum(kernel.size + bias.size for kernel, bias in final.layers)
    write(
        job,
        TrainingBegin(
            epochs=len(final.rows) + (config.fine_tune_epochs if config.fine_tune_layers else 0),
            steps=max(1, len(targets) * (config.copies + 1) // batch),
            batch_size=batch,
            parameters=learned,
            trained_parameters=learned,
            precision="float32",
        ),
    )
    for row in final.rows:
        write(job, row)
    return final


def _fine_tune(
    job: jobs.Worker,
    config: TransferConfig,
    data: ArrayDataset,
    groups: np.ndarray,
    final: cross_validation.FinalHead,
    backbone: Backbone,
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Return the model after fine-tuning, if that helped, with its figures and those of the training images."""
    recipe = fine_tuning.recipe_of(config, job.job.configuration["name"], len(data.classes))
    images = fine_tuning.fitted(data.train, recipe.input_size)
    # As in a training, a share is held out, which the head has not seen either: see `cross_validation.final_rows`.
    kept, held_out = split(images.targets, recipe.validation_fraction, config.seed, groups)
    train, validation = images.take(kept), images.take(held_out)
    model, best, head = fine_tuning.fine_tune(
        recipe,
        backbone,
        final.layers,
        train,
        validation,
        seed=config.seed,
        folder=job.job.folder,
        listener=job,
        epochs_before=len(final.rows),
    )
    told = transfer_job.read_progress(job.job).curves.epochs[len(final.rows) :]
    write(job, fine_tuning.conclude(best, head, told))
    training = trained_model.measure(predict(model, train.pixels, recipe.preprocess), train.targets)
    # The only time that this model meets the test set, if there is one.
    seen = validation if data.test is None else fine_tuning.fitted(data.test, recipe.input_size)
    metrics = trained_model.measure(predict(model, seen.pixels, recipe.preprocess), seen.targets)
    return model, metrics | {"set": "validation" if data.test is None else "test"}, training


def _measure_head(layers: Layers, rows: np.ndarray, targets: np.ndarray, places: np.ndarray) -> dict[str, Any]:
    """As `trained_model.measure`, of the head alone on the features `rows` (N, …) at `places` (M,)."""
    parts = [places[i : i + MEASURED_TOGETHER] for i in range(0, len(places), MEASURED_TOGETHER)]
    return trained_model.measure(
        np.concatenate([transfer_job.forward(layers, rows[part]) for part in parts]), targets[places]
    )


def _check_agreement(model: Any, row: ModelSpec, images: Images, rows: np.ndarray, layers: Layers) -> None:
    """Raise `ConversionError` unless the model predicts from images what the head predicts from their features."""
    some = images.pixels[:CHECKED_IMAGES]
    batch = np.stack([frame(image, row.input_size, features.CROP_FRACTION) for image in some])
    whole = np.asarray(model(normalize(batch, row.preprocess), training=False))
    difference = float(np.abs(whole - transfer_job.forward(layers, rows[:CHECKED_IMAGES])).max())
    if not difference < CHECK_TOLERANCE:
        raise ConversionError(
            f"Expected the saved {row.architecture} to predict what its classifier predicts from features, within "
            f"{CHECK_TOLERANCE:g}. Received: a difference of {difference:.2g}."
        )


def _key(config: TransferConfig, data: ArrayDataset, groups: np.ndarray) -> str:
    """Return what a trial depends on; how many rates there are besides is none of its business."""
    fields = config.to_dict() | {"learning_rates": None, "unfreeze": None, "tuning_epochs": None}
    if not config.copies:  # what fine-tuning does to images is none of its business either
        del fields["augmentation"], fields["copies"]
    if (copies := np.flatnonzero(groups != np.arange(len(groups)))).size:
        fields["kept_together"] = [copies.tolist(), groups[copies].tolist()]
    return hashlib.sha256(json.dumps([fields, data.sha256], sort_keys=True).encode()).hexdigest()[:16]


def _publish(
    job: jobs.Worker,
    config: TransferConfig,
    data: ArrayDataset,
    model: Any,
    metrics: dict[str, Any],
    training: dict[str, Any],
    settings: Settings,
) -> cards.Card:
    progress = transfer_job.read_progress(job.job)
    backbone, spec = BUILT_IN.get_spec(config.backbone), config.backbone_spec()
    tuned = progress.tuned
    more = {
        "lesson": config.to_dict(),
        "backbone": {"model": config.backbone, "sha256": weights.sha256(backbone, settings)},
        "seed": config.seed,
        "features": [to_fields(part) for part in progress.features],
        "trials": [to_fields(trial) for trial in progress.trials],
        "learning_rates": [asdict(summary) for summary in progress.summaries],
        "chosen": to_fields(progress.chosen) if progress.chosen else {},
        "tuned": tuned and to_fields(tuned) | {"sentence": describe_fine_tuning(tuned, validated_on(progress.curves))},
        "training": training,
    }
    if tuned is not None and not tuned.kept:  # of the published network the head alone was trained
        dense = [layer for layer in model.layers if type(layer).__name__ == "Dense"]
        more["trained_parameters"] = int(sum(layer.count_params() for layer in dense))
    return trained_model.publish(
        job,
        model,
        data,
        metrics,
        settings,
        title=f"{backbone.title}, fine-tuned",
        fields={
            "architecture": backbone.architecture,
            "input_size": list(spec.input_size),
            "preprocess": spec.preprocess,
            "crop_fraction": features.CROP_FRACTION,
            "licence": f"yours; its backbone's weights: {backbone.license}",
        },
        more=more,
    )


if __name__ == "__main__":
    sys.exit(jobs.work(Path(sys.argv[1]), run))
