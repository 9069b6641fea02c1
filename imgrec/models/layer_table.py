"""The layers of a network with their parameters, and the smallest network that learns, to explain both.

The layers are read from the model's `.keras` file and the counts follow from their shapes, without Keras; a test
compares their sum with the model's card.
"""

import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imgrec.errors import InputError
from imgrec.files import storage_errors
from imgrec.formatting import percent

# Two weights and a bias, far from (1, 1, 0), which adds.
START = (-0.4, 0.3, 0.5)
LEARNING_RATE = 0.5


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its kind, its operation in words, its output shape without the batch, and its parameters."""

    kind: str
    about: str
    output: tuple[int, ...]
    parameters: int


def read(path: Path) -> list[Layer]:
    """Return the layers of the `.keras` file at `path`, the input first.

    Raises `InputError` on a network that is no chain of the layers in `_KINDS`, `StorageError` without a file.
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


def learn_to_add(steps: int) -> tuple[float, float, float]:
    """Return (w₁, w₂, bias) of y = w₁·a + w₂·b + bias after `steps` of gradient descent on sums of two numbers.

    Each step uses the mean squared error on 25 sums of numbers in [0, 1]. It starts from `START`, so that equal
    `steps` give equal results.

    >>> [round(value, 3) + 0 for value in learn_to_add(1000)]
    [1.0, 1.0, 0.0]
    """
    a, b = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 5)))
    inputs = np.stack([a, b, np.ones_like(a)])  # (3, 25)
    weights = np.array(START)
    for _ in range(steps):
        error = weights @ inputs - (a + b)
        weights = weights - LEARNING_RATE * 2 * inputs @ error / len(a)
    w1, w2, bias = weights.tolist()
    return w1, w2, bias


def _convolution(config: dict[str, Any], shape: tuple[int, ...]) -> Layer:
    (height, width), (down, right) = config["kernel_size"], config["strides"]
    rows, columns, channels = shape
    if config["padding"] == "same":
        rows, columns = math.ceil(rows / down), math.ceil(columns / right)
    else:
        rows, columns = (rows - height) // down + 1, (columns - width) // right + 1
    filters = config["filters"]
    about = f"{filters} filters of {height} × {width} × {channels}{_activation(config)}"
    parameters = (height * width * channels + config["use_bias"]) * filters
    return Layer("Convolution", about, (rows, columns, filters), parameters)


def _pooling(config: dict[str, Any], shape: tuple[int, ...]) -> Layer:
    (height, width), (down, right) = config["pool_size"], config["strides"]
    rows, columns, channels = shape
    output = ((rows - height) // down + 1, (columns - width) // right + 1, channels)
    return Layer("Max-pooling", f"maximum of each {height} × {width} window", output, 0)


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
