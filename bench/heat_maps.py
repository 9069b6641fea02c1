"""Maps of loaded networks against their plain inference: `python -m bench.heat_maps`.

The six networks of `bench.six_models`, with random weights, in one process and in turns: `plain` is the inference of
an engine whose network gives the probabilities alone, as it was before maps; `map` is everything that
`explain.attribution` does for class activation and ReciproCAM. The first is made here, so that the outputs added for
maps are paid for by the maps. Another figure says what those outputs cost each plain prediction.

2 minutes, after 5 to prepare the first time.
"""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from bench import pairs
from imgrec.explanation.attribution import explain, frame_subjects
from imgrec.explanation.target import of_class
from imgrec.images.decoding import decode
from imgrec.images.preprocessing import frame
from imgrec.inference import openvino_engine, openvino_head
from imgrec.inference.conversion import convert
from imgrec.inference.pool import EnginePool
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.labels import get_label_space
from imgrec.settings import MIB

ROUNDS = 15

# Threads that wait for more work do so for some milliseconds.
PAUSE_S = 0.05


def main() -> None:
    """Measure both in turns, and save medians and ratios."""
    pairs.prepare()
    settings = pairs.settings()
    image = decode(pairs.photo().read_bytes(), max_bytes=20 * MIB)
    specs = [BUILT_IN.get_spec(name) for name in pairs.SIX]
    target = {"imagenet_1k": of_class(get_label_space("imagenet_1k"), 281)}
    paths = {spec.name: convert(spec, pairs.weights_path(spec), settings) for spec in specs}
    # The weights are random, which a pool as pages have it refuses.
    pool = EnginePool(
        settings.memory_bytes,
        lambda spec: openvino_engine.OpenVINOEngine(paths[spec.name], 0),
        lambda spec: 0,
        load_head=lambda spec: openvino_head.OpenVINOHead(paths[spec.name]),
    )
    framed = {spec.name: frame(image, spec.input_size, spec.crop_fraction) for spec in specs}
    times: dict[str, dict[str, list[float]]] = {
        spec.name: {"plain": [], "with_outputs": [], "map": []} for spec in specs
    }
    for spec in specs:
        core = openvino_engine.runtime().Core()
        plain = core.compile_model(
            paths[spec.name], "CPU", openvino_engine.configuration("LATENCY")
        ).create_infer_request()
        batch = framed[spec.name][np.newaxis]
        kinds: dict[str, Callable[[], object]] = {
            "plain": partial(plain.infer, [batch], share_inputs=True),
            "with_outputs": partial(pool.predict, spec, batch),
            "map": lambda spec=spec: list(explain(image, frame_subjects(image, [spec], pool), target)),
        }
        for round_ in range(ROUNDS + 2):
            # Each goes first in turn: what ran before leaves threads that wait, and a full cache.
            order = list(kinds)[round_ % 3 :] + list(kinds)[: round_ % 3]
            for kind in order:
                time.sleep(PAUSE_S)
                start = time.perf_counter()
                kinds[kind]()
                if round_ >= 2:  # the first ones load
                    times[spec.name][kind].append((time.perf_counter() - start) * 1e3)
        del plain
        pool.unload(spec.name)
    whole = {kind: np.sum([found[kind] for found in times.values()], axis=0).tolist() for kind in ("plain", "map")}
    pairs.save(
        "heat_maps",
        {
            "models": {
                name: {f"{kind}_ms": pairs.summary(values) for kind, values in found.items()}
                | {
                    "outputs_ratio": pairs.ratio(found["with_outputs"], found["plain"]),
                    "map_ratio": pairs.ratio(found["map"], found["plain"]),
                }
                for name, found in times.items()
            },
            "all": {f"{kind}_ms": pairs.summary(values) for kind, values in whole.items()}
            | {"map_ratio": pairs.ratio(whole["map"], whole["plain"])},
        },
    )


if __name__ == "__main__":
    main()
