"""The training loop: a recipe, pictures, a seed → a trained network. TensorFlow; runs in workers only.

Own loop instead of `Model.fit`: it can stop between any two steps and go on there, in another process, with the
same pictures in the same order; and it is faster (see bench/). There is one way into the network, `_input`, for
training, validation and test alike: no generator can forget a normalisation that another one does.
"""

import os
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from imgrec.datasets import Pictures
from imgrec.downloads import storage_errors
from imgrec.errors import InputError
from imgrec.preprocessing import PREPROCESS
from imgrec.training import networks
from imgrec.training.feeding import batches, steps_per_epoch
from imgrec.training.recipes import Optimiser, Recipe
from imgrec.training.whitening import whitening_kernel

# How every network of ours is fed: values in [0, 1]. What else it needs is one of its layers.
PREPROCESSING = "unit"

# Between two looks at loss and accuracy: each look waits for the network, and a curve needs no more.
REPORT_S = 1.0

# At most so much work is lost to a kill.
CHECKPOINT_S = 60.0

EVALUATION_BATCH = 250

# The start of one cycle: this share of the peak, rising over this share of all steps.
WARM_START = 0.2
WARM_SHARE = 0.2

CHECKPOINT = "checkpoint.npz"


class Listener(Protocol):
    """What the loop tells, and whom it asks whether to go on; `jobs.Worker` is one."""

    def tell(self, event: str, **fields: Any) -> None: ...
    def check(self) -> None: ...


