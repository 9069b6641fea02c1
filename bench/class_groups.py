"""Cats and dogs from ImageNet's networks, and what rolling up takes: `python -m bench.class_groups DATA`.

DATA is a folder with `catsdogs` below it; its test part has 1,000 cats and 1,000 dogs. Each network's thousand
probabilities become those of the groups `cat;dog` and something else, as `imgrec predict --classes` does it; the mean
is of the groups. Accuracies are over all three, and between cat and dog alone. The times are of twelve networks and one
image.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench import pairs
from imgrec.data import reader
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.inference.preparation import Preparations
from imgrec.inference.request import MAX_MODELS
from imgrec.metrics.significance import wilson
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.class_groups import ClassGroups
from imgrec.predictions.ensembles import combine
from imgrec.predictions.hierarchy import hierarchy_of, roll_up
from imgrec.predictions.labels import get_label_space
from imgrec.predictions.prediction import Prediction
from imgrec.reports.sentences import headline
from imgrec.settings import Settings

GROUPS = ClassGroups.parse("cat;dog")
MODELS = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "mobilenet", "mobilenet_v2")

TIMED = 200
WARM_UP = 20


def main(data: Path) -> None:
    """Measure accuracies and times, and save them."""
    os.chdir(data)
    pairs.save("class_groups", {"groups": GROUPS.to_link(), "accuracy": _accuracies(), "ms": _times_ms()})


def _accuracies() -> dict[str, Any]:
    settings = Settings.from_env()
    found = open_evaluation_split("catsdogs", settings)
    targets = np.array([GROUPS.names.index(found.label_space.labels[target]) for target in found.targets])
    groups: dict[str, np.ndarray] = {}
    for spec in map(BUILT_IN.get_spec, MODELS):
        if weights.locate(spec, settings) is None:
            continue
        compiled = Preparations(settings).ensure(spec)
        answers = dict(reader.stream_predictions(spec, enumerate(found.items()), settings, compiled, "crop"))
        own = (Prediction(spec.name, spec.get_label_space(), answers[i]) for i in range(len(found)))
        groups[spec.name] = np.stack([GROUPS.roll_up(one).probabilities for one in own])
    groups[f"mean of {len(groups)}"] = np.mean(list(groups.values()), axis=0)
    return {
        "images": len(found),
        "of_three": {name: _figure(rows.argmax(axis=1) == targets) for name, rows in groups.items()},
        "of_cat_and_dog": {name: _figure(rows[:, :2].argmax(axis=1) == targets) for name, rows in groups.items()},
    }


def _figure(right: np.ndarray) -> list[float]:
    """Return accuracy and its 95 % interval."""
    found = wilson(int(right.sum()), len(right))
    return [round(value, 4) for value in (float(right.mean()), found.low, found.high)]


def _times_ms() -> dict[str, float]:
    """Return the median time of each step for `MAX_MODELS` networks of ImageNet."""
    space = get_label_space("imagenet_1k")
    logits = np.random.default_rng(0).normal(size=(MAX_MODELS, len(space.labels))) * 3
    rows = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    members = [Prediction(str(i), space, row) for i, row in enumerate(rows)]
    ensemble = combine(members)
    tree = hierarchy_of(space)
    # Dogs alone, so that the headline has something in common to find.
    dogs = tree.classes_below(next(i for i, node in enumerate(tree.nodes) if node.label == "dog"))
    alike = [replace(one, probabilities=_only(one.probabilities, dogs)) for one in members]
    alike_combined = combine(alike)
    steps: dict[str, Callable[[], object]] = {
        "sums of all nodes": lambda: tree.sums(rows),
        "groups": lambda: [GROUPS.roll_up(one) for one in members],
        "kinds": lambda: [roll_up(one, "kind") for one in members],
        "combine": lambda: combine(members),
        "headline without a common node": lambda: headline(members, ensemble),
        "headline with a common node": lambda: headline(alike, alike_combined),
    }
    return {name: round(statistics.median(_timed(step)), 3) for name, step in steps.items()}


def _only(probabilities: np.ndarray, indices: np.ndarray) -> np.ndarray:
    kept = np.zeros_like(probabilities)
    kept[indices] = probabilities[indices]
    return kept / kept.sum()


def _timed(step: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(WARM_UP + TIMED):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    return times[WARM_UP:]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
