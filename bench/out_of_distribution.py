"""How well doubt tells images of nothing that a network knows: `python -m bench.out_of_distribution DATA`.

DATA holds `imagenet_val_a` and `imagenet_sample_even`, photographs with ImageNet's labels. What CIFAR-10's networks say
about its test set is stored in `assets/benchmarks`; measure that first (`python -m bench.committed`) when networks have
changed. For ImageNet's networks see `bench.unsure`.

`imgrec.predictions.out_of_distribution` says what follows from it. A foreign photograph is one whose label rolls up to
none of the ten classes; the limit is chosen on every second test image, and what it keeps is counted on the others.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench import pairs
from imgrec.data.dataset import Dataset
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.evaluation import stored_predictions
from imgrec.images import decoding
from imgrec.images.preprocessing import frame
from imgrec.inference.pool import EnginePool
from imgrec.metrics.curves import auroc
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.predictions import out_of_distribution
from imgrec.predictions.ensembles import entropy_bits
from imgrec.predictions.labels import NO_TARGET, get_label_map
from imgrec.settings import ASSETS, Settings

PHOTOGRAPHS = ("imagenet_val_a", "imagenet_sample_even")
FRAMING = "crop"

# Course work, shipped to be compared with: it stands in the table, not in the ensemble that decides the limit.
APART = ("capstone_cnn",)

# (M, N, C): what M models say about N images.
Rows = np.ndarray


def scores(rows: Rows) -> dict[str, np.ndarray]:
    """Measures of doubt about each image (N,), by name; larger for more."""
    rows = rows / rows.sum(axis=-1, keepdims=True)
    mean = rows.mean(axis=0)
    found = {"entropy": entropy_bits(mean), "top_probability": 1 - mean.max(axis=-1)}
    if len(rows) > 1:
        first = rows.argmax(axis=-1)
        couples = [first[i] != first[j] for i in range(len(rows)) for j in range(i)]
        found["mutual_information"] = found["entropy"] - entropy_bits(rows).mean(axis=0)
        found["disagreement"] = np.mean(couples, axis=0)
    return found


def compare(known: Rows, foreign: Rows, photographs: Rows, right: np.ndarray, limit_bits: float) -> dict[str, Any]:
    """Return what doubt says of test images, of foreign photographs and of photographs of the classes.

    `right` (N,): whether the models name each photograph of the classes rightly.
    """
    test, strange, real = scores(known), scores(foreign), scores(photographs)
    above = real["entropy"] > limit_bits
    return {
        "limit_bits_that_keeps_95_percent": round(out_of_distribution.keeping(test["entropy"][::2]), 3),
        "kept_of_the_other_half": _share(test["entropy"][1::2] <= limit_bits),
        "foreign_caught": _share(strange["entropy"] > limit_bits),
        "photographs_of_the_classes_kept": _share(~above),
        "of_these_named_rightly": _share(right[~above]),
        "of_those_turned_away_named_rightly": _share(right[above]),
        "auroc": {name: round(auroc(values, strange[name]), 3) for name, values in test.items()},
        "auroc_photographs_only": {name: round(auroc(values, strange[name]), 3) for name, values in real.items()},
    }


def cifar10(data: Path, settings: Settings, pool: EnginePool) -> dict[str, Any]:
    """CIFAR-10's networks, each and together, on its test set and on photographs."""
    specs = [spec for spec in BUILT_IN.values() if spec.label_space == "cifar_10" and spec.bundled]
    stored = {spec.name: _stored(spec, settings) for spec in specs}
    sets = [open_evaluation_split(str(data / name), settings) for name in PHOTOGRAPHS]
    targets = get_label_map("imagenet_1k", "cifar_10").index[np.concatenate([found.targets for found in sets])]
    said = _ask(specs, sets, settings, pool)
    together = [spec.name for spec in specs if spec.name not in APART]
    limit = round(out_of_distribution.keeping(scores(_stack(stored, together))["entropy"]), 1)
    rows = {}
    for names in (together, *([spec.name] for spec in specs)):
        photographs = _stack(said, names)
        own = photographs[:, targets != NO_TARGET]
        right = own.mean(axis=0).argmax(axis=-1) == targets[targets != NO_TARGET]
        foreign = photographs[:, targets == NO_TARGET]
        rows[" + ".join(names)] = compare(_stack(stored, names), foreign, own, right, limit)
    return {
        "limit_bits": limit,
        "test_pictures": len(next(iter(stored.values()))),
        "foreign_photographs": int((targets == NO_TARGET).sum()),
        "photographs_of_the_classes": int((targets != NO_TARGET).sum()),
        "framing": FRAMING,
        "sets": {found.name: found.digest for found in sets},
        "weights_sha256": {spec.name: weights.sha256(spec, settings) for spec in specs},
        "models": rows,
    }


def _stored(spec: ModelSpec, settings: Settings) -> np.ndarray:
    """Return what `spec` said about CIFAR-10's test set, (N, C), stored by these very weights."""
    path = stored_predictions.predictions_path(ASSETS / "benchmarks", spec.name, "cifar10")
    if stored_predictions.read_note(path)["weights_sha256"] != weights.sha256(spec, settings):
        sys.exit(f"{path} is of other weights: run `python -m bench.committed DATA cifar10 {spec.name}` first.")
    return stored_predictions.read(path).probabilities.astype(np.float64)


def _ask(
    specs: Iterable[ModelSpec],
    sets: Iterable[Dataset],
    settings: Settings,
    pool: EnginePool,
) -> dict[str, np.ndarray]:
    """Return what each model says about all images of `sets`, (N, C), by its name."""
    specs = list(specs)
    inputs: dict[tuple[tuple[int, int], float], list[np.ndarray]] = {
        (spec.input_size, spec.crop_fraction): [] for spec in specs
    }
    for found in sets:
        for item in found.items():
            assert isinstance(item.image, bytes)
            image = decoding.decode(item.image, max_bytes=settings.max_upload_bytes)
            for (size, crop), framed in inputs.items():
                framed.append(frame(image, size, crop, FRAMING))
    return {
        spec.name: np.concatenate(
            [pool.predict(spec, one[np.newaxis])[0] for one in inputs[spec.input_size, spec.crop_fraction]]
        ).astype(np.float64)
        for spec in specs
    }


def _stack(rows: Mapping[str, np.ndarray], names: Sequence[str]) -> Rows:
    return np.stack([rows[name] for name in names])


def _share(which: np.ndarray) -> float | None:
    return round(float(which.mean()), 3) if len(which) else None


def main(data: Path) -> None:
    from imgrec.inference.classify import open_pool

    settings = replace(Settings.from_env(), offline=True)
    pairs.save("out_of_distribution", {"cifar_10": cifar10(data, settings, open_pool(settings))})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
