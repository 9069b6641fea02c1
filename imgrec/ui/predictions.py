"""What the models answer, and what they answer together: predictions from the cache, failures as sentences.

A prediction is computed once for each model, image and framing. Everything after that, such as moving a weight,
only adds its numbers again.
"""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from imgrec.errors import ImgrecError
from imgrec.evaluation import artifacts
from imgrec.images.decoding import DecodedImage
from imgrec.inference import classify
from imgrec.models import weights
from imgrec.models.catalog import ModelSpec
from imgrec.predictions import ensembles, gallery_predictions
from imgrec.predictions.ensembles import ENSEMBLE, RULES, Ensemble
from imgrec.predictions.gallery_predictions import Stored
from imgrec.predictions.prediction import Prediction
from imgrec.reports.result import Failure, Report
from imgrec.settings import ASSETS
from imgrec.ui import caches
from imgrec.ui.image_input import Image
from imgrec.ui.settings_bar import Choice

# A prediction of 1,000 classes takes 4 kB.
MAX_PREDICTIONS = 5_000


def precomputed(spec: ModelSpec, image: Image, framing: str) -> Stored | None:
    """Return the stored answer of a model that is not ready; None for one that is, or where none is stored."""
    return None if caches.is_ready(spec) else gallery_predictions.stored(spec.name, image.id, framing)


def can_answer(spec: ModelSpec, image: Image, framing: str) -> bool:
    """Whether `outcome` has something to say at once: the model is ready, or its answer is stored."""
    return caches.is_ready(spec) or gallery_predictions.stored(spec.name, image.id, framing) is not None


def outcome(spec: ModelSpec, image: Image, framing: str) -> Prediction | Failure:
    """Return what `spec` says about `image`, live where it is ready, or the sentence that says why it cannot."""
    stored = precomputed(spec, image, framing)
    if stored is not None:
        return stored.prediction
    try:
        probabilities, milliseconds = _predict(spec.name, spec.weights.hash, image.id, framing, image.image)
    except ImgrecError as error:
        return Failure(spec.name, str(error))
    return Prediction(spec.name, spec.get_label_space(), probabilities, milliseconds, title=spec.title)


def outcomes(specs: Sequence[ModelSpec], image: Image, choice: Choice) -> list[Prediction | Failure]:
    """`outcome` of each of `specs`, in their order."""
    return [outcome(spec, image, choice.framing) for spec in specs]


def measured_latency(spec: ModelSpec) -> tuple[float, str] | None:
    """Return the measured median latency of these weights in ms, and the machine; None where there is none."""
    try:
        digest = weights.sha256(spec, caches.settings())
    except ImgrecError:  # the file is gone or changed since it was loaded: its card says so at the next load
        return None
    return _measured_latencies().get(digest or "")


@st.cache_data(show_spinner=False)
def _measured_latencies() -> dict[str, tuple[float, str]]:
    rows = artifacts.read_summary(ASSETS / "benchmarks")["rows"]
    by_images = sorted(rows, key=lambda row: row["images"])  # the row of most images stays
    return {
        row["weights_sha256"]: (row["latency_p50_ms"], row["hardware"]) for row in by_images if row["latency_p50_ms"]
    }


def predictions(found: Sequence[Prediction | Failure]) -> list[Prediction]:
    """Those of `found` that are answers."""
    return [one for one in found if isinstance(one, Prediction)]


def combine(members: Sequence[Prediction], choice: Choice) -> Ensemble | Failure | None:
    """`members` as one by the chosen rule and weights; a `Failure` where they cannot be, None for no members."""
    if not members:
        return None
    shares = None
    if RULES[choice.rule].takes_weights:
        given = [choice.weights.get(member.model, 1.0) for member in members]
        # With every slider at 0 all count the same.
        shares = given if any(given) else None
    try:
        return ensembles.combine(members, choice.rule, shares)
    except ImgrecError as error:
        return Failure(ENSEMBLE, str(error))


def report(image: Image, specs: Sequence[ModelSpec], choice: Choice) -> Report:
    """Everything to be said about `image`, as it leaves in a file."""
    found = outcomes(specs, image, choice)
    members = predictions(found)
    return Report(
        image=image.name,
        sha256=image.id,
        notes=image.image.notes,
        outcomes=tuple(found),
        ensemble=combine(members, choice) if len(members) > 1 else None,
    )


@st.cache_data(max_entries=MAX_PREDICTIONS, show_spinner=False)
def _predict(
    model: str, weights_hash: str | None, sha256: str, framing: str, _image: DecodedImage
) -> tuple[np.ndarray, float]:
    # A model of the user's own may be trained again under its name: its hash is part of the key.
    (found,) = classify.classify(_image, [caches.catalog().get_spec(model)], caches.pool(), framing)
    if isinstance(found, classify.FailedModel):
        # Raised, so that a failure is not kept in the cache.
        raise found.error
    return found.probabilities, found.milliseconds
