"""Folds: every picture is validated on once, each class in the same share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrec.errors import InputError
from imgrec.folds import stratified_folds


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
