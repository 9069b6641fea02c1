"""What calibrated members do to ensembles: `python -m bench.calibrated_members`.

Every ensemble of two or more of the ImageNet networks in `assets/benchmarks`, by the mean, with and without the
measured temperatures; on those of the 668 validation images that no temperature was fitted on. Runs no network.
"""

from collections.abc import Sequence

import numpy as np

from bench import pairs
from bench.unsure import every_subset
from imgrec.evaluation import aligned_results, temperatures
from imgrec.metrics.calibration import calibration_error, held_out, with_temperature
from imgrec.metrics.classification import log_losses
from imgrec.metrics.significance import mcnemar

DATASET = "imagenet_val_a"

Figures = dict[str, float]


def figures(rows: np.ndarray, target: np.ndarray) -> Figures:
    """Return the mean log loss, the accuracy and the calibration error of probabilities (N, C)."""
    right = rows.argmax(axis=1) == target
    return {
        "log_loss": float(log_losses(rows, target).mean()),
        "top_1": float(right.mean()),
        "ece": calibration_error(rows.max(axis=1), right),
    }


def compared(name: str, found: Sequence[tuple[int, Figures, Figures]]) -> dict[str, float]:
    """Return the mean of a figure before and after, and for how many ensembles it became better and worse."""
    sign = 1 if name == "top_1" else -1
    gains = [sign * (after[name] - before[name]) for _, before, after in found]
    return {
        "before": round(float(np.mean([before[name] for _, before, _ in found])), 4),
        "after": round(float(np.mean([after[name] for _, _, after in found])), 4),
        "better": sum(gain > 0 for gain in gains),
        "worse": sum(gain < 0 for gain in gains),
    }


def main() -> None:
    results = aligned_results.load([temperatures.COMMITTED], DATASET)
    measured = temperatures.read([temperatures.COMMITTED])
    tested = ~held_out(results.ids)
    target = results.target[tested]
    before, after = [], []
    for model in results.models:
        rows = aligned_results.stack(results, [model])[0].astype(np.float64)[tested]
        rows /= rows.sum(axis=1, keepdims=True)
        before.append(rows)
        after.append(with_temperature(rows, measured[results.rows[model]["weights_sha256"]].value))
    found: list[tuple[int, Figures, Figures]] = []
    for (mask, plain), (_, scaled) in zip(every_subset(before), every_subset(after), strict=True):
        if mask.bit_count() > 1:
            found.append((mask, figures(plain, target), figures(scaled, target)))
    summary = {name: compared(name, found) for name in found[0][1]}
    whole = [np.mean(parts, axis=0).argmax(axis=1) == target for parts in (before, after)]
    _, plain, scaled = max(found, key=lambda one: one[0])
    pairs.save(
        "calibrated_members",
        {
            "dataset": DATASET,
            "images": int(tested.sum()),
            "ensembles": len(found),
            "all": summary,
            "of_all_members": {
                "members": len(before),
                "before": {name: round(value, 4) for name, value in plain.items()},
                "after": {name: round(value, 4) for name, value in scaled.items()},
                "mcnemar_p": round(mcnemar(whole[1], whole[0]).p_value, 4),
            },
        },
    )


if __name__ == "__main__":
    main()
