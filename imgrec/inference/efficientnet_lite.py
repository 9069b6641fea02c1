"""EfficientNet-Lite0, 1 and 2 in Keras, which `keras.applications` does not have, and the reader of their weights.

They are EfficientNet-B0 to B2 for small devices: no squeeze-and-excitation, ReLU6 in place of swish, and the stem, the
head and the depth of the first and last stage not scaled (github.com/tensorflow/tpu, efficientnet/lite). For worker
processes only.
"""

import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING

from imgrec.models.torch_checkpoint import read_state_dict

if TYPE_CHECKING:
    import keras

# Kernel, repeats, filters, expansion and stride of the seven stages of EfficientNet-B0.
STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)

STEM_FILTERS, HEAD_FILTERS = 32, 1280

# Filters come in multiples of this; rounding takes away at most a tenth.
FILTER_STEP = 8


def build(
    width: float,
    depth: float,
    *,
    name: str,
    weights: None = None,
    input_shape: tuple[int, int, int],
    include_top: bool = True,
    pooling: str | None = None,
    classifier_activation: str = "softmax",
) -> "keras.Model":
    """Return the network with random weights; the arguments are those of the constructors in `keras.applications`.

    `width` scales the filters and `depth` the repeats of EfficientNet-B0. float32 (N, H, W, 3) in [-1, 1] →
    probabilities (N, 1000), or feature maps (N, h, w, 1280) without the top.
    """
    import keras
    from keras import layers

    def normalized(x: "keras.KerasTensor", name: str, *, active: bool = True) -> "keras.KerasTensor":
        x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)
        return layers.ReLU(6.0, name=f"{name}_activation")(x) if active else x

    inputs = layers.Input(input_shape)
    x = layers.Conv2D(STEM_FILTERS, 3, 2, "same", use_bias=False, name="stem_conv")(inputs)
    x = normalized(x, "stem")
    for stage, (kernel, repeats, filters, expansion, stride) in enumerate(STAGES):
        is_scaled = stage not in (0, len(STAGES) - 1)
        for block in range(math.ceil(repeats * depth) if is_scaled else repeats):
            at, before = f"block{stage + 1}{chr(ord('a') + block)}", x
            if expansion > 1:
                x = layers.Conv2D(x.shape[-1] * expansion, 1, use_bias=False, name=f"{at}_expand_conv")(x)
                x = normalized(x, f"{at}_expand")
            strides = stride if block == 0 else 1
            x = layers.DepthwiseConv2D(kernel, strides, "same", use_bias=False, name=f"{at}_dwconv")(x)
            x = normalized(x, f"{at}_dw")
            x = layers.Conv2D(_round_filters(filters * width), 1, use_bias=False, name=f"{at}_project_conv")(x)
            x = normalized(x, f"{at}_project", active=False)
            if block > 0:
                x = layers.Add(name=f"{at}_add")([before, x])
    x = normalized(layers.Conv2D(HEAD_FILTERS, 1, use_bias=False, name="top_conv")(x), "top")
    if include_top:
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = layers.Dense(1000, activation=classifier_activation, name="predictions")(x)
    elif pooling == "avg":
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    return keras.Model(inputs, x, name=name)


def load_weights(model: "keras.Model", path: Path) -> None:
    """Give `model`, which has its top, the weights of a PyTorch checkpoint, whose arrays come in the order of layers.

    Raises:
        ValueError: The file is no checkpoint, or not of this network: each array must fit and be used.
    """
    arrays = [array for name, array in read_state_dict(path).items() if not name.endswith("num_batches_tracked")]
    for layer in (layer for layer in model.layers if layer.weights):
        given, arrays = arrays[: len(layer.weights)], arrays[len(layer.weights) :]
        axes = _AXES.get(type(layer).__name__)
        if axes is not None and given:
            given[0] = given[0].transpose(axes)
        layer.set_weights(given)
    if arrays:
        raise ValueError(f"Expected every array to be used. Received: {len(arrays)} more than {model.name} has.")


# PyTorch has the filters of a layer first, Keras has them last.
_AXES = {"Conv2D": (2, 3, 1, 0), "DepthwiseConv2D": (2, 3, 0, 1), "Dense": (1, 0)}


def _round_filters(wanted: float) -> int:
    rounded = max(FILTER_STEP, int(wanted + FILTER_STEP / 2) // FILTER_STEP * FILTER_STEP)
    return rounded if rounded >= 0.9 * wanted else rounded + FILTER_STEP


CONSTRUCTORS = {
    "EfficientNetLite0": functools.partial(build, 1.0, 1.0, name="efficientnet_lite0"),
    "EfficientNetLite1": functools.partial(build, 1.0, 1.1, name="efficientnet_lite1"),
    "EfficientNetLite2": functools.partial(build, 1.1, 1.2, name="efficientnet_lite2"),
}
