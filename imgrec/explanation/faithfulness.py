"""Insertion and deletion: how well a map tells what the network needs to see.

The places of a map are uncovered from the largest value on (insertion) or covered (deletion), and the probability of
the target is drawn over the share of the image that was changed. A map that finds what matters has a large area under
the curve of insertion and a small one under that of deletion (Petsiuk, Das and Saenko 2018, arXiv:1806.07421).
"""

from dataclasses import dataclass

import numpy as np

from imgrec.errors import UnknownNameError
from imgrec.explanation.interpolation import enlarge
from imgrec.explanation.perturbation import OnProgress
from imgrec.explanation.subject import Subject
from imgrec.explanation.target import Target
from imgrec.images.preprocessing import blur

STEPS = 30

# The standard deviation of the blur as a part of the longer side: shapes go, colors stay.
BLUR = 0.05

BASELINES = {
    "black": "What is covered is black.",
    "blurred": "What is covered is blurred, which adds no edges.",
}


@dataclass(frozen=True, slots=True, eq=False)
class Faithfulness:
    """The probabilities of the target along insertion and deletion: float32 (STEPS + 1,), from 0 to 100 % changed."""

    insertion: np.ndarray
    deletion: np.ndarray

    @property
    def insertion_area(self) -> float:
        """The area under the curve of insertion, in [0, 1]; larger is better."""
        return float(np.trapezoid(self.insertion, dx=1 / STEPS))

    @property
    def deletion_area(self) -> float:
        """The area under the curve of deletion, in [0, 1]; smaller is better."""
        return float(np.trapezoid(self.deletion, dx=1 / STEPS))


def measure(
    subject: Subject,
    target: Target,
    values: np.ndarray,
    baseline: str = "black",
    on_progress: OnProgress = lambda done, total: None,
) -> Faithfulness:
    """Measure a map.

    Args:
        subject: The network and its image, as of `frame`.
        target: The class or classes of the map.
        values: float (h, w), the map over the whole image of `subject`.
        baseline: A key of `BASELINES`.
        on_progress: See `OnProgress`.

    Raises:
        UnknownNameError: Another baseline.
    """
    if baseline not in BASELINES:
        raise UnknownNameError.of("baseline", baseline, list(BASELINES))
    image = subject.image
    empty = np.zeros_like(image) if baseline == "black" else blur(image, BLUR * max(image.shape[:2]))
    # Stable, so that equal values keep one order.
    order = np.argsort(-enlarge(values, (image.shape[0], image.shape[1])).ravel(), kind="stable")
    curves: list[list[float]] = []
    for start, end in ((empty, image), (image, empty)):
        pixels, goal = start.reshape(-1, 3).copy(), end.reshape(-1, 3)
        curve: list[float] = []
        for step in range(STEPS + 1):
            changed = order[: round(step / STEPS * len(order))]
            pixels[changed] = goal[changed]
            curve.append(float(target.probability(subject.observe(pixels.reshape(image.shape)).probabilities)))
            on_progress(len(curves) * (STEPS + 1) + step + 1, 2 * (STEPS + 1))
        curves.append(curve)
    insertion, deletion = (np.array(curve, np.float32) for curve in curves)
    return Faithfulness(insertion, deletion)
