"""What every service that classifies images is here, and what it answers with."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from imgrec.errors import InputError
from imgrec.images.decoding import DecodedImage
from imgrec.predictions import wordnet
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.remote.monthly_budget import MonthlyBudget

_NAME_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Timing:
    """The time of one request with `images` images, in milliseconds, of which `server_ms` are those of the service.

    `server_ms` is None where the service does not tell it; `attempts` counts the request and its repetitions.
    """

    total_ms: float
    server_ms: float | None
    images: int
    attempts: int = 1

    @property
    def network_ms(self) -> float | None:
        """The rest: sending the images, waiting, receiving."""
        return None if self.server_ms is None else max(0.0, self.total_ms - self.server_ms)


@dataclass(frozen=True, slots=True, eq=False)
class RemoteAnswer:
    """The labels for one image, as a prediction in a label space of its own, and the time of its request."""

    prediction: Prediction
    timing: Timing


class RemoteClassifier(Protocol):
    """A service that classifies images. See `remote.services` for a second one."""

    name: str
    title: str
    budget: MonthlyBudget

    def classify(self, images: Iterable[DecodedImage]) -> Iterator[RemoteAnswer | Failure]:
        """Yield the answer for each image, in order, or a failure; what was answered stays when a later one fails."""


def to_prediction(model: str, title: str, scores: dict[str, float], milliseconds: float) -> Prediction:
    """Return labels and their confidences in [0, 1] as a prediction whose classes do not exclude each other.

    A label that is a word of WordNet with one meaning has its synset, so that it counts in groups of classes.
    """
    labels = tuple(scores)
    digest = hashlib.sha256(json.dumps(labels).encode()).hexdigest()[:_NAME_DIGITS]
    found = [_synset_of(label) for label in labels]
    synsets = tuple(one if one not in found[:place] else None for place, one in enumerate(found))
    space = LabelSpace(f"{model}_{digest}", labels, synsets, exclusive=False)
    return Prediction(model, space, np.array([*scores.values()], np.float32), milliseconds, title=title)


@lru_cache(maxsize=4096)  # similar names are searched for an unknown word, which takes time
def _synset_of(label: str) -> str | None:
    try:
        return wordnet.resolve(label)
    except InputError:
        return None
