"""The rules by which several models become one: arithmetic on probabilities alone.

It knows no model, no label and no prediction. Each rule is one function from probabilities (M, C) of M members and
weights (M,) that sum to 1 to a distribution (C,), in float64, and one line in `RULES`.

Sources: L. I. Kuncheva, *Combining Pattern Classifiers*, 2nd ed., Wiley 2014, chapters 4 (votes) and 5 (averages);
J. Kittler et al., *On Combining Classifiers*, IEEE TPAMI 20(3), 1998; scikit-learn's `VotingClassifier`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgrec.predictions.prediction import MAX_TOP_K

Floats = npt.NDArray[np.float64]

# A softmax in float32 gives 0 for everything below this, so a 0 means "less than this" and no veto.
SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)

# Shares, and means, that differ by less are a tie: 0.1 + 0.2 and 0.3 are the same sum of slider values.
TIE_DECIMALS = 9


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to combine, with its words for people.

    `evidence` turns the members' probabilities (M, C) into what each adds to the result, (M, C), before
    weighting; None where a member's share cannot be told from the others'. `ties`: its results are shares of few
    votes or points, equal ones of which the mean probability orders.
    """

    title: str
    sentence: str
    combine: Callable[[Floats, Floats], Floats]
    evidence: Callable[[Floats], Floats] | None
    takes_weights: bool = True
    ties: bool = False


def mean(probabilities: Floats, weights: Floats) -> Floats:
    """p[c] = (1/M) Σ p_m[c], the sum rule of Kittler 1998, `VotingClassifier(voting="soft")`.

    `probabilities` (M, C) → (C,); `weights` (M,) are equal for this rule.

    >>> mean(np.array([[0.9, 0.1], [0.5, 0.5]]), np.array([0.5, 0.5]))
    array([0.7, 0.3])
    """
    return weighted_mean(probabilities, weights)


def weighted_mean(probabilities: Floats, weights: Floats) -> Floats:
    """p[c] = Σ w_m p_m[c], `VotingClassifier(voting="soft", weights=…)`.

    `probabilities` (M, C), `weights` (M,) that sum to 1 → (C,).

    >>> weighted_mean(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([0.25, 0.75]))
    array([0.625, 0.375])
    """
    return weights @ probabilities


def geometric_mean(probabilities: Floats, weights: Floats) -> Floats:
    """p[c] ∝ Π p_m[c]^w_m, the logarithmic opinion pool (Genest and Zidek 1986), `scipy.stats.gmean`, re-normalized.

    `probabilities` (M, C), `weights` (M,) that sum to 1 → (C,). Computed with logarithms, so that nothing
    underflows; a 0 counts as `SMALLEST_PROBABILITY`.

    >>> geometric_mean(np.array([[0.8, 0.2], [0.5, 0.5]]), np.array([0.5, 0.5])).round(4)
    array([0.6667, 0.3333])
    """
    logarithms = weights @ np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))
    powers = np.exp(logarithms - logarithms.max())
    return np.asarray(powers / powers.sum())


def majority_vote(probabilities: Floats, weights: Floats) -> Floats:
    """p[c] = Σ w_m [argmax p_m = c], the share of the votes, `VotingClassifier(voting="hard", weights=…)`.

    `probabilities` (M, C), `weights` (M,) that sum to 1 → (C,). A tie for a member's own vote goes to the lower index;
    equal shares stay equal, and 0 where a class has no vote.

    >>> majority_vote(np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]), np.array([1, 1, 1]) / 3).round(4)
    array([0.6667, 0.3333])
    """
    return _rounded(weights @ _votes(probabilities))


def rank_vote(probabilities: Floats, weights: Floats) -> Floats:
    """p[c] = Σ w_m b_m[c], the share of Borda points (de Borda 1781; Ho, Hull and Srihari 1994).

    `probabilities` (M, C), `weights` (M,) that sum to 1 → (C,). Each member gives k points to its first choice,
    k − 1 to its second, … 1 to its k-th, with k = min(10, C − 1): the whole of a Borda count for a few classes,
    and for a thousand only the ranks that mean something (over all of them, the best possible share is 0.2 %).
    Classes that a member finds equally probable share their points equally.

    >>> rank_vote(np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1]]), np.array([0.5, 0.5])).round(4)
    array([0.5, 0.5, 0. ])
    """
    return _rounded(weights @ _borda_points(probabilities))


def _votes(probabilities: Floats) -> Floats:
    """(M, C) with a 1 at each member's first choice."""
    votes = np.zeros_like(probabilities)
    votes[np.arange(len(votes)), probabilities.argmax(axis=1)] = 1.0
    return votes


def _borda_points(probabilities: Floats) -> Floats:
    """(M, C) of points, each row summing to 1; see `rank_vote`."""
    classes = probabilities.shape[1]
    best = max(min(MAX_TOP_K, classes - 1), 1)
    by_rank = np.maximum(best - np.arange(classes), 0.0)
    # Points of ranks 0 … i − 1, so that the points of a run of equal values are one difference.
    until = np.concatenate([[0.0], np.cumsum(by_rank / by_rank.sum())])
    points = np.empty_like(probabilities)
    for row, values in zip(points, probabilities, strict=True):
        _, group, sizes = np.unique(-values, return_inverse=True, return_counts=True)
        ends = np.cumsum(sizes)
        row[:] = ((until[ends] - until[ends - sizes]) / sizes)[group]
    return points


def _rounded(shares: Floats) -> Floats:
    """`shares` (C,) in which those that differ by rounding are equal."""
    return np.asarray(np.round(shares, TIE_DECIMALS))


def tie_breaker(probabilities: Floats, weights: Floats) -> Floats:
    """What orders the classes with equal shares: their weighted mean probability, (M, C) and (M,) → (C,)."""
    return _rounded(weights @ probabilities)


def _itself(probabilities: Floats) -> Floats:
    return probabilities


RULES: dict[str, Rule] = {
    "mean": Rule(
        "Mean",
        "The average of the members' probabilities: each counts the same, and a sure member counts for more.",
        mean,
        _itself,
        takes_weights=False,
    ),
    "geometric_mean": Rule(
        "Geometric mean",
        "The members' probabilities are multiplied: a class that one member rules out can hardly win.",
        geometric_mean,
        None,
    ),
    "weighted_mean": Rule(
        "Weighted mean",
        "The average of the members' probabilities, with the weights that you give them.",
        weighted_mean,
        _itself,
    ),
    "majority_vote": Rule(
        "Majority vote",
        "Each member has one vote for its first choice, however sure it is; the bars show shares of the votes.",
        majority_vote,
        _votes,
        ties=True,
    ),
    "rank_vote": Rule(
        "Rank vote",
        "Each member gives points to its ten first choices, the most to the first (a Borda count); "
        "the bars show shares of the points.",
        rank_vote,
        _borda_points,
        ties=True,
    ),
}
