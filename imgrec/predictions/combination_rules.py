"""The rules that combine the probabilities of several models.

A rule works on arrays alone: probabilities (M, C) of M members over C classes and weights (M,) that sum to 1 become a
distribution (C,), all in float64. Each rule is one line in `RULES`.

Sources: L. I. Kuncheva, *Combining Pattern Classifiers*, 2nd ed., Wiley 2014, chapters 4 (votes) and 5 (averages);
J. Kittler et al., *On Combining Classifiers*, IEEE TPAMI 20(3), 1998; scikit-learn's `VotingClassifier`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgrec.predictions.prediction import MAX_TOP_K

Floats = npt.NDArray[np.float64]

# A softmax in float32 gives 0 for everything below this, so that a 0 means "less than this" and excludes no class.
SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)

# Shares, and means, that differ by less are a tie: 0.1 + 0.2 and 0.3 are the same sum of slider values.
TIE_DECIMALS = 9


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to combine members.

    `evidence` turns the members' probabilities (M, C) into what each member adds to the result before weighting,
    (M, C), each row by itself: the result is its weighted sum, p[c] = Σ w_m e_m[c]. It is None for the geometric mean,
    where the members have no separate shares. `ties`: the results are shares of few votes or points; equal shares are
    ordered by `tie_breaker`.
    """

    title: str
    sentence: str
    evidence: Callable[[Floats], Floats] | None
    takes_weights: bool = True
    ties: bool = False

    def combine(self, probabilities: Floats, weights: Floats) -> Floats:
        """Combine `probabilities` (M, C) with `weights` (M,) that sum to 1 into a distribution (C,).

        >>> RULES["weighted_mean"].combine(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([0.25, 0.75]))
        array([0.625, 0.375])
        """
        if self.evidence is None:
            return geometric_mean(probabilities, weights)
        result = weights @ self.evidence(probabilities)
        return _rounded(result) if self.ties else result


def geometric_mean(probabilities: Floats, weights: Floats) -> Floats:
    """Return p[c] ∝ Π p_m[c]^w_m, the logarithmic opinion pool (Genest and Zidek 1986), `scipy.stats.gmean`.

    Computed with logarithms, so that nothing underflows; a 0 counts as `SMALLEST_PROBABILITY`.

    >>> geometric_mean(np.array([[0.8, 0.2], [0.5, 0.5]]), np.array([0.5, 0.5])).round(4)
    array([0.6667, 0.3333])
    """
    logarithms = weights @ np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))
    powers = np.exp(logarithms - logarithms.max())
    return np.asarray(powers / powers.sum())


def votes(probabilities: Floats) -> Floats:
    """Return e_m[c] = [argmax p_m = c], one vote for each member; of equal probabilities the lower index gets it.

    >>> votes(np.array([[0.9, 0.1], [0.2, 0.8]]))
    array([[1., 0.],
           [0., 1.]])
    """
    choices = probabilities.argmax(axis=1)
    return np.asarray(np.equal.outer(choices, np.arange(probabilities.shape[1])), dtype=np.float64)


def borda_points(probabilities: Floats) -> Floats:
    """Return the shares of Borda points (de Borda 1781; Ho, Hull and Srihari 1994), (M, C) with rows that sum to 1.

    Each member gives k points to its first choice, k − 1 to its second, … 1 to its k-th, with k = min(10, C − 1): a
    full Borda count for a few classes, and for a thousand only the ranks that matter (over all of them, the best
    possible share is 0.2 %). Classes that a member finds equally probable share their points equally.

    >>> borda_points(np.array([[0.7, 0.2, 0.1]])).round(4)
    array([[0.6667, 0.3333, 0.    ]])
    """
    classes = probabilities.shape[1]
    best = max(min(MAX_TOP_K, classes - 1), 1)
    by_rank = np.maximum(best - np.arange(classes), 0.0)
    by_rank /= by_rank.sum()
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ordered = np.take_along_axis(probabilities, order, axis=1)
    given = np.broadcast_to(by_rank, probabilities.shape).copy()
    tied = (ordered[:, 1:] == ordered[:, :-1]) & (given[:, :-1] > 0)
    for row in np.flatnonzero(tied.any(axis=1)):
        _, run = np.unique(-ordered[row], return_inverse=True)
        given[row] = (np.bincount(run, by_rank) / np.bincount(run))[run]
    points = np.empty(probabilities.shape)
    np.put_along_axis(points, order, given, axis=1)
    return points


def tie_breaker(probabilities: Floats, weights: Floats) -> Floats:
    """Return the weighted mean probability (C,) of each class, which orders classes with equal shares."""
    return _rounded(weights @ probabilities)


def _rounded(shares: Floats) -> Floats:
    return np.asarray(np.round(shares, TIE_DECIMALS))


# Members' own probabilities are their evidence in a mean: `VotingClassifier(voting="soft")`.
RULES: dict[str, Rule] = {
    "mean": Rule(
        "Mean",
        "The average of the members' probabilities: each counts the same, and a sure member counts for more.",
        np.asarray,
        takes_weights=False,
    ),
    "geometric_mean": Rule(
        "Geometric mean",
        "The members' probabilities are multiplied: a class that one member rules out can hardly win.",
        None,
    ),
    "weighted_mean": Rule(
        "Weighted mean",
        "The average of the members' probabilities, with the weights that you give them.",
        np.asarray,
    ),
    "majority_vote": Rule(
        "Majority vote",
        "Each member has one vote for its first choice, however sure it is; the bars show shares of the votes.",
        votes,
        ties=True,
    ),
    "rank_vote": Rule(
        "Rank vote",
        "Each member gives points to its ten first choices, the most to the first (a Borda count); "
        "the bars show shares of the points.",
        borda_points,
        ties=True,
    ),
}
