"""Batches of training images: shuffled and augmented ahead of the network, the same for a resumed run."""

from collections.abc import Iterator

import numpy as np

from imgrec.data.dataset import Images
from imgrec.data.reader import read_ahead
from imgrec.training.augmentation import Augmentation


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Return the number of whole batches in `count` images; at least one, of all images. The rest is left out."""
    return max(1, count // batch_size)


def batches(
    images: Images, augmentation: Augmentation, *, batch_size: int, seed: int, epoch: int, first: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(uint8 (N, H, W, 3), int64 (N,)) of one epoch from step `first` on.

    What a step brings depends on `seed`, `epoch` and the step alone, so a run that goes on in the middle of an
    epoch sees just what it would have seen.
    """
    order = np.random.default_rng((seed, epoch)).permutation(len(images))

    def make(step: int) -> tuple[np.ndarray, np.ndarray]:
        indices = order[step * batch_size : (step + 1) * batch_size]
        changed = augmentation.apply(images.pixels[indices], indices, seed=seed, epoch=epoch)
        return changed, images.targets[indices]

    # NumPy frees the interpreter while it copies, so that one thread suffices.
    return read_ahead(range(first, steps_per_epoch(len(images), batch_size)), make, threads=1)
