"""Maps from the last feature map: class activation mapping and ReciproCAM.

Each position of the last feature map has its part in the vector that the head turns into logits. With a linear head
the parts add up to the logit: this is class activation mapping (CAM; Zhou et al. 2016, arXiv:1512.04150), here for
average pooling, maximum pooling and flattening. With any other head the map is the logit where only one position is
kept, as in ReciproCAM (Byun and Lee 2022, arXiv:2209.14074), without its smoothing. No gradient is needed.
"""

import numpy as np

from imgrec.explanation.subject import Subject
from imgrec.explanation.target import Target
from imgrec.inference.engine import Activations, Contributions


def class_activation(subject: Subject, target: Target) -> np.ndarray:
    """Return the map of `target` as `score_map` makes it: float32 (h, w); raises as `Subject` does."""
    return score_map(subject.locate(), subject.seen, target)


def score_map(found: Contributions, seen: Activations, target: Target) -> np.ndarray:
    """Return the map of `target`: for each position the score as if the whole image were as this position.

    The score is that of `Target.direction`. The mean over all positions is what the image adds to it, so that the maps
    of networks with grids of different sizes have one unit, the logit. Where the head is not linear, positions kept
    alone do not add what they add together; there the map is scaled by the quotient of the two, within
    [1 / positions, 1].

    Args:
        found: What each of h × w positions adds to the logits.
        seen: What the network computed for the same image.
        target: The class or classes.

    Returns:
        float32 (h, w), in logits.
    """
    direction = target.direction(seen.probabilities)
    alone = found.logits @ direction
    scale = 1.0
    if found.empty is not None and seen.logits is not None:
        together, sum_alone = float((seen.logits - found.empty) @ direction), float(alone.sum())
        quotient = together / sum_alone if sum_alone else 0.0
        scale = min(max(quotient, 1 / alone.size), 1.0)
    return np.asarray(alone * (alone.size * scale), np.float32)
