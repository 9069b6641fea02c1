"""Keras as the source of truth: builds the networks, and runs them as the reference. For worker processes only.

Keras takes its backend from KERAS_BACKEND when it is first imported: `openvino` to convert (no TensorFlow in
that process), `tensorflow` to train and to be compared with.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imgrec.catalogue import ModelSpec
from imgrec.engines import check_batch
from imgrec.errors import CorruptWeightsError
from imgrec.preprocessing import normalise

if TYPE_CHECKING:
    import keras

# ImageNet's standard deviation of each channel, as Keras' EfficientNet has it.
IMAGENET_STANDARD_DEVIATION = (0.229, 0.224, 0.225)


class KerasEngine:
    """The reference engine: `preprocessing.normalise`, then the Keras model as it is."""

    def __init__(self, spec: ModelSpec, model: "keras.Model") -> None:
        self._spec = spec
        self._model = model

    @property
    def memory_bytes(self) -> int:
        """The parameters in float32; Keras' own needs are not known."""
        return 4 * int(self._model.count_params())

    def predict(self, batch: np.ndarray) -> np.ndarray:
        check_batch(batch, self._spec.input_size)
        return np.asarray(self._model.predict_on_batch(normalise(batch, self._spec.preprocess)), np.float32)

    def close(self) -> None:
        del self._model


def build(spec: ModelSpec) -> "keras.Model":
    """The network of `spec` with random weights, as the constructor in `keras.applications` makes it."""
    import keras

    constructor = getattr(keras.applications, spec.architecture)
    arguments = {"classifier_activation": "softmax"} | dict(spec.arguments)
    model: keras.Model = constructor(weights=None, input_shape=(*spec.input_size, 3), **arguments)
    return model


def load(spec: ModelSpec, weights_path: Path) -> "keras.Model":
    """The network of `spec` with its weights: a whole model from `.keras`, weights alone from `.h5`.

    Raises `CorruptWeightsError` when the file is not what this network needs.
    """
    import keras

    try:
        if weights_path.suffix == ".keras":
            # Safe mode refuses code in the file; these are data, whoever made them.
            model = keras.saving.load_model(weights_path, compile=False, safe_mode=True)
        else:
            model = build(spec)
            model.load_weights(weights_path)
    # HDF5 and Keras raise whatever they like on a broken file.
    except (OSError, ValueError, KeyError, IndexError, RuntimeError, TypeError, AttributeError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CorruptWeightsError(
            f"Expected {weights_path} to hold the weights of {spec.name}. Received: {first_line[:300]}"
        ) from error
    if weights_path.suffix != ".keras" and spec.architecture.startswith("EfficientNetB"):
        _divide_by_root_of_deviation(model)
    return model


def _divide_by_root_of_deviation(model: "keras.Model") -> None:
    """Scale the input as `EfficientNetB*` does only where it fetches its weights itself (`weights="imagenet"`).

    There a further layer divides each channel by the root of its standard deviation, because the published
    weights were trained so. A variance multiplied by the standard deviation comes to the same.
    """
    import keras

    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
    mean, variance, count = layer.get_weights()
    layer.set_weights([mean, variance * np.array(IMAGENET_STANDARD_DEVIATION, np.float32), count])
    layer.finalize_state()
