"""Networks that begin with a backbone of the catalog and end in a head of their own. Runs in training workers only.

As in `networks`, each function takes the input size and the number of classes; `backbone` is a function from an
input size to a Keras model without classifier (see `backbones.Backbone`, which also says what of it learns).
Preprocessing is the backbone's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imgrec.training.input_normalization import Statistics
from imgrec.training.networks import as_model, sigmoid_logits, start

if TYPE_CHECKING:
    import keras

MakeBackbone = Callable[[tuple[int, int]], "keras.Model"]


def pooled_transfer(
    input_size: tuple[int, int],
    classes: int,
    *,
    backbone: MakeBackbone,
    dense: tuple[int, ...] = (),
    dropout: float = 0.0,
    sigmoid: bool = False,
    fixed_norms: bool = False,
) -> keras.Model:
    """Features averaged over the image, `dense` layers of so many units each with `dropout`, then the classes.

    With `sigmoid` the end is one sigmoid for two classes. `fixed_norms` as in `_features`.
    """
    from keras import layers

    inputs, x = start(input_size)
    x = layers.GlobalAveragePooling2D()(_features(backbone(input_size), x, fixed_norms=fixed_norms))
    for units in dense:
        x = layers.Dense(units, activation="relu")(x)
        x = layers.Dropout(dropout)(x) if dropout else x
    logits = sigmoid_logits(x, classes) if sigmoid else layers.Dense(classes)(x)
    return as_model("pooled_transfer", inputs, logits)


def flat_transfer(
    input_size: tuple[int, int],
    classes: int,
    *,
    backbone: MakeBackbone,
    sigmoid: bool = False,
    fixed_norms: bool = False,
) -> keras.Model:
    """Return a network with one dense layer on the whole feature map: the smallest head that uses positions.

    `fixed_norms` as in `_features`.
    """
    from keras import layers

    inputs, x = start(input_size)
    x = layers.Flatten()(_features(backbone(input_size), x, fixed_norms=fixed_norms))
    logits = sigmoid_logits(x, classes) if sigmoid else layers.Dense(classes)(x)
    return as_model("flat_transfer", inputs, logits)


def upsampled_transfer(
    input_size: tuple[int, int],
    classes: int,
    *,
    backbone: MakeBackbone,
    doublings: int = 3,
    dense: tuple[int, ...] = (128, 64),
    dropout: float = 0.5,
    statistics: Statistics | None = None,
) -> keras.Model:
    """Springboard Capstone 2's: the image doubled `doublings` times (32 px → 256), backbone, Flatten, dense layers.

    Each dense layer has batch normalization before it, the first one over all features, and `dropout` after it.
    """
    from keras import layers

    inputs, x = start(input_size, statistics)
    for _ in range(doublings):
        x = layers.UpSampling2D((2, 2))(x)
    height, width = input_size
    x = layers.Flatten()(_features(backbone((height << doublings, width << doublings)), x))
    x = layers.BatchNormalization()(x)
    for units in dense:
        x = layers.Dropout(dropout)(layers.Dense(units, activation="relu")(x))
        x = layers.BatchNormalization()(x)
    return as_model("upsampled_transfer", inputs, layers.Dense(classes)(x))


def _features(backbone: keras.Model, x: Any, *, fixed_norms: bool = False) -> Any:
    """Return the features (N, h, w, C) of `backbone`; one that is frozen whole runs in inference mode.

    With `fixed_norms` its batch normalization does too, while the layers between are trained: the statistics of a
    batch of 32 are not those of a million images, and would degrade the network. These layers are frozen, because
    Keras passes `training=True` of the outer network on to the inner one.
    """
    from keras import layers

    if fixed_norms:
        for layer in backbone.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.trainable = False
    x = backbone(x) if backbone.trainable_variables else backbone(x, training=False)
    return layers.Activation("linear", name="features")(x)


NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "pooled_transfer": pooled_transfer,
    "flat_transfer": flat_transfer,
    "upsampled_transfer": upsampled_transfer,
}
