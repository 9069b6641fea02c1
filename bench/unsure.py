"""Which measure of doubt tells images without an ImageNet class: `python -m bench.unsure DATA`.

DATA holds `imagenet_val_a`, `imagenet_sample_even`, `flowers5` and `gallery`; CIFAR-10 comes from KERAS_HOME/datasets.
Every ImageNet network with weights on this machine is asked once about each image; its logits are kept below
`IMGREC_BENCH_HOME`, so that a second run only computes. 15 minutes for ten small networks on two cores.

Writes `bench/results/unsure.json`, and `assets/benchmarks/unsure.json` for pages: the same without the hardware, and
with the limits of all ensembles (see `predictions.out_of_distribution`).
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logsumexp, softmax

from bench import pairs
from bench.committed import note_on
from bench.out_of_class_images import Source, sources
from imgrec.images.preprocessing import frame
from imgrec.inference.classify import open_pool
from imgrec.inference.pool import EnginePool
from imgrec.metrics.calibration import held_out
from imgrec.metrics.curves import auroc, risk_coverage
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.predictions.ensembles import entropy_bits
from imgrec.predictions.out_of_distribution import KEPT, MEASURED, keeping
from imgrec.settings import Settings

# Measures of doubt from logits (N, C), larger for more. `energy` is that of Liu et al. 2020 at temperature 1.
DETECTORS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "entropy": lambda logits: entropy_bits(softmax(logits, axis=-1)),
    "top_probability": lambda logits: 1 - softmax(logits, axis=-1).max(axis=-1),
    "top_logit": lambda logits: -logits.max(axis=-1),
    "energy": lambda logits: -logsumexp(logits, axis=-1),
}

INSIDE = "imagenet_val_a"

# Mean AUROCs that differ less are level: over so few kinds of images more digits are chance.
LEVEL = 0.01

# Source → logits (N, C) of one network, or measures of doubt (N,).
BySource = dict[str, np.ndarray]


def logits_of(spec: ModelSpec, source: Source, pool: EnginePool) -> np.ndarray:
    """Return float32 (N, C), what the network gives before its softmax."""
    rows = []
    for image in source.images:
        found, _ = pool.observe(spec, frame(image, spec.input_size, spec.crop_fraction, source.framing))
        assert found.logits is not None
        rows.append(found.logits)
    return np.stack(rows)


def collect(specs: Sequence[ModelSpec], data: Path, settings: Settings) -> tuple[list[Source], dict[str, BySource]]:
    """Return the sources, and model → source → logits (N, C)."""
    kept, pool = list[Source](), open_pool(settings)
    logits: dict[str, BySource] = {spec.name: {} for spec in specs}
    for source in sources(data, settings):
        kept.append(source)
        for spec in specs:
            key = f"{source.name}-{spec.name}-{source.sha256[:12]}-{_sha256(spec, settings)[:12]}"
            path = pairs.HOME / "unsure" / f"{key}.npy"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, logits_of(spec, source, pool))
            logits[spec.name][source.name] = np.load(path).astype(np.float64)
    return kept, logits


def doubts_of_ensemble(members: Sequence[BySource]) -> dict[str, BySource]:
    """Return detector → source → doubt of an ensemble of equal weights.

    Entropy and top probability are those of the mean of the probabilities. Logits of different networks have different
    scales: their detectors are the mean of the members' values, each in standard deviations from its mean on `INSIDE`.
    """
    means = {name: np.mean([softmax(one[name], axis=-1) for one in members], axis=0) for name in members[0]}
    found: dict[str, BySource] = {
        "entropy": {name: entropy_bits(rows) for name, rows in means.items()},
        "top_probability": {name: 1 - rows.max(axis=-1) for name, rows in means.items()},
    }
    for detector in ("top_logit", "energy"):
        each = [{name: DETECTORS[detector](rows) for name, rows in one.items()} for one in members]
        scaled = [
            {name: (values - one[INSIDE].mean()) / one[INSIDE].std() for name, values in one.items()} for one in each
        ]
        found[detector] = {name: np.mean([one[name] for one in scaled], axis=0) for name in scaled[0]}
    return found


def measure(doubts: Mapping[str, BySource], right: np.ndarray, known: Sequence[Source]) -> dict[str, dict[str, Any]]:
    """Return for each detector: AUROC, limit, shares above it, AURC. `right` is bool (N,) of the images of `INSIDE`."""
    found = {}
    # A hash of the position: any half does.
    half = held_out([str(i) for i in range(len(right))])
    for detector, by_source in doubts.items():
        inside = by_source[INSIDE]
        limit = keeping(inside)
        found[detector] = {
            "auroc": {one.name: _rounded(auroc(inside, by_source[one.name])) for one in known if one.name != INSIDE},
            "auroc_same_origin": {
                one.name: _rounded(auroc(by_source[one.same_origin], by_source[one.name]))
                for one in known
                if one.same_origin
            },
            "limit": _rounded(limit),
            "kept_of_other_half": _rounded(float(np.mean(inside[~half] <= keeping(inside[half])))),
            "flagged": {one.name: _rounded(float(np.mean(by_source[one.name] > limit))) for one in known},
            "flagged_right": _rounded(float(right[inside > limit].mean())),
            "aurc": _rounded(risk_coverage(inside, right).area),
        }
    return found


def mean_auroc(figures: Mapping[str, Any], known: Sequence[Source]) -> float:
    """Return the mean AUROC over the sources without a class: each counts the same, however many images it has."""
    return float(np.mean([figures["auroc"][one.name] for one in known if not one.has_class]))


def choose(averages: Mapping[str, Mapping[str, float]]) -> str:
    """Return the detector with the best AUROC; of those that are level, the one that finds wrong predictions best."""
    best = max(one["auroc"] for one in averages.values())
    return min((name for name in averages if averages[name]["auroc"] > best - LEVEL), key=lambda n: averages[n]["aurc"])


def every_subset(probabilities: Sequence[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the mean of each subset of `probabilities` (M arrays (N, C)) with its mask: bit i for the array i."""

    def extend(first: int, mask: int, total: np.ndarray, count: int) -> Iterator[tuple[int, np.ndarray]]:
        for i in range(first, len(probabilities)):
            longer = total + probabilities[i]
            yield mask | 1 << i, longer / (count + 1)
            yield from extend(i + 1, mask | 1 << i, longer, count + 1)

    yield from extend(0, 0, np.zeros_like(probabilities[0]), 0)


