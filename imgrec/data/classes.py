"""The classes of a dataset: checked, named, and matched with those of a model by name or WordNet id."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from imgrec.data.folders import MAX_CLASSES
from imgrec.data.splits import MIN_PER_CLASS
from imgrec.errors import InputError, LabelSpaceError
from imgrec.predictions.class_groups import ClassGroups
from imgrec.predictions.labels import (
    LABEL_SPACES,
    NO_TARGET,
    LabelMap,
    LabelSpace,
    get_label_map,
    get_label_space,
)

# Of many classes a sentence names so many; of classes without images, so many.
MAX_NAMED = 4
MAX_NAMED_EMPTY = 5

# Other words for the classes of known spaces.
SYNONYMS = {"plane": "airplane", "aeroplane": "airplane", "car": "automobile", "boat": "ship"}


def recognize(names: Sequence[str]) -> LabelSpace:
    """Return the known label space that has all these classes (by WordNet id, or by name), or one of just these.

    ImageNet is recognized by WordNet ids alone: two of its classes are called crane.
    """
    imagenet = get_label_space("imagenet_1k")
    if names and set(names) <= set(imagenet.synsets):
        return imagenet
    # The smallest that has them all: cats and dogs are classes of CIFAR-10 too.
    for space in sorted(map(get_label_space, LABEL_SPACES), key=lambda space: len(space.labels)):
        if space is not imagenet and set(map(_plain, names)) <= set(map(_plain, space.labels)) and len(names) > 1:
            return space
    return own_space(names)


def own_space(labels: Iterable[str]) -> LabelSpace:
    """Return a label space of just these classes, sorted."""
    ordered = tuple(sorted(set(labels)))
    return LabelSpace("_".join(ordered)[:60], ordered, (None,) * len(ordered))


def scoring(model_space: LabelSpace, data_space: LabelSpace, groups: ClassGroups | None = None) -> LabelMap | None:
    """Return how a model's classes count as those of a dataset: None when they are the same.

    The sums of the map stay 1. Its target has the dataset's classes first and, if some of the model's have no place
    there, one more for "something else". ImageNet's classes roll up through WordNet; spaces with the same labels, in
    another order or number ("cats", "cat"), are matched by name. `groups` say what the dataset's classes mean, by their
    names; see `check_groups`. Raises `LabelSpaceError` when nothing fits.
    """
    if model_space.name == data_space.name or model_space.labels == data_space.labels:
        return None
    mine, theirs = list(map(_plain, model_space.labels)), list(map(_plain, data_space.labels))
    if sorted(mine) == sorted(theirs) and len(set(theirs)) == len(theirs):
        return LabelMap(model_space, data_space, np.array([theirs.index(name) for name in mine]))
    if groups is not None:
        return _by_groups(model_space, data_space, groups)
    if model_space.name in LABEL_SPACES and data_space.name in LABEL_SPACES:
        found = get_label_map(model_space.name, data_space.name)
        if len(found.unreachable) < len(data_space.labels):
            return found.with_rest()
    unknown = unknown_classes(model_space, data_space)
    received = (
        f"{len(data_space.labels):,} classes. Not among them: {in_words(unknown)}"
        if unknown
        else in_words(data_space.labels)
    )
    raise LabelSpaceError(
        f"Expected a dataset with the classes of the model ({in_words(model_space.labels)}), or ones that these roll "
        f"up to. Received: {received}."
    )


def without_group(labels: Iterable[str], groups: ClassGroups) -> list[str]:
    """Return those of a dataset's classes that have no group of their name."""
    known = set(map(_plain, groups.names))
    return [label for label in labels if _plain(label) not in known]


def check_groups(labels: Sequence[str], groups: ClassGroups) -> None:
    """Raise `InputError` unless each of a dataset's classes has a group of its name."""
    if missing := without_group(labels, groups):
        raise InputError(
            f"Expected what each class of the dataset means in WordNet. Received: {in_words(groups.names)}; without "
            f"{in_words(missing)}."
        )


