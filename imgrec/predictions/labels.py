"""Label spaces: what a class index means, and how one space rolls up into a coarser one.

Classes are identified by WordNet 3.0 id, not by name: ImageNet has two cranes (a bird, n02012849, and a machine,
n03126707), two maillots, and a cardigan (a garment) beside a Cardigan (a dog).

ImageNet's names are read with the part of WordNet above them at first use; see `wordnet`. A new label space is one
line in `LABEL_SPACES`.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from imgrec.errors import LabelSpaceError, UnknownNameError
from imgrec.predictions import wordnet

# In `LabelMap.index`: a source class that has no place in the target.
NO_TARGET = -1

# Digits of a sha256: enough that no two lists of classes get the same name.
_NAME_DIGITS = 12


@dataclass(frozen=True, slots=True)
class EntropyLimit:
    """A limit of entropy, which keeps 95 % of the images that it was measured on; see `out_of_distribution`.

    `flagged` is the share of other images above it, by what they are; empty where none were measured. `auroc` is the
    probability that one of the first kind has more entropy than an image that the limit was measured on.
    """

    entropy_bits: float
    flagged: Mapping[str, float] = field(default_factory=dict)
    auroc: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LabelSpace:
    """The classes of a model in the order of its outputs: class index = position.

    `labels` are for display and may repeat (ImageNet has two cranes); `synsets` are WordNet 3.0 ids such as
    `n02123045`, or None for a class that WordNet does not have. With `exclusive`, the probabilities of a prediction
    sum to 1. Two spaces are the same when their `name` is. `entropy_limit` is None where none was measured.

    Raises:
        LabelSpaceError: The counts differ, or a synset occurs twice.
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
    """The class of `target` for each class of `source`.

    `index` is int64 (C_source,), read-only: a position in `target`, or `NO_TARGET`.

    Raises:
        LabelSpaceError: `index` has another shape, or a position that `target` does not have.
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
        """The labels of `target` without any source class: their probability is always 0."""
        reached = set(self.index.tolist())
        return tuple(label for i, label in enumerate(self.target.labels) if i not in reached)

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Add up the probabilities of the source classes of each target class.

        Source classes without a target are dropped, so that a row may sum to less than 1; see `with_rest`.

        Args:
            probabilities: float (…, C_source) in [0, 1].

        Returns:
            float64 (…, C_target) in [0, 1].

        Raises:
            LabelSpaceError: The last axis has another length.
        """
        probabilities = np.asarray(probabilities, dtype=np.float64)
        if probabilities.shape[-1:] != self.index.shape:
            raise LabelSpaceError(
                f"Expected probabilities of shape (…, {len(self.index)}) for the label space {self.source.name}. "
                f"Received: {probabilities.shape}."
            )
        # A matrix of the map would be large for many targets; column 0 takes what has no target.
        places, width = self.index - NO_TARGET, len(self.target.labels) + 1
        rows = probabilities.reshape(-1, len(places))
        totals = np.array([np.bincount(places, row, width) for row in rows]).reshape(-1, width)
        return totals[:, 1:].reshape(*probabilities.shape[:-1], width - 1)

    def with_rest(self, label: str = "something else") -> "LabelMap":
        """Return this map with one more target class, the last, for all source classes without a target."""
        target = LabelSpace(
            name=f"{self.target.name}_or_rest",
            labels=(*self.target.labels, label),
            synsets=(*self.target.synsets, None),
            exclusive=self.target.exclusive,
        )
        return LabelMap(self.source, target, np.where(self.index == NO_TARGET, len(self.target.labels), self.index))


def get_label_space(name: str) -> LabelSpace:
    """Return the label space called `name`, or raise `UnknownNameError`."""
    try:
        return LABEL_SPACES[name]()
    except KeyError:
        raise UnknownNameError.of("label space", name, list(LABEL_SPACES)) from None


def space_name(labels: Sequence[str]) -> str:
    """Return the name of the label space with these classes in this order: a known one, or one made from them.

    It depends on the classes alone, so that models that were trained separately can be combined.
    """
    known = (name for name in LABEL_SPACES if get_label_space(name).labels == tuple(labels))
    return next(known, None) or f"own_{hashlib.sha256(json.dumps(list(labels)).encode()).hexdigest()[:_NAME_DIGITS]}"


def roll_up(source: LabelSpace, target: LabelSpace, counts_as: Mapping[str, str | None] | None = None) -> LabelMap:
    """Map each class of `source` to the class of `target` that is its nearest WordNet ancestor, or itself.

    Of two that are equally near, WordNet's main hypernym is taken. `counts_as` adds synsets that the target's own
    synsets do not cover (a warplane is no airplane in WordNet), or takes some out (None).
    """
    position: dict[str, int] = {synset: i for i, synset in enumerate(target.synsets) if synset is not None}
    for synset, counted in (counts_as or {}).items():
        position[synset] = NO_TARGET if counted is None else position[counted]

    def nearest(synset: str | None) -> int:
        return next((position[step] for step in wordnet.ancestors(synset or "") if step in position), NO_TARGET)

    return LabelMap(source, target, np.array([nearest(synset) for synset in source.synsets]))


@cache
def get_label_map(source: str, target: str) -> LabelMap:
    """Return the map between two spaces of `LABEL_SPACES`, with the target's exceptions; made once."""
    return roll_up(get_label_space(source), get_label_space(target), COUNTS_AS.get(target))


@cache
def _imagenet_1k() -> LabelSpace:
    table = wordnet.table()
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
    # A test compares with what was measured.
    entropy_limit=EntropyLimit(2.3, {"unrelated photos": 0.57, "photos of its own classes": 0.2}, auroc=0.92),
)

CATS_AND_DOGS = LabelSpace(name="cats_and_dogs", labels=("cat", "dog"), synsets=("n02121620", "n02084071"))

# By target space: the class of a synset where WordNet has another one; None for no class.
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
