"""Precomputed predictions for the sample images: something to see before any model is compiled or downloaded.

`assets/samples/compute.py` makes both files; a test computes them again where the weights are to be had.
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


@dataclass(frozen=True, slots=True)
class Stored:
    """One answer, and where it comes from: weights, versions, date (ISO); `note` says what is to be known of them."""

    prediction: Prediction
    weights_sha256: str
    note: str
    versions: dict[str, str]
    computed_at: str


def stored(model: str, sha256: str, framing: str) -> Stored | None:
    """What `model` said about the sample with this `sha256`; None for other images, models and framings."""
    facts = _facts()
    if model not in facts["models"] or sha256 not in facts["samples"] or framing != facts["framing"]:
        return None
    # Kept as float16; their sum is put right again.
    probabilities = _probabilities()[model][facts["samples"].index(sha256)].astype(np.float32)
    about = facts["models"][model]
    return Stored(
        Prediction(model, get_label_space(about["label_space"]), probabilities / probabilities.sum()),
        about["weights_sha256"],
        about["note"],
        facts["versions"],
        facts["computed_at"],
    )


@functools.cache
def _facts() -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(FACTS.read_text(encoding="utf-8"))
    return facts


@functools.cache
def _probabilities() -> dict[str, np.ndarray]:
    """For each model float16 (samples, C), in the order of the facts."""
    with np.load(PROBABILITIES) as arrays:
        return {name: arrays[name] for name in arrays.files}
