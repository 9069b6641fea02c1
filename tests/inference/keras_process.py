"""A process with Keras in it, which the tests of parity talk to: one JSON line in, one out.

On the backend `openvino` it converts weights, as the converter's worker does; on the backend `tensorflow` it makes
random weights, and says what Keras itself makes of an image, all of it Keras': constructor, loading of the published
file, preprocessing.
"""

import gc
import io
import json
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np

from imgrec.errors import ImgrecError
from imgrec.images.preprocessing import normalize
from imgrec.inference import keras_networks
from imgrec.inference.process_info import give_back_memory
from imgrec.models.catalog import BUILT_IN


def randomize(model: str, weights: str) -> None:
    """Write random weights to the file `weights`."""
    from bench import random_weights

    random_weights.write(BUILT_IN.get_spec(model), Path(weights))


def convert(model: str, weights: str, folder: str) -> int:
    """Write the compiled network to `folder`; returns its memory in bytes."""
    from imgrec.inference import conversion

    return conversion._convert(BUILT_IN.get_spec(model), Path(weights), Path(folder), lambda **_: None)


def truth(model: str, weights: str, images: str, probabilities: str) -> None:
    """Save Keras' probabilities for the uint8 batch in the file `images`."""
    import keras
    from keras.src.utils import file_utils

    spec = BUILT_IN.get_spec(model)
    if not spec.weights.url:  # no constructor and no preprocessing of Keras' own
        network = keras_networks.load(spec, Path(weights))
        np.save(probabilities, network.predict_on_batch(normalize(np.load(images), spec.preprocess)))
        return
    constructor = getattr(keras.applications, spec.architecture)
    # The constructors do more for "imagenet" than load a file; only fetching is taken out.
    with mock.patch.object(file_utils, "get_file", return_value=weights):
        network = constructor(weights="imagenet", input_shape=(*spec.input_size, 3), **dict(spec.arguments))
    preprocess_input = sys.modules[constructor.__module__].preprocess_input
    batch = preprocess_input(np.load(images).astype(np.float32))
    # Layer by layer: tracing a graph of hundreds of layers takes longer than running them a few times.
    parts = [np.asarray(network(batch[i : i + 16], training=False)) for i in range(0, len(batch), 16)]
    np.save(probabilities, np.concatenate(parts))


def raw(model: str, weights: str, values: str, probabilities: str) -> None:
    """Save the network's probabilities for the float32 batch in the file `values`, without any preprocessing."""
    network = keras_networks.load(BUILT_IN.get_spec(model), Path(weights))
    np.save(probabilities, np.asarray(network.predict_on_batch(np.load(values))))


def headless(model: str, weights: str, side: int) -> float:
    """The largest difference of features of noise, `side` px: without its top, and the whole one's last map.

    Only for networks without dense layers, whose weights fit any size.
    """
    import keras

    from imgrec.data.features import backbone_spec

    spec = BUILT_IN.get_spec(model)
    without = keras_networks.load(backbone_spec(spec, input_size=(side, side)), Path(weights))
    whole = keras_networks.build(replace(spec, input_size=(side, side)))
    keras_networks.load_weights(whole, Path(weights))
    noise = np.random.default_rng(0).normal(0, 1, (2, side, side, 3)).astype(np.float32)
    maps = [layer for layer in whole.layers if len(layer.output.shape) == 4 and layer.output.shape[1] > 1]
    expected = np.asarray(keras.Model(whole.input, maps[-1].output)(noise)).mean(axis=(1, 2))
    return float(np.abs(np.asarray(without(noise)) - expected).max())


def run(script: str) -> str:
    """Run lines of Python as a script; returns what they print."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(script, "script", "exec"), {"__name__": "__main__"})  # noqa: S102 (our own text)
    return printed.getvalue()


def try_to_load(model: str, weights: str) -> str:
    """The error that loading raises, or nothing."""
    try:
        keras_networks.load(BUILT_IN.get_spec(model), Path(weights))
    except ImgrecError as error:
        return f"{type(error).__name__}: {error}"
    return ""


COMMANDS: dict[str, Callable[..., object]] = {
    "randomise": randomize,
    "convert": convert,
    "truth": truth,
    "raw": raw,
    "headless": headless,
    "run": run,
    "try_to_load": try_to_load,
}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if os.environ["KERAS_BACKEND"] == "openvino":
        from imgrec.inference import openvino_engine

        openvino_engine.runtime()
        with openvino_engine.hidden("tensorflow"):
            listen(answers.write, answers.flush)
    else:
        listen(answers.write, answers.flush)


def listen(write: Callable[[str], object], flush: Callable[[], object]) -> None:
    import keras

    for line in sys.stdin:
        request = json.loads(line)
        answer = COMMANDS[request.pop("do")](**request)
        keras.backend.clear_session()
        gc.collect()
        give_back_memory()
        write(json.dumps(answer) + "\n")
        flush()


if __name__ == "__main__":
    main()