def limits(names: Sequence[str], logits: Mapping[str, BySource], known: Sequence[Source]) -> dict[str, Any]:
    """Return the entropy limit of every ensemble of equal weights, and the shares of each source above it.

    Lists have the ensemble with the members of mask m, bit i for the model i, at position m − 1.
    """
    counts = [len(logits[names[0]][one.name]) for one in known]
    ends = np.cumsum(counts)
    stacked = [
        np.concatenate([softmax(logits[name][one.name], axis=-1) for one in known]).astype(np.float32) for name in names
    ]
    size = 2 ** len(names) - 1
    bits, flagged = [0.0] * size, {one.name: [0.0] * size for one in known}
    for mask, rows in every_subset(stacked):
        parts = dict(zip([one.name for one in known], np.split(entropy_bits(rows), ends[:-1]), strict=True))
        bits[mask - 1] = _rounded(keeping(parts[INSIDE]))
        for name, values in parts.items():
            flagged[name][mask - 1] = round(float(np.mean(values > bits[mask - 1])), 2)
    return {"entropy_bits": bits, "flagged": flagged}


def _sha256(spec: ModelSpec, settings: Settings) -> str:
    digest = weights.sha256(spec, settings)
    assert digest is not None
    return digest


def _rounded(value: float) -> float:
    return round(float(value), 3)


def main(data: Path) -> None:
    settings = replace(Settings.from_env(), offline=True)
    specs = [
        spec
        for spec in BUILT_IN.values()
        if spec.label_space == "imagenet_1k" and weights.locate(spec, settings) is not None
    ]
    known, logits = collect(specs, data, settings)
    targets = known[0].targets
    models = {}
    for spec in specs:
        doubts = {
            detector: {name: of(rows) for name, rows in logits[spec.name].items()} for detector, of in DETECTORS.items()
        }
        right = logits[spec.name][INSIDE].argmax(axis=-1) == targets
        models[spec.name] = {
            "title": spec.title,
            "weights_sha256": _sha256(spec, settings),
            "note": note_on(_sha256(spec, settings), None),
            "accuracy": _rounded(float(right.mean())),
            "detectors": measure(doubts, right, known),
        }
    members = list(logits.values())
    mean = np.mean([softmax(one[INSIDE], axis=-1) for one in members], axis=0)
    right = mean.argmax(axis=-1) == targets
    together = {
        "accuracy": _rounded(float(right.mean())),
        "detectors": measure(doubts_of_ensemble(members), right, known),
    }
    rows = [*models.values(), together]
    averages = {
        detector: {
            "auroc": _rounded(float(np.mean([mean_auroc(row["detectors"][detector], known) for row in rows]))),
            "aurc": _rounded(float(np.mean([row["detectors"][detector]["aurc"] for row in rows]))),
        }
        for detector in DETECTORS
    }
    if (chosen := choose(averages)) != "entropy":
        sys.exit(f"Expected entropy, which limits are made of. Received: {chosen}, {averages}.")
    results = {
        "command": "python -m bench.unsure DATA",
        "kept": KEPT,
        "inside": INSIDE,
        "sources": {
            one.name: {
                "title": one.title,
                "images": len(one.images),
                "has_class": one.has_class,
                "framing": one.framing,
                "same_origin": one.same_origin,
                "sha256": one.sha256,
            }
            for one in known
        },
        "detectors": averages,
        "chosen": chosen,
        "models": models,
        "ensemble": together,
    }
    pairs.save("unsure", results)
    saved = json.loads((pairs.RESULTS / "unsure.json").read_text())
    for_pages = {name: saved[name] for name in saved if name != "hardware"} | {
        "limits": limits([spec.name for spec in specs], logits, known)
    }
    MEASURED.write_text(json.dumps(for_pages, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
