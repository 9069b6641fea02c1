"""Transposes that cancel: the same values from fewer layers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as operations

from imgrec.inference import transposes

LAST, FIRST, SWAPPED = (0, 2, 3, 1), (0, 3, 1, 2), (0, 3, 2, 1)
RANDOM = np.random.default_rng(0)


def order(node: Any, axes: tuple[int, ...]) -> Any:
    return operations.transpose(node, np.array(axes, np.int64))


def weights(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def convolution(node: Any, channels: int) -> Any:
    """A convolution between transposes, as Keras writes it."""
    filters = weights(channels, node.output(0).shape[3], 3, 3)
    inner = operations.convolution(order(node, FIRST), filters, [1, 1], [1, 1], [1, 1], [1, 1])
    return order(inner, LAST)


def normalization(node: Any) -> Any:
    """A batch normalization as Keras writes it: height and width change places for it."""
    count = node.output(0).shape[3]
    numbers = [np.abs(weights(count)) + 0.1 for _ in range(4)]
    return order(operations.batch_norm_inference(order(node, SWAPPED), *numbers, 1e-3), SWAPPED)


def plain(node: Any) -> Any:
    return operations.clamp(normalization(convolution(node, 4)), 0.0, 6.0)


def padded(node: Any) -> Any:
    wide = operations.pad(plain(node), np.array([0, 0, 1, 0]), np.array([0, 1, 2, 0]), "constant", np.float32(0))
    return plain(wide)


def residual(node: Any) -> Any:
    first = plain(node)
    return plain(operations.add(first, operations.multiply(plain(first), weights(4))))


def dense(node: Any) -> Any:
    first = plain(node)
    return plain(operations.concat([first, plain(first)], 3))


def gated(node: Any) -> Any:
    """A map times a number for each of its channels, as squeeze and excitation has it."""
    first = plain(node)
    squeezed = operations.reduce_mean(first, np.array([1, 2]), keep_dims=True)
    return plain(operations.multiply(first, operations.sigmoid(plain(squeezed))))


def pooled(node: Any) -> Any:
    return operations.reduce_mean(plain(node), np.array([1, 2]), keep_dims=False)


def halved(node: Any) -> Any:
    return plain(operations.multiply(operations.add(plain(node), weights(1)), np.float32(0.5)))


def normalized_positions(node: Any) -> Any:
    """Layer normalization, over the channels."""
    first = plain(node)
    return plain(operations.subtract(first, operations.reduce_mean(first, np.array([3]), keep_dims=True)))


@pytest.mark.parametrize(
    ("build", "left"),
    [
        (plain, 2),
        (padded, 2),
        (residual, 2),
        (dense, 2),
        (gated, 2),
        (pooled, 1),
        (halved, 2),
        (normalized_positions, 4),
    ],
)
def test_fewer_transposes_compute_the_same(build: Callable[[Any], Any], left: int) -> None:
    image = operations.parameter([1, 7, 5, 3], openvino.Type.f32)
    model = openvino.Model([operations.result(build(image))], [image], "network")
    before, shape = run(model), list(model.output(0).shape)
    transposes.cancel(model, operations)
    assert transposes.count(model) == left
    assert list(model.output(0).shape) == shape
    np.testing.assert_allclose(run(model), before, rtol=1e-5, atol=1e-5)


def run(model: Any) -> np.ndarray:
    image = np.random.default_rng(1).normal(size=(1, 7, 5, 3)).astype(np.float32)
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answer: np.ndarray = compiled([image])[0]
    return answer
