"""The layers of a network with their parameters, read from its `.keras` file without Keras.

The counts follow from the shapes; a test compares their sum with the model's card.
"""

import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgrec.errors import InputError
from imgrec.files import storage_errors
from imgrec.formatting import percent


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its kind, its operation in words, its output shape without the batch, and its parameters."""

    kind: str
    about: str
    output: tuple[int, ...]
    parameters: int


def read_layers(path: Path) -> list[Layer]:
    """Return the layers of the `.keras` file at `path`, the input first.

    Raises:
        InputError: The network is not a chain of the layers in `_KINDS`.
        StorageError: The file cannot be read.
    """
    with storage_errors(path):
        try:
            with zipfile.ZipFile(path) as archive:
                layers: list[dict[str, Any]] = json.loads(archive.read("config.json"))["config"]["layers"]
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
            raise InputError(f"Expected {path.name} to be a Keras model. Received: {error!r}.") from error
    found: list[Layer] = []
    shape: tuple[int, ...] = ()
    for layer in layers:
        kind = layer["class_name"]
        if kind == "InputLayer":
            shape = tuple(layer["config"]["batch_shape"][1:])
            found.append(Layer("Input", "image, one value per pixel and color channel", shape, 0))
            continue
        if kind not in _KINDS:
            raise InputError(f"Expected a chain of {', '.join(_KINDS)} in {path.name}. Received: {kind}.")
        found.append(_KINDS[kind](layer["config"], shape))
        shape = found[-1].output
    return found


def _convolution(config: dict[str, Any], shape: tuple[int, ...]) -> Layer:
    (height, width), filters, channels = config["kernel_size"], config["filters"], shape[-1]
    about = f"{filters} filters of {height} × {width} × {channels}{_activation(config)}"
    parameters = (height * width * channels + config["use_bias"]) * filters
    return Layer("Convolution", about, (*_positions(config, config["kernel_size"], shape), filters), parameters)


def _pooling(config: dict[str, Any], shape: tuple[int, ...]) -> Layer:
    height, width = config["pool_size"]
    output = (*_positions(config, config["pool_size"], shape), shape[-1])
    return Layer("Max-pooling", f"maximum of each {height} × {width} window", output, 0)


def _positions(config: dict[str, Any], window: list[int], shape: tuple[int, ...]) -> list[int]:
    """Return the numbers of positions of `window` along height and width."""
    outside = [1 if config["padding"] == "same" else side for side in window]
    return [(side - out) // stride + 1 for side, out, stride in zip(shape, outside, config["strides"], strict=False)]


def _dropout(config: dict[str, Any], shape: tuple[int, ...]) -> Layer:
    return Layer("Dropout", f"{percent(config['rate'], 0)} set to 0 at random, in training only", shape, 0)


def _flatten(config: dict[str, Any], shape: tuple[int, ...]) -> Layer:
    return Layer("Flatten", "all values in one row", (math.prod(shape),), 0)


def _dense(config: dict[str, Any], shape: tuple[int, ...]) -> Layer:
    (inputs,), units = shape, config["units"]
    about = f"{units} weighted sums of {inputs:,} inputs{_activation(config)}"
    return Layer("Dense", about, (units,), (inputs + config["use_bias"]) * units)


def _activate(config: dict[str, Any], shape: tuple[int, ...]) -> Layer:
    if config["activation"] == "softmax":
        return Layer("Softmax", "probabilities that sum to 100\u202f%", shape, 0)
    return Layer("Activation", config["activation"], shape, 0)


def _activation(config: dict[str, Any]) -> str:
    return ", then ReLU" if config["activation"] == "relu" else ""


_KINDS: dict[str, Callable[[dict[str, Any], tuple[int, ...]], Layer]] = {
    "Conv2D": _convolution,
    "MaxPooling2D": _pooling,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Dense": _dense,
    "Activation": _activate,
}
