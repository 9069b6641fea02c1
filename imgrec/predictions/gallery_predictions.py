"""Precomputed predictions for the sample images: results before any model is compiled or downloaded.

`assets/samples/compute.py` makes both files; a test computes them again where the weights can be had.
"""

import functools
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from imgrec.images.gallery import SAMPLES_FOLDER
from imgrec.predictions.labels import get_label_space
from imgrec.predictions.prediction import Prediction

FACTS = SAMPLES_FOLDER / "predictions.json"
PROBABILITIES = SAMPLES_FOLDER / "predictions.npz"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PrecomputedPrediction(Prediction):
    """A stored prediction and its origin: versions by package, date (ISO), and a note about the weights."""

    note: str
    versions: dict[str, str]
    computed_at: str


def stored(model: str, sha256: str, framing: str) -> PrecomputedPrediction | None:
    """Return the prediction of `model` for the sample with this `sha256`; None for other images or framings."""
    facts = _facts()
    if model not in facts["models"] or sha256 not in facts["samples"] or framing != facts["framing"]:
        return None
    # Stored as float16: the sum is corrected.
    probabilities = _probabilities()[model][facts["samples"].index(sha256)].astype(np.float32)
    about = facts["models"][model]
    return PrecomputedPrediction(
        model=model,
        label_space=get_label_space(about["label_space"]),
        probabilities=probabilities / probabilities.sum(),
        weights_sha256=about["weights_sha256"],
        note=about["note"],
        versions=facts["versions"],
        computed_at=facts["computed_at"],
    )


@functools.cache
def _facts() -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(FACTS.read_text(encoding="utf-8"))
    return facts


@functools.cache
def _probabilities() -> dict[str, np.ndarray]:
    """Return float16 (samples, C) for each model, in the order of the facts."""
    with np.load(PROBABILITIES) as arrays:
        return dict(arrays)
