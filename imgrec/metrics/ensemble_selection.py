"""The combination rules over many images at once, and the best few members for a dataset.

`predictions.combination_rules` combines M members' probabilities of one image, (M, C); here it is a stack of them,
(M, N, C), without a Python loop over the images, so that ten models on ten thousand images are combined at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

from imgrec.errors import InputError, UnknownNameError
from imgrec.metrics.classification import Booleans, Floats, log_loss, softmax, top_1
from imgrec.predictions.combination_rules import RULES, SMALLEST_PROBABILITY, TIE_DECIMALS

# More take too long for a click. Enough for all subsets of 12 models, and of 20 up to size 3.
MAX_SUBSETS = 1200

# An array has no tie breaker beside it as a `Prediction` has: here a share is made smaller by this part of itself for
# each class before it, enough for a sort to keep the order, too little for any figure to show.
TIE_STEP = 1e-6

# Classes without a vote get this part of their mean probability, so that a top-5 goes on in a sensible order.
TRACE = 1e-9

# Of equal sums of votes or points, that with the larger probabilities comes first: this part of them is added, too
# little to outweigh a vote or a point, and enough for float32.
_TIE_SHARE = {"majority_vote": np.float32(1e-4), "rank_vote": np.float32(1e-5)}


@dataclass(frozen=True, slots=True)
class Subset:
    """The best members on the validation images, of `tried` subsets; their top-1 there and on the other images."""

    members: tuple[int, ...]
    tried: int
    validation_top_1: float
    test_top_1: float


def combine_stack(stack: npt.ArrayLike, rule: str = "mean", weights: Sequence[float] | None = None) -> Floats:
    """Return the ensemble's probabilities (N, C) for a stack (M, N, C), by the rule `RULES[rule]`.

    Where classes have equal shares of the votes, they differ by a millionth, in the order of their mean probability.
    `weights` are (M,) of 0 or more, equal if None.

    Raises:
        InputError: On another rule, and on other weights.
    """
    if rule not in RULES:
        raise UnknownNameError.of("rule", rule, list(RULES))
    members = np.asarray(stack)
    shares = np.full(len(members), 1.0) if weights is None else np.asarray(weights, np.float64)
    if shares.shape != members.shape[:1] or not (np.all(shares >= 0) and shares.sum() > 0):
        raise InputError(f"Expected {len(members)} weights of 0 or more, not all 0. Received: {shares.tolist()}.")
    shares, kind = shares / shares.sum(), RULES[rule]
    if kind.evidence is None:
        return softmax(_weighted(np.log(np.maximum(members, SMALLEST_PROBABILITY, dtype=np.float64)), shares))
    means = _weighted(members, shares)
    return _ordered(_weighted(map(kind.evidence, members), shares), means) if kind.ties else means


def best_subset(
    stack: npt.ArrayLike, target: npt.ArrayLike, size: int, validation: Booleans, rule: str = "mean"
) -> Subset:
    """Return the `size` members with the best top-1 on the `validation` images (the least log loss where equal).

    `stack` is (M, N, C), `target` int (N,), `validation` bool (N,). Their accuracy on the other images counts: on those
    that they were chosen on, it is too high.

    Raises:
        InputError: Where more than `MAX_SUBSETS` would have to be tried, or all images are of one kind.
    """
    members, truth = np.asarray(stack), np.asarray(target)
    if not 1 <= size <= len(members) or comb(len(members), size) > MAX_SUBSETS:
        raise InputError(
            f"Expected from 1 to {len(members)} of {len(members)} members, and at most {MAX_SUBSETS:,} ways to choose "
            f"them. Received: {size}, {comb(len(members), max(size, 0)):,} ways."
        )
    if validation.all() or not validation.any():
        raise InputError("Expected images to choose on and others to test on. Received: one kind only.")
    seen, own = members[:, validation].astype(np.float32), truth[validation]
    evidence = _evidence(seen, rule)
    best, best_score = tuple[int, ...](), (-1.0, -np.inf)
    for chosen in combinations(range(len(members)), size):
        # Sums have the first choices of means; only where they tie is the whole rule computed.
        total = evidence[list(chosen)].sum(axis=0)
        right = float((total.argmax(axis=1) == own).mean())
        if right < best_score[0]:
            continue
        score = (right, -log_loss(combine_stack(seen[list(chosen)], rule), own))
        if score > best_score:
            best, best_score = chosen, score
    picked = list(best)
    return Subset(
        best,
        comb(len(members), size),
        top_1(combine_stack(members[picked][:, validation], rule), own),
        top_1(combine_stack(members[picked][:, ~validation], rule), truth[~validation]),
    )


def _evidence(stack: npt.NDArray[np.float32], rule: str) -> npt.NDArray[np.float32]:
    """Return what each member adds, (M, N, C): the rule's first choice is the largest sum (but for ties of votes)."""
    kind = RULES[rule]
    if kind.evidence is None:
        return np.asarray(np.log(np.maximum(stack, np.float32(SMALLEST_PROBABILITY))), np.float32)
    if not kind.ties:
        return stack
    return np.stack([kind.evidence(member).astype(np.float32) + _TIE_SHARE[rule] * member for member in stack])


def _weighted(stack: Iterable[np.ndarray], shares: Floats) -> Floats:
    """Return Σ w_m stack_m, one member after the other: (M, N, C) in float64 would be four times the memory."""
    return np.asarray(sum(share * member for share, member in zip(shares, stack, strict=True)), np.float64)


def _ordered(shares: Floats, means: Floats) -> Floats:
    """Return `shares` (N, C) with ties decided by `means` (N, C), then by index, as `Prediction.top_k` does."""
    places = np.arange(shares.shape[1])
    by_mean = np.argsort(-np.round(means, TIE_DECIMALS), axis=1, kind="stable")
    by_share = np.take_along_axis(-np.round(shares, TIE_DECIMALS), by_mean, axis=1).argsort(axis=1, kind="stable")
    rank = np.empty(shares.shape)
    np.put_along_axis(rank, np.take_along_axis(by_mean, by_share, axis=1), np.broadcast_to(places, shares.shape), 1)
    decided = np.where(shares > 0, shares * (1 - TIE_STEP * rank), TRACE * means)
    return np.asarray(decided / decided.sum(axis=1, keepdims=True))
