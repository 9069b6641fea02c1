"""Splits of labeled images: to train and to validate on, and folds of cross-validation, each class in the same share.

Images that are copies of each other are of one group (`perceptual_hash.groups`), and a group is never divided: a model
would remember of one copy what it is asked about the other. scikit-learn's StratifiedGroupKFold does the same.
"""

import numpy as np

from imgrec.errors import InputError

# A class needs some images to learn from and at least one to be tested on.
MIN_PER_CLASS = 2


def split(
    targets: np.ndarray, fraction: float, seed: int, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return indices to train on and to validate on, int64 (N − M,) and (M,), shuffled.

    Args:
        targets: Classes, integers (N,).
        fraction: The share of each class to validate on, above 0 and below 1; at least one image.
        seed: The same seed gives the same split on any machine.
        groups: The group of each image (N,), which stays on one side unless its class has no other.

    Raises:
        InputError: A class has fewer than `MIN_PER_CLASS` images, or the fraction is out of its range.
    """
    if not 0 < fraction < 1:
        raise InputError(f"Expected a share above 0 and below 1 to validate on. Received: {fraction}.")
    rng = np.random.default_rng(seed)
    kept, held_out = [], []
    for target in np.unique(targets):
        mine = rng.permutation(np.flatnonzero(targets == target))
        if len(mine) < MIN_PER_CLASS:
            raise InputError(f"Expected at least {MIN_PER_CLASS} images of each class. Received: {len(mine)} of one.")
        count = max(1, round(len(mine) * fraction))
        held = np.arange(len(mine)) < count if groups is None else _hold_out(mine, groups, count)
        held_out.append(mine[held])
        kept.append(mine[~held])
    return rng.permutation(np.concatenate(kept)), rng.permutation(np.concatenate(held_out))


def stratified_folds(
    targets: np.ndarray, folds: int, seed: int, groups: np.ndarray | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return indices to train on and to validate on, of each fold: int64 (N − M,) and (M,), shuffled.

    Each image is validated on once. The validation parts differ in size by at most one image, as far as groups allow,
    and so do the images of any class in them.

    Args:
        targets: Classes, integers (N,).
        folds: From 2 to the number of groups in the smallest class that occurs.
        seed: The same seed gives the same folds on any machine.
        groups: The group of each image (N,), all of one class; without it each image is its own group.

    Raises:
        InputError: `folds` is out of its range.
    """
    groups = np.arange(len(targets)) if groups is None else groups
    first = np.unique(groups, return_index=True)[1]
    counts = np.bincount(targets[first])
    fewest = int(counts[counts > 0].min(initial=len(targets)))
    if not 2 <= folds <= fewest:
        copies = "" if len(first) == len(targets) else ", copies counted once; with fewer folds, or none, it can be"
        raise InputError(
            f"Expected 2 folds or more, and as many images of each class. "
            f"Received: {folds} folds and a class of {fewest}{copies}."
        )
    rng = np.random.default_rng(seed)
    fold_of = assign_folds(targets, folds, rng, groups)
    return [
        (rng.permutation(np.flatnonzero(fold_of != i)), rng.permutation(np.flatnonzero(fold_of == i)))
        for i in range(folds)
    ]


def assign_folds(
    targets: np.ndarray, folds: int, rng: np.random.Generator, groups: np.ndarray | None = None
) -> np.ndarray:
    """Return the fold of each image, int64 (N,): assigned in turn, class after class, each in random order.

    The rest of one class goes on where that of the one before ended, so that no fold gets all the small classes. Then
    groups of several are brought together; all others stay in their fold.
    """
    shuffled = [rng.permutation(np.flatnonzero(targets == target)) for target in np.unique(targets)]
    fold_of = np.empty(len(targets), np.int64)
    fold_of[np.concatenate(shuffled)] = np.arange(len(targets)) % folds
    if groups is not None:
        for mine in shuffled:
            found = _grouped(mine, groups)
            if len(found) < len(mine):
                _bring_together(fold_of, found, folds)
    return fold_of


def _bring_together(fold_of: np.ndarray, found: list[list[int]], folds: int) -> None:
    """Give each group of a class, `found`, one fold, with the class as evenly spread as its groups allow."""
    sizes = np.bincount(fold_of, minlength=folds).tolist()
    held: list[list[list[int]]] = [[] for _ in range(folds)]
    for members in found:
        if len(members) == 1:
            held[fold_of[members[0]]].append(members)
    several = sorted((members for members in found if len(members) > 1), key=len, reverse=True)
    for members in several:
        fold = min(range(folds), key=lambda fold: (sum(map(len, held[fold])), sizes[fold]))
        held[fold].append(members)
    # Single images may have left a fold without any: the fold with most groups gives its smallest.
    for empty in [mine for mine in held if not mine]:
        most = max(held, key=len)
        empty.append(most.pop(min(range(len(most)), key=lambda i: len(most[i]))))
    for fold, mine in enumerate(held):
        fold_of[[index for members in mine for index in members]] = fold


def _hold_out(mine: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Return which of the shuffled images `mine` (K,) of one class to hold out, about `count`, in whole groups."""
    found = _grouped(mine, groups)
    if len(found) < 2:
        return np.arange(len(mine)) < count
    taken: list[int] = []
    for members in found:
        # As long as that brings their number nearer to what is wanted.
        if 2 * len(taken) + len(members) < 2 * count and len(taken) + len(members) < len(mine):
            taken += members
    return np.isin(mine, taken or min(found, key=len))


def _grouped(shuffled: np.ndarray, groups: np.ndarray) -> list[list[int]]:
    """Return the indices `shuffled` (K,) by their group, in the order of the first of each."""
    found: dict[int, list[int]] = {}
    for index, group in zip(shuffled.tolist(), groups[shuffled].tolist(), strict=True):
        found.setdefault(group, []).append(index)
    return list(found.values())
