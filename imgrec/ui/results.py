"""The result for an image and the chosen models: one call for each page, and components that only draw.

A prediction is computed once for each model, image and framing. Everything after that, such as moving a weight,
only adds its numbers again.
"""

from collections.abc import Callable
from dataclasses import dataclass

from imgrec.errors import ImgrecError
from imgrec.inference import classify as inference
from imgrec.models import weights
from imgrec.models.catalog import ModelSpec
from imgrec.predictions import ensembles, gallery_predictions
from imgrec.predictions.ensembles import Ensemble
from imgrec.predictions.gallery_predictions import PrecomputedPrediction
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.reports.result import Result
from imgrec.ui import caches
from imgrec.ui.image_input import Image
from imgrec.ui.settings_bar import Choice

# The predictions of one label space, and their ensemble.
Group = tuple[list[Prediction], Ensemble | Failure | None]


@dataclass(frozen=True, slots=True, eq=False)
class Classification:
    """The models of `choice` for one image: predictions that are `known`, models to compute, and those not ready.

    A model that is not ready has a known prediction where the image is a sample: a `PrecomputedPrediction`.
    """

    image: Image
    choice: Choice
    known: dict[str, Prediction]
    computing: tuple[ModelSpec, ...]
    missing: tuple[ModelSpec, ...]

    @property
    def answering(self) -> list[ModelSpec]:
        """The models with an outcome, in the order of the catalog."""
        return [spec for spec in self.choice.specs if spec not in self.missing]

    @property
    def ready(self) -> tuple[ModelSpec, ...]:
        """The models of `answering` that are converted on this machine."""
        known = self.known
        return tuple(s for s in self.answering if not isinstance(known.get(s.name), PrecomputedPrediction))

    def finish(self, on_outcome: Callable[[Prediction | Failure], None] = lambda _: None) -> Result:
        """Compute what is not known; `on_outcome` gets each as soon as it is there, known ones first."""
        outcomes: dict[str, Prediction | Failure] = dict(self.known)
        for prediction in self.known.values():
            on_outcome(prediction)
        framing, specs = self.choice.framing, {spec.name: spec for spec in self.computing}
        for outcome in inference.classify(self.image.image, self.computing, caches.pool(), framing):
            outcomes[outcome.model] = outcome
            if isinstance(outcome, Prediction):
                caches.remember(_key(specs[outcome.model], self.image, framing), outcome)
            on_outcome(outcome)
        in_order = [outcomes[spec.name] for spec in self.answering]
        return self.choice.to_result(self.image.name, self.image.image, in_order)


def classify(image: Image, choice: Choice) -> Classification:
    """Look up what is known about `image`; `finish` computes the rest."""
    known, computing, missing = {}, [], []
    for spec in choice.specs:
        if caches.is_ready(spec):
            found = caches.predictions().get(_key(spec, image, choice.framing))
            if found is None:
                computing.append(spec)
        else:
            found = gallery_predictions.stored(spec.name, image.id, choice.framing)
            if found is None:
                missing.append(spec)
        if found is not None:
            known[spec.name] = found
    return Classification(image, choice, known, tuple(computing), tuple(missing))


def by_label_space(result: Result, choice: Choice) -> dict[str, Group]:
    """Return the predictions of each label space and their ensemble: only these can be combined."""
    groups = ensembles.by_label_space(result.predictions)
    if len(groups) == 1:
        return {space: (members, result.ensemble) for space, members in groups.items()}
    return {space: (members, choice.combine(members)) for space, members in groups.items()}


def measured_latency(spec: ModelSpec) -> tuple[float, str] | None:
    """Return the measured median latency of these weights in ms, and the machine; None where there is none."""
    try:
        digest = weights.identity(spec, caches.settings())
    except ImgrecError:  # the file has gone or changed since it was loaded: its card shows the error at the next load
        return None
    return caches.measured_latencies().get(digest or "")


def _key(spec: ModelSpec, image: Image, framing: str) -> tuple[str, str | None, str, str]:
    # A user's own model may be trained again under its name: the hash of its weights is part of the key.
    return spec.name, spec.weights.hash, image.id, framing
