"""Maps of loaded networks against their plain inference: `python -m bench.heat_maps`.

The six networks of `bench.six_models`, with random weights, in one process and in turns: `plain` is the inference of
an engine whose network gives the probabilities alone, as it was before maps; `map` is everything that
`explain.attribution` does for class activation and ReciproCAM. The first is made here, so that the outputs added for
maps are paid for by the maps. Another figure says what those outputs cost each plain prediction.

2 minutes, after 5 to prepare the first time.
"""

import time

import numpy as np

from bench import pairs
from imgrec.explain.attribution import explain
from imgrec.explain.target import of_class
from imgrec.images.decoding import decode
from imgrec.images.preprocessing import frame
from imgrec.inference import openvino_engine
from imgrec.inference.classify import open_pool
from imgrec.inference.conversion import convert
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.labels import get_label_space
from imgrec.settings import MIB

ROUNDS = 15


def main() -> None:
    """Measure both in turns, and save medians and ratios."""
    pairs.prepare()
    settings = pairs.settings()
    image = decode(pairs.photo().read_bytes(), max_bytes=20 * MIB)
    specs = [BUILT_IN.get_spec(name) for name in pairs.SIX]
    target = {"imagenet_1k": of_class(get_label_space("imagenet_1k"), 281)}
    pool = open_pool(settings)
    framed = {spec.name: frame(image, spec.input_size, spec.crop_fraction) for spec in specs}
    times: dict[str, dict[str, list[float]]] = {
        spec.name: {"plain": [], "with_outputs": [], "map": []} for spec in specs
    }
    for spec in specs:
        path = convert(spec, pairs.weights_path(spec), settings)
        core = openvino_engine.runtime().Core()
        plain = core.compile_model(path, "CPU", openvino_engine.configuration("LATENCY")).create_infer_request()
        batch = framed[spec.name][np.newaxis]
        for round_ in range(ROUNDS + 2):
            start = time.perf_counter()
            plain.infer([batch], share_inputs=True)
            bare = time.perf_counter()
            pool.predict(spec, batch)
            predicted = time.perf_counter()
            list(explain(image, [spec], pool, target))
            mapped = time.perf_counter()
            if round_ >= 2:  # the first ones load
                found = times[spec.name]
                found["plain"].append((bare - start) * 1e3)
                found["with_outputs"].append((predicted - bare) * 1e3)
                found["map"].append((mapped - predicted) * 1e3)
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
