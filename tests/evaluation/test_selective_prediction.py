"""The risk of what is kept, of stored predictions."""

from pathlib import Path

import numpy as np
import pytest

from imgrec.evaluation import aligned_results
from imgrec.evaluation.selective_prediction import COVERAGES, kept_accuracy, risk_curves
from imgrec.predictions.ensembles import ENSEMBLE, entropy_bits
from tests.evaluation.measured import measure


def test_the_surest_predictions_are_right_more_often(tmp_path: Path) -> None:
    measure(tmp_path)
    results = aligned_results.load([tmp_path], "cifar10")
    found = risk_curves(results)
    assert list(found) == [ENSEMBLE, *results.models]
    for model in results.models:
        kept = kept_accuracy(found[model])
        assert list(kept) == list(COVERAGES)
        assert kept[1.0] == pytest.approx(results.top_1(model))
        rows = aligned_results.read(results, model).probabilities.astype(np.float64)
        surest = np.argsort(entropy_bits(rows))[: len(rows) // 2]
        assert kept[0.5] == pytest.approx(results.per_image[model].right[surest].mean())
        assert kept[0.5] > kept[1.0]


def test_a_single_model_has_no_ensemble(tmp_path: Path) -> None:
    measure(tmp_path, ("mobilenet",))
    results = aligned_results.load([tmp_path], "cifar10")
    assert list(risk_curves(results)) == ["mobilenet"]
