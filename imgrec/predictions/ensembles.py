"""Several predictions as one: members, weights, uncertainty, leave-one-out.

Pure numpy; the rules are in `combination_rules`. No engine and no image is needed, so that predictions are computed
once and combined again when a weight changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgrec.errors import InputError, LabelSpaceError, UnknownNameError
from imgrec.predictions.combination_rules import RULES as RULES
from imgrec.predictions.combination_rules import Floats, tie_breaker
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Prediction

# The name of an ensemble in places where a model's name stands.
ENSEMBLE = "ensemble"

# Limits of the words for uncertainty, as a part of log2(C), the entropy of C equal classes. For ImageNet's 1,000
# classes "low" ends at 0.5 bits (about 90 % against 10 %) and "high" begins at 3 bits (as of 8 equal classes).
LOW_BELOW = 0.05
HIGH_FROM = 0.3

# How the names of label spaces begin that say nothing to people; up to so many classes stand for such a one.
MADE_NAMES = ("groups_", "own_")
LISTED_CLASSES = 6

# Disagreement is "high" where every second pair of members disagrees.
HIGH_DISAGREEMENT_FROM = 0.5

ENTROPY_SENTENCE = (
    "Entropy: how unsure the members are together. 0 bits is certain; each further bit doubles the number of equally "
    "likely classes that it is like choosing from."
)
MUTUAL_INFORMATION_SENTENCE = (
    "Mutual information: the part of the entropy that comes from the members contradicting each other; "
    "the rest is doubt that they share."
)
DISAGREEMENT_SENTENCE = "Disagreement: the share of all pairs of members whose first choices differ."


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """The uncertainty of an ensemble, from its members' probabilities and weights; it does not depend on the rule.

    With p = Σ w_m p_m and the entropy H in bits: `entropy_bits` = H(p), in [0, log2 C]; `mutual_information_bits` =
    H(p) − Σ w_m H(p_m), the generalized Jensen–Shannon divergence (Lin 1991), known from BALD (Houlsby et al. 2011),
    in [0, entropy_bits]; `disagreement`, in [0, 1], is the share of pairs of members with different first choices, 0
    for a single member. Members of weight 0 do not count. `classes` is C.
    """

    entropy_bits: float
    mutual_information_bits: float
    disagreement: float
    classes: int

    @property
    def level(self) -> str:
        """The entropy in a word: low, medium or high; see `LOW_BELOW` and `HIGH_FROM`."""
        return bits_level(self.entropy_bits, self.classes)

    @property
    def mutual_information_level(self) -> str:
        """The mutual information in a word, on the scale of the entropy."""
        return bits_level(self.mutual_information_bits, self.classes)

    @property
    def disagreement_level(self) -> str:
        """The disagreement in a word: low where it is 0, high from `HIGH_DISAGREEMENT_FROM`."""
        if self.disagreement == 0:
            return "low"
        return "high" if self.disagreement >= HIGH_DISAGREEMENT_FROM else "medium"


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """The combined prediction of several models.

    `prediction` has the model name "ensemble" and the summed milliseconds of its members; `weights` are in the order
    of `members` and sum to 1; `rule` is a name in `RULES`. With calibrated members, `before` is the ensemble of these
    members as their networks gave them, and `temperatures` has that of each member, None where none was measured.
    """

    prediction: Prediction
    members: tuple[Prediction, ...]
    weights: tuple[float, ...]
    rule: str
    uncertainty: Uncertainty
    before: "Ensemble | None" = None
    temperatures: tuple[float | None, ...] = ()

    @staticmethod
    def of(predictions: Sequence[Prediction], rule: str = "mean", weights: Sequence[float] | None = None) -> "Ensemble":
        """Return the ensemble of `predictions`, as `combine`.

        Example:
            >>> from imgrec.predictions.labels import get_label_space
            >>> space = get_label_space("cifar_10")
            >>> sure, unsure = np.eye(10, dtype=np.float32)[3], np.full(10, 0.1, np.float32)
            >>> both = [Prediction("one", space, sure, 1.0), Prediction("other", space, unsure, 1.0)]
            >>> first = Ensemble.of(both, "weighted_mean", [3, 1]).prediction.first
            >>> first.label, round(first.probability, 3)
            ('cat', 0.775)
        """
        return combine(predictions, rule, weights)


@dataclass(frozen=True, slots=True, eq=False)
class Without:
    """The ensemble without `member`; the member `is_decisive` where the first choice is then another class."""

    member: Prediction
    ensemble: Ensemble
    is_decisive: bool


def combine(predictions: Sequence[Prediction], rule: str = "mean", weights: Sequence[float] | None = None) -> Ensemble:
    """Combine predictions of one label space.

    Args:
        predictions: The members, at least one.
        rule: A name in `RULES`.
        weights: (M,) ≥ 0 in the order of the members, of any sum; equal weights for None.

    Raises:
        InputError: No predictions, or weights that are negative, all 0, too few, or not taken by the rule.
        UnknownNameError: An unknown rule.
        LabelSpaceError: Several label spaces, or one whose classes are not exclusive.
    """
    if rule not in RULES:
        raise UnknownNameError.of("rule", rule, list(RULES))
    members = tuple(predictions)
    _check_members(members)
    shares = _normalized_weights(weights, members, rule)
    probabilities = _stacked(members)
    prediction = Prediction(
        model=ENSEMBLE,
        label_space=members[0].label_space,
        probabilities=RULES[rule].combine(probabilities, shares).astype(np.float32),
        milliseconds=sum(member.milliseconds for member in members),
        tie_breaker=tie_breaker(probabilities, shares) if RULES[rule].ties else None,
    )
    return Ensemble(prediction, members, tuple(shares.tolist()), rule, uncertainty(probabilities, shares))


def by_label_space(predictions: Sequence[Prediction]) -> dict[str, list[Prediction]]:
    """Return the predictions by the name of their label space, both in the given order."""
    found: dict[str, list[Prediction]] = {}
    for prediction in predictions:
        found.setdefault(prediction.label_space.name, []).append(prediction)
    return found


def contributions(ensemble: Ensemble, index: int) -> tuple[float, ...]:
    """Return what each member adds to the ensemble's probability of class `index`, in the order of the members.

    For means and votes, w_m · e_m[index], where e_m is the member's probability, vote or share of points: ≥ 0, with
    the ensemble's probability as their sum. The geometric mean has no such shares: there it is the change of the
    probability when the member is left out, which may be negative.
    """
    evidence = RULES[ensemble.rule].evidence
    if evidence is not None:
        column = evidence(_stacked(ensemble.members))[:, index]
        return tuple((np.array(ensemble.weights) * column).tolist())
    whole = float(ensemble.prediction.probabilities[index])
    rests = (_without(ensemble, position) for position in range(len(ensemble.members)))
    return tuple(whole - (float(rest.prediction.probabilities[index]) if rest else 0.0) for rest in rests)


def leave_one_out(ensemble: Ensemble) -> list[Without]:
    """Return the ensemble without each of its members in turn, with the weights normalized again.

    A member is left out of the list where no other has a weight.
    """
    first = ensemble.prediction.first.index
    rests = ((member, _without(ensemble, position)) for position, member in enumerate(ensemble.members))
    return [Without(member, rest, is_decisive=rest.prediction.first.index != first) for member, rest in rests if rest]


def uncertainty(probabilities: Floats, weights: Floats) -> Uncertainty:
    """Return the uncertainty of `probabilities` (M, C), whose rows sum to about 1, with `weights` (M,) that sum to 1.

    >>> uncertainty(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.5, 0.5]))
    Uncertainty(entropy_bits=1.0, mutual_information_bits=1.0, disagreement=1.0, classes=2)
    """
    counted, shares = probabilities[weights > 0], weights[weights > 0]
    # Sums that are off 1 by rounding could make the difference of two entropies negative.
    counted = counted / counted.sum(axis=1, keepdims=True)
    if len(counted) == 1:
        return Uncertainty(float(entropy_bits(counted[0])), 0.0, 0.0, classes=probabilities.shape[1])
    entropy = float(entropy_bits(shares @ counted))
    own = float(shares @ entropy_bits(counted))
    return Uncertainty(
        entropy_bits=entropy,
        mutual_information_bits=min(max(entropy - own, 0.0), entropy),
        disagreement=_disagreement(counted.argmax(axis=1)),
        classes=probabilities.shape[1],
    )


def entropy_bits(probabilities: Floats) -> Floats:
    """Return −Σ p log2 p over the last axis, with 0 log 0 = 0."""
    safe = np.where(probabilities > 0, probabilities, 1.0)
    return np.asarray(-(safe * np.log2(safe)).sum(axis=-1) + 0.0)


def bits_level(bits: float, classes: int) -> str:
    """Return `bits` of entropy over `classes` in a word: low, medium or high."""
    part = bits / np.log2(classes) if classes > 1 else 0.0
    if part < LOW_BELOW:
        return "low"
    return "high" if part >= HIGH_FROM else "medium"


def _check_members(members: tuple[Prediction, ...]) -> None:
    if not members:
        raise InputError("Expected at least one prediction to combine. Received: none.")
    spaces = by_label_space(members)
    if len(spaces) > 1:
        received = "; ".join(
            f"{_named(found[0].label_space)} ({', '.join(m.model for m in found)})" for found in spaces.values()
        )
        raise LabelSpaceError(f"Expected members of one label space. Received: {received}.")
    space = members[0].label_space
    if not space.exclusive:
        raise LabelSpaceError(
            f"These classes do not exclude each other, so models cannot be averaged over them: {_named(space)}."
        )


def _named(space: LabelSpace) -> str:
    """Return the name of a label space; the first of its classes where the name is made from them."""
    if not space.name.startswith(MADE_NAMES):
        return space.name
    more = ["…"] if len(space.labels) > LISTED_CLASSES else []
    return ", ".join([*space.labels[:LISTED_CLASSES], *more])


def _normalized_weights(weights: Sequence[float] | None, members: tuple[Prediction, ...], rule: str) -> Floats:
    """Return float64 (M,) that sums to 1; equal weights for None."""
    count = len(members)
    if weights is None:
        return np.full(count, 1.0) / count
    given = np.array(weights, dtype=np.float64)
    if given.shape != (count,):
        raise InputError(f"Expected {count} weights, one for each member. Received: {given.size}.")
    # Written so that NaN fails too.
    if not (np.all(given >= 0) and np.all(np.isfinite(given)) and given.max() > 0):
        raise InputError(f"Expected weights of 0 or more, not all of them 0. Received: {given.tolist()}.")
    if not RULES[rule].takes_weights and np.any(given != given[0]):
        raise InputError(
            f"Expected equal weights for the rule {rule!r}; 'weighted_mean' takes others. Received: {given.tolist()}."
        )
    # Divided by the largest first, so that the sum of large finite weights stays finite.
    given = given / given.max()
    return np.asarray(given / given.sum())


def _stacked(members: tuple[Prediction, ...]) -> Floats:
    """Return probabilities (M, C) in float64; the small negatives that `Prediction` tolerates become 0."""
    return np.maximum(np.stack([member.probabilities for member in members]).astype(np.float64), 0.0)


def _without(ensemble: Ensemble, position: int) -> Ensemble | None:
    """Return `ensemble` without the member at `position`; None when no other member has a weight."""
    members = [*ensemble.members[:position], *ensemble.members[position + 1 :]]
    weights = [*ensemble.weights[:position], *ensemble.weights[position + 1 :]]
    return combine(members, ensemble.rule, weights) if any(weights) else None


def _disagreement(choices: npt.NDArray[np.intp]) -> float:
    """Return the share of pairs with different values among first choices (M,), M of 2 or more."""
    count = len(choices)
    _, sizes = np.unique(choices, return_counts=True)
    return 1 - int((sizes * (sizes - 1)).sum()) / (count * (count - 1))
