"""Results in words: titles of models and classes, which models agree, and the sentence above the charts.

The pages, the command line and the API take their words from here, so that all say the same.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from imgrec.formatting import percent
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.predictions import out_of_distribution
from imgrec.predictions.ensembles import ENSEMBLE, RULES, Ensemble, Without, combine
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Classification, Prediction

# More names than this and the sentence is a list.
NAMED_DISSENTERS = 2
NAMED_TIED = 4

# What people call the label spaces that come with imgrec.
SPACE_TITLES = {"imagenet_1k": "ImageNet", "cifar_10": "CIFAR-10", "cats_and_dogs": "cats and dogs"}

# So many classes are read as a list; of more, and in titles, some stand for all.
LISTED_CLASSES = 12
NAMED_CLASSES = 4

# Up to this side, what a network sees of a photograph is worth a word.
SMALL_SIDE_PX = 96


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


def title_of(answer: Prediction | str) -> str:
    """Return the title of a model: that of the prediction, or by its name as a built-in one, else the name itself."""
    name = answer if isinstance(answer, str) else answer.model
    if isinstance(answer, Prediction) and answer.title:
        return answer.title
    if name == ENSEMBLE:
        return "Ensemble"
    return BUILT_IN[name].title if name in BUILT_IN else name


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
    """Return the sentence above the charts: "Ensemble: tabby 84.1 % · 5 of 6 agree · ResNet50 says lynx".

    Where several classes have the most votes: "Ensemble: tie of 2: tabby, lynx (50.0 % each)". Above the limit of
    entropy: "Most likely none of these: the models disagree (2 of 3 say bird, together 34.0 %; entropy 2.61 bits, the
    limit is 2.30)". Only `predictions` with the ensemble's label space count. Without an ensemble, the first choice of
    each model.
    """
    if ensemble is None:
        return " · ".join(f"{title_of(p)}: {_first_choice(p)}{_hint(p)}" for p in predictions)
    if is_none_of_these(ensemble):
        return f"Most likely none of these: {_doubt(ensemble)}"
    space = ensemble.prediction.label_space
    asked = [prediction for prediction in predictions if prediction.label_space.name == space.name]
    if len(asked) <= 1:
        head = asked[0] if asked else ensemble.prediction
        parts = [f"{title_of(head)}: {_first_choice(head)}"]
    else:
        index = _first(ensemble.prediction).index
        dissenters = [prediction for prediction in asked if _first(prediction).index != index]
        if tie := _tie(ensemble):
            parts = [f"Ensemble: {tie}"]
        else:
            parts = [f"Ensemble: {_first_choice(ensemble.prediction)}", _agreeing(asked, len(dissenters))]
            if dissenters:
                parts.append(_dissent(dissenters))
    if ensemble.uncertainty.level == "high":
        parts.append("high uncertainty")
    return " · ".join(parts)


def is_none_of_these(answer: Ensemble | Prediction) -> bool | None:
    """Whether the image most likely shows none of the classes, by the members together or by one model alone.

    None where no limit is known for the classes, or where they do not exclude each other. See `abstention`.
    """
    if isinstance(answer, Prediction):
        if not answer.label_space.exclusive:
            return None
        answer = combine([answer])
    return out_of_distribution.is_none_of_these(answer.prediction.label_space, answer.uncertainty)


def describe_limit(label_space: LabelSpace) -> str:
    """Return how many images the check for "none of these" flags; empty where there is no such check."""
    limit = label_space.entropy_limit
    if limit is None:
        return ""
    flagged = percent(1 - out_of_distribution.KEPT, 0)
    if limit.caught is None or limit.lost is None:
        return (
            f"This check flags {flagged} of the images that the model was measured on. Unrelated photos have not been "
            "measured."
        )
    return (
        f"This check flags {percent(limit.caught, 0)} of unrelated photos, {percent(limit.lost, 0)} of photos of its "
        f"own classes and {flagged} of {space_title(label_space)}'s test images."
    )


def space_title(label_space: LabelSpace) -> str:
    """Return the title of a label space: its known name, or some of its classes."""
    if label_space.name in SPACE_TITLES:
        return SPACE_TITLES[label_space.name]
    labels = label_space.labels
    more = len(labels) - NAMED_CLASSES
    if more <= 1:
        return ", ".join(labels)
    return ", ".join(labels[:NAMED_CLASSES]) + f" and {more} more"


def describe_knowledge(specs: Sequence[ModelSpec]) -> str:
    """Return the classes of these models: "Classes: airplane, automobile, …, truck only.".

    Empty where all have ImageNet's thousand classes, which cover most photos.
    """
    groups: dict[str, list[ModelSpec]] = {}
    for spec in specs:
        groups.setdefault(spec.label_space, []).append(spec)
    if set(groups) <= {"imagenet_1k"}:
        return ""
    sentences = []
    for members in groups.values():
        head = ", ".join(spec.title for spec in members) if len(groups) > 1 else "Classes"
        sentences.append(f"{head}: {_classes(members[0].get_label_space())}.")
    sides = {max(spec.input_size) for spec in specs if spec.label_space != "imagenet_1k"}
    if max(sides) <= SMALL_SIDE_PX and len(groups) == 1:
        sentences.append(f"Input: {max(sides)} × {max(sides)} px.")
    return " ".join(sentences)


def describe_without(without: Without) -> str:
    """Return the ensemble's first choice without one member: "Without VGG16 it would say lynx 41.2 %."."""
    if tie := _tie(without.ensemble):
        return f"Without {title_of(without.model)}: {tie}."
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


