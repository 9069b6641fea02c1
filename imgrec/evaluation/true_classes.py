"""The true classes of images, as folders or a table name them, matched with the classes of several models.

Predictions are counted in the classes of the images: breeds as cats and dogs where the folders are called so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imgrec.data.classes import own_space, place_of_label, recognize, scoring, without_group
from imgrec.errors import InputError, LabelSpaceError
from imgrec.models.catalog import ModelSpec
from imgrec.predictions import wordnet
from imgrec.predictions.class_groups import MAX_GROUPS, ClassGroup, ClassGroups
from imgrec.predictions.labels import LabelMap, LabelSpace
from imgrec.predictions.prediction import Prediction

# One word may be by chance that of a class: a folder called "work" says nothing, one called "mouse" neither.
LEAST_WORDS = 2


@dataclass(frozen=True, slots=True, eq=False)
class TrueClasses:
    """`targets` has the class of an image by its position, an index of `label_space`; of some it may not be known.

    `maps` has how the classes of a label space count in it, by the name of that space; None where they are the same.
    """

    label_space: LabelSpace
    targets: Mapping[int, int]
    maps: Mapping[str, LabelMap | None]

    def count(self, prediction: Prediction) -> Prediction:
        """Return `prediction` in the classes of the images."""
        label_map = self.maps[prediction.label_space.name]
        if label_map is None:
            return prediction
        mapped = label_map.apply(prediction.probabilities).astype(np.float32)
        return replace(prediction, label_space=label_map.target, probabilities=mapped, tie_breaker=None, own=prediction)


def match_classes(
    words: Mapping[int, str], specs: Sequence[ModelSpec], groups: ClassGroups | None = None
) -> TrueClasses:
    """Return the true classes of images from what they are called, `words`, for models that know them all.

    As in an evaluation, see `data.classes`: the same classes in any order, or classes that ImageNet's roll up to. Names
    of some classes of the models, such as espresso, do as well; and so do names of `groups`, if all are. Otherwise what
    two words or more mean in WordNet counts, such as cat and espresso, and images with other words have no true class.

    Raises:
        LabelSpaceError: A model has other classes, or none of the models has all of them.
    """
    spaces = {spec.label_space: spec.get_label_space() for spec in specs}
    names = sorted(set(words.values()))
    try:
        return _match(words, names, spaces, groups)
    except LabelSpaceError:
        meant = {name: group for name in names if (group := _in_wordnet(name))}
        if not LEAST_WORDS <= len(meant) <= MAX_GROUPS:
            raise
        known = {place: word for place, word in words.items() if word in meant}
        return _match(known, list(meant), spaces, ClassGroups(tuple(meant.values())))


def _match(
    words: Mapping[int, str], names: Sequence[str], spaces: Mapping[str, LabelSpace], groups: ClassGroups | None
) -> TrueClasses:
    meant = groups if groups is not None and not without_group(names, groups) else None
    space = recognize(names) if meant is None else own_space(names)
    maps: dict[str, LabelMap | None]
    try:
        maps = {name: scoring(model_space, space, meant) for name, model_space in spaces.items()}
    except LabelSpaceError:
        if (own := _named_classes(names, list(spaces.values()))) is None:
            raise
        space, maps = own, dict.fromkeys(spaces)
    index = {name: place_of_label(space, name) for name in names}
    targets = {i: index[word] for i, word in words.items()}
    if mapped := [label_map.target for label_map in maps.values() if label_map]:
        # One target for all: a model of just these classes has no "something else".
        space, same = max(mapped, key=lambda target: len(target.labels)), np.arange(len(space.labels))
        maps = {name: LabelMap(spaces[name], space, same if one is None else one.index) for name, one in maps.items()}
    return TrueClasses(space, targets, maps)


def _in_wordnet(name: str) -> ClassGroup | None:
    """Return the group of what a word means in WordNet, also in its plural; None without one meaning."""
    for word in (name, name.strip().removesuffix("s")):
        try:
            return ClassGroup.parse(name, [wordnet.resolve(word)])
        except InputError:
            continue
    return None


def _named_classes(names: Sequence[str], spaces: Sequence[LabelSpace]) -> LabelSpace | None:
    """Return the one label space of all models if each of `names` is the name of one of its classes; else None."""
    space = spaces[0]
    places = [place_of_label(space, name) for name in names]
    # Two classes of ImageNet are called crane.
    is_plain = all(place >= 0 and space.labels.count(space.labels[place]) == 1 for place in places)
    return space if is_plain and len(spaces) == 1 and len(set(places)) == len(names) else None
