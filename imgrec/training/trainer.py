"""The training loop: a recipe, images, a seed → a trained network. TensorFlow; runs in workers only.

Own loop instead of `Model.fit`: it can stop between any two steps and go on there, in another process, with the
same images in the same order; and it is faster (see bench/).

How equal a resumed run is: to the last bit. On the same machine, with the same versions and as many threads, a run
that was killed and resumed, however often, ends with the same weights, losses and confusion matrices as one that
was left alone; only times differ. A checkpoint holds every variable (weights, the optimizers' own, the states of
dropout's generators) and the sums of the epoch so far; order and augmentation of the images depend on seed, epoch
and step alone. A slow test kills a run and compares every weight. On another processor sums are rounded
differently, and the runs of two machines part after some steps.
"""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from imgrec.data.dataset import Images
from imgrec.errors import InputError
from imgrec.inference import process_info
from imgrec.metrics.classification import first_choices, log_loss
from imgrec.metrics.confusion import confusion_matrix
from imgrec.training.batches import batches, steps_per_epoch
from imgrec.training.events import EpochEnd, Listener, StepProgress, TrainingBegin, write
from imgrec.training.recipes import Recipe
from imgrec.training.train_step import Loop, MakeBackbone, Position
from imgrec.training.training_job import CHECKPOINT as CHECKPOINT
from imgrec.training.trial_results import logged

# Between two looks at loss and accuracy: each look waits for the network, and a curve needs no more.
REPORT_S = 1.0

# At most so much work is lost to a kill.
CHECKPOINT_S = 60.0

# Keras keeps probabilities so far from 0 and 1 before it takes their logarithm.
EPSILON = 1e-7


def train(
    recipe: Recipe,
    images: Images,
    validation: Images,
    classes: int,
    *,
    seed: int,
    folder: Path,
    listener: Listener,
    backbone: MakeBackbone | None = None,
    on_epoch: Callable[[Any, EpochEnd], None] | None = None,
) -> Any:
    """Train from the checkpoint in `folder`, or from the start, to the last epoch; returns the Keras model.

    The model computes in float32, whatever the recipe's precision. Tells `step` events about once a second, and
    after each epoch `epoch` with the validation's loss (the recipe's), accuracy and confusion matrix (rows are
    true classes; None of very many). `backbone` is what the recipe's backbone is made by. `on_epoch` is given the
    model and that event, before the checkpoint is written.

    Raises `InputError` when loss, weights or answers are no longer finite numbers (the last good checkpoint stays), and
    whatever `listener.check` raises; a checkpoint is written then.
    """
    import keras

    keras.utils.set_random_seed(seed)
    precision = _usable(recipe.precision)
    loop = Loop(recipe, images, classes, precision, backbone)
    at = loop.restore(folder / CHECKPOINT)
    steps = steps_per_epoch(len(images), recipe.batch_size)
    batch = min(recipe.batch_size, len(images))
    write(
        listener,
        TrainingBegin(
            epochs=recipe.epochs,
            steps=steps,
            batch_size=batch,
            parameters=loop.model.count_params(),
            trained_parameters=sum(math.prod(variable.shape) for variable in loop.model.trainable_variables),
            precision=precision,
            learning_rate=recipe.optimizer.learning_rate,
            resumed_at=[at.epoch, at.step],
        ),
    )

    def save(at: Position) -> None:
        _check(loop, at, weights=True)
        loop.save(folder / CHECKPOINT, at)

    while at.epoch < recipe.epochs:
        began = reported = saved = time.perf_counter()
        before, reported_step = at.seconds, at.step
        batch_size, augmentation = recipe.batch_size, recipe.augmentation
        feed = batches(images, augmentation, batch_size=batch_size, seed=seed, epoch=at.epoch, first=at.step)
        for changed, targets in feed:
            try:
                listener.check()
            except BaseException:
                if at.step:
                    with suppress(InputError):  # diverged: the last good checkpoint stays
                        save(at)
                raise
            loop.step(changed, targets)
            at.step += 1
            now = time.perf_counter()
            at.seconds = before + now - began
            if now - reported >= REPORT_S or at.step == steps:
                _check(loop, at)
                now = time.perf_counter()  # the sums were waited for
                at.seconds = before + now - began
                write(
                    listener,
                    StepProgress(
                        epoch=at.epoch + 1,
                        step=at.step,
                        loss=at.loss_sum / at.step,
                        accuracy=at.right_sum / (at.step * batch),
                        images_per_second=(at.step - reported_step) * batch / (now - reported),
                    ),
                )
                reported, reported_step = now, at.step
            if now - saved >= CHECKPOINT_S:
                save(at)
                saved = time.perf_counter()
        _check(loop, at, weights=True)
        report = EpochEnd(
            epoch=at.epoch + 1,
            seconds=at.seconds,
            loss=at.loss_sum / steps,
            accuracy=at.right_sum / (steps * batch),
            images_per_second=steps * batch / at.seconds,
            **validate(loop, validation, recipe.loss, at),
        )
        write(listener, report)
        if on_epoch is not None:
            on_epoch(loop.model, report)
        at = Position(at.epoch + 1)
        loop.reset(at)
        loop.save(folder / CHECKPOINT, at)
    return loop.finished()


