"""Results in words: percentages, names for people, who agrees, and the one sentence above the charts.

Every face says the same because it asks here.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from imgrec.catalogue import get_spec
from imgrec.ensembles import ENSEMBLE, Ensemble, Without
from imgrec.errors import UnknownNameError
from imgrec.labels import LabelSpace
from imgrec.predictions import Classification, Prediction
from imgrec.settings import MIB

# NARROW NO-BREAK SPACE, as SI wants it between a number and %: "84.1" and "%" stay on one line.
THIN_SPACE = "\u202f"

# More names than this and the sentence is a list.
NAMED_DISSENTERS = 2


@dataclass(frozen=True, slots=True)
class Camp:
    """Models whose first choice is one class; `of` counts all the models that were asked about its label space."""

    label: str
    index: int
    label_space: str
    models: tuple[str, ...]
    of: int

    @property
    def sentence(self) -> str:
        """ "5 of 6 say tabby"."""
        return f"{len(self.models)} of {self.of} {'says' if len(self.models) == 1 else 'say'} {self.label}"


def percent(probability: float) -> str:
    """A probability in [0, 1] for people: one decimal, and neither 0 nor 100 unless it is exactly that.

    >>> [percent(p).replace(THIN_SPACE, " ") for p in (0.8412, 0.0004, 0.9997, 1.0, 0.0)]
    ['84.1 %', '<0.1 %', '>99.9 %', '100.0 %', '0 %']
    """
    if probability <= 0:
        return f"0{THIN_SPACE}%"
    if probability < 0.001:
        return f"<0.1{THIN_SPACE}%"
    figure = f"{probability * 100:.1f}"
    if figure == "100.0" and probability < 1:
        return f">99.9{THIN_SPACE}%"
    return f"{figure}{THIN_SPACE}%"


def size(count_bytes: int) -> str:
    """A number of bytes for people, in MiB or GiB.

    >>> size(16 * MIB), size(1536 * MIB)
    ('16 MiB', '1.5 GiB')
    """
    mebibytes = count_bytes / MIB
    if mebibytes >= 1000:
        return f"{mebibytes / 1024:.1f} GiB"
    return f"{mebibytes:.0f} MiB" if mebibytes >= 10 or count_bytes == 0 else f"{mebibytes:.1f} MiB"


def title_of(model: str) -> str:
    """What people call `model`: its title in the catalogue, "Ensemble", or the name itself."""
    if model == ENSEMBLE:
        return "Ensemble"
    try:
        return get_spec(model).title
    except UnknownNameError:
        return model


def label_of(space: LabelSpace, index: int) -> str:
    """The label of a class; with its WordNet id where another class of the space has the same one."""
    label, synset = space.labels[index], space.synsets[index]
    return f"{label} ({synset})" if synset and label in _repeated_labels(space) else label


def agreement(predictions: Sequence[Prediction]) -> list[Camp]:
    """Who says the same first, the largest camp first; equal ones in the order in which they come."""
    asked = Counter(prediction.label_space.name for prediction in predictions)
    camps: dict[tuple[str, int], list[Prediction]] = {}
    for prediction in predictions:
        camps.setdefault((prediction.label_space.name, _first(prediction).index), []).append(prediction)
    found = [
        Camp(label_of(who[0].label_space, index), index, space, tuple(p.model for p in who), asked[space])
        for (space, index), who in camps.items()
    ]
    return sorted(found, key=lambda camp: -len(camp.models))


def verdict(predictions: Sequence[Prediction], ensemble: Ensemble | None) -> str:
    """The one sentence above the charts: "Ensemble: tabby 84.1 % · 5 of 6 agree · ResNet50 says lynx".

    Counts those `predictions` that have the ensemble's label space. Without an ensemble, what each model says.
    """
    if ensemble is None:
        return " · ".join(f"{title_of(p.model)}: {_first_choice(p)}" for p in predictions)
    space = ensemble.prediction.label_space
    asked = [prediction for prediction in predictions if prediction.label_space.name == space.name]
    if len(asked) <= 1:
        head = asked[0] if asked else ensemble.prediction
        parts = [f"{title_of(head.model)}: {_first_choice(head)}"]
    else:
        index = _first(ensemble.prediction).index
        dissenters = [prediction for prediction in asked if _first(prediction).index != index]
        parts = [f"Ensemble: {_first_choice(ensemble.prediction)}", _agreeing(len(asked), len(dissenters))]
        if dissenters:
            parts.append(_dissent(dissenters))
    if ensemble.uncertainty.level == "high":
        parts.append("high uncertainty")
    return " · ".join(parts)


def describe_without(without: Without) -> str:
    """Who tipped it, in a sentence: "Without VGG16 it would say lynx 41.2 %."."""
    still = "" if without.tips else "still "
    return f"Without {title_of(without.model)} it would {still}say {_first_choice(without.ensemble.prediction)}."


def _first(prediction: Prediction) -> Classification:
    return prediction.top_k(1)[0]


def _first_choice(prediction: Prediction) -> str:
    """ "tabby 84.1 %"."""
    first = _first(prediction)
    return f"{label_of(prediction.label_space, first.index)} {percent(first.probability)}"


@lru_cache(maxsize=16)
def _repeated_labels(space: LabelSpace) -> frozenset[str]:
    return frozenset(label for label, count in Counter(space.labels).items() if count > 1)


def _agreeing(asked: int, dissenting: int) -> str:
    if dissenting:
        return f"{asked - dissenting} of {asked} agree"
    return "both agree" if asked == 2 else f"all {asked} agree"


def _dissent(dissenters: list[Prediction]) -> str:
    named = [(title_of(p.model), label_of(p.label_space, _first(p).index)) for p in dissenters[:NAMED_DISSENTERS]]
    if len(named) == 2 and named[0][1] == named[1][1]:
        sentence = f"{named[0][0]} and {named[1][0]} say {named[0][1]}"
    else:
        sentence = ", ".join(f"{title} says {label}" for title, label in named)
    more = len(dissenters) - len(named)
    return f"{sentence}, and {more} more" if more else sentence
