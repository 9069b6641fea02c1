"""One network, its optimizers and one compiled step; and its checkpoints. Runs in workers only.

There is one way into the network, `network_input`, for training, validation and test alike: no generator can
forget a normalization that another one does (`bench.one_sided_normalization` shows what that costs).
"""

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from imgrec.data.dataset import Images
from imgrec.errors import InputError, UnknownNameError
from imgrec.images.preprocessing import PREPROCESS
from imgrec.training import array_archives, optimizers
from imgrec.training.batches import steps_per_epoch
from imgrec.training.input_normalization import channel_statistics
from imgrec.training.recipes import Recipe

# From an input size (height, width) to a Keras model without classifier.
MakeBackbone = Callable[[tuple[int, int]], Any]

# Images answered at once: so many of 32 × 32 px, fewer of larger ones. VGG16 holds 17 MB for each of 256 × 256 px in
# a single layer.
EVALUATION_BATCH = 250
EVALUATION_PIXELS = EVALUATION_BATCH * 32 * 32
LEAST_EVALUATED = 8


@dataclass(slots=True)
class Position:
    """Where a run stands: `step` steps of `epoch` (from 0) are done; the sums are those of this epoch so far."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    right_sum: float = 0.0
    seconds: float = 0.0


def network_input(pixels: Any, preprocess: str) -> Any:
    """Return the one way into a network: uint8 (N, H, W, 3) → float32, as serving folds it into the compiled graph."""
    import tensorflow as tf

    rule = PREPROCESS[preprocess]
    values = tf.cast(pixels, tf.float32)
    if rule.reverse_channels:
        values = values[..., ::-1]
    return (values - tf.constant(rule.mean, tf.float32)) / tf.constant(rule.scale, tf.float32)


def predict(model: Any, pixels: np.ndarray, preprocess: str) -> np.ndarray:
    """Probabilities float32 (N, C) for uint8 (N, H, W, 3)."""
    answers = (model(network_input(part, preprocess), training=False) for part in _parts(model, pixels))
    return np.concatenate([np.asarray(part, np.float32) for part in answers])


class Loop:
    """The network of `recipe` for `classes` classes, as it is trained on `images`.

    Raises `InputError` on what the network's function cannot build.
    """

    def __init__(
        self, recipe: Recipe, images: Images, classes: int, precision: str, backbone: MakeBackbone | None = None
    ) -> None:
        import keras
        import tensorflow as tf

        from imgrec.training import networks

        self._recipe = recipe
        self._precision = precision
        if recipe.network not in networks.NETWORKS:
            raise UnknownNameError.of("network", recipe.network, list(networks.NETWORKS))
        arguments = dict(recipe.arguments)
        if backbone is not None:
            arguments["backbone"] = backbone
        if recipe.featurewise_center or recipe.featurewise_std_normalization:
            means, deviations = channel_statistics(images.pixels, recipe.preprocess)
            arguments["statistics"] = (
                means if recipe.featurewise_center else (0.0,) * len(means),
                deviations if recipe.featurewise_std_normalization else (1.0,) * len(deviations),
            )
        # The function that builds the network, each time anew; it may be given further arguments.
        self._build = partial(networks.NETWORKS[recipe.network], recipe.input_size, classes, **arguments)
        keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
        try:
            self.model = self._build()
        finally:
            keras.config.set_dtype_policy("float32")
        networks.whiten(self.model, images.pixels)
        steps = steps_per_epoch(len(images), recipe.batch_size)
        self._groups = optimizers.groups(self.model, recipe.optimizer, steps=steps, epochs=recipe.epochs)
        self._classes = classes
        self._loss: Callable[[Any, Any], Any] = getattr(keras.losses, recipe.loss)
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
            lambda pixels: self.model(network_input(pixels, recipe.preprocess), training=False),
            input_signature=[tf.TensorSpec((None, height, width, 3), tf.uint8)],
        )

    def _step(self, pixels: Any, targets: Any) -> None:
        import tensorflow as tf

        smoothing = self._recipe.label_smoothing
        with tf.GradientTape() as tape:
            probabilities = self.model(network_input(pixels, self._recipe.preprocess), training=True)
            wanted = tf.one_hot(targets, self._classes) * (1 - smoothing) + smoothing / self._classes
            loss = tf.reduce_mean(self._loss(wanted, probabilities))
        variables = [variable for _, group in self._groups for variable in group]
        gradients = tape.gradient(loss, variables)
        for optimizer, group in self._groups:
            optimizer.apply(gradients[: len(group)], group)
            gradients = gradients[len(group) :]
        self._loss_sum.assign_add(loss)
        right = tf.equal(tf.argmax(probabilities, axis=1), targets)
        self._right_sum.assign_add(tf.reduce_sum(tf.cast(right, tf.float32)))

    def predict(self, pixels: np.ndarray) -> np.ndarray:
        """As the function `predict`, of the network as it is now, compiled."""
        return np.concatenate([np.asarray(self._infer(part), np.float32) for part in _parts(self.model, pixels)])

    def sums(self) -> tuple[float, float]:
        """Loss of each step, and images that were right, added up since `reset`; waits for the last step."""
        return float(self._loss_sum), float(self._right_sum)

    def reset(self, at: Position) -> None:
        """Go on adding up from where `at` stands."""
        self._loss_sum.assign(at.loss_sum)
        self._right_sum.assign(at.right_sum)

    def _variables(self) -> list[Any]:
        """All that a run consists of, dropout's generators included."""
        return [*self.model.variables, *(v for optimizer, _ in self._groups for v in optimizer.variables)]

    @property
    def learning_rate(self) -> float:
        """The peak of its recipe."""
        return self._recipe.optimizer.learning_rate

    def is_finite(self) -> bool:
        """Whether every weight is a number."""
        return all(np.isfinite(np.asarray(variable)).all() for variable in self.model.variables)

    def save(self, path: Path, at: Position) -> None:
        """Whole or not at all."""
        arrays = {f"variable_{i}": np.asarray(variable) for i, variable in enumerate(self._variables())}
        array_archives.write(path, {"position": np.array(astuple(at), np.float64)} | arrays)

    def restore(self, path: Path) -> Position:
        """Where the run in `path` stood; the start when there is none. The learning rate stays that of the recipe.

        Raises `InputError` on another network's.
        """
        if not path.exists():
            return Position()
        try:
            arrays = array_archives.read(path)
            # One that stays the same is a variable of its optimizer; one with a schedule is computed from its steps.
            rates = [optimizer.learning_rate for optimizer, _ in self._groups]
            for i, variable in enumerate(self._variables()):
                if not any(variable is rate for rate in rates):
                    variable.assign(arrays[f"variable_{i}"])
            epoch, step, loss_sum, right_sum, seconds = arrays["position"].tolist()
        except (KeyError, ValueError) as error:
            raise InputError(
                f"Expected {path} to be a checkpoint of {self._recipe.name}. Received: {error}."
            ) from error
        at = Position(int(epoch), int(step), loss_sum, right_sum, seconds)
        self.reset(at)
        return at

    def finished(self) -> Any:
        """Return the trained network, computing in float32, as it will be used."""
        if self._precision == "float32" and not self._recipe.looks_twice:
            return self.model
        model = self._build(twice=True) if self._recipe.looks_twice else self._build()
        model.set_weights(self.model.get_weights())
        return model


def _parts(model: Any, pixels: np.ndarray) -> Iterator[np.ndarray]:
    """`pixels` in batches that fit; what counts is the largest area at which the network works, not its input."""
    area = max(int(np.prod(layer.output.shape[1:3])) for layer in model.layers if len(layer.output.shape) == 4)
    size = min(max(EVALUATION_PIXELS // area, LEAST_EVALUATED), EVALUATION_BATCH)
    for start in range(0, len(pixels), size):
        yield pixels[start : start + size]
