"""The class that the maps are about: the first of the ensemble, any class, or what is above classes ("dog")."""

from collections.abc import Mapping, Sequence

import streamlit as st

from imgrec.errors import InputError
from imgrec.explanation import target
from imgrec.explanation.target import Target
from imgrec.inference.request import Options
from imgrec.predictions.ensembles import Ensemble
from imgrec.predictions.hierarchy import hierarchy_of, map_to_level
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Prediction
from imgrec.reports.sentences import label_of
from imgrec.ui import query_params, results

# The default; no label has this name.
FIRST = "first of the ensemble"


def choose(spaces: Sequence[LabelSpace]) -> str:
    """Choose a class of `spaces`, or a group of their classes, by its name; or `FIRST`."""
    synsets = {word: synset for space in reversed(spaces) for word, synset in _words(space).items()}
    words = [FIRST, *dict.fromkeys(word for space in spaces for word in _words(space))]

    def synset_of(word: str) -> str:
        return synsets.get(word) or word

    word = st.selectbox(
        "Class",
        words,
        # A link may have the WordNet id of a class.
        key=query_params.named("class", "class", words, FIRST, title=synset_of),
        format_func=lambda word: "The first of the ensemble" if word == FIRST else str(word),
        help="Type to search: a class (Saluki), or a group of classes (dog, vehicle).",
        width=260,
    )
    return word if word in words else FIRST


def find_targets(word: str, groups: Mapping[str, results.Group], choice: Options) -> dict[str, Target]:
    """Return what `word` means for each label space of the models in `groups`, by its name; others have none.

    Results may be shown at a level above the classes, or as the visitor's own: the first of the ensemble is then all
    classes of a model that count in it.
    """
    found: dict[str, Target] = {}
    for members, ensemble in groups.values():
        shown = ensemble.prediction if isinstance(ensemble, Ensemble) else members[0]
        for member in members:
            space = (member.own or member).label_space
            meant = _first(shown, space, choice) if word == FIRST else _find(word, space)
            if meant is not None:
                found.setdefault(space.name, meant)
    return found


def _first(shown: Prediction, space: LabelSpace, choice: Options) -> Target | None:
    """Return the first class of a prediction as classes of `space`; None where it has none of them."""
    if shown.label_space.name == space.name:
        return target.first_of(shown)
    index = shown.first.index
    label = label_of(shown.label_space, index)
    if choice.classes:
        groups = choice.classes.groups
        counts = [
            [group.has(synset, own) for group in groups]
            for synset, own in zip(space.synsets, space.labels, strict=True)
        ]
        place = next((place for place, group in enumerate(groups) if group.name == label), None)
        is_in = [not any(row) if place is None else row[place] for row in counts]
    else:
        mapped = map_to_level(space, choice.level)
        is_in = [] if mapped is None else (mapped.index == index).tolist()
    indices = tuple(at for at, own in enumerate(is_in) if own)
    return Target(space, indices, label) if indices else None


def _find(word: str, space: LabelSpace) -> Target | None:
    """Return what `word` means in `space`; None where it is a word of another label space."""
    try:
        return target.find(word, space)
    except InputError:
        return None


def _words(space: LabelSpace) -> dict[str, str | None]:
    """Return the names of the classes of `space` and of what is above them, with their WordNet ids."""
    above = {node.label: node.synset for node in hierarchy_of(space).nodes}
    return above | dict(zip(_labels(space), space.synsets, strict=True))


def _labels(space: LabelSpace) -> list[str]:
    return [label_of(space, index) for index in range(len(space.labels))]
