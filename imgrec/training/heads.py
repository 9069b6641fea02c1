"""Heads trained on features, with one compiled function for an epoch. TensorFlow; runs in workers only.

`Model.fit` spends a millisecond a step on callbacks, batches and calls, however small the network. Here the loop
over the steps is in the graph, it gathers from the features as one tensor, and all trials of a run (rates, folds)
use the same graph: only its variables are reset. A step of a small head takes a fraction of a millisecond.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from imgrec.errors import InputError
from imgrec.metrics.classification import log_loss, top_1
from imgrec.training.array_archives import Layers
from imgrec.training.batches import steps_per_epoch
from imgrec.training.optimizers import STEP_FACTOR
from imgrec.training.transfer_config import Head
from imgrec.training.trial_results import rank

# Rows looked at together: enough that the call costs nothing, few enough that the widest head's fit.
EVALUATION_ROWS = 4096


class DivergedError(InputError):
    """The loss is no longer a number: the learning rate is too large."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a head is trained: Adam at `learning_rate`, to a tenth of it after each `step_epochs` (0: never)."""

    learning_rate: float
    epochs: int
    batch_size: int
    step_epochs: int = 0

    def rate(self, epoch: int) -> float:
        """Return the learning rate of `epoch` (from 0).

        >>> [Schedule(1e-3, 20, 32, step_epochs=5).rate(epoch) for epoch in (0, 4, 5, 19)]
        [0.001, 0.001, 0.0001, 1e-06]
        """
        falls = epoch // self.step_epochs if self.step_epochs else 0
        return float(f"{self.learning_rate * STEP_FACTOR**falls:.12g}")


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch (from 1). Training figures are means over its steps, as the head learned; the others are after it."""

    epoch: int
    seconds: float
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None

    @property
    def rank(self) -> tuple[float, float]:
        """What is compared, the better the larger."""
        return rank(self.validation_accuracy or 0.0, self.validation_loss or 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A head as it was after its `best` epoch; `probabilities` are those of the rows validated on, in their order."""

    best: Epoch
    epochs: tuple[Epoch, ...]
    layers: Layers
    probabilities: np.ndarray | None


