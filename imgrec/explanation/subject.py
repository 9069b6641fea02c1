"""A network and the image that it was given: what every method explains."""

import functools
from dataclasses import dataclass

import numpy as np

from imgrec.errors import EngineError
from imgrec.inference.engine import Activations, Contributions
from imgrec.inference.pool import EnginePool
from imgrec.models.catalog import ModelSpec


@dataclass(frozen=True, eq=False)
class Subject:
    """The model `spec` in `pool`, and `image`, uint8 (H, W, 3), as of `preprocessing.frame`."""

    spec: ModelSpec
    pool: EnginePool
    image: np.ndarray

    @property
    def seen(self) -> Activations:
        """What the network computes for the image, run at the first use; raises as the pool does."""
        return self._seen[0]

    @property
    def inference_ms(self) -> float:
        """What that run took, in milliseconds."""
        return self._seen[1]

    @functools.cached_property
    def _seen(self) -> tuple[Activations, float]:
        return self.pool.observe(self.spec, self.image)

    def observe(self, image: np.ndarray) -> Activations:
        """Return what the network computes for `image`, of the size of the subject's; raises as the pool does."""
        return self.pool.observe(self.spec, image)[0]

    def locate(self) -> Contributions:
        """Return what each position of the last feature map adds to the logits.

        Raises:
            EngineError: The network has no feature map of the expected form.
            ImgrecError: As the pool does.
        """
        if self.seen.features is None:
            raise EngineError(
                f"{self.spec.title} does not end in a feature map, a pooling or dense layer, and a softmax. "
                "Occlusion and RISE explain any network."
            )
        return self.pool.locate(self.spec, self.seen.features)


def logits_of(seen: Activations) -> np.ndarray:
    """Return the logits; where a network has none, logarithms of its probabilities, which differ by a constant."""
    return np.log(np.maximum(seen.probabilities, 1e-12)) if seen.logits is None else seen.logits


def mean_color(image: np.ndarray) -> np.ndarray:
    """Return the mean color of `image`, uint8 (H, W, 3), as uint8 (3,): what covers a part of it."""
    return np.asarray(image.mean(axis=(0, 1)).round().astype(np.uint8))
