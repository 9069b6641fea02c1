"""All damage of the Lab page on one image with three small networks: `python -m bench.robustness`.

41 images (undamaged, and 8 kinds in 5 strengths) for each network, warm, as the page computes them; in the same turn
the bare inferences, 41 for each network, which cannot be avoided. What is between is damage, resizing and Python.
"""

import time

import numpy as np

from bench import pairs
from imgrec.explanation.robustness import ALL_DAMAGE, damaged_views, predict_damaged
from imgrec.images import gallery
from imgrec.images.decoding import decode
from imgrec.inference.classify import open_pool
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.prediction import Prediction
from imgrec.settings import Settings

MODELS = ("mobilenet", "mobilenet_v2", "efficientnet_lite0")

ROUNDS = 8

# What a visitor should wait at most, in ms.
GOAL_MS = 4_000


def main() -> None:
    specs = [BUILT_IN.get_spec(name) for name in MODELS]
    pool = open_pool(Settings.from_env())
    for spec in specs:
        pool.load(spec)
    batches = {spec: np.zeros((1, *spec.input_size, 3), np.uint8) for spec in specs}
    whole_ms, cpu_ms, bare_ms, damage_ms = [], [], [], []
    for sample in gallery.get_samples()[:ROUNDS]:
        data = sample.path.read_bytes()
        image = decode(data, max_bytes=len(data))
        start, cpu_start = time.perf_counter(), time.process_time()
        outcomes = [outcome for _, outcome in predict_damaged(image, specs, pool)]
        whole_ms.append((time.perf_counter() - start) * 1e3)
        cpu_ms.append((time.process_time() - cpu_start) * 1e3)
        assert len(outcomes) == len(specs) * len(ALL_DAMAGE)
        assert all(isinstance(outcome, Prediction) for outcome in outcomes)
        start = time.perf_counter()
        for spec, batch in batches.items():
            for _ in ALL_DAMAGE:
                pool.predict(spec, batch)
        bare_ms.append((time.perf_counter() - start) * 1e3)
        start = time.perf_counter()
        list(damaged_views(image))
        damage_ms.append((time.perf_counter() - start) * 1e3)
    pairs.save(
        "robustness",
        {
            "models": list(MODELS),
            "predictions": len(specs) * len(ALL_DAMAGE),
            "images": len(whole_ms),
            "whole_ms": pairs.summary(whole_ms),
            "cpu_of_all_cores_ms": pairs.summary(cpu_ms),
            "bare_inferences_ms": pairs.summary(bare_ms),
            "damage_ms": pairs.summary(damage_ms),
            "whole_to_bare": pairs.ratio(whole_ms, bare_ms),
            "goal_ms": GOAL_MS,
        },
    )


if __name__ == "__main__":
    main()
