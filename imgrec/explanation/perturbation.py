"""Occlusion and RISE: maps for any network, from its answers to images of which a part is covered.

They need many inferences, and know nothing of the network: an independent check of maps from the inside.
"""

from collections.abc import Callable

import numpy as np

from imgrec.explanation.interpolation import sample
from imgrec.explanation.subject import Subject, logits_of, mean_color
from imgrec.explanation.target import Target

# Occlusion: the side of the square as a part of the image, and the steps along each side.
SQUARE = 0.25
STEPS = 12

# RISE: the number of masks, their cells along each side, the share of cells that stay visible, and the grid of the
# result. The paper takes 4,000 to 8,000 masks; bench/README.md says what fewer cost.
MASKS = 300
CELLS = 7
VISIBLE = 0.5
GRID = 28

# Inferences done, and all of them; what it raises ends the computation.
OnProgress = Callable[[int, int], None]

Compute = Callable[[Subject, Target, OnProgress], np.ndarray]


def occlusion(subject: Subject, target: Target, on_progress: OnProgress) -> np.ndarray:
    """Return how far the score of `target` falls where a square covers the image: float32 (STEPS, STEPS), in logits.

    The square has the mean color of the image; at the edges it is cut. A value is the mean over all squares that cover
    the place (Zeiler and Fergus 2014, arXiv:1311.2901).

    Args:
        subject: The network and its image.
        target: The class or classes.
        on_progress: See `OnProgress`.
    """
    image, whole = subject.image, subject.seen
    direction = target.direction(whole.probabilities)
    color = mean_color(image)
    total, count = np.zeros((STEPS, STEPS)), np.zeros((STEPS, STEPS))
    for done, place in enumerate(np.ndindex(STEPS, STEPS), 1):
        covered = image.copy()
        covered[_square(place, image.shape[:2])] = color
        square = _square(place, (STEPS, STEPS))
        total[square] += float((logits_of(whole) - logits_of(subject.observe(covered))) @ direction)
        count[square] += 1
        on_progress(done, STEPS * STEPS)
    return np.asarray(total / count, np.float32)


def rise(subject: Subject, target: Target, on_progress: OnProgress) -> np.ndarray:
    """Return how far the probability of `target` is above its mean where a place is visible: float32 (GRID, GRID).

    It is the mean over random masks, each counted as far as it leaves the place visible, less that over all. Masks are
    smooth and shifted at random, always the same ones (Petsiuk, Das and Saenko 2018, arXiv:1806.07421). What is covered
    has the mean color of the image. Arguments as of `occlusion`.
    """
    random = np.random.default_rng(0)
    image = subject.image
    color = mean_color(image).astype(np.float32)
    places = [(np.arange(count) + 0.5) / count for count in (*image.shape[:2], GRID)]
    total, count, probabilities = np.zeros((GRID, GRID)), np.zeros((GRID, GRID)), []
    for done in range(1, MASKS + 1):
        # One more cell than the image has, so that the mask can be shifted by a part of a cell.
        cells = (random.random((CELLS + 1, CELLS + 1)) < VISIBLE).astype(np.float32)
        shift = random.random(2)
        rows, columns, grid_rows, grid_columns = (
            (place * CELLS + shift[at % 2]) / (CELLS + 1) for at, place in enumerate((*places, places[-1]))
        )
        visible = sample(cells, rows, columns)[:, :, None]
        masked = image * visible + color * (1 - visible)
        probability = float(target.probability(subject.observe(masked.round().astype(np.uint8)).probabilities))
        mask = sample(cells, grid_rows, grid_columns)
        total += probability * mask
        count += mask
        probabilities.append(probability)
        on_progress(done, MASKS)
    return np.asarray(total / count - np.mean(probabilities), np.float32)


def _square(place: tuple[int, ...], size: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the part of an array of `size` that the square at `place` of the grid covers."""
    starts = ((at + 0.5) / STEPS - SQUARE / 2 for at in place)
    return tuple(
        slice(max(0, round(start * side)), round((start + SQUARE) * side))
        for start, side in zip(starts, size, strict=True)
    )
