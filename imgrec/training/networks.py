"""The networks of the recipes, built with Keras, from scratch or on a backbone. Runs in training workers only.

Each function takes the input size (height, width) px and the number of classes and returns a functional model
that takes float32 (N, H, W, 3), preprocessed as the recipe says, and gives probabilities (N, classes). Any further
normalization is a layer of the network, so nothing outside has to know it. Only layers that Keras ships: a saved
model loads anywhere, also on the OpenVINO backend that compiles it.

Some take `statistics` and begin with featurewise normalization then, which has no parameters (see
`input_normalization`). Others take a `backbone`: a function from an input size to a Keras model without classifier
(see `backbones.Backbone`, which also says what of it learns), whose own preprocessing the recipe has.

The modern networks can look `twice`: at the image and at its mirror image, and answer with the mean. They are
trained looking once, and used looking twice: that is worth a few tenths of a point and costs a millisecond.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from imgrec.errors import InputError
from imgrec.training.input_normalization import Statistics, whitening_kernel

# Mean and standard deviation of each channel over CIFAR-10's 50,000 training images, in [0, 1]; close enough
# for other photographs too, and what matters is only that the network's first layer always sees the same.
CHANNEL_MEAN = (0.4914, 0.4822, 0.4465)
CHANNEL_STD = (0.2470, 0.2435, 0.2616)

# The first layer of a recipe with featurewise normalization.
FEATUREWISE = "featurewise"

# The first layer of our modern networks: 2x2 patches, turned into their 12 principal directions and the
# negatives of these, each scaled to unit variance (see `whiten`). It is set from data and not trained.
WHITENING = "whitening"
PATCH_PX = 2
WHITENED_CHANNELS = 24

# Patches of a few thousand images fix a 12x12 covariance to three digits.
WHITENING_IMAGES = 5000

# Batch statistics follow the last few dozen steps: one-cycle runs end before slower averages settle.
NORM_MOMENTUM = 0.9

# Logits are divided by this, so that a freshly made network starts out unsure, and label smoothing is gentle.
LOGIT_SCALE = 1 / 8


def capstone_cnn(input_size: tuple[int, int], classes: int, *, statistics: Statistics | None = None) -> keras.Model:
    """Return the network of Capstone #3: two pairs of 3x3 convolutions, 512 dense; 1,250,858 parameters at 32x32x10."""
    inputs, x = start(input_size, statistics)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(32, 3, activation="relu")(x)
    x = layers.Dropout(0.25)(layers.MaxPooling2D()(x))
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(64, 3, activation="relu", name="features")(x)
    x = layers.Dropout(0.25)(layers.MaxPooling2D()(x))
    x = layers.Dropout(0.5)(layers.Dense(512, activation="relu")(layers.Flatten()(x)))
    return as_model("capstone_cnn", inputs, layers.Dense(classes)(x))


def simple_cnn(input_size: tuple[int, int], classes: int, *, statistics: Statistics | None = None) -> keras.Model:
    """Springboard Capstone 2's network for augmented training: two pooled convolutions, one more, 64 dense."""
    inputs, x = start(input_size, statistics)
    x = layers.MaxPooling2D()(layers.Conv2D(32, 3, activation="relu")(x))
    x = layers.MaxPooling2D()(layers.Conv2D(32, 3, activation="relu")(x))
    x = layers.Conv2D(64, 3, activation="relu", name="features")(x)
    x = layers.Dropout(0.5)(layers.Dense(64, activation="relu")(layers.Flatten()(x)))
    return as_model("simple_cnn", inputs, layers.Dense(classes)(x))


def tuned_cnn(
    input_size: tuple[int, int],
    classes: int,
    *,
    conv_1_filter: int = 80,
    conv_1_kernel: int = 5,
    conv_2_filter: int = 48,
    conv_2_kernel: int = 5,
    dense_1_units: int = 96,
    blocks: int = 4,
    statistics: Statistics | None = None,
) -> keras.Model:
    """Springboard Capstone 2's tuned ones: a convolution, then `blocks` of convolution, dropout, batch normalization.

    Nothing is padded and nothing pooled. The arguments bear the names under which that work searched them; these
    values are those of its "6 CNN layers", 940,458 parameters at 32x32x10. Raises `InputError` when an image is
    too small for so many convolutions.
    """
    left = min(input_size) - (conv_1_kernel - 1) - blocks * (conv_2_kernel - 1)
    if left < 1:
        raise InputError(
            f"Expected images of at least {min(input_size) - left + 1} px for {blocks + 1} convolutions of "
            f"{conv_1_kernel} and {conv_2_kernel} px. Received: {min(input_size)} px."
        )
    inputs, x = start(input_size, statistics)
    x = layers.Conv2D(conv_1_filter, conv_1_kernel, activation="relu")(x)
    for _ in range(blocks):
        x = layers.Dropout(0.5)(layers.Conv2D(conv_2_filter, conv_2_kernel, activation="relu")(x))
        x = layers.BatchNormalization()(x)
    x = layers.Activation("linear", name="features")(x)
    x = layers.Dense(dense_1_units, activation="relu")(layers.Flatten()(x))
    return as_model("tuned_cnn", inputs, layers.Dense(classes)(x))