def _hint(prediction: Prediction) -> str:
    return " (most likely none of these)" if is_none_of_these(prediction) else ""


def _doubt(ensemble: Ensemble) -> str:
    """The members' first choice, how far they agree on it, and the entropy beside its limit."""
    first, found, members = _first(ensemble.prediction), ensemble.uncertainty, ensemble.members
    label, figure = label_of(ensemble.prediction.label_space, first.index), percent(first.probability)
    limit = (
        ensemble.prediction.label_space.entropy_limit.entropy_bits
        if ensemble.prediction.label_space.entropy_limit
        else 0.0
    )
    entropy = f"entropy {found.entropy_bits:.2f} bits, the limit is {limit:.2f}"
    if len(members) == 1:
        return f"{title_of(members[0])} is unsure ({label} {figure}; {entropy})"
    if tie := _tie(ensemble):
        return f"the models disagree ({tie}; {entropy})"
    agreeing = sum(_first(member).index == first.index for member in members)
    if agreeing == len(members):
        who = "both models are unsure" if len(members) == 2 else f"all {len(members)} models are unsure"
        return f"{who} ({label} {figure}; {entropy})"
    says = "says" if agreeing == 1 else "say"
    return f"the models disagree ({agreeing} of {len(members)} {says} {label}, together {figure}; {entropy})"


def _classes(label_space: LabelSpace) -> str:
    """The classes of a label space: all of them where they are few."""
    labels = label_space.labels
    if len(labels) <= LISTED_CLASSES:
        return f"{', '.join(labels)} only"
    if label_space.name in SPACE_TITLES:
        return f"the {len(labels):,} classes of {SPACE_TITLES[label_space.name]}"
    return f"{len(labels):,}, from {labels[0]} to {labels[-1]}"


def _tie(ensemble: Ensemble) -> str:
    """ "tie of 2: tabby, lynx (50.0 % each)" where several classes have the most votes or points; else empty."""
    if not RULES[ensemble.rule].ties:
        return ""
    prediction = ensemble.prediction
    count = int((prediction.probabilities == prediction.probabilities.max()).sum())
    if count == 1:
        return ""
    tied = prediction.top_k(count)
    named = [label_of(prediction.label_space, found.index) for found in tied[:NAMED_TIED]]
    more = f" and {count - len(named)} more" if count > len(named) else ""
    return f"tie of {count}: {', '.join(named)}{more} ({percent(tied[0].probability)} each)"


def _agreeing(asked: Sequence[Prediction], dissenting: int) -> str:
    """How many of the models say what the ensemble says."""
    count, agreeing = len(asked), len(asked) - dissenting
    if not dissenting:
        return "both agree" if count == 2 else f"all {count} agree"
    if len({_first(prediction).index for prediction in asked}) == count:
        return "both differ" if count == 2 else f"all {count} differ"
    if agreeing <= 1:
        return f"{agreeing or 'none'} of {count} says so"
    return f"{agreeing} of {count} agree"


def _dissent(dissenters: list[Prediction]) -> str:
    named = [(title_of(p), label_of(p.label_space, _first(p).index)) for p in dissenters[:NAMED_DISSENTERS]]
    if len(named) == 2 and named[0][1] == named[1][1]:
        sentence = f"{named[0][0]} and {named[1][0]} say {named[0][1]}"
    else:
        sentence = ", ".join(f"{title} says {label}" for title, label in named)
    more = len(dissenters) - len(named)
    return f"{sentence}, and {more} more" if more else sentence
