"""`Prediction`: the probabilities of one model for one image, between inference and every display."""

from dataclasses import dataclass

import numpy as np

from imgrec.errors import ImgrecError, InputError, LabelSpaceError
from imgrec.predictions.labels import LabelSpace

# The range of the top-k slider: more than ten bars side by side cannot be read.
MAX_TOP_K = 10
DEFAULT_TOP_K = 5

# A softmax in float32 over 1,000 classes sums to 1 within rounding; a compiled graph may add a little.
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Classification:
    """One row of a top-k table; `probability` in [0, 1]."""

    label: str
    synset: str | None
    index: int
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The prediction of `model` for one image.

    `probabilities` is float32 (C,), one value in [0, 1] for each label of `label_space`, read-only; it sums to 1 when
    the space is exclusive. `milliseconds` is the inference alone, without waiting for other inferences. `tie_breaker`
    (C,) orders equally probable classes, the largest value first; it is for votes. `weights_sha256` tells which file of
    weights the network has, "" where that is not known: what was measured of a model was measured of these. A
    prediction that is rolled up has that of the network's own classes as `own`.

    Raises:
        LabelSpaceError: The number of probabilities is not that of the labels.
        InputError: NaN, values outside [0, 1], or logits.
    """

    model: str
    label_space: LabelSpace
    probabilities: np.ndarray
    milliseconds: float = 0.0
    tie_breaker: np.ndarray | None = None
    title: str = ""  # for people, of a model that is not built in
    weights_sha256: str = ""
    own: "Prediction | None" = None

    def __post_init__(self) -> None:
        probabilities = np.array(self.probabilities, dtype=np.float32)
        expected = (len(self.label_space.labels),)
        if probabilities.shape != expected:
            raise LabelSpaceError(
                f"Expected probabilities of shape {expected} for the label space {self.label_space.name}. "
                f"Received: {probabilities.shape} from {self.model}."
            )
        total = float(probabilities.sum())
        in_range = bool(np.all((probabilities >= -1e-6) & (probabilities <= 1 + 1e-6)))
        if not in_range or (self.label_space.exclusive and abs(total - 1) > SUM_TOLERANCE):
            raise InputError(
                f"Expected probabilities in [0, 1] that sum to 1. Received: {self.model} gave values from "
                f"{probabilities.min():.3g} to {probabilities.max():.3g} with the sum {total:.4g}."
            )
        probabilities.flags.writeable = False
        object.__setattr__(self, "probabilities", probabilities)

    @property
    def first(self) -> Classification:
        """The most probable class, as of `top_k`."""
        if self.tie_breaker is not None:
            return self.top_k(1)[0]
        index = int(self.probabilities.argmax())  # the first of equal ones
        space = self.label_space
        return Classification(space.labels[index], space.synsets[index], index, float(self.probabilities[index]))

    @property
    def order(self) -> np.ndarray:
        """The class indices (C,), the most probable first; ties by `tie_breaker`, then by index."""
        ties = () if self.tie_breaker is None else (-self.tie_breaker,)
        return np.lexsort((*ties, -self.probabilities))

    def top_k(self, k: int = DEFAULT_TOP_K) -> list[Classification]:
        """Return the `k` most probable classes in order."""
        return [self.at(int(index)) for index in self.order[:k]]

    def rank(self, index: int) -> int:
        """Return the place of a class in `order`, from 1."""
        return int(np.flatnonzero(self.order == index)[0]) + 1

    def at(self, index: int) -> Classification:
        """Return the class at `index` with its probability."""
        space = self.label_space
        return Classification(space.labels[index], space.synsets[index], index, float(self.probabilities[index]))


@dataclass(frozen=True, slots=True)
class Failure:
    """A model, or the ensemble, without a prediction; `str(error)` may be shown."""

    model: str
    error: ImgrecError
    title: str = ""  # as of `Prediction`
