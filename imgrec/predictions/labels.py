"""Label spaces: what a class index means, and how one space rolls up into a coarser one.

Classes are told apart by WordNet 3.0 id, never by name: ImageNet has two cranes (a bird, n02012849, and a
machine, n03126707), two maillots, and a cardigan (a garment) beside a Cardigan (a dog).

Importing reads no file: ImageNet's names and the part of WordNet above them come from
`assets/labels/imagenet_1k.json` at first use. A new label space is one line in `LABEL_SPACES`.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from imgrec.errors import LabelSpaceError, UnknownNameError
from imgrec.settings import ASSETS

# In `LabelMap.index`: a source class that has no place in the target.
NO_TARGET = -1

# Of a sha256, enough to tell any two lists of classes apart.
_NAME_DIGITS = 12

# Hypernyms above these say nothing to a reader: everything is an "organizm", a "whole" or "matter" in the end.
_ABSTRACT = frozenset(
    {
        "n00004475",  # organizm
        "n00003553",  # whole
        "n00002684",  # object
        "n00020090",  # substance, that of a sandwich
        "n00019613",  # substance, that of an element
        "n15046900",  # solid
        "n03892891",  # part
        "n00027167",  # location
        "n00033020",  # communication
        "n00024264",  # attribute
    }
)

# Steps that only a taxonomist would miss.
_TECHNICAL = frozenset(
    {
        "n01886756",  # placental
        "n01471682",  # vertebrate
        "n01466257",  # chordate
        "n11665372",  # angiosperm
        "n11552386",  # spermatophyte
        "n03575240",  # instrumentality
    }
)


@dataclass(frozen=True, slots=True)
class EntropyLimit:
    """The entropy above which an image most likely shows none of the classes.

    `caught` is the share of foreign photographs above it, `lost` that of photographs of the classes, and `auroc` the
    chance that a foreign photograph has more entropy than a test image; None where only images of the classes were
    there to measure it.
    """

    entropy_bits: float
    caught: float | None = None
    lost: float | None = None
    auroc: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LabelSpace:
    """The classes of a model in the order of its outputs: class index = position.

    `labels` are names for people and may repeat (ImageNet has two cranes and two maillots); `synsets` are
    WordNet 3.0 ids such as `n02123045`, or None for a class that WordNet does not have. `exclusive` says that
    a prediction is a distribution that sums to 1. Two spaces are the same when their `name` is. `entropy_limit` is
    None where none was measured.

    Raises `LabelSpaceError` when the counts differ or a synset stands twice.
    """

    name: str
    labels: tuple[str, ...]
    synsets: tuple[str | None, ...]
    exclusive: bool = True
    entropy_limit: EntropyLimit | None = None

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.synsets):
            raise LabelSpaceError(
                f"Expected one synset for each label of {self.name}. "
                f"Received: {len(self.labels)} labels and {len(self.synsets)} synsets."
            )
        known = [synset for synset in self.synsets if synset is not None]
        if len(known) != len(set(known)):
            raise LabelSpaceError(f"Expected each synset once in {self.name}. Received: one of them twice.")


@dataclass(frozen=True, slots=True, eq=False)
class LabelMap:
    """Which class of `target` each class of `source` counts as.

    `index` is int64 (C_source,), read-only: a position in `target`, or `NO_TARGET`.

    Raises `LabelSpaceError` when `index` has another shape, or names a class that `target` does not have.
    """

    source: LabelSpace
    target: LabelSpace
    index: np.ndarray

    def __post_init__(self) -> None:
        index = np.array(self.index, dtype=np.int64)
        sources, targets = len(self.source.labels), len(self.target.labels)
        if index.shape != (sources,) or np.any((index < NO_TARGET) | (index >= targets)):
            raise LabelSpaceError(
                f"Expected {sources} positions from {NO_TARGET} to {targets - 1} to map {self.source.name} to "
                f"{self.target.name}. Received: an array of shape {index.shape} with other values."
            )
        index.flags.writeable = False
        object.__setattr__(self, "index", index)

    @property
    def unreachable(self) -> tuple[str, ...]:
        """The labels of `target` that no source class counts as: their probability is always 0."""
        reached = set(self.index.tolist())
        return tuple(label for i, label in enumerate(self.target.labels) if i not in reached)

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """The probability of each target class: the sum over the source classes that count as it.

        float (…, C_source) → float64 (…, C_target). What has no target is dropped, so a row sums to less
        than 1 unless the map is made total by `with_rest`. Raises `LabelSpaceError` on another last axis.
        """
        probabilities = np.asarray(probabilities, dtype=np.float64)
        if probabilities.shape[-1:] != self.index.shape:
            raise LabelSpaceError(
                f"Expected probabilities of shape (…, {len(self.index)}) for the label space {self.source.name}. "
                f"Received: {probabilities.shape}."
            )
        counts_as = self.index[:, None] == np.arange(len(self.target.labels))
        totals: np.ndarray = probabilities @ counts_as.astype(np.float64)
        return totals

    def with_rest(self, label: str = "something else") -> "LabelMap":
        """The same map with one more target class, last, that takes all that has no target: sums are kept."""
        target = LabelSpace(
            name=f"{self.target.name}_or_rest",
            labels=(*self.target.labels, label),
            synsets=(*self.target.synsets, None),
            exclusive=self.target.exclusive,
        )
        return LabelMap(self.source, target, np.where(self.index == NO_TARGET, len(self.target.labels), self.index))


@dataclass(frozen=True, slots=True, eq=False)
class WordNet:
    """The part of WordNet 3.0 that lies above ImageNet's classes.

    `names` has a name for each synset; `hypernyms` its direct hypernyms, the main one first (a dog is a canine,
    and also a domestic animal). The root, entity, has none.
    """

    names: Mapping[str, str]
    hypernyms: Mapping[str, tuple[str, ...]]

    def path(self, synset: str) -> tuple[str, ...]:
        """`synset` and what lies above it by main hypernyms, up to entity; raises `UnknownNameError`."""
        if synset not in self.names:
            raise UnknownNameError.of("WordNet synset above ImageNet's classes", synset, list(self.names))
        steps = [synset]
        while above := self.hypernyms[steps[-1]]:
            steps.append(above[0])
        return tuple(steps)

    def ancestors(self, synset: str) -> tuple[str, ...]:
        """`synset` and all that lies above it by any hypernym, nearest first, main hypernyms before others.

        A synset that is not in the table stands for itself alone.
        """
        found = [synset]
        for step in found:  # grows while we walk it: breadth first
            for above in self.hypernyms.get(step, ()):
                if above not in found:
                    found.append(above)
        return tuple(found)


def get_label_space(name: str) -> LabelSpace:
    """The label space called `name`; raises `UnknownNameError` with the nearest names."""
    try:
        return LABEL_SPACES[name]()
    except KeyError:
        raise UnknownNameError.of("label space", name, list(LABEL_SPACES)) from None


def space_name(labels: Sequence[str]) -> str:
    """What the label space with these classes in this order is called: of those that are known, or of a model's own.

    It depends on nothing but the classes, so that models that were trained apart can be combined.
    """
    known = (name for name in LABEL_SPACES if get_label_space(name).labels == tuple(labels))
    return next(known, None) or f"own_{hashlib.sha256(json.dumps(list(labels)).encode()).hexdigest()[:_NAME_DIGITS]}"


@cache
def get_wordnet() -> WordNet:
    """WordNet above ImageNet's classes; read once."""
    synsets: dict[str, list[str]] = _imagenet_table()["synsets"]
    return WordNet(
        names={synset: name for synset, (name, *_) in synsets.items()},
        hypernyms={synset: tuple(above) for synset, (_, *above) in synsets.items()},
    )


