"""Rules over many images at once say what the rules say of each; the best subset is the best one."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from imgrec.errors import InputError, UnknownNameError
from imgrec.metrics.classification import top_1
from imgrec.metrics.ensemble_selection import best_subset, combine_stack
from imgrec.predictions.combination_rules import RULES


@st.composite
def stacks(draw: st.DrawFn) -> np.ndarray:
    """(M, N, C) with ties and zeros."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(2, 13)))
    raw = draw(npst.arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]))) + 1e-6
    return raw / raw.sum(axis=2, keepdims=True)


def voters(members: int = 5, count: int = 400, classes: int = 6) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    target = generator.integers(0, classes, count)
    logits = generator.normal(size=(members, count, classes))
    logits[:, np.arange(count), target] += np.linspace(0.3, 1.5, members)[:, None]
    powers = np.exp(logits)
    return (powers / powers.sum(2, keepdims=True)).astype(np.float16), target


@given(stack=stacks(), rule=st.sampled_from(list(RULES)), seed=st.integers(0, 9))
def test_each_image_as_by_the_rule(stack: np.ndarray, rule: str, seed: int) -> None:
    weights = np.random.default_rng(seed).integers(1, 4, len(stack)).astype(float)
    if not RULES[rule].takes_weights:
        weights[:] = 1.0
    together = combine_stack(stack, rule, weights)
    for n in range(stack.shape[1]):
        one = RULES[rule].combine(stack[:, n], weights / weights.sum())
        # Ties are told apart by a millionth of a share for each class before it.
        assert together[n] == pytest.approx(one, abs=2e-5 if RULES[rule].ties else 1e-9)


@pytest.mark.parametrize("rule", RULES)
def test_half_precision_is_taken_as_it_is_stored(rule: str) -> None:
    stack, _ = voters()
    together = combine_stack(stack, rule)
    assert together.dtype == np.float64
    assert together.sum(axis=1) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("rule", RULES)
def test_the_best_subset_is_the_best_of_all(rule: str) -> None:
    stack, target = voters()
    validation = np.arange(len(target)) % 2 == 0
    found = best_subset(stack, target, 2, validation, rule)
    scores = {
        pair: top_1(combine_stack(stack[list(pair)][:, validation], rule), target[validation])
        for pair in combinations(range(5), 2)
    }
    assert found.validation_top_1 == pytest.approx(max(scores.values()), abs=0.006)
    assert found.tried == 10
    expected = top_1(combine_stack(stack[list(found.members)][:, ~validation], rule), target[~validation])
    assert found.test_top_1 == expected


@pytest.mark.parametrize("rule", RULES)
def test_the_best_subset_is_that_of_the_rule(rule: str) -> None:
    """Some members are far too certain: they count more in a mean than in a vote."""
    stack, target = voters(count=1000)
    powers = stack.astype(np.float64) ** np.array([1, 1, 1, 9, 1])[:, None, None]
    stack = powers / powers.sum(axis=2, keepdims=True)
    validation = np.arange(len(target)) % 2 == 0
    found = best_subset(stack, target, 3, validation, rule)
    scores = [
        top_1(combine_stack(stack[list(three)][:, validation], rule), target[validation])
        for three in combinations(range(5), 3)
    ]
    assert found.validation_top_1 == pytest.approx(max(scores), abs=1e-9)


def test_of_equally_accurate_members_the_least_log_loss_wins_and_then_the_first() -> None:
    target = np.array([0, 1, 0, 1])
    truth = np.eye(2)[target]
    hesitant, certain = 0.6 * truth + 0.4 * (1 - truth), 0.9 * truth + 0.1 * (1 - truth)
    validation = np.array([True, True, False, False])
    assert best_subset(np.stack([hesitant, certain, certain]), target, 1, validation).members == (1,)


def test_classes_without_a_vote_stand_in_the_order_of_their_means() -> None:
    (found,) = combine_stack(np.array([[[0.5, 0.2, 0.3]], [[0.6, 0.1, 0.3]]]), "majority_vote")
    assert np.argsort(-found).tolist() == [0, 2, 1]
    assert found[1] > 0


@pytest.mark.parametrize("size", [0, 6], ids=["none", "more than there are"])
def test_refuses_other_sizes(size: int) -> None:
    stack, target = voters()
    with pytest.raises(InputError, match="Expected from 1 to 5 of 5 members"):
        best_subset(stack, target, size, np.arange(len(target)) % 2 == 0)


def test_refuses_to_choose_and_test_on_the_same_images() -> None:
    stack, target = voters()
    with pytest.raises(InputError, match="one kind only"):
        best_subset(stack, target, 2, np.ones(len(target), bool))


def test_refuses_an_unknown_rule_and_useless_weights() -> None:
    stack, _ = voters()
    with pytest.raises(UnknownNameError):
        combine_stack(stack, "median")
    with pytest.raises(InputError, match="Expected 5 weights"):
        combine_stack(stack, "weighted_mean", [0.0] * 5)
