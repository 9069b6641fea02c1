"""Keras' optimizers and learning rate schedules from the settings of a recipe. Runs in workers only."""

from typing import Any

from imgrec.errors import InputError
from imgrec.training.recipes import Optimizer

# The start of one cycle: this share of the peak, rising over this share of all steps.
WARM_START = 0.2
WARM_SHARE = 0.2

# What is left of the learning rate after each `step_epochs` epochs.
STEP_FACTOR = 0.1


def groups(model: Any, optimizer: Optimizer, *, steps: int, epochs: int) -> list[tuple[Any, list[Any]]]:
    """(Keras optimizer, the variables it moves); the shifts of batch normalization apart if they have their rate.

    `steps` are those of one epoch.
    """
    variables = list(model.trainable_variables)
    shifts = [v for v in variables if v.path.endswith("/beta")] if optimizer.shift_rate != 1 else []
    weights = [v for v in variables if not any(v is shift for shift in shifts)]
    found = [(_keras_optimizer(optimizer, steps, epochs, 1.0), weights)]
    if shifts:
        found.append((_keras_optimizer(optimizer, steps, epochs, optimizer.shift_rate), shifts))
    for made, group in found:
        made.build(group)
    return found


def _keras_optimizer(optimizer: Optimizer, steps: int, epochs: int, rate: float) -> Any:
    import keras

    schedule = _schedule(optimizer, steps, epochs, optimizer.learning_rate * rate)
    # The decay is meant for a step at the common rate, so a faster group decays no faster.
    decay = optimizer.weight_decay / rate or None
    if optimizer.kind == "sgd":
        return keras.optimizers.SGD(schedule, optimizer.momentum, nesterov=True, weight_decay=decay)
    if optimizer.kind == "adam":
        return keras.optimizers.Adam(schedule, weight_decay=decay)
    if optimizer.kind == "rmsprop":
        return keras.optimizers.RMSprop(schedule, weight_decay=decay)
    raise InputError(f"Expected sgd, adam or rmsprop. Received: {optimizer.kind!r}.")


def _schedule(optimizer: Optimizer, steps: int, epochs: int, peak: float) -> Any:
    """Return the learning rate as a number, or as a function of the steps done so far."""
    import keras
    import tensorflow as tf

    total = steps * epochs
    warm = max(1.0, WARM_SHARE * total)

    class OneCycle(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        def __call__(self, step: Any) -> Any:
            at = tf.cast(step, tf.float32)
            rising = WARM_START + (1 - WARM_START) * at / warm
            falling = (total - at) / max(1.0, total - warm)
            return peak * tf.clip_by_value(tf.minimum(rising, falling), 0.0, 1.0)

    if optimizer.one_cycle:
        return OneCycle()
    if optimizer.step_epochs:
        return keras.optimizers.schedules.ExponentialDecay(
            peak, decay_steps=optimizer.step_epochs * steps, decay_rate=STEP_FACTOR, staircase=True
        )
    return peak
