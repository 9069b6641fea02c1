"""The layers of a network with their parameters, read from its `.keras` file without Keras.

The counts follow from the shapes; a test compares their sum with the model's card.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgrec.errors import CorruptWeightsError, InputError
from imgrec.formatting import percent
from imgrec.models import model_file


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its kind, its operation in words, its output shape without the batch, and its parameters.

    `rate` is the share of values that a dropout layer sets to 0.
    """

    kind: str
    about: str
    output: tuple[int, ...]
    parameters: int
    rate: float = 0.0


def read_layers(path: Path) -> list[Layer]:
    """Return the layers of the `.keras` file at `path`, the input first.

    Raises:
        InputError: The file is no Keras model, or not a chain of the layers in `_layer`.
        StorageError: The file cannot be read.
    """
    found: list[Layer] = []
    for layer in _read_config(path):
        row = _layer(layer["class_name"], layer["config"], found[-1].output if found else ())
        if row is None:
            raise InputError(f"Expected a chain of simple layers in {path.name}. Received: {layer['class_name']}.")
        found.append(row)
    return found


def read_dropout_rates(path: Path) -> list[float]:
    """Return the rates of the dropout layers in the `.keras` file at `path`, in [0, 1]; raises as `read_layers`."""
    return list(_dropout_rates(_read_config(path)))


def _dropout_rates(layers: list[dict[str, Any]]) -> Iterator[float]:
    for layer in layers:
        config = layer["config"]
        if layer["class_name"] in ("Dropout", "SpatialDropout2D"):
            yield float(config["rate"])
        # A network within the network.
        yield from _dropout_rates(config.get("layers", []))


def _read_config(path: Path) -> list[dict[str, Any]]:
    """Return the layers of the `.keras` file at `path` as Keras wrote them; raises as `read_layers`."""
    try:
        layers: list[dict[str, Any]] = model_file.read_config(path)["config"]["layers"]
    except CorruptWeightsError as error:
        raise InputError(f"Expected {path.name} to be a Keras model. Received: {error}") from error
    return layers


def _layer(kind: str, config: dict[str, Any], shape: tuple[int, ...]) -> Layer | None:
    """Return the layer that follows one with the output `shape`; None for a kind that is not known."""
    activation = ", then ReLU" if config.get("activation") == "relu" else ""
    match kind:
        case "InputLayer":
            return Layer("Input", "image, one value per pixel and color channel", tuple(config["batch_shape"][1:]), 0)
        case "Conv2D":
            (height, width), filters, channels = config["kernel_size"], config["filters"], shape[-1]
            about = f"{filters} filters of {height} × {width} × {channels}{activation}"
            parameters = (height * width * channels + config["use_bias"]) * filters
            return Layer("Convolution", about, (*_positions(config, height, width, shape), filters), parameters)
        case "MaxPooling2D":
            height, width = config["pool_size"]
            output = (*_positions(config, height, width, shape), shape[-1])
            return Layer("Max-pooling", f"maximum of each {height} × {width} window", output, 0)
        case "Dropout":
            rate = float(config["rate"])
            return Layer("Dropout", f"{percent(rate, 0)} set to 0 at random, in training only", shape, 0, rate)
        case "Flatten":
            return Layer("Flatten", "all values in one row", (math.prod(shape),), 0)
        case "Dense":
            (inputs,), units = shape, config["units"]
            about = f"{units} weighted sums of {inputs:,} inputs{activation}"
            return Layer("Dense", about, (units,), (inputs + config["use_bias"]) * units)
        case "Activation" if config["activation"] == "softmax":
            return Layer("Softmax", "probabilities that sum to 100\u202f%", shape, 0)
        case "Activation":
            return Layer("Activation", config["activation"], shape, 0)
    return None


def _positions(config: dict[str, Any], height: int, width: int, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the numbers of positions of a window along both sides of an image of `shape`."""
    if config["padding"] == "same":
        height = width = 1
    down, right = config["strides"]
    return (shape[0] - height) // down + 1, (shape[1] - width) // right + 1
