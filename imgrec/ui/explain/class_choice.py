"""The class that the maps are about: the first of the ensemble, any class, or what is above classes ("dog")."""

from collections.abc import Mapping, Sequence

import streamlit as st

from imgrec.explain import target
from imgrec.explain.target import Target
from imgrec.predictions.ensembles import Ensemble
from imgrec.predictions.hierarchy import hierarchy_of
from imgrec.predictions.labels import LabelSpace
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


def find_targets(word: str, groups: Mapping[str, results.Group]) -> dict[str, Target]:
    """Return what `word` means for each label space of `groups`, by its name; spaces without that class have none."""
    found: dict[str, Target] = {}
    for name, (members, ensemble) in groups.items():
        if word == FIRST:
            prediction = ensemble.prediction if isinstance(ensemble, Ensemble) else members[0]
            found[name] = target.first_of(prediction)
        elif (meant := find_target(word, members[0].label_space)) is not None:
            found[name] = meant
    return found


def find_target(word: str, space: LabelSpace) -> Target | None:
    """Return the class or group of classes of `space` called `word`; None where there is none."""
    labels = _labels(space)
    if word in labels:
        return target.of_class(space, labels.index(word))
    tree = hierarchy_of(space)
    node = next((place for place, node in enumerate(tree.nodes) if node.label == word), None)
    if node is None:
        return None
    return Target(space, tuple(map(int, tree.classes_below(node))), word)


def _words(space: LabelSpace) -> dict[str, str | None]:
    """Return the names of the classes of `space` and of what is above them, with their WordNet ids."""
    above = {node.label: node.synset for node in hierarchy_of(space).nodes}
    return above | dict(zip(_labels(space), space.synsets, strict=True))


def _labels(space: LabelSpace) -> list[str]:
    return [label_of(space, index) for index in range(len(space.labels))]
