"""Time to make every chart of the Compare page with six models and their ensemble, warm.

    python -m bench.charts

With `PYTHONPATH` set to an older checkout, whose modules had other names, the same measures that one.
"""

import json
import statistics
import time
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

MODELS = ("efficientnet_lite0", "efficientnet_lite1", "mobilenet", "mobilenet_v2", "resnet50", "vgg16")
TURNS = 10
PAGES = 20  # made in a turn: one page takes about a millisecond


def module(*names: str) -> ModuleType:
    """Return the first module that this tree has."""
    for name in names[:-1]:
        try:
            return import_module(name)
        except ModuleNotFoundError:
            continue
    return import_module(names[-1])


def page() -> Callable[[], list[Any]]:
    """Return the function that makes all charts of one page."""
    top_k = module("imgrec.charts.top_k", "imgrec.charts")
    labels = module("imgrec.predictions.labels", "imgrec.labels")
    prediction = module("imgrec.predictions.prediction", "imgrec.predictions").Prediction
    combine = module("imgrec.predictions.ensembles", "imgrec.ensembles").combine
    space = labels.get_label_space("imagenet_1k")
    random = np.random.default_rng(0)
    answers = [
        prediction(model, space, random.dirichlet(np.full(len(space.labels), 0.01)).astype(np.float32))
        for model in MODELS
    ]
    ensemble = combine(answers)
    return lambda: [
        *(top_k.top_k_bars(answer, 5, among=MODELS) for answer in answers),
        top_k.ensemble_bars(ensemble, 5, among=MODELS, legend=False),
    ]


def main() -> None:
    """Measure, and save the median of the turns in `bench/results/charts.json`."""
    from bench import pairs

    make = page()
    start = time.perf_counter()
    specs = make()
    first_ms = 1000 * (time.perf_counter() - start)
    turns = []
    for _ in range(TURNS):
        start = time.perf_counter()
        for _ in range(PAGES):
            make()
        turns.append(1000 * (time.perf_counter() - start) / PAGES)
    pairs.save(
        "charts",
        {
            "models": list(MODELS),
            "charts": len(specs),
            "first_page_ms": round(first_ms, 2),
            "page_ms": round(statistics.median(turns), 3),
            "page_bytes": len(json.dumps(specs)),
        },
    )


if __name__ == "__main__":
    main()
