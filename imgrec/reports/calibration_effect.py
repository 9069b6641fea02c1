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


def rows(ensemble: Ensemble) -> list[dict[str, str]]:
    """Return the first class before and after: a row for each member of a calibrated ensemble, and one for all."""
    if ensemble.before is None:
        return []
    was, now = ([*one.members, one.prediction] for one in (ensemble.before, ensemble))
    temperatures = [*ensemble.temperatures, None]
    return [
        {
            "Model": title_of(before),
            "T": "–" if temperature is None else f"{temperature:.2f}",
            "Before": _first(before),
            "After": _first(after),
        }
        for before, after, temperature in zip(was, now, temperatures, strict=True)
    ]


def describe_origin(ensemble: Ensemble, measured: Mapping[str, Temperature]) -> str:
    """Return on which images the temperatures of the members were fitted; empty where there are none.

    `measured` has the temperatures by the sha256 of the weights.
    """
    members: dict[str, list[str]] = {}
    for member in ensemble.members:
        if (one := measured.get(member.weights_sha256)) is not None:
            members.setdefault(f"{one.fitted:,} images of: {one.source}", []).append(title_of(member))
    if len(members) <= 1:
        return "".join(f"Temperatures fitted on {images}." for images in members)
    return " ".join(f"{', '.join(titles)}: fitted on {images}." for images, titles in members.items())


def _first(prediction: Prediction) -> str:
    first = prediction.first
    return f"{label_of(prediction.label_space, first.index)} {percent(first.probability)}"
