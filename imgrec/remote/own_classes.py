"""Answers of a service as the visitor's own classes, and what is right of them.

Confidences do not add up to 1, so they are not added: a class has the confidence of its surest label. "Whiskers" and
other labels that WordNet does not have count for no class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imgrec.metrics.significance import Interval, wilson
from imgrec.predictions.class_groups import ClassGroup, ClassGroups
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Prediction


@dataclass(frozen=True, slots=True)
class ScoredImage:
    """One image: its true class, the class that was answered and its confidence; None where there is none."""

    image: str
    truth: str | None
    answer: str | None
    confidence: float | None

    @property
    def is_right(self) -> bool | None:
        """None where the true class is not known."""
        return None if self.truth is None else self.answer == self.truth


@dataclass(frozen=True, slots=True)
class ClassScore:
    """The images of one true class: how many are right, and the confidences of the right ones from least to most."""

    name: str
    images: int
    right: int
    least: float | None
    most: float | None

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the share of right ones."""
        return wilson(self.right, self.images)


def roll_up(prediction: Prediction, groups: ClassGroups) -> Prediction:
    """Return the confidence of each group: that of its surest label, 0 where no label counts."""
    space = prediction.label_space
    labels = list(zip(space.synsets, space.labels, prediction.probabilities.tolist(), strict=True))

    def surest(group: ClassGroup) -> float:
        return max((score for synset, label, score in labels if group.has(synset, label)), default=0.0)

    names = groups.names
    target = LabelSpace(f"{prediction.model}_groups", names, (None,) * len(names), exclusive=False)
    scores = np.array([surest(group) for group in groups.groups], np.float32)
    return replace(prediction, label_space=target, probabilities=scores, own=prediction)


def score(image: str, truth: str | None, rolled_up: Prediction) -> ScoredImage:
    """Return what a prediction as of `roll_up` says about an image; nothing where no label counts for any class."""
    first = rolled_up.first
    known = first.probability > 0
    return ScoredImage(image, truth, first.label if known else None, first.probability if known else None)


def score_classes(rows: Sequence[ScoredImage]) -> list[ClassScore]:
    """Return the score of each true class, in the order of their first images."""
    by_class: Mapping[str, list[ScoredImage]] = {row.truth: [] for row in rows if row.truth is not None}
    for row in rows:
        if row.truth is not None:
            by_class[row.truth].append(row)
    found = []
    for name, members in by_class.items():
        sure = [row.confidence for row in members if row.is_right and row.confidence is not None]
        least, most = (min(sure), max(sure)) if sure else (None, None)
        found.append(ClassScore(name, len(members), len(sure), least, most))
    return found
