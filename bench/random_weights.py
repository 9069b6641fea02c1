"""Random weights for tests and benchmarks, in the file format of the published ones: never for the product.

    python -m bench.random_weights MODEL FILE [MODEL FILE ...]

As Keras initializes them, deep networks say the same of every image. Here the normalization layers hold the
statistics of some real images, moved a little, and the last layer is scaled so that answers differ from image
to image and class to class as those of a trained network do.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from imgrec.images.decoding import decode
from imgrec.images.preprocessing import frame, normalize
from imgrec.inference import keras_networks
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.settings import ASSETS, MIB

if TYPE_CHECKING:
    import keras

# Standard deviation of the logits of a class from image to image.
LOGIT_DEVIATION = 2.0

LARGEST_SIDE_PX = 299

IMAGES = ("cat.jpg", "espresso.jpg", "rocket.jpg")

# ImageNet's colors, as published files of networks that normalize inside hold them.
MEAN, DEVIATION = (0.485, 0.456, 0.406), keras_networks.IMAGENET_STANDARD_DEVIATION


def write(spec: ModelSpec, path: Path, seed: int = 0) -> None:
    """Write random weights for `spec` to `path` (.h5); needs Keras on TensorFlow, which can be told to train."""
    import keras

    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    # Statistics are taken on smaller images where the weights do not depend on the size: B7 takes 10 GB at 600 px.
    spec = replace(spec, input_size=(min(LARGEST_SIDE_PX, spec.input_size[0]),) * 2)
    model = keras_networks.build(replace(spec, arguments=(*spec.arguments, ("classifier_activation", None))))
    images = [decode((ASSETS / "samples" / name).read_bytes(), max_bytes=20 * MIB) for name in IMAGES]
    framed = np.stack([frame(image, spec.input_size, spec.crop_fraction) for image in images])
    batch = normalize(framed, spec.preprocess)
    for layer in model.layers:
        _set_out(layer, random)
    model(batch, training=True)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            mean, variance = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
            layer.moving_mean.assign(mean + 0.1 * np.sqrt(variance) * random.normal(size=mean.shape))
            layer.moving_variance.assign(variance * random.uniform(0.8, 1.2, mean.shape) + 1e-6)
    logits = np.asarray(model(batch, training=False))
    scale = LOGIT_DEVIATION / (logits - logits.mean(axis=0)).std()
    last = next(layer for layer in reversed(model.layers) if layer.weights)
    kernel, bias = last.get_weights()
    last.set_weights([kernel * scale, bias - scale * logits.mean(axis=0)])
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.set_weights([np.array(MEAN), np.array(DEVIATION) ** 2, layer.get_weights()[2]])
    _save(model, path)


def _set_out(layer: "keras.Layer", random: np.random.Generator) -> None:
    """Return what is not right as Keras initializes it."""
    match type(layer).__name__:
        case "BatchNormalization":
            layer.momentum = 0.0  # the next pass in training mode leaves its statistics
            if layer.gamma is not None:
                layer.gamma.assign(random.uniform(0.8, 1.2, layer.gamma.shape))
        case "Dropout":  # whole blocks of an image, in EfficientNets: not the statistics that are wanted
            layer.rate = 0.0
        case "LayerScale":  # starts at 1e-6, where its block would count for nothing
            layer.set_weights([random.uniform(0.1, 0.5, layer.get_weights()[0].shape)])
        case "Normalization" if layer.weights:
            # Of EfficientNetB* alone, which divides by the root of the deviation once more when it is loaded.
            layer.set_weights([np.array(MEAN), np.array(DEVIATION) ** 3, layer.get_weights()[2]])
            layer.finalize_state()


def _save(model: "keras.Model", path: Path) -> None:
    """As Keras 1 and 2 saved weights: one group a layer, in order; the trainable ones first."""
    with h5py.File(path, "w") as file:
        layers = [layer for layer in model.layers if layer.weights]
        file.attrs["layer_names"] = np.array([layer.name for layer in layers], "S")
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.0.0"
        for layer in layers:
            group = file.create_group(layer.name)
            variables = [*layer.trainable_weights, *layer.non_trainable_weights]
            names = [f"{i}_{variable.name}" for i, variable in enumerate(variables)]
            group.attrs["weight_names"] = np.array(names, "S")
            for name, variable in zip(names, variables, strict=True):
                group[name] = np.asarray(variable)


if __name__ == "__main__":
    for name, file in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        write(BUILT_IN.get_spec(name), Path(file))
