"""A small compiled network, made of OpenVINO's operations as `conversion` leaves them."""

from pathlib import Path

import numpy as np

from imgrec.inference import openvino_engine

SIDE, FILTERS = 224, 4

# Convolution with its bias, batch normalization, dense layer with its bias.
PARAMETERS = (3 * 3 * 3 * FILTERS + FILTERS, 4 * FILTERS)


def save_network(folder: Path, classes: int = 1000, side: int = SIDE) -> Path:
    """Save input → ÷ 255 → convolution + bias → ReLU → max-pooling → batch normalization → mean → dense → softmax.

    Filter 0 is the red channel at each position, filter 1 the green, filter 2 the blue, filter 3 is nothing.
    """
    openvino = openvino_engine.runtime()
    ops, kinds = openvino.opset13, openvino.Type
    rng = np.random.default_rng(0)
    pixels = ops.parameter([1, side, side, 3], kinds.u8, name="image")
    scaled = ops.multiply(ops.convert(pixels, "f32"), np.full((1, 1, 1, 3), 1 / 255, np.float32))
    filters = np.zeros((FILTERS, 3, 3, 3), np.float32)
    for channel in range(3):
        filters[channel, channel, 1, 1] = 1
    at = ops.transpose(scaled, np.array([0, 3, 1, 2]))
    at = ops.convolution(at, filters, [1, 1], [1, 1], [1, 1], [1, 1])
    at = ops.add(ops.transpose(at, np.array([0, 2, 3, 1])), np.zeros((1, 1, 1, FILTERS), np.float32))
    at = ops.transpose(ops.relu(at), np.array([0, 3, 1, 2]))
    at = ops.max_pool(at, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
    ones, zeros = np.ones(FILTERS, np.float32), np.zeros(FILTERS, np.float32)
    # Keras exports batch normalization with width before height.
    at = ops.transpose(at, np.array([0, 1, 3, 2]))
    at = ops.batch_norm_inference(at, ones * 2, zeros, zeros, ones, 1e-3)
    at = ops.transpose(at, np.array([0, 3, 2, 1]))
    at = ops.reduce_mean(at, np.array([1, 2]))
    at = ops.matmul(at, rng.normal(size=(FILTERS, classes)).astype(np.float32), False, False)
    at = ops.softmax(ops.add(at, rng.normal(size=classes).astype(np.float32)), 1)
    path = folder / "model.xml"
    openvino.save_model(openvino.Model([at], [pixels], "small"), path, compress_to_fp16=False)
    return path