class HeadTrainer:
    """Trains heads of one kind on `features` (N, …) with `targets` (N,), as often as needed.

    With `copies` the features are those of N images, then those of each changed copy of all N: heads learn from the
    copies of what they learn from, and are validated on images alone.

    `seed` fixes first weights, order and dropout: the same comes out each time. The features are held once, in float32.
    """

    def __init__(
        self, head: Head, features: np.ndarray, targets: np.ndarray, classes: int, *, seed: int, copies: int = 0
    ) -> None:
        import keras
        import tensorflow as tf

        self._seed, self._copies, self._images = seed, copies, len(targets)
        self._features = tf.constant(np.asarray(features, np.float32).reshape(len(features), -1))
        self._targets = tf.constant(np.tile(targets, copies + 1).astype(np.int32))
        keras.utils.set_random_seed(seed)
        self._network = network(head, int(self._features.shape[1]), classes)
        self._optimizer = keras.optimizers.Adam()
        self._optimizer.build(self._network.trainable_variables)
        everything = (*self._network.variables, *self._optimizer.variables)
        self._first = [(variable, variable.numpy()) for variable in everything]
        self._epoch = tf.function(self._train_epoch, input_signature=[tf.TensorSpec((None, None), tf.int32)])
        self._logits = tf.function(
            lambda rows: self._network(rows, training=False),
            input_signature=[tf.TensorSpec((None, self._features.shape[1]), tf.float32)],
        )

    def train(
        self,
        schedule: Schedule,
        rows: np.ndarray,
        held_out: np.ndarray | None,
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> Trained:
        """Train a fresh head on `rows` and validate it on `held_out`, both indices into the features.

        The best epoch is the first with the highest validation accuracy, of equal ones that with the lowest loss;
        without `held_out` it is the last. `on_epoch` is called after each; what it raises ends the training.
        Raises `DivergedError` when a loss is no longer a finite number.
        """
        for variable, value in self._first:
            variable.assign(value)
        rows = np.concatenate([rows + copy * self._images for copy in range(self._copies + 1)])
        epochs: list[Epoch] = []
        best: tuple[Epoch, Layers, np.ndarray | None] | None = None
        for number in range(schedule.epochs):
            start = time.perf_counter()
            self._optimizer.learning_rate.assign(schedule.rate(number))
            order = batches(rows, schedule.batch_size, seed=self._seed, epoch=number)
            loss_sum, right = self._epoch(order.astype(np.int32))
            loss = float(loss_sum) / len(order)
            probabilities, validation_loss, validation_accuracy = None, None, None
            if held_out is not None and np.isfinite(loss):
                probabilities, validation_loss, validation_accuracy = self._validate(held_out)
            for value in (loss, validation_loss):
                if value is not None and not np.isfinite(value):
                    raise DivergedError(
                        f"Expected a loss that is a number. Received: {value} in epoch {number + 1} at the learning "
                        f"rate {schedule.rate(number):g}; leave that rate out."
                    )
            seconds, accuracy = time.perf_counter() - start, float(right) / order.size
            epoch = Epoch(number + 1, seconds, loss, accuracy, validation_loss, validation_accuracy)
            epochs.append(epoch)
            if best is None or held_out is None or epoch.rank > best[0].rank:
                best = epoch, self.layers(), probabilities
            if on_epoch is not None:
                on_epoch(epoch)
        if best is None:
            raise InputError("Expected an epoch or more. Received: none.")
        return Trained(best[0], tuple(epochs), best[1], best[2])

    def layers(self) -> Layers:
        """(kernel, bias) of each dense layer as it is now."""
        values = [variable.numpy() for variable in self._network.trainable_variables]
        return list(zip(values[::2], values[1::2], strict=True))

    def _train_epoch(self, order: Any) -> tuple[Any, Any]:
        """Train on the batches of `order` (steps, batch); return the sums of mean losses and of correct predictions."""
        import tensorflow as tf

        loss_sum, right = tf.constant(0.0), tf.constant(0.0)
        variables = self._network.trainable_variables
        for step in tf.range(tf.shape(order)[0]):
            rows = tf.gather(self._features, order[step])
            wanted = tf.gather(self._targets, order[step])
            with tf.GradientTape() as tape:
                logits = self._network(rows, training=True)
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, logits)
                loss = tf.reduce_mean(losses)
            gradients = tape.gradient(loss, variables)
            self._optimizer.apply(gradients, variables)
            loss_sum += loss
            said = tf.argmax(logits, axis=1, output_type=tf.int32)
            right += tf.reduce_sum(tf.cast(said == wanted, tf.float32))
        return loss_sum, right

    def _validate(self, held_out: np.ndarray) -> tuple[np.ndarray, float, float]:
        import tensorflow as tf

        parts = [held_out[i : i + EVALUATION_ROWS] for i in range(0, len(held_out), EVALUATION_ROWS)]
        probabilities = np.concatenate(
            [tf.nn.softmax(self._logits(tf.gather(self._features, part))).numpy() for part in parts]
        )
        wanted = self._targets.numpy()[held_out]
        return probabilities, log_loss(probabilities, wanted), top_1(probabilities, wanted)


def batches(rows: np.ndarray, batch_size: int, *, seed: int, epoch: int) -> np.ndarray:
    """`rows` in the order in which `epoch` (from 0) takes them: (steps, batch); those left over come next time."""
    steps, batch = steps_per_epoch(len(rows), batch_size), min(batch_size, len(rows))
    shuffled = np.random.default_rng((seed, epoch)).permutation(rows)
    return np.asarray(shuffled[: steps * batch].reshape(steps, batch))


def network(head: Head, features: int, classes: int) -> Any:
    """Return the head as a Keras model from features (N, D) to logits (N, C), with first weights."""
    import keras

    inputs = keras.layers.Input((features,))
    return keras.Model(inputs, _logits(inputs, head, classes))


def compose(backbone: Any, head: Head, layers: Layers) -> Any:
    """One Keras model: `backbone`, the head with the weights `layers` on its features, and softmax."""
    import keras

    x = keras.layers.Flatten(name="flat")(backbone.output) if len(backbone.output.shape) > 2 else backbone.output
    logits = _logits(x, head, layers[-1][1].shape[0])
    model = keras.Model(backbone.input, keras.layers.Activation("softmax", name="probabilities")(logits))
    set_layers(model, layers)
    return model


def _logits(x: Any, head: Head, classes: int) -> Any:
    import keras

    for number, width in enumerate(head.hidden, start=1):
        x = keras.layers.Dense(width, activation="relu", name=f"head_{number}")(x)
        if head.dropout:
            x = keras.layers.Dropout(head.dropout, name=f"head_dropout_{number}")(x)
    return keras.layers.Dense(classes, name="head_logits")(x)


def set_layers(model: Any, layers: Layers) -> None:
    """Give the last dense layers of `model` the weights `layers`."""
    dense = [layer for layer in model.layers if type(layer).__name__ == "Dense"][-len(layers) :]
    for layer, (kernel, bias) in zip(dense, layers, strict=True):
        layer.set_weights([kernel, bias])
