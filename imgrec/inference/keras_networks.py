"""The networks as Keras builds them, with their weights. For worker processes only.

Keras takes its backend from KERAS_BACKEND when it is first imported: `openvino` to convert (no TensorFlow in
that process), `tensorflow` to train and to be compared with.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imgrec.errors import CorruptWeightsError
from imgrec.inference import efficientnet_lite
from imgrec.models import model_file
from imgrec.models.catalog import BUILT_IN, ModelSpec

if TYPE_CHECKING:
    import keras

# The argument of a constructor that leaves the classifier out; such a network takes the weights of the whole one.
HEADLESS = ("include_top", False)

# ImageNet's standard deviation of each channel, as Keras' EfficientNet has it.
IMAGENET_STANDARD_DEVIATION = (0.229, 0.224, 0.225)


def build(spec: ModelSpec) -> "keras.Model":
    """Return the network of `spec` with random weights, from the constructor of Keras or of this project."""
    import keras

    constructor = efficientnet_lite.CONSTRUCTORS.get(spec.architecture) or getattr(
        keras.applications, spec.architecture
    )
    arguments = {"classifier_activation": "softmax"} | dict(spec.arguments)
    model: keras.Model = constructor(weights=None, input_shape=(*spec.input_size, 3), **arguments)
    return model


def load(spec: ModelSpec, weights_path: Path) -> "keras.Model":
    """Return the network of `spec` with its weights: a whole model from `.keras`, weights alone from `.h5` and `.pth`.

    A network without its top, `("include_top", False)` among its arguments, takes them from the file of the whole
    network, so that one download serves both. Raises `CorruptWeightsError` when the file is not what it needs, and as
    `model_file.check`.
    """
    import keras

    model_file.check(weights_path)
    if weights_path.suffix != ".pth":
        model_file.check_arrays(weights_path)
    try:
        if weights_path.suffix == ".keras":
            # Safe mode refuses code in the file; these are data.
            model = keras.saving.load_model(weights_path, compile=False, safe_mode=True)
        else:
            model = build(spec)
            whole = build(_whole(spec)) if HEADLESS in spec.arguments else model
            load_weights(whole, weights_path)
            if whole is not model:
                _transplant(whole, model)
    # HDF5 and Keras raise any of these for a broken file.
    except (
        OSError, ValueError, KeyError, IndexError, RuntimeError, TypeError, AttributeError, ImportError, MemoryError
    ) as error:  # fmt: skip
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CorruptWeightsError(
            f"Expected {weights_path} to hold the weights of {spec.name}. Received: {first_line[:300]}"
        ) from error
    _check_network(model, spec, weights_path)
    if weights_path.suffix != ".keras" and spec.architecture.startswith("EfficientNetB"):
        _divide_by_root_of_deviation(model)
    return model


def load_whole(path: Path) -> "keras.Model":
    """Return the network with its weights in the `.keras` or `.h5` file at `path`, of any origin.

    Raises `CorruptWeightsError` on a file of weights alone, and as `model_file.check`.
    """
    import keras

    model_file.check(path)
    model_file.check_arrays(path)
    if path.suffix != ".keras":
        model_file.read_hdf5_config(path)
    try:
        # Safe mode refuses code in the file; these are data.
        model: keras.Model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # layers raise any exception for a description that they cannot mean
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CorruptWeightsError(f"Expected a Keras model in {path}. Received: {first_line[:300]}") from error
    if not all(np.isfinite(array).all() for array in model.get_weights()):
        raise CorruptWeightsError(f"Expected numbers as weights in {path}. Received: some that are none.")
    return model


def _check_network(model: "keras.Model", spec: ModelSpec, weights_path: Path) -> None:
    """Raise `CorruptWeightsError` unless `model` takes the images of `spec`, and all its weights are numbers."""
    expected, received = [(None, *spec.input_size, 3)], [tuple(tensor.shape) for tensor in model.inputs]
    if received != expected or len(model.outputs) != 1:
        raise CorruptWeightsError(
            f"Expected the input {expected[0]} and one output of {weights_path}. "
            f"Received: {str(received)[:200]} and {len(model.outputs)}."
        )
    if not all(np.isfinite(array).all() for array in model.get_weights()):
        raise CorruptWeightsError(f"Expected numbers as weights in {weights_path}. Received: some that are none.")


def load_weights(model: "keras.Model", path: Path) -> None:
    """Give `model`, which has its top, the weights in the file at `path`: Keras' `.h5`, or PyTorch's `.pth`."""
    if path.suffix == ".pth":
        efficientnet_lite.load_weights(model, path)
    else:
        model.load_weights(path)


def _transplant(whole: "keras.Model", headless: "keras.Model") -> None:
    """Give `headless` the weights of `whole`, of which it is the beginning; their input sizes may differ.

    Layer by layer in their order, which is that of the graph and the same in both. Names do not fit: those that Keras
    makes up count on in a process (`conv2d_94`). Raises `ValueError` when one is not the beginning of the other.
    """
    givers = [layer for layer in whole.layers if layer.weights]
    takers = [layer for layer in headless.layers if layer.weights]
    if len(takers) > len(givers):
        raise ValueError(f"Expected at most {len(givers)} layers with weights. Received: {len(takers)}.")
    # The whole network has its top besides.
    for giver, taker in zip(givers, takers, strict=False):
        given, taken = ([tuple(weight.shape) for weight in layer.weights] for layer in (giver, taker))
        if type(giver) is not type(taker) or given != taken:
            raise ValueError(f"Expected {taker.name} to have the shapes {given} of {giver.name}. Received: {taken}.")
        taker.set_weights(giver.get_weights())


def _whole(spec: ModelSpec) -> ModelSpec:
    """Return the network with its top, at the size that its weights are published for: dense layers depend on it."""
    native = [row.input_size for row in BUILT_IN.values() if row.weights.filename == spec.weights.filename]
    kept = tuple(argument for argument in spec.arguments if argument[0] not in ("include_top", "pooling"))
    return replace(spec, arguments=kept, input_size=native[0] if native else spec.input_size)


def _divide_by_root_of_deviation(model: "keras.Model") -> None:
    """Scale the input as `EfficientNetB*` does only where it fetches its weights itself (`weights="imagenet"`).

    There a further layer divides each channel by the root of its standard deviation, as in the training of the
    published weights. A variance multiplied by the standard deviation has the same effect.
    """
    import keras

    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
    mean, variance, count = layer.get_weights()
    layer.set_weights([mean, variance * np.array(IMAGENET_STANDARD_DEVIATION, np.float32), count])
    layer.finalize_state()