def cats_dogs_cnn(input_size: tuple[int, int], classes: int) -> keras.Model:
    """Return the network of A Comparison of CNNs: a convolution, 128 dense, a sigmoid; 3,937,409 parameters at 64x64.

    Raises `InputError` unless `classes` is 2.
    """
    inputs, x = start(input_size)
    x = layers.Conv2D(32, 3, activation="relu", name="features")(x)
    x = layers.Flatten()(layers.MaxPooling2D()(x))
    x = layers.Dense(128, activation="relu")(x)
    return as_model("cats_dogs_cnn", inputs, sigmoid_logits(x, classes))


def cifar_vgg(input_size: tuple[int, int], classes: int, *, twice: bool = False) -> keras.Model:
    """Return a plain stack: whitened patches, then three pairs of 3x3 convolutions, pooled between."""
    inputs, x = _whitened(input_size, twice)
    for width in (64, 192, 192):
        x = layers.MaxPooling2D()(_conv(x, width))
        x = _active(_conv(_active(x), width))
    return as_model("cifar_vgg", inputs, _head(x, classes), twice=twice)


def cifar_resnet(input_size: tuple[int, int], classes: int, *, twice: bool = False) -> keras.Model:
    """Return a residual network of nine convolutions: shortcuts around two pairs of 3x3 convolutions."""
    inputs, x = _whitened(input_size, twice)
    x = _active(layers.MaxPooling2D()(_conv(x, 80)))
    x = layers.Add()([x, _active(_conv(_active(_conv(x, 80)), 80))])
    x = _active(layers.MaxPooling2D()(_conv(x, 160)))
    x = layers.Add()([x, _active(_conv(_active(_conv(x, 160)), 160))])
    x = _active(layers.MaxPooling2D()(_conv(x, 224)))
    return as_model("cifar_resnet", inputs, _head(x, classes), twice=twice)


def cifar_dense(input_size: tuple[int, int], classes: int, *, twice: bool = False) -> keras.Model:
    """Densely connected: each convolution sees the outputs of all before it in its block."""
    inputs, x = _whitened(input_size, twice)
    x = _active(layers.MaxPooling2D()(_conv(x, 64)))
    for growth, depth, squeezed in ((48, 4, 128), (64, 4, None)):
        for _ in range(depth):
            x = layers.Concatenate()([x, _active(_conv(x, growth))])
        if squeezed:
            x = _active(_conv(x, squeezed, kernel=1))
        x = layers.MaxPooling2D()(x)
    return as_model("cifar_dense", inputs, _head(x, classes), twice=twice)


def pooled_transfer(
    input_size: tuple[int, int],
    classes: int,
    *,
    backbone: Callable[[tuple[int, int]], keras.Model],
    dense: tuple[int, ...] = (),
    dropout: float = 0.0,
    sigmoid: bool = False,
    fixed_norms: bool = False,
    flat: bool = False,
) -> keras.Model:
    """Features averaged over the image, `dense` layers of so many units each with `dropout`, then the classes.

    With `sigmoid` the end is one sigmoid for two classes; with `flat` nothing is averaged, so that the head uses
    positions. `fixed_norms` as in `_features`.
    """
    inputs, x = start(input_size)
    pool = layers.Flatten() if flat else layers.GlobalAveragePooling2D()
    x = pool(_features(backbone(input_size), x, fixed_norms=fixed_norms))
    for units in dense:
        x = layers.Dense(units, activation="relu")(x)
        x = layers.Dropout(dropout)(x) if dropout else x
    logits = sigmoid_logits(x, classes) if sigmoid else layers.Dense(classes)(x)
    return as_model("flat_transfer" if flat else "pooled_transfer", inputs, logits)


def upsampled_transfer(
    input_size: tuple[int, int],
    classes: int,
    *,
    backbone: Callable[[tuple[int, int]], keras.Model],
    doublings: int = 3,
    dense: tuple[int, ...] = (128, 64),
    dropout: float = 0.5,
    statistics: Statistics | None = None,
) -> keras.Model:
    """Springboard Capstone 2's: the image doubled `doublings` times (32 px → 256), backbone, Flatten, dense layers.

    Each dense layer has batch normalization before it, the first one over all features, and `dropout` after it.
    """
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


