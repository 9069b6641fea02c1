"""What calibrated members change, in a sentence and in rows."""

from collections.abc import Mapping

from imgrec.formatting import percent
from imgrec.metrics.calibration import Temperature
from imgrec.predictions.ensembles import Ensemble
from imgrec.predictions.prediction import Prediction
from imgrec.reports.sentences import label_of, title_of

MEANING = (
    "Softens (T above 1) or sharpens (T below 1) the probabilities of each member in the ensemble by the temperature "
    "that Benchmarks has measured for its weights. A member's first class stays; the ensemble's may change."
)


def describe(ensemble: Ensemble) -> str:
    """Return what calibration changed: "Calibrated: tabby 77.9 %, 84.1 % before. No temperature for VGG16.".

    Empty for an ensemble of members as they are.
    """
    if ensemble.before is None:
        return ""
    members = zip(ensemble.members, ensemble.temperatures, strict=True)
    without = [title_of(member) for member, temperature in members if temperature is None]
    if len(without) == len(ensemble.members):
        return "Calibrated: nothing changes, no temperature was measured for these weights."
    was, now = ensemble.before.prediction, ensemble.prediction
    same = was.first.index == now.first.index
    before = f"{percent(was.first.probability)} before" if same else f"instead of {_first(was)}"
    missing = f" No temperature was measured for {', '.join(without)}." if without else ""
    return f"Calibrated: {_first(now)}, {before}.{missing}"


def rows(ensemble: Ensemble, measured: Mapping[str, Temperature]) -> list[dict[str, str]]:
    """Return the first class before and after: a row for each member of a calibrated ensemble, and one for all.

    `measured` has the temperatures by the sha256 of the weights.
    """
    if ensemble.before is None:
        return []
    was, now = ([*one.members, one.prediction] for one in (ensemble.before, ensemble))
    found = []
    for before, after in zip(was, now, strict=True):
        one = measured.get(before.weights_sha256)
        found.append(
            {
                "Model": title_of(before),
                "T": "–" if one is None else f"{one.value:.2f}",
                "Before": _first(before),
                "After": _first(after),
                "Measured on": "–" if one is None else f"{one.fitted:,} images: {one.source}",
            }
        )
    return found


def _first(prediction: Prediction) -> str:
    first = prediction.first
    return f"{label_of(prediction.label_space, first.index)} {percent(first.probability)}"
