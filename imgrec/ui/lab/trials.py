"""Predictions under changed input, each computed once for a model, an image and a change."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from imgrec.charts.colors import Swatch, swatch_of
from imgrec.explanation import preprocessing_trials, robustness
from imgrec.explanation.preprocessing_trials import Preprocessing
from imgrec.explanation.robustness import Damage
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.ui import caches
from imgrec.ui.image_input import Image

Outcome = Prediction | Failure


@dataclass(frozen=True, slots=True)
class Subject:
    """The models of an experiment, at least one, all of them ready; `swatches` are of all that the page shows.

    `table` is whether tables are shown instead of charts.
    """

    specs: tuple[ModelSpec, ...]
    swatches: Mapping[str, Swatch]
    table: bool

    def swatch(self, spec: ModelSpec) -> Swatch:
        """Return the mark of a model, which differs from those of the others on the page."""
        return swatch_of(spec.name, self.swatches)


def under(image: Image, spec: ModelSpec, trials: Iterable[Preprocessing]) -> dict[Preprocessing, Outcome]:
    """Return the outcome of `spec` for each preprocessing, in this order."""
    wanted = list(dict.fromkeys(trials))
    found: dict[Preprocessing, Outcome] = {}
    for tried in wanted:
        known = caches.predictions().get(_key(spec, image, tried))
        if known is not None:
            found[tried] = known
    missing = [tried for tried in wanted if tried not in found]
    for tried, outcome in preprocessing_trials.predict_each(image.image, spec, missing, caches.pool()):
        found[tried] = outcome
        if isinstance(outcome, Prediction):
            caches.remember(_key(spec, image, tried), outcome)
    return {tried: found[tried] for tried in wanted}


def damaged(
    image: Image,
    specs: Sequence[ModelSpec],
    damages: Sequence[Damage],
    on_outcome: Callable[[], object] = lambda: None,
) -> dict[str, dict[Damage, Outcome]]:
    """Return the outcomes of each model by its name; a model that failed has a failure instead of the rest.

    `on_outcome` is called after each one that had to be computed.
    """
    kept = caches.predictions()
    found: dict[str, dict[Damage, Outcome]] = {spec.name: {} for spec in specs}
    for spec in specs:
        for damage in damages:
            known = kept.get(_key(spec, image, damage))
            if known is not None:
                found[spec.name][damage] = known
    by_name = {spec.name: spec for spec in specs}
    for damage, outcome in robustness.predict_damaged(
        image.image,
        specs,
        caches.pool(),
        damages=damages,
        is_known=lambda spec, damage: damage in found[spec.name],
    ):
        found[outcome.model][damage] = outcome
        if isinstance(outcome, Prediction):
            caches.remember(_key(by_name[outcome.model], image, damage), outcome)
        on_outcome()
    return found


def count_missing(image: Image, specs: Sequence[ModelSpec], changes: Sequence[Preprocessing | Damage]) -> int:
    """Return how many predictions `under` or `damaged` would compute."""
    kept = caches.predictions()
    return sum(_key(spec, image, changed) not in kept for spec in specs for changed in changes)


def _key(spec: ModelSpec, image: Image, changed: Preprocessing | Damage) -> tuple[object, ...]:
    return spec.name, spec.weights.hash, image.id, "lab", changed
