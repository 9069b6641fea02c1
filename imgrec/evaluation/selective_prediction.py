"""Predicting only where the doubt is small: the risk of what is kept, for models and their ensemble."""

import numpy as np

from imgrec.evaluation import aligned_results
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.metrics.curves import Curve, at_coverage, risk_coverage
from imgrec.predictions.ensembles import ENSEMBLE, entropy_bits

# Coverages of which the accuracy is listed.
COVERAGES = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)


def risk_curves(results: AlignedResults) -> dict[str, Curve]:
    """Return the risk over coverage of each model of `results`, and of the mean of all, by name.

    The doubt is the entropy of the stored probabilities.
    """
    found: dict[str, Curve] = {}
    total = np.zeros(())
    for model in results.models:
        rows = aligned_results.stack(results, [model])[0].astype(np.float64)
        found[model] = risk_coverage(entropy_bits(rows), results.per_image[model].right)
        total = total + rows
    if len(found) > 1:
        mean = total / len(found)
        found = {ENSEMBLE: risk_coverage(entropy_bits(mean), mean.argmax(axis=1) == results.target)} | found
    return found


def kept_accuracy(curve: Curve) -> dict[float, float]:
    """Return the accuracy of what is kept for each of `COVERAGES`."""
    return {coverage: 1 - at_coverage(curve, coverage) for coverage in COVERAGES}
