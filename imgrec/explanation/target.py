"""What a map is about: a class, or all classes below a WordNet synset."""

from dataclasses import dataclass

import numpy as np

from imgrec.errors import UnknownNameError
from imgrec.predictions import wordnet
from imgrec.predictions.hierarchy import hierarchy_of
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Prediction
from imgrec.reports.sentences import label_of


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """The classes `indices` of `label_space`, one or more, and their common name."""

    label_space: LabelSpace
    indices: tuple[int, ...]
    label: str

    def probability(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the probability of the target for each row of `probabilities`, float (…, C)."""
        total: np.ndarray = probabilities[..., list(self.indices)].sum(axis=-1)
        return total

    def direction(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the weights of the logits in the score of the target, float32 (C,).

        The score is the logit of the class less the mean of all logits, because a constant added to all of them
        changes no probability. For several classes it is the mean of their scores, weighted with their `probabilities`
        (C,), as the gradient of log Σ exp(logit) is.
        """
        weights = np.full(len(probabilities), -1 / len(probabilities), np.float32)
        places = list(self.indices)
        total = float(probabilities[places].sum())
        shares = probabilities[places] / total if total > 0 else np.full(len(places), 1 / len(places))
        weights[places] += shares.astype(np.float32)
        return weights


def first_of(prediction: Prediction) -> Target:
    """Return the most probable class of `prediction`, the default target."""
    return of_class(prediction.label_space, prediction.first.index)


def of_class(space: LabelSpace, index: int) -> Target:
    """Return the class at `index` of `space` as a target."""
    return Target(space, (index,), label_of(space, index))


def find(word: str, space: LabelSpace) -> Target:
    """Return the classes of `space` that `word` means: a label, a WordNet id, or the name of what is above classes.

    What is above classes is first looked up among the nodes of `hierarchy`, which pages offer, then in all of WordNet.

    Raises:
        UnknownNameError: No class of `space` is that, or below that.
        InputError: The word has several meanings; the sentence lists them.
    """
    wanted = word.strip()
    labels = [label_of(space, index).lower() for index in range(len(space.labels))]
    if wanted.lower() in labels:
        return of_class(space, labels.index(wanted.lower()))
    tree = hierarchy_of(space)
    for place, node in enumerate(tree.nodes):
        if wanted.lower() in (node.label.lower(), node.synset):
            return Target(space, tuple(map(int, tree.classes_below(place))), node.label)
    if not any(space.synsets):
        raise UnknownNameError.of("class", wanted, list(space.labels))
    synset = wordnet.resolve(wanted)
    below = tuple(i for i, own in enumerate(space.synsets) if own and synset in wordnet.ancestors(own))
    if not below:
        raise UnknownNameError(f"Expected a class that the models know. Received: {wanted!r}, which is none of theirs.")
    return of_class(space, below[0]) if len(below) == 1 else Target(space, below, wordnet.name_of(synset))
