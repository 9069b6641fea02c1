"""Results in words: percentages, names for people, who agrees, and the one sentence above the charts.

Every face says the same because it asks here.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from imgrec import abstention
from imgrec.abstention import LIMITS
from imgrec.catalogue import ModelSpec, get_spec
from imgrec.ensembles import ENSEMBLE, Ensemble, Without, combine
from imgrec.errors import UnknownNameError
from imgrec.labels import LabelSpace, get_label_space
from imgrec.predictions import Classification, Prediction
from imgrec.settings import MIB

# NARROW NO-BREAK SPACE, as SI wants it between a number and %: "84.1" and "%" stay on one line.
THIN_SPACE = "\u202f"

# More names than this and the sentence is a list.
NAMED_DISSENTERS = 2

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

    Or, where the doubt says so: "Most likely none of these: the models disagree (2 of 3 say bird, together 34.0 %;
    entropy 2.61 bits, the limit is 2.30)". Counts those `predictions` that have the ensemble's label space. Without an
    ensemble, what each model says.
    """
    if ensemble is None:
        return " · ".join(f"{title_of(p.model)}: {_first_choice(p)}{_hint(p)}" for p in predictions)
    if is_none_of_these(ensemble):
        return f"Most likely none of these: {_doubt(ensemble)}"
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


def is_none_of_these(answer: Ensemble | Prediction) -> bool | None:
    """Whether the picture most likely shows none of the classes, as all members or one model alone let it seem.

    None where no limit is known for the classes, or where they do not exclude each other. See `abstention`.
    """
    if isinstance(answer, Prediction):
        if not answer.label_space.exclusive:
            return None
        answer = combine([answer])
    return abstention.is_none_of_these(answer.prediction.label_space.name, answer.uncertainty)


def describe_limit(label_space: str) -> str:
    """What the limit above which it is "none of these" keeps and catches; empty where there is none."""
    limit = LIMITS.get(label_space)
    if limit is None:
        return ""
    kept = _rounded(abstention.KEPT)
    if limit.caught is None or limit.lost is None:
        return (
            f"The limit lets {kept} of the pictures pass on which the model was measured; how many of other things it "
            "stops has not been measured."
        )
    return (
        f"A hint, no proof. The limit lets {kept} of {space_title(label_space)}'s test pictures pass. It stops "
        f"{_rounded(limit.caught)} of photographs of other things, and {_rounded(limit.lost)} of those of its classes."
    )


def _rounded(share: float) -> str:
    return f"{share * 100:.0f}{THIN_SPACE}%"


def space_title(label_space: str) -> str:
    """What people call a label space: a known name, or some of its classes."""
    if label_space in SPACE_TITLES:
        return SPACE_TITLES[label_space]
    labels = get_label_space(label_space).labels
    more = len(labels) - NAMED_CLASSES
    if more <= 1:
        return ", ".join(labels)
    return ", ".join(labels[:NAMED_CLASSES]) + f" and {more} more"


def describe_knowledge(specs: Sequence[ModelSpec]) -> str:
    """What these models can know at all: "These models know airplane, automobile, … and truck, and nothing else.".

    Empty where all know ImageNet's thousand classes, about which nobody needs to be warned.
    """
    groups: dict[str, list[ModelSpec]] = {}
    for spec in specs:
        groups.setdefault(spec.label_space, []).append(spec)
    if set(groups) <= {"imagenet_1k"}:
        return ""
    sentences = []
    for name, members in groups.items():
        who = "These models" if len(members) > 1 else "This model"
        if len(groups) > 1:
            who = _listed([spec.title for spec in members])
        sentences.append(f"{who} {'know' if len(members) > 1 else 'knows'} {_classes(name)}, and nothing else.")
    sides = {max(spec.input_size) for spec in specs if spec.label_space != "imagenet_1k"}
    if max(sides) <= SMALL_SIDE_PX and len(groups) == 1:
        sentences.append(
            f"Of a photograph {'they see' if len(specs) > 1 else 'it sees'} {max(sides)} × {max(sides)} px."
        )
    return " ".join(sentences)


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


def _hint(prediction: Prediction) -> str:
    return " (most likely none of these)" if is_none_of_these(prediction) else ""


def _doubt(ensemble: Ensemble) -> str:
    """Who doubts, what they say all the same, and the figures."""
    first, found, members = _first(ensemble.prediction), ensemble.uncertainty, ensemble.members
    label, figure = label_of(ensemble.prediction.label_space, first.index), percent(first.probability)
    limit = LIMITS[ensemble.prediction.label_space.name].entropy_bits
    entropy = f"entropy {found.entropy_bits:.2f} bits, the limit is {limit:.2f}"
    if len(members) == 1:
        return f"{title_of(members[0].model)} is unsure ({label} {figure}; {entropy})"
    agreeing = sum(_first(member).index == first.index for member in members)
    if agreeing == len(members):
        who = "both models are unsure" if len(members) == 2 else f"all {len(members)} models are unsure"
        return f"{who} ({label} {figure}; {entropy})"
    says = "says" if agreeing == 1 else "say"
    return f"the models disagree ({agreeing} of {len(members)} {says} {label}, together {figure}; {entropy})"


def _classes(label_space: str) -> str:
    """The classes of a label space: all of them where they are few."""
    labels = get_label_space(label_space).labels
    if len(labels) <= LISTED_CLASSES:
        return _listed(labels)
    if label_space in SPACE_TITLES:
        return f"the {len(labels):,} classes of {SPACE_TITLES[label_space]}"
    return f"{len(labels):,} classes, from {labels[0]} to {labels[-1]}"


def _listed(words: Sequence[str]) -> str:
    """ "cat, dog and fox"."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


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