def binary_loss(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean over images and classes of −ln p where the class is the true one and −ln(1 − p) elsewhere, in nats."""
    likely = np.clip(probabilities.astype(np.float64), EPSILON, 1 - EPSILON)
    truth = np.arange(probabilities.shape[1]) == targets[:, None]
    return float(-np.log(np.where(truth, likely, 1 - likely)).mean())


# What a recipe may minimize, as Keras calls it → the same of finished probabilities.
LOSSES = {"categorical_crossentropy": log_loss, "binary_crossentropy": binary_loss}


def _usable(precision: str) -> str:
    """bfloat16 only where the processor has it: elsewhere it is emulated, and many times slower than float32."""
    has_bfloat16 = not process_info.processor_flags().isdisjoint({"avx512_bf16", "amx_bf16"})
    return "bfloat16" if precision == "bfloat16" and has_bfloat16 else "float32"


def _check(loop: Loop, at: Position, *, weights: bool = False) -> None:
    """Bring the sums of `at` up to date; raises `InputError` when they, or the `weights`, are no longer numbers.

    The loss is that before the last step; what that step did shows in the weights alone.
    """
    at.loss_sum, at.right_sum = loop.sums()
    if not np.isfinite(at.loss_sum):
        raise _diverged(f"a loss that is a number. Received: {at.loss_sum}", loop, at)
    if weights and not loop.is_finite():
        raise _diverged("weights that are numbers. Received: others", loop, at)


def _diverged(expected: str, loop: Loop, at: Position) -> InputError:
    kept = f"The checkpoint after epoch {at.epoch} is kept" if at.epoch else "Nothing was learned yet"
    return InputError(
        f"Expected {expected} in epoch {at.epoch + 1}, step {at.step}. "
        f"{kept}; a smaller learning rate than {loop.learning_rate:g} most likely helps."
    )


def validate(loop: Loop, validation: Images, loss: str, at: Position) -> dict[str, Any]:
    """Return loss, accuracy and confusion matrix of `validation`, as fields of `EpochEnd`."""
    probabilities = loop.predict(validation.pixels)
    if not np.isfinite(probabilities).all():  # weights that are still numbers, but too large
        raise _diverged("probabilities that are numbers. Received: others in the validation", loop, at)
    matrix = confusion_matrix(validation.targets, first_choices(probabilities), probabilities.shape[1])
    return {
        "validation_loss": LOSSES[loss](probabilities, validation.targets),
        "validation_accuracy": float(np.trace(matrix) / matrix.sum()),
        "confusion": logged(matrix),
    }