def _by_groups(model_space: LabelSpace, data_space: LabelSpace, groups: ClassGroups) -> LabelMap:
    """Return how a model's classes count as those of a dataset, by the group of each; the others are the rest."""
    place_of = {_plain(label): place for place, label in enumerate(data_space.labels)}
    targets = [place_of.get(_plain(name), NO_TARGET) for name in groups.names]
    index = np.array([*targets, NO_TARGET])[groups.places(model_space)]  # the last stands for NO_TARGET, which is -1
    if np.all(index == NO_TARGET):
        raise LabelSpaceError(
            f"Expected a model that knows a class of {in_words(data_space.labels)}. Received: {model_space.name}."
        )
    return LabelMap(model_space, data_space, index).with_rest()


def unknown_classes(model_space: LabelSpace, data_space: LabelSpace) -> list[str]:
    """Return the classes of a dataset that a model does not have by any of their names."""
    return [name for name in data_space.labels if place_of_label(model_space, name) < 0]


def place_of_label(space: LabelSpace, name: str) -> int:
    """Return the index of the class called `name` (a WordNet id, or a name in any form), -1 if there is none."""
    positions = _positions(space)
    return positions.get(name, positions.get(_plain(name), -1))


def no_classes(labels: Sequence[str], more: int = 0) -> tuple[str, ...]:
    """Return the sentence on classes, `labels` and so many `more`, that have no training image; none of no classes.

    >>> no_classes(["frog"])
    ('frog: no readable image to learn from, so it is no class',)
    """
    if not labels:
        return ()
    named, more = ", ".join(labels[:MAX_NAMED_EMPTY]), more + len(labels[MAX_NAMED_EMPTY:])
    single = len(labels) + more == 1
    return (
        f"{named}{f' and {more:,} more' if more else ''}: no readable image to learn from, so "
        f"{'it is no class' if single else 'they are no classes'}",
    )


def untested(labels: Sequence[str], targets: np.ndarray) -> list[str]:
    """Return a sentence for each class that does not occur in the `targets` (N,) of the test."""
    tested = set(targets.tolist())
    return [f"{label}: no image to test on" for i, label in enumerate(labels) if i not in tested]


def check_classes(name: str, counts: dict[str, int], refused: Sequence[str]) -> None:
    """Raise `InputError` unless there are two classes or more, not too many, with enough training images each."""
    hint = f" {len(refused):,} could not be used, the first: {refused[0]}" if refused else ""
    if len(counts) < 2:
        received = f"only {next(iter(counts))!r}" if counts else "none"
        raise InputError(
            f"Expected two class folders or more with readable images in {name}. Received: {received}.{hint}"
        )
    if len(counts) > MAX_CLASSES:
        raise InputError(
            f"Expected at most {MAX_CLASSES:,} classes in {name}. Received: {len(counts):,}; "
            "the folder that directly holds an image is taken for its class."
        )
    few = [label for label, count in counts.items() if count < MIN_PER_CLASS]
    if few:
        raise InputError(
            f"Expected at least {MIN_PER_CLASS} readable images of each class. "
            f"Received: fewer of {', '.join(few[:5])}.{hint}"
        )


def in_words(labels: Sequence[str]) -> str:
    """Return the first of `labels`, and how many more there are."""
    more = len(labels) - MAX_NAMED
    return ", ".join(labels[:MAX_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _plain(name: str) -> str:
    """Return a class name as it is compared: "Cats" and "cat" are one."""
    word = name.strip().lower().replace("_", " ")
    word = word[:-1] if word.endswith("s") and not word.endswith("ss") else word
    return SYNONYMS.get(word, word)


@lru_cache(maxsize=8)
def _positions(space: LabelSpace) -> dict[str, int]:
    """Return class by WordNet id and by plain name."""
    return {_plain(n): i for i, n in enumerate(space.labels)} | {s: i for i, s in enumerate(space.synsets) if s}