def display_path(synset: str) -> tuple[str, ...]:
    """Names from `synset` upwards, for people: Siamese cat, cat, feline, carnivore, mammal, animal.

    Left out: what is more abstract than "animal" or "artifact", zoologists' and botanists' ranks, and steps that only
    qualify a later one ("domestic cat" before "cat"). Raises `UnknownNameError`.
    """
    wordnet = get_wordnet()
    steps: list[str] = []
    for step in wordnet.path(synset):
        if step in _ABSTRACT:
            break
        if step not in _TECHNICAL:
            steps.append(wordnet.names[step])
    return (*steps[:1], *(name for i, name in enumerate(steps[1:], 2) if not _qualifies(name, steps[i:])))


def _qualifies(name: str, above: list[str]) -> bool:
    """Whether `name` is one of the names above it with a word before: motor vehicle, vehicle."""
    return any(name.endswith(f" {other}") for other in above)


def classes_under(space: LabelSpace, synset: str) -> tuple[int, ...]:
    """The class indices of `space` that are `synset` or lie under it, by any hypernym."""
    wordnet = get_wordnet()
    return tuple(i for i, own in enumerate(space.synsets) if own and synset in wordnet.ancestors(own))


def roll_up(source: LabelSpace, target: LabelSpace, counts_as: Mapping[str, str | None] | None = None) -> LabelMap:
    """Map each class of `source` to the class of `target` that is its nearest WordNet ancestor, or itself.

    Where two are equally near, WordNet's main hypernym wins. `counts_as` adds ancestors that the target's own
    synsets do not cover (a warplane is no airplane in WordNet), or takes some out (None).
    """
    position: dict[str, int] = {synset: i for i, synset in enumerate(target.synsets) if synset is not None}
    for synset, counted in (counts_as or {}).items():
        position[synset] = NO_TARGET if counted is None else position[counted]
    wordnet = get_wordnet()

    def nearest(synset: str | None) -> int:
        above = wordnet.ancestors(synset) if synset else ()
        return next((position[step] for step in above if step in position), NO_TARGET)

    return LabelMap(source, target, np.array([nearest(synset) for synset in source.synsets]))


