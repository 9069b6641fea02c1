"""Folds of cross-validation: every image is validated on once, every fold has each class in the same share.

Images that are copies of each other are of one group (`likeness.groups`), and a group is never divided: what is
learned from one copy would be remembered of the other, not known. So does scikit-learn's StratifiedGroupKFold.
"""

import numpy as np

from imgrec.errors import InputError


def stratified_folds(
    targets: np.ndarray, folds: int, seed: int, groups: np.ndarray | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """`folds` pairs of int64 indices into `targets` (N,): to train on and to validate on, each shuffled.

    `groups` (N,) names the group of each image, all of one class; without it each is one of its own, the sizes of the
    validation parts differ by at most one, and so do the images of any class in them. The parts are disjoint and
    together all N. The same `seed` gives the same folds on any machine.

    Raises `InputError` unless there are 2 folds or more and each class that occurs has a group for each.
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
    hand = deal(targets, folds, rng, groups)
    return [
        (rng.permutation(np.flatnonzero(hand != i)), rng.permutation(np.flatnonzero(hand == i))) for i in range(folds)
    ]


def deal(targets: np.ndarray, folds: int, rng: np.random.Generator, groups: np.ndarray | None = None) -> np.ndarray:
    """The fold of each image, int64 (N,): dealt like cards, class after class, each in random order.

    The rest of one class goes on where that of the one before ended, so that no fold gets all the small classes. Then
    groups of several are brought together; all others stay where they were dealt.
    """
    shuffled = [rng.permutation(np.flatnonzero(targets == target)) for target in np.unique(targets)]
    hand = np.empty(len(targets), np.int64)
    hand[np.concatenate(shuffled)] = np.arange(len(targets)) % folds
    if groups is None:
        return hand
    for mine in shuffled:
        found = packs(mine, groups)
        if len(found) < len(mine):
            _bring_together(hand, found, folds)
    return hand


def _bring_together(hand: np.ndarray, found: list[list[int]], folds: int) -> None:
    """Give each group of a class, `found`, one fold in `hand`, with the class as evenly spread as its groups allow."""
    sizes = np.bincount(hand, minlength=folds).tolist()
    held: list[list[list[int]]] = [[] for _ in range(folds)]
    for members in found:
        if len(members) == 1:
            held[hand[members[0]]].append(members)
    several = sorted((members for members in found if len(members) > 1), key=len, reverse=True)
    for members in several:
        fold = min(range(folds), key=lambda fold: (sum(map(len, held[fold])), sizes[fold]))
        held[fold].append(members)
    # What was dealt singly may have left a fold without any: whoever has most of them gives the smallest.
    while not all(held):
        most = max(held, key=len)
        smallest = min(range(len(most)), key=lambda i: len(most[i]))
        held[held.index([])].append(most.pop(smallest))
    for fold, mine in enumerate(held):
        hand[[index for members in mine for index in members]] = fold


def packs(shuffled: np.ndarray, groups: np.ndarray) -> list[list[int]]:
    """The indices `shuffled` (K,) by their group, each where its first stands."""
    found: dict[int, list[int]] = {}
    for index, group in zip(shuffled.tolist(), groups[shuffled].tolist(), strict=True):
        found.setdefault(group, []).append(index)
    return list(found.values())
