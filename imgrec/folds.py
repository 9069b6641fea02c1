"""Folds of cross-validation: every picture is validated on once, every fold has each class in the same share."""

import numpy as np

from imgrec.errors import InputError


def stratified_folds(targets: np.ndarray, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """`folds` pairs of int64 indices into `targets` (N,): to train on and to validate on, each shuffled.

    The validation parts are disjoint and together all N. Their sizes differ by at most one, and so do the pictures of
    any class in them. The same `seed` gives the same folds on any machine.

    Raises `InputError` unless there are 2 folds or more and each class that occurs has a picture for each.
    """
    counts = np.bincount(targets)
    fewest = int(counts[counts > 0].min(initial=len(targets)))
    if not 2 <= folds <= fewest:
        raise InputError(
            f"Expected 2 folds or more, and as many pictures of each class. "
            f"Received: {folds} folds and a class of {fewest}."
        )
    rng = np.random.default_rng(seed)
    hand = deal(targets, folds, rng)
    return [
        (rng.permutation(np.flatnonzero(hand != i)), rng.permutation(np.flatnonzero(hand == i))) for i in range(folds)
    ]


def deal(targets: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """The fold of each picture, int64 (N,): dealt like cards, class after class, each in random order.

    The rest of one class goes on where that of the one before ended, so that no fold gets all the small classes.
    """
    dealt = np.concatenate([rng.permutation(np.flatnonzero(targets == target)) for target in np.unique(targets)])
    hand = np.empty(len(targets), np.int64)
    hand[dealt] = np.arange(len(targets)) % folds
    return hand
