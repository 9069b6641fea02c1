"""The protocol of a config: a head for each learning rate and fold, the choice among them, the final head.

Why so: the learning rate with the highest mean validation accuracy is taken, since a single fold's is noise. Then one
head learns from all training images, for as many epochs as the folds' best ones on average: nothing is held out any
more that could tell when to stop. Whatever was chosen here has seen every training image, so it is the test set, and
that once, which says how good it is. With one split instead of folds the best head of the best rate is kept as it was.

Finished trials are in the folder of the run, one file each, and are not repeated.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from imgrec.data.splits import split, stratified_folds
from imgrec.errors import StorageError
from imgrec.files import storage_errors
from imgrec.metrics.classification import first_choices
from imgrec.metrics.confusion import confusion_matrix
from imgrec.predictions import out_of_distribution
from imgrec.predictions.ensembles import entropy_bits
from imgrec.reports import accuracy
from imgrec.training import array_archives
from imgrec.training.array_archives import Layers
from imgrec.training.events import EpochEnd, HeadChosen, TrialEnd, from_fields, to_fields
from imgrec.training.heads import DivergedError, Epoch, HeadTrainer, Schedule
from imgrec.training.transfer_config import TransferConfig
from imgrec.training.trial_results import choose, logged, spread


@dataclass(frozen=True, slots=True, eq=False)
class Validated:
    """A finished trial.

    `predicted` are the classes int64 (M,) that the head, after its best epoch, predicted for the images `held_out`
    (M,), and `entropies` those of its predictions in bits (M,). A failed trial has none of these.
    """

    trial: TrialEnd
    epochs: tuple[Epoch, ...]
    held_out: np.ndarray
    predicted: np.ndarray
    entropies: np.ndarray
    layers: Layers


@dataclass(frozen=True, slots=True, eq=False)
class FinalHead:
    """The final head. `rows` are its epochs as the log has them; `metrics` are of all that was validated on."""

    layers: Layers
    rows: tuple[EpochEnd, ...]
    metrics: dict[str, Any]


def parts(
    config: TransferConfig, targets: np.ndarray, groups: np.ndarray | None = None
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """(fold, indices to train on, indices held out); the fold 0 is the one split of a config without folds.

    `groups` (N,) are those of `perceptual_hash.groups`: copies stand on one side.
    """
    if config.folds:
        folds = stratified_folds(targets, config.folds, config.seed, groups)
        return [(number, kept, held_out) for number, (kept, held_out) in enumerate(folds, start=1)]
    return [(0, *split(targets, config.validation_fraction, config.seed, groups))]


def final_rows(config: TransferConfig, targets: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """Return indices into `targets`: the images that the final head is trained on; all of them after folds.

    A backbone that is unfrozen afterwards is validated on the one split, so its head must not have seen that.
    """
    if config.folds and not config.fine_tune_layers:
        return np.arange(len(targets))
    return split(targets, config.validation_fraction, config.seed, groups)[0]


def cross_validate(
    config: TransferConfig,
    trainer: HeadTrainer,
    targets: np.ndarray,
    classes: int,
    folder: Path,
    key: str,
    tell: Callable[[TrialEnd | HeadChosen], None],
    on_epoch: Callable[[Epoch], None],
    groups: np.ndarray | None = None,
) -> FinalHead:
    """Return the final head of the trials, as the module says.

    A trial is read from `folder` if it was finished there with the same `key`, the digest of its conditions. `tell` is
    given each trial, and then what was chosen, before the training of the final head. `groups` as in `parts`.
    """
    validated = []
    for rate in config.learning_rates:
        for fold, kept, held_out in parts(config, targets, groups):
            file = folder / f"{rate!r}-{fold}.npz"
            found = _read(file, key)
            if found is None:
                found = _run(config, trainer, rate, fold, kept, held_out, on_epoch)
                with storage_errors(file):
                    folder.mkdir(exist_ok=True)
                _write(file, found, key, keep_layers=not config.folds)
            tell(found.trial)
            validated.append(found)
    best = choose([each.trial for each in validated])
    mine = [each for each in validated if each.trial.learning_rate == best.learning_rate]
    epochs = max(1, round(best.best_epoch))
    metrics = _pooled(mine, targets, classes)
    if config.folds:  # a mean over folds is no count of images
        figure = (
            f"{spread(best.validation_accuracy, best.validation_accuracy_sd, best.trials)} over {config.folds} folds"
        )
    else:
        figure = accuracy.short(best.validation_accuracy, len(mine[0].held_out))
    tell(HeadChosen(best.learning_rate, epochs, f"validation accuracy {figure}"))
    if config.folds:
        schedule = Schedule(best.learning_rate, epochs, config.batch_size, config.step_epochs)
        kept = final_rows(config, targets, groups)
        final = trainer.train(schedule, kept, None, on_epoch)
        layers, rows = final.layers, _rows(final.epochs, [each.epochs for each in mine], len(kept))
    else:
        [only] = mine
        layers, rows = only.layers, _rows(only.epochs, [only.epochs], len(targets) - len(only.held_out))
        if config.fine_tune_layers:
            rows = rows[:epochs]  # what is unfrozen goes on from there
    rows = [replace(row, confusion=metrics["confusion"]) for row in rows]
    return FinalHead(layers, tuple(rows), metrics)


def _run(
    config: TransferConfig,
    trainer: HeadTrainer,
    rate: float,
    fold: int,
    kept: np.ndarray,
    held_out: np.ndarray,
    on_epoch: Callable[[Epoch], None],
) -> Validated:
    schedule = Schedule(rate, config.epochs, config.batch_size, config.step_epochs)
    start = time.perf_counter()
    try:
        trained = trainer.train(schedule, kept, held_out, on_epoch)
    except DivergedError as error:
        # The other rates may do; at this one it would fail again, so it is kept as any other.
        failed = TrialEnd(rate, fold, seconds=time.perf_counter() - start, error=str(error))
        return Validated(failed, (), held_out, np.empty(0, np.int64), np.empty(0), [])
    best = trained.best
    trial = TrialEnd(
        learning_rate=rate,
        fold=fold,
        best_epoch=best.epoch,
        train_accuracy=best.train_accuracy,
        train_loss=best.train_loss,
        validation_accuracy=best.validation_accuracy or 0.0,
        validation_loss=best.validation_loss or 0.0,
        seconds=sum(epoch.seconds for epoch in trained.epochs),
    )
    predicted = np.empty((0, 1)) if trained.probabilities is None else trained.probabilities
    return Validated(trial, trained.epochs, held_out, first_choices(predicted), entropy_bits(predicted), trained.layers)


def _rows(epochs: tuple[Epoch, ...], validated: list[tuple[Epoch, ...]], images: int) -> list[EpochEnd]:
    """Return training figures of `epochs` with the mean validation figures over `validated` at the same epoch."""
    return [
        EpochEnd(
            epoch=epoch.epoch,
            seconds=epoch.seconds,
            loss=epoch.train_loss,
            accuracy=epoch.train_accuracy,
            validation_loss=float(np.mean([mine[i].validation_loss for mine in validated])),
            validation_accuracy=float(np.mean([mine[i].validation_accuracy for mine in validated])),
            images_per_second=images / max(epoch.seconds, 1e-9),
        )
        for i, epoch in enumerate(epochs)
    ]


def _pooled(validated: list[Validated], targets: np.ndarray, classes: int) -> dict[str, Any]:
    """Return the figures of `trained_model.measure` of all held-out images, each by the head that had not seen it."""
    held_out = np.concatenate([each.held_out for each in validated])
    predicted = np.concatenate([each.predicted for each in validated])
    losses = [each.trial.validation_loss * len(each.held_out) for each in validated]
    return {
        "pictures": len(held_out),
        "accuracy": float((predicted == targets[held_out]).mean()),
        "loss": float(sum(losses) / len(held_out)),
        "entropy_bits_95": out_of_distribution.limit_of(np.concatenate([each.entropies for each in validated])),
        "confusion": logged(confusion_matrix(targets[held_out], predicted, classes)),
    }


def _write(file: Path, validated: Validated, key: str, *, keep_layers: bool) -> None:
    """Whole or not at all. Weights are kept where the final head is one of these."""
    note = {"key": key, "trial": to_fields(validated.trial), "epochs": [asdict(epoch) for epoch in validated.epochs]}
    arrays = {"note": np.array(json.dumps(note))}
    arrays |= {"held_out": validated.held_out, "said": validated.predicted, "doubts": validated.entropies}
    array_archives.write(file, arrays | array_archives.from_layers(validated.layers if keep_layers else []))


def _read(file: Path, key: str) -> Validated | None:
    """Return the trial in `file`; None unless it is there, whole, and of the same config."""
    with suppress(StorageError, ValueError, KeyError, TypeError):
        arrays = array_archives.read(file)
        note = json.loads(str(arrays["note"]))
        if note["key"] == key:
            epochs = tuple(Epoch(**epoch) for epoch in note["epochs"])
            return Validated(
                from_fields(TrialEnd, note["trial"]),
                epochs,
                arrays["held_out"],
                arrays["said"],
                arrays["doubts"],
                array_archives.to_layers(arrays),
            )
    return None
