"""Six models on one 12-megapixel photo, warm, bytes in to top five out, against the loop that people write.

    python -m bench.six_models          # 2 minutes, after 5 to prepare the first time

Two processes take turns: `keras` opens, resizes, preprocesses and predicts model by model (`predict` with
`verbose=0`, which is faster than what most people write); `imgrec` decodes once and classifies through the pool.
In the same turn the second process measures what cannot be avoided: the bare inferences and one decode at reduced
scale. And the arithmetic: multiplications of large matrices with numpy say what the machine can do at all.
"""

import io
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from bench import pairs
from imgrec.models.catalog import BUILT_IN

ROUNDS = 15

MATRIX = 2048


def keras_side() -> None:
    import keras

    path = pairs.photo()
    models = []
    for spec in map(BUILT_IN.get_spec, pairs.SIX):
        constructor = getattr(keras.applications, spec.architecture)
        model = constructor(weights=str(pairs.weights_path(spec)))
        models.append((spec, model, sys.modules[constructor.__module__].preprocess_input))

    def loop() -> dict[str, float]:
        times = {}
        for spec, model, preprocess_input in models:
            start = time.perf_counter()
            image = keras.utils.load_img(path, target_size=spec.input_size)
            batch = preprocess_input(keras.utils.img_to_array(image)[np.newaxis])
            probabilities = model.predict(batch, verbose=0)
            _ = probabilities[0].argsort()[-5:][::-1]
            times[spec.name] = (time.perf_counter() - start) * 1e3
        return times

    loop()
    pairs.serve(loop)


def imgrec_side(names: Sequence[str] = pairs.SIX) -> None:
    from imgrec.images.decoding import decode
    from imgrec.inference.classify import classify
    from imgrec.inference.conversion import convert, read_manifest
    from imgrec.inference.openvino_engine import OpenVINOEngine
    from imgrec.inference.pool import EnginePool
    from imgrec.predictions.prediction import Prediction

    settings = pairs.settings()
    specs = [BUILT_IN.get_spec(name) for name in names]
    paths = {spec.name: convert(spec, pairs.weights_path(spec), settings) for spec in specs}
    sizes = {name: read_manifest(path).memory_bytes for name, path in paths.items()}
    engines: dict[str, OpenVINOEngine] = {}

    def load(spec: Any) -> OpenVINOEngine:
        engines[spec.name] = OpenVINOEngine(paths[spec.name], sizes[spec.name])
        return engines[spec.name]

    pool = EnginePool(settings.memory_bytes, load, lambda spec: sizes[spec.name])
    data = pairs.photo().read_bytes()
    matrix = np.ones((MATRIX, MATRIX), np.float32)
    batches = {
        spec.name: np.random.default_rng(0).integers(0, 256, (1, *spec.input_size, 3), np.uint8) for spec in specs
    }

    def whole() -> tuple[float, dict[str, float]]:
        start = time.perf_counter()
        image = decode(data, max_bytes=len(data))
        found = list(classify(image, specs, pool))
        _ = [one.top_k(5) for one in found if isinstance(one, Prediction)]
        elapsed = (time.perf_counter() - start) * 1e3
        assert all(isinstance(one, Prediction) for one in found), found
        return elapsed, {one.model: one.milliseconds for one in found}

    def bare() -> tuple[float, float]:
        start = time.perf_counter()
        for name, batch in batches.items():
            engines[name]._request.infer([batch], share_inputs=True)
        inferences = (time.perf_counter() - start) * 1e3
        start = time.perf_counter()
        with Image.open(io.BytesIO(data)) as image:
            image.draft("RGB", (640, 640))
            image.load()
        return inferences, (time.perf_counter() - start) * 1e3

    def gflops() -> float:
        start = time.perf_counter()
        matrix @ matrix
        return 2 * MATRIX**3 / (time.perf_counter() - start) / 1e9

    def both() -> dict[str, Any]:
        whole_ms, each_ms = whole()
        inferences_ms, decode_ms = bare()
        return {
            "whole": whole_ms,
            "each": each_ms,
            "inferences": inferences_ms,
            "decode": decode_ms,
            "gflops": gflops(),
        }

    both()
    pairs.serve(both)


def main() -> None:
    pairs.prepare()
    keras, imgrec = pairs.Side("bench.six_models", "keras"), pairs.Side("bench.six_models", "imgrec")
    turns = [(keras.measure(), imgrec.measure()) for _ in range(ROUNDS)]
    keras.end(), imgrec.end()
    keras_ms = [sum(theirs.values()) for theirs, _ in turns]
    whole_ms = [ours["whole"] for _, ours in turns]
    floor_ms = [ours["inferences"] + ours["decode"] for _, ours in turns]
    pairs.save(
        "six_models",
        {
            "rounds": ROUNDS,
            "keras_ms": pairs.summary(keras_ms),
            "imgrec_ms": pairs.summary(whole_ms),
            "bare_inferences_ms": pairs.summary([ours["inferences"] for _, ours in turns]),
            "reduced_decode_ms": pairs.summary([ours["decode"] for _, ours in turns]),
            "imgrec_to_keras": pairs.ratio(whole_ms, keras_ms),
            "imgrec_to_bare": pairs.ratio(whole_ms, floor_ms),
            "matrix_gflops": pairs.summary([ours["gflops"] for _, ours in turns]),
            "keras_each_ms": {name: pairs.summary([theirs[name] for theirs, _ in turns]) for name in pairs.SIX},
            "imgrec_each_ms": {name: pairs.summary([ours["each"][name] for _, ours in turns]) for name in pairs.SIX},
        },
    )


if __name__ == "__main__":
    {"keras": keras_side, "imgrec": imgrec_side, "": main}["".join(sys.argv[1:2])]()
