"""Networks with and without the transposes that Keras exports: the time of an inference, and how far answers differ.

    python -m bench.transposes          # 3 minutes, most of it for exporting

Random weights of `bench.random_weights`; both graphs are folded as a conversion does and compiled as the engine does,
and take turns in one process.
"""

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from bench import pairs
from imgrec.images.preprocessing import PREPROCESS
from imgrec.inference import conversion, openvino_engine, transposes
from imgrec.models.catalog import BUILT_IN, ModelSpec

NAMES = (*pairs.SIX, "mobilenet_v2")
ROUNDS, CALLS = 15, 3


def main() -> None:
    os.environ["KERAS_BACKEND"] = "openvino"
    results: dict[str, Any] = {}
    with conversion.keras_without_tensorflow():
        from imgrec.inference import keras_networks

        for name in NAMES:
            spec = BUILT_IN.get_spec(name)
            with tempfile.TemporaryDirectory() as folder:
                exported = Path(folder) / "exported.xml"
                network = keras_networks.load(spec, pairs.weights_path(spec))
                network.export(str(exported), format="openvino", verbose=False)
                paths = [Path(folder) / side / "model.xml" for side in ("with", "without")]
                for path in paths:
                    path.parent.mkdir()
                with mock.patch.object(transposes, "cancel"):  # as it was before
                    fold(exported, spec, paths[0])
                fold(exported, spec, paths[1])
                results[name] = compare(paths, spec.input_size)
            print(name, results[name], flush=True)
    pairs.save("transposes", results)


def fold(exported: Path, spec: ModelSpec, path: Path) -> None:
    openvino_engine.fold(exported, PREPROCESS[spec.preprocess], spec.input_size, path)


def compare(paths: list[Path], input_size: tuple[int, int]) -> dict[str, Any]:
    """Return the times of the network with and without, in turns."""
    engines = [openvino_engine.OpenVINOEngine(path, 0) for path in paths]
    image = np.random.default_rng(0).integers(0, 256, (1, *input_size, 3), dtype=np.uint8)
    difference = float(np.abs(engines[0].predict(image) - engines[1].predict(image)).max())
    turns: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for engine, taken in zip(engines, turns, strict=True):
            start = time.perf_counter()
            for _ in range(CALLS):
                engine.predict(image)
            taken.append((time.perf_counter() - start) * 1e3 / CALLS)
    for engine in engines:
        engine.close()
    return {
        "transposes": [transposes.count(openvino_engine.read_graph(path)) for path in paths],
        "with_ms": round(statistics.median(turns[0]), 2),
        "without_ms": round(statistics.median(turns[1]), 2),
        "without_to_with": pairs.ratio(turns[1], turns[0]),
        "largest_difference": difference,
    }


if __name__ == "__main__":
    main()