@dataclass(slots=True)
class Position:
    """Where a run stands: `step` steps of `epoch` (from 0) are done; the sums are those of this epoch so far."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    right_sum: float = 0.0
    seconds: float = 0.0


def train(
    recipe: Recipe,
    pictures: Pictures,
    validation: Pictures,
    classes: int,
    *,
    seed: int,
    folder: Path,
    listener: Listener,
) -> Any:
    """Train from the checkpoint in `folder`, or from the start, to the last epoch; returns the Keras model.

    The model computes in float32, whatever the recipe's precision. Tells `step` events about once a second, and
    after each epoch `epoch` with the validation's loss, accuracy and confusion matrix (rows are true classes).

    Raises `InputError` when the loss is no longer a finite number (the last good checkpoint stays), and whatever
    `listener.check` raises; a checkpoint is written then.
    """
    import keras

    keras.utils.set_random_seed(seed)
    precision = _usable(recipe.precision)
    loop = Loop(recipe, pictures, classes, precision)
    at = loop.restore(folder / CHECKPOINT)
    steps = steps_per_epoch(len(pictures), recipe.batch_size)
    batch = min(recipe.batch_size, len(pictures))
    listener.tell(
        "training",
        epochs=recipe.epochs,
        steps=steps,
        batch_size=batch,
        parameters=loop.model.count_params(),
        precision=precision,
        resumed_at=[at.epoch, at.step],
    )
    while at.epoch < recipe.epochs:
        began = reported = saved = time.perf_counter()
        before, reported_step = at.seconds, at.step
        feed = batches(
            pictures,
            recipe.augmentation,
            batch_size=recipe.batch_size,
            seed=seed,
            epoch=at.epoch,
            first=at.step,
        )
        for changed, targets in feed:
            try:
                listener.check()
            except BaseException:
                if at.step:
                    loop.save(folder / CHECKPOINT, _summed(loop, at))
                raise
            loop.step(changed, targets)
            at.step += 1
            now = time.perf_counter()
            at.seconds = before + now - began
            if now - reported >= REPORT_S or at.step == steps:
                _summed(loop, at)
                _check_finite(at)
                now = time.perf_counter()  # the sums were waited for
                at.seconds = before + now - began
                listener.tell(
                    "step",
                    epoch=at.epoch + 1,
                    step=at.step,
                    loss=at.loss_sum / at.step,
                    accuracy=at.right_sum / (at.step * batch),
                    images_per_second=(at.step - reported_step) * batch / (now - reported),
                )
                reported, reported_step = now, at.step
            if now - saved >= CHECKPOINT_S:
                loop.save(folder / CHECKPOINT, _summed(loop, at))
                saved = time.perf_counter()
        report = _validate(loop, validation, classes)
        listener.tell(
            "epoch",
            epoch=at.epoch + 1,
            seconds=at.seconds,
            loss=at.loss_sum / steps,
            accuracy=at.right_sum / (steps * batch),
            images_per_second=steps * batch / at.seconds,
            **report,
        )
        at = Position(at.epoch + 1)
        loop.reset(at)
        loop.save(folder / CHECKPOINT, at)
    return loop.finished()


def predict(model: Any, pixels: np.ndarray) -> np.ndarray:
    """Probabilities float32 (N, C) for uint8 (N, H, W, 3)."""
    parts = [pixels[i : i + EVALUATION_BATCH] for i in range(0, len(pixels), EVALUATION_BATCH)]
    return np.concatenate([np.asarray(model(_input(part), training=False), np.float32) for part in parts])


def confusion(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Counts int64 (C, C): row = true class, column = most probable class, ties to the first."""
    classes = probabilities.shape[1]
    pairs = targets * classes + probabilities.argmax(axis=1)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def log_loss(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean of −ln p(true class), in nats."""
    likely = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(likely, np.finfo(np.float32).tiny)).mean())


def _input(pixels: Any) -> Any:
    """The one way into a network: uint8 (N, H, W, 3) → float32, as serving folds it into the compiled graph."""
    import tensorflow as tf

    rule = PREPROCESS[PREPROCESSING]
    return (tf.cast(pixels, tf.float32) - tf.constant(rule.mean, tf.float32)) / tf.constant(rule.scale, tf.float32)


def _usable(precision: str) -> str:
    """bfloat16 only where the processor has it: elsewhere it is emulated, and many times slower than float32."""
    if precision != "bfloat16":
        return "float32"
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "float32"
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


class Loop:
    """The network, its optimisers and one compiled step."""

    def __init__(self, recipe: Recipe, pictures: Pictures, classes: int, precision: str) -> None:
        import keras
        import tensorflow as tf

        self._recipe = recipe
        self._classes = classes
        policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
        keras.config.set_dtype_policy(policy)
        try:
            self.model = networks.NETWORKS[recipe.network](recipe.input_size, classes)
        finally:
            keras.config.set_dtype_policy("float32")
        _whiten(self.model, pictures)
        steps = steps_per_epoch(len(pictures), recipe.batch_size) * recipe.epochs
        self._groups = _groups(self.model, recipe.optimiser, steps)
        self._loss_sum = tf.Variable(0.0)
        self._right_sum = tf.Variable(0.0)
        height, width = recipe.input_size
        self.step: Callable[[np.ndarray, np.ndarray], None] = tf.function(
            self._step,
            input_signature=[
                tf.TensorSpec((None, height, width, 3), tf.uint8),
                tf.TensorSpec((None,), tf.int64),
            ],
        )
        self._infer = tf.function(
            lambda pixels: self.model(_input(pixels), training=False),
            input_signature=[tf.TensorSpec((None, height, width, 3), tf.uint8)],
        )

    def _step(self, pixels: Any, targets: Any) -> None:
        import keras
        import tensorflow as tf

        smoothing = self._recipe.label_smoothing
        with tf.GradientTape() as tape:
            probabilities = self.model(_input(pixels), training=True)
            wanted = tf.one_hot(targets, self._classes) * (1 - smoothing) + smoothing / self._classes
            loss = tf.reduce_mean(keras.losses.categorical_crossentropy(wanted, probabilities))
        variables = [variable for _, group in self._groups for variable in group]
        gradients = tape.gradient(loss, variables)
        for optimiser, group in self._groups:
            optimiser.apply(gradients[: len(group)], group)
            gradients = gradients[len(group) :]
        self._loss_sum.assign_add(loss)
        right = tf.equal(tf.argmax(probabilities, axis=1), targets)
        self._right_sum.assign_add(tf.reduce_sum(tf.cast(right, tf.float32)))

    def predict(self, pixels: np.ndarray) -> np.ndarray:
        parts = [pixels[i : i + EVALUATION_BATCH] for i in range(0, len(pixels), EVALUATION_BATCH)]
        return np.concatenate([np.asarray(self._infer(part), np.float32) for part in parts])

    def sums(self) -> tuple[float, float]:
        return float(self._loss_sum), float(self._right_sum)

    def reset(self, at: Position) -> None:
        self._loss_sum.assign(at.loss_sum)
        self._right_sum.assign(at.right_sum)

    def _variables(self) -> list[Any]:
        """All that a run consists of, dropout's generators included."""
        return [*self.model.variables, *(v for optimiser, _ in self._groups for v in optimiser.variables)]

    def save(self, path: Path, at: Position) -> None:
        """Whole or not at all."""
        arrays = {f"variable_{i}": np.asarray(variable) for i, variable in enumerate(self._variables())}
        position = np.array([at.epoch, at.step, at.loss_sum, at.right_sum, at.seconds], np.float64)
        beside = path.with_name(f"beside-{path.name}")
        with storage_errors(path):
            np.savez(beside, allow_pickle=False, position=position, **arrays)
            os.replace(beside, path)

    def restore(self, path: Path) -> Position:
        """Where the run in `path` stood; the start when there is none. Raises `InputError` on another network's."""
        if not path.exists():
            return Position()
        try:
            with storage_errors(path), np.load(path, allow_pickle=False) as file:
                variables = self._variables()
                arrays = [file[f"variable_{i}"] for i in range(len(variables))]
                position = file["position"]
            for variable, array in zip(variables, arrays, strict=True):
                variable.assign(array)
        except (KeyError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(
                f"Expected {path} to be a checkpoint of {self._recipe.name}. Received: {error}."
            ) from error
        epoch, step, loss_sum, right_sum, seconds = position.tolist()
        at = Position(int(epoch), int(step), loss_sum, right_sum, seconds)
        self.reset(at)
        return at

    def finished(self) -> Any:
        """The trained network, computing in float32, as it will be used."""
        recipe = self._recipe
        looks = {"twice": True} if recipe.looks_twice else {}
        model = networks.NETWORKS[recipe.network](recipe.input_size, self._classes, **looks)
        model.set_weights(self.model.get_weights())
        return model


def _groups(model: Any, optimiser: Optimiser, steps: int) -> list[tuple[Any, list[Any]]]:
    """(Keras optimiser, the variables it moves); the shifts of batch normalisation apart if they have their rate."""
    variables = list(model.trainable_variables)
    shifts = [v for v in variables if v.path.endswith("/beta")] if optimiser.shift_rate != 1 else []
    weights = [v for v in variables if not any(v is shift for shift in shifts)]
    groups = [(_keras_optimiser(optimiser, steps, 1.0), weights)]
    if shifts:
        groups.append((_keras_optimiser(optimiser, steps, optimiser.shift_rate), shifts))
    for made, group in groups:
        made.build(group)
    return groups


def _keras_optimiser(optimiser: Optimiser, steps: int, rate: float) -> Any:
    import keras
    import tensorflow as tf

    peak = optimiser.learning_rate * rate
    warm = max(1.0, WARM_SHARE * steps)

    class OneCycle(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        def __call__(self, step: Any) -> Any:
            at = tf.cast(step, tf.float32)
            rising = WARM_START + (1 - WARM_START) * at / warm
            falling = (steps - at) / max(1.0, steps - warm)
            return peak * tf.clip_by_value(tf.minimum(rising, falling), 0.0, 1.0)

    schedule = OneCycle() if optimiser.one_cycle else peak
    # The decay is meant for a step at the common rate, so a faster group decays no faster.
    decay = optimiser.weight_decay / rate or None
    if optimiser.kind == "sgd":
        return keras.optimizers.SGD(schedule, optimiser.momentum, nesterov=True, weight_decay=decay)
    if optimiser.kind == "adam":
        return keras.optimizers.Adam(schedule, weight_decay=decay)
    if optimiser.kind == "rmsprop":
        return keras.optimizers.RMSprop(schedule, weight_decay=decay)
    raise InputError(f"Expected sgd, adam or rmsprop. Received: {optimiser.kind!r}.")


def _whiten(model: Any, pictures: Pictures) -> None:
    """Set the first layer of networks that have one which is computed from the pictures."""
    layer = next((layer for layer in model.layers if layer.name == networks.WHITENING), None)
    if layer is None:
        return
    # The pictures may lie class by class, and a few thousand do.
    some = pictures.pixels[:: max(1, len(pictures) // networks.WHITENING_PICTURES)]
    normalised = (some / 255 - np.array(networks.CHANNEL_MEAN)) / np.array(networks.CHANNEL_STD)
    layer.set_weights([whitening_kernel(normalised, networks.PATCH_PX)])


def _summed(loop: Loop, at: Position) -> Position:
    at.loss_sum, at.right_sum = loop.sums()
    return at


def _check_finite(at: Position) -> None:
    if not np.isfinite(at.loss_sum):
        kept = f"The checkpoint after epoch {at.epoch} is kept" if at.epoch else "Nothing was learned yet"
        raise InputError(
            f"Expected a loss that is a number. Received: {at.loss_sum} in epoch {at.epoch + 1}, step {at.step}. "
            f"{kept}; a smaller learning rate most likely helps."
        )


def _validate(loop: Loop, validation: Pictures, classes: int) -> dict[str, Any]:
    probabilities = loop.predict(validation.pixels)
    matrix = confusion(probabilities, validation.targets)
    return {
        "validation_loss": log_loss(probabilities, validation.targets),
        "validation_accuracy": float(np.trace(matrix) / matrix.sum()),
        "confusion": matrix.tolist(),
    }