def start(input_size: tuple[int, int], statistics: Statistics | None = None) -> tuple[Any, Any]:
    """Return the input, and the same normalized by `statistics` (mean and deviation of each channel) if given."""
    inputs = layers.Input((*input_size, 3), name="picture")
    if statistics is None:
        return inputs, inputs
    return inputs, _standardized(inputs, statistics, FEATUREWISE)


def _standardized(x: Any, statistics: Statistics, name: str) -> Any:
    means, deviations = np.array(statistics)
    return layers.Rescaling((1 / deviations).tolist(), (-means / deviations).tolist(), name=name)(x)


def sigmoid_logits(x: Any, classes: int) -> Any:
    """Logits (N, 2) of a network that ends in one sigmoid, with the parameters of that.

    The sigmoid's logit z becomes the logits (0, z): their softmax is (1 - sigmoid(z), sigmoid(z)), so that two
    classes come out as from any other network. Raises `InputError` unless `classes` is 2.
    """
    if classes != 2:
        raise InputError(f"Expected two classes for a network that ends in one sigmoid. Received: {classes}.")
    z = layers.Dense(1)(x)
    return layers.Concatenate()([layers.Rescaling(0.0)(z), z])


def _features(backbone: keras.Model, x: Any, *, fixed_norms: bool = False) -> Any:
    """Return the features (N, h, w, C) of `backbone`; one that is frozen whole runs in inference mode.

    With `fixed_norms` its batch normalization does too, while the layers between are trained: the statistics of a
    batch of 32 are not those of a million images, and would degrade the network. These layers are frozen, because
    Keras passes `training=True` of the outer network on to the inner one.
    """
    if fixed_norms:
        for layer in backbone.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.trainable = False
    x = backbone(x) if backbone.trainable_variables else backbone(x, training=False)
    return layers.Activation("linear", name="features")(x)


def _whitened(input_size: tuple[int, int], twice: bool) -> tuple[Any, Any]:
    """Return the input, and its 2x2 patches decorrelated: (N, H-1, W-1, 24); of mirror images too (2 N) if `twice`."""
    inputs, _ = start(input_size)
    images = ops.concatenate([inputs, ops.flip(inputs, axis=2)], axis=0) if twice else inputs
    x = _standardized(images, (CHANNEL_MEAN, CHANNEL_STD), "normalise")
    x = layers.Conv2D(WHITENED_CHANNELS, PATCH_PX, use_bias=False, trainable=False, name=WHITENING)(x)
    return inputs, layers.Activation("silu")(x)


def whiten(model: keras.Model, pixels: np.ndarray) -> None:
    """Set the first layer of a network that has one which is computed from the images, uint8 (N, H, W, 3)."""
    for layer in model.layers:
        if layer.name == WHITENING:
            # The images may be sorted by class, and a few thousand suffice.
            some = pixels[:: max(1, len(pixels) // WHITENING_IMAGES)]
            normalized = (some / 255 - np.array(CHANNEL_MEAN)) / np.array(CHANNEL_STD)
            layer.set_weights([whitening_kernel(normalized, PATCH_PX)])


def _conv(x: Any, width: int, kernel: int = 3) -> Any:
    return layers.Conv2D(width, kernel, padding="same", use_bias=False, kernel_initializer="he_normal")(x)


def _active(x: Any) -> Any:
    x = layers.BatchNormalization(momentum=NORM_MOMENTUM, scale=False, epsilon=1e-5)(x)
    return layers.Activation("silu")(x)


def _head(x: Any, classes: int) -> Any:
    x = layers.GlobalMaxPooling2D()(layers.Activation("linear", name="features")(x))
    x = layers.Dense(classes, use_bias=False)(x)
    return layers.Rescaling(LOGIT_SCALE, name="temper")(x)


def as_model(name: str, inputs: Any, logits: Any, *, twice: bool = False) -> keras.Model:
    """Return the model from its input and its logits (N, classes); those of `twice`: images, then mirror images."""
    import keras

    # Probabilities in float32, also where the rest computes in bfloat16.
    outputs = layers.Activation("softmax", dtype="float32", name="probabilities")(logits)
    if twice:
        outputs = layers.Average()(ops.split(outputs, 2, axis=0))
    return keras.Model(inputs, outputs, name=name)


NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "capstone_cnn": capstone_cnn,
    "simple_cnn": simple_cnn,
    "tuned_cnn": tuned_cnn,
    "cats_dogs_cnn": cats_dogs_cnn,
    "cifar_vgg": cifar_vgg,
    "cifar_resnet": cifar_resnet,
    "cifar_dense": cifar_dense,
    "pooled_transfer": pooled_transfer,
    "flat_transfer": partial(pooled_transfer, flat=True),
    "upsampled_transfer": upsampled_transfer,
}
