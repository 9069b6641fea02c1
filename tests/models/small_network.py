"""A small network in every format, kept in `network_files`: python -m tests.models.small_network

Writing needs TensorFlow and tf2onnx, reading does not. `answers.npy` are the probabilities that Keras gives for
`images` with the preprocessing `tf`.
"""

import os
import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "network_files"

HEIGHT, WIDTH, CLASSES = 24, 32, 5

# The network itself; `uint8.tflite` is the same with whole numbers.
FILES = ("small.keras", "small.h5", "small.onnx", "small.tflite", "saved_model.zip")


def images() -> np.ndarray:
    """Return uint8 (4, 24, 32, 3), always the same."""
    coarse = np.random.default_rng(3).integers(0, 256, (4, 6, 8, 3)).astype(np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


def write() -> None:
    """Write the network in every format, and its answers."""
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    import keras
    import tensorflow as tf

    from imgrec.images.preprocessing import normalize

    keras.utils.set_random_seed(7)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((HEIGHT, WIDTH, 3)),
            layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(8, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(CLASSES, activation="softmax", kernel_initializer=keras.initializers.RandomNormal(stddev=4)),
        ]
    )
    batch = normalize(images(), "tf")
    FOLDER.mkdir(exist_ok=True)
    np.save(FOLDER / "answers.npy", model.predict_on_batch(batch))
    warnings.simplefilter("ignore")
    model.save(FOLDER / "small.keras")
    model.save(FOLDER / "small.h5")
    model.export(str(FOLDER / "small.onnx"), format="onnx", verbose=False)
    model.export(str(FOLDER / "small.tflite"), format="litert", verbose=False)
    with tempfile.TemporaryDirectory() as temporary:
        saved = Path(temporary) / "saved"
        model.export(str(saved), format="tf_saved_model", verbose=False)
        shutil.make_archive(str(FOLDER / "saved_model"), "zip", saved)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(saved))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([row[np.newaxis]] for row in images().astype(np.float32))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
        (FOLDER / "uint8.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    write()