@cache
def get_label_map(source: str, target: str) -> LabelMap:
    """The map between two spaces of `LABEL_SPACES` by name, with the target's exceptions; made once."""
    return roll_up(get_label_space(source), get_label_space(target), COUNTS_AS.get(target))


@cache
def _imagenet_table() -> dict[str, Any]:
    text = (ASSETS / "labels" / "imagenet_1k.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


@cache
def _imagenet_1k() -> LabelSpace:
    table = _imagenet_table()
    classes: list[str] = table["classes"]
    return LabelSpace("imagenet_1k", tuple(table["synsets"][synset][0] for synset in classes), tuple(classes))


# CIFAR-10 in the order of its label files; the synsets are ours, the sense of each word being plain.
CIFAR_10 = LabelSpace(
    name="cifar_10",
    labels=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    synsets=(
        "n02691156",  # airplane
        "n02958343",  # car
        "n01503061",  # bird
        "n02121620",  # cat: the domestic ones, lynx and cougar; not the big cats, which are felines
        "n02430045",  # deer: ImageNet-1k has none, its antelopes are none
        "n02084071",  # dog: the breeds, not wolves, foxes and dingos
        "n01639765",  # frog
        "n02374451",  # horse: not the zebra
        "n04194289",  # ship
        "n04490091",  # truck
    ),
    entropy_limit=EntropyLimit(entropy_bits=2.3, caught=0.57, lost=0.2, auroc=0.92),  # a test repeats the measurement
)

CATS_AND_DOGS = LabelSpace(name="cats_and_dogs", labels=("cat", "dog"), synsets=("n02121620", "n02084071"))

# By target space: what counts as a class though WordNet does not put it there, and what does not (None).
COUNTS_AS: dict[str, dict[str, str | None]] = {
    "cifar_10": {
        "n04552348": "n02691156",  # a warplane is an aircraft in WordNet, and an airplane in CIFAR-10
        "n04530566": "n04194289",  # CIFAR-10's ships are all sorts of vessels: speedboats, yachts, canoes
        "n03930630": None,  # pickup: "Neither includes pickup trucks", CIFAR-10's authors say of car and truck
    },
}

LABEL_SPACES: dict[str, Callable[[], LabelSpace]] = {
    "imagenet_1k": _imagenet_1k,
    "cifar_10": lambda: CIFAR_10,
    "cats_and_dogs": lambda: CATS_AND_DOGS,
}
