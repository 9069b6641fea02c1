"""Folds: every image is validated on once, each class in the same share."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imgrec.data.splits import assign_folds, split, stratified_folds
from imgrec.errors import InputError


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    folds = draw(st.integers(2, 8))
    counts = draw(st.lists(st.integers(folds, 30), min_size=1, max_size=6))
    targets = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(draw(st.integers(0, 99))).permutation(targets), folds


@given(cases(), st.integers(0, 2**32))
def test_folds_share_out_every_class(case: tuple[np.ndarray, int], seed: int) -> None:
    targets, folds = case
    parts = stratified_folds(targets, folds, seed)
    assert len(parts) == folds
    assert sorted(np.concatenate([held_out for _, held_out in parts])) == list(range(len(targets)))
    for kept, held_out in parts:
        assert sorted([*kept, *held_out]) == list(range(len(targets)))
    sizes = [len(held_out) for _, held_out in parts]
    assert max(sizes) - min(sizes) <= 1
    shares = np.stack([np.bincount(targets[held_out], minlength=targets.max() + 1) for _, held_out in parts])
    assert (shares.max(axis=0) - shares.min(axis=0) <= 1).all()
    assert shares.min() >= 1


@given(cases(), st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_folds(case: tuple[np.ndarray, int], seed: int) -> None:
    for (kept, held_out), (kept_again, held_out_again) in zip(
        stratified_folds(*case, seed), stratified_folds(*case, seed), strict=True
    ):
        assert np.array_equal(kept, kept_again)
        assert np.array_equal(held_out, held_out_again)


def grouped(draw_seed: int, targets: np.ndarray, share: float) -> np.ndarray:
    """Groups of one to five images of a class, each named by one of its members."""
    rng = np.random.default_rng(draw_seed)
    groups = np.arange(len(targets))
    for target in np.unique(targets):
        mine = rng.permutation(np.flatnonzero(targets == target))
        while len(mine) > 1:
            size = int(rng.integers(2, 6)) if rng.random() < share else 1
            groups[mine[:size]] = mine[:size].min()
            mine = mine[size:]
    return groups


@given(cases(), st.integers(0, 99), st.sampled_from([0.1, 0.5, 1.0]))
def test_copies_are_on_one_side_and_classes_still_shared_out(
    case: tuple[np.ndarray, int], seed: int, share: float
) -> None:
    targets, folds = case
    groups = grouped(seed, targets, share)
    different = np.bincount(targets[np.unique(groups)])
    assume(different.min() >= folds)
    parts = stratified_folds(targets, folds, seed, groups)
    assert sorted(np.concatenate([held_out for _, held_out in parts])) == list(range(len(targets)))
    for kept, held_out in parts:
        assert sorted([*kept, *held_out]) == list(range(len(targets)))
        assert not set(groups[kept]) & set(groups[held_out])
        assert set(targets[held_out]) == set(targets)


def test_folds_without_copies_are_those_of_old() -> None:
    """Results that are published were measured on these."""
    targets = np.random.default_rng(0).integers(0, 3, 40)
    rng = np.random.default_rng(7)
    dealt = np.concatenate([rng.permutation(np.flatnonzero(targets == target)) for target in range(3)])
    hand = np.empty(40, np.int64)
    hand[dealt] = np.arange(40) % 4
    for groups in (None, np.arange(40)):
        parts = stratified_folds(targets, 4, 7, groups)
        assert [set(held_out) for _, held_out in parts] == [set(np.flatnonzero(hand == i)) for i in range(4)]


def test_few_copies_leave_the_rest_where_it_was() -> None:
    targets, groups = np.repeat([0, 1], 100), np.arange(200)
    groups[[17, 60]] = 17
    before, after = np.empty(200, int), np.empty(200, int)
    for hand, each in ((before, None), (after, groups)):
        for fold, (_, held_out) in enumerate(stratified_folds(targets, 5, 0, each)):
            hand[held_out] = fold
    assert after[17] == after[60]
    assert set(np.flatnonzero(before != after)) <= {17, 60}


def test_copies_count_once_where_folds_are_too_many() -> None:
    groups = np.array([0, 0, 0, 3, 4, 5, 6, 7])
    with pytest.raises(InputError, match="3 folds and a class of 2, copies counted once"):
        stratified_folds(np.repeat([0, 1], 4), 3, 0, groups)


def test_another_seed_gives_other_folds() -> None:
    targets = np.repeat([0, 1], 50)
    first, other = (stratified_folds(targets, 5, seed)[0][1] for seed in (0, 1))
    assert set(first) != set(other)


@pytest.mark.parametrize(
    ("counts", "folds", "received"),
    [
        ([5, 4], 5, "5 folds and a class of 4"),
        ([5, 0, 6], 6, "6 folds and a class of 5"),
        ([9, 9], 1, "1 folds"),
        ([9, 9], 0, "0 folds"),
    ],
    ids=["a small class", "a class that is not there", "one fold", "none"],
)
def test_folds_that_cannot_be_are_refused(counts: list[int], folds: int, received: str) -> None:
    with pytest.raises(InputError, match=f"Received: {received}"):
        stratified_folds(np.repeat(np.arange(len(counts)), counts), folds, 0)


def test_a_split_holds_out_the_same_share_of_each_class() -> None:
    targets = np.repeat([0, 1, 2], [100, 50, 2])
    kept, held_out = split(targets, 0.1, seed=3)
    assert sorted([*kept.tolist(), *held_out.tolist()]) == list(range(152))
    assert np.bincount(targets[held_out]).tolist() == [10, 5, 1]
    again = split(targets, 0.1, seed=3)
    np.testing.assert_array_equal(held_out, again[1])
    assert not np.array_equal(held_out, split(targets, 0.1, seed=4)[1])


def test_a_split_without_copies_is_that_of_old() -> None:
    """Results that are published were measured on it."""
    targets = np.random.default_rng(1).integers(0, 3, 50)
    rng = np.random.default_rng(5)
    parts = [rng.permutation(np.flatnonzero(targets == target)) for target in range(3)]
    counts = [round(len(part) * 0.2) for part in parts]
    kept = rng.permutation(np.concatenate([part[count:] for part, count in zip(parts, counts, strict=True)]))
    held_out = rng.permutation(np.concatenate([part[:count] for part, count in zip(parts, counts, strict=True)]))
    for groups in (None, np.arange(50)):
        found = split(targets, 0.2, 5, groups)
        assert [part.tolist() for part in found] == [kept.tolist(), held_out.tolist()]


@pytest.mark.parametrize("size", [2, 4, 5, 10])
@pytest.mark.parametrize("seed", range(5))
def test_a_split_leaves_copies_on_one_side(size: int, seed: int) -> None:
    targets, groups = np.repeat([0, 1], [40, 60]), np.arange(100) // size * size
    kept, held_out = split(targets, 0.2, seed, groups)
    assert sorted([*kept.tolist(), *held_out.tolist()]) == list(range(100))
    assert not set(groups[kept]) & set(groups[held_out])
    counts = np.bincount(targets[held_out])
    assert (abs(counts - [8, 12]) <= size / 2).all()


@pytest.mark.parametrize(
    ("groups", "held"),
    [([0, 0, 0, 0], 1), ([0, 0, 0, 3], 1), ([0, 0, 2, 2], 2)],
    ids=["all of one class are copies: it is divided", "a single one", "two halves"],
)
def test_something_of_each_class_is_held_out_and_something_kept(groups: list[int], held: int) -> None:
    kept, held_out = split(np.zeros(4, int), 0.1, 0, np.array(groups))
    assert (len(kept), len(held_out)) == (4 - held, held)


@pytest.mark.parametrize("fraction", [0, 1, -0.5])
def test_a_share_that_cannot_be_held_out(fraction: float) -> None:
    with pytest.raises(InputError, match="share"):
        split(np.array([0, 0, 1, 1]), fraction, seed=0)


def test_fewer_groups_than_folds_end_too() -> None:
    """Folds are checked before; a mistake there must not become an endless loop."""
    fold_of = assign_folds(np.zeros(6, int), 4, np.random.default_rng(0), np.array([0, 0, 0, 3, 3, 3]))
    assert len(set(fold_of[:3])) == len(set(fold_of[3:])) == 1
