"""Ensembles against scikit-learn and scipy, and by properties that every rule must have."""

import doctest
import math
import time
from types import ModuleType

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn.ensemble import VotingClassifier

from imgrec.errors import InputError, LabelSpaceError, UnknownNameError
from imgrec.predictions import combination_rules, ensembles
from imgrec.predictions.ensembles import (
    HIGH_FROM,
    LOW_BELOW,
    RULES,
    Ensemble,
    Uncertainty,
    bits_level,
    by_label_space,
    combine,
    contributions,
    leave_one_out,
    uncertainty,
)
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Prediction

# Probabilities are float32, and so is an ensemble's prediction.
CLOSE = 1e-6

THREE = LabelSpace("three", ("tabby", "lynx", "beagle"), (None, None, None))
OTHER = LabelSpace("other", ("cat", "dog"), (None, None))
TAGS = LabelSpace("tags", ("fur", "tail", "grass"), (None, None, None), exclusive=False)

every_rule = pytest.mark.parametrize("rule", RULES)
every_weighted_rule = pytest.mark.parametrize("rule", [name for name, rule in RULES.items() if rule.takes_weights])


def space_of(classes: int) -> LabelSpace:
    return LabelSpace(f"space of {classes}", tuple(f"class {i}" for i in range(classes)), (None,) * classes)


def predictions_of(rows: object) -> list[Prediction]:
    """One prediction for each row, by models a, b, c …"""
    array = np.array(rows, dtype=np.float64)
    space = space_of(array.shape[1])
    return [Prediction(chr(ord("a") + i), space, row, milliseconds=1.0 + i) for i, row in enumerate(array)]


def distributions(members: st.SearchStrategy[int]) -> st.SearchStrategy[np.ndarray]:
    """(M, C) whose rows sum to 1, zeros and ties among them."""
    shapes = st.tuples(members, st.integers(2, 14))
    values = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1, width=32))
    return npst.arrays(np.float64, shapes, elements=values).map(lambda a: (a + 1e-9) / (a + 1e-9).sum(1, keepdims=True))


def weights_for(count: int) -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(0, 10), min_size=count, max_size=count).filter(lambda weights: max(weights) > 0.01)


class Member:
    """A fitted classifier as scikit-learn's voting sees it; one sample, whose probabilities are given."""

    def __init__(self, probabilities: np.ndarray) -> None:
        self.probabilities = probabilities

    def predict_proba(self, _: object) -> np.ndarray:
        return self.probabilities[None]

    def predict(self, _: object) -> np.ndarray:
        return np.array([self.probabilities.argmax()])


def sklearn_voting(rows: np.ndarray, weights: list[float], voting: str) -> VotingClassifier:
    oracle = VotingClassifier([(str(i), None) for i in range(len(rows))], voting=voting, weights=weights)
    oracle.estimators_ = [Member(row) for row in rows]
    oracle.le_ = type("Encoder", (), {"inverse_transform": staticmethod(lambda indices: indices)})()
    return oracle


members_and_weights = distributions(st.integers(1, 5)).flatmap(
    lambda rows: st.tuples(st.just(rows), weights_for(len(rows)))
)


class TestAgainstOracles:
    @given(members_and_weights)
    def test_weighted_mean_is_soft_voting(self, pair: tuple[np.ndarray, list[float]]) -> None:
        rows, weights = pair
        expected = sklearn_voting(rows, weights, "soft").predict_proba([0])[0]
        found = combine(predictions_of(rows), "weighted_mean", weights).prediction.probabilities
        np.testing.assert_allclose(found, expected, atol=CLOSE)

    def test_mean_is_soft_voting_without_weights(self) -> None:
        rows = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]])
        expected = sklearn_voting(rows, [1, 1], "soft").predict_proba([0])[0]
        np.testing.assert_allclose(combine(predictions_of(rows)).prediction.probabilities, expected, atol=CLOSE)

    @given(members_and_weights)
    def test_majority_vote_is_hard_voting_where_there_is_no_tie(self, pair: tuple[np.ndarray, list[float]]) -> None:
        rows, weights = pair
        rows = np.float32(rows)  # as a prediction sees them, so that first choices are the same
        ensemble = combine(predictions_of(rows), "majority_vote", weights)
        votes = np.bincount(rows.argmax(1), weights, minlength=rows.shape[1])
        np.testing.assert_allclose(ensemble.prediction.probabilities, votes / votes.sum(), atol=1e-4)
        highest = np.sort(votes / votes.sum())[::-1]
        if highest[0] - highest[1] > 1e-3:
            expected = sklearn_voting(rows, weights, "hard").predict([0])[0]
            assert ensemble.prediction.top_k(1)[0].index == expected

    @given(members_and_weights)
    def test_geometric_mean_is_scipys_normalized(self, pair: tuple[np.ndarray, list[float]]) -> None:
        rows, weights = pair
        columns = np.broadcast_to(np.array(weights)[:, None], rows.shape)
        expected = scipy.stats.gmean(np.float32(rows).astype(np.float64), axis=0, weights=columns)
        found = combine(predictions_of(rows), "geometric_mean", weights).prediction.probabilities
        np.testing.assert_allclose(found, expected / expected.sum(), atol=CLOSE)

    @given(members_and_weights)
    def test_rank_vote_is_borda_over_few_classes(self, pair: tuple[np.ndarray, list[float]]) -> None:
        rows, weights = pair
        rows = np.float32(rows)[:, :11]  # from 12 classes on, ranks after the tenth get nothing
        rows = rows / rows.sum(1, keepdims=True)
        points = scipy.stats.rankdata(rows.astype(np.float32), axis=1) - 1
        expected = np.average(points / points.sum(1, keepdims=True), axis=0, weights=weights)
        found = combine(predictions_of(rows), "rank_vote", weights).prediction.probabilities
        np.testing.assert_allclose(found, expected, atol=1e-4)

    @given(members_and_weights)
    def test_entropy_is_scipys(self, pair: tuple[np.ndarray, list[float]]) -> None:
        rows, weights = pair
        expected = scipy.stats.entropy(np.average(rows, axis=0, weights=weights), base=2)
        found = combine(predictions_of(rows), "weighted_mean", weights).uncertainty
        assert found.entropy_bits == pytest.approx(expected, abs=1e-5)

    @given(members_and_weights)
    def test_mutual_information_is_the_entropy_of_the_mean_less_the_mean_entropy(
        self, pair: tuple[np.ndarray, list[float]]
    ) -> None:
        rows, weights = pair
        mean = scipy.stats.entropy(np.average(rows, axis=0, weights=weights), base=2)
        own = np.average(scipy.stats.entropy(rows, axis=1, base=2), weights=weights)
        found = combine(predictions_of(rows), "weighted_mean", weights).uncertainty
        assert found.mutual_information_bits == pytest.approx(mean - own, abs=1e-5)

    @given(distributions(st.just(2)))
    def test_mutual_information_of_two_is_the_jensen_shannon_divergence(self, rows: np.ndarray) -> None:
        expected = scipy.spatial.distance.jensenshannon(*np.float32(rows).astype(np.float64), base=2) ** 2
        found = combine(predictions_of(rows)).uncertainty.mutual_information_bits
        assert found == pytest.approx(0.0 if math.isnan(expected) else expected, abs=1e-5)

    @given(members_and_weights)
    def test_mutual_information_counts_each_member_by_its_weight(self, pair: tuple[np.ndarray, list[float]]) -> None:
        rows, weights = pair
        shares = np.array(weights) / sum(weights)
        found = uncertainty(rows, shares).mutual_information_bits
        # I = Σ w KL(p_m ‖ p̄), with scipy's relative entropy as the oracle.
        expected = shares @ scipy.stats.entropy(rows, (shares @ rows)[None], base=2, axis=1)
        assert found == pytest.approx(expected, abs=1e-5)


class TestEveryRule:
    @every_rule
    @given(distributions(st.integers(1, 6)))
    def test_gives_a_distribution(self, rule: str, rows: np.ndarray) -> None:
        found = combine(predictions_of(rows), rule).prediction.probabilities
        assert found.sum() == pytest.approx(1, abs=1e-5)
        assert found.min() >= 0

    @every_rule
    @given(distributions(st.integers(2, 5)), st.randoms(use_true_random=False))
    def test_does_not_mind_the_order_of_the_members(self, rule: str, rows: np.ndarray, random: object) -> None:
        members = predictions_of(rows)
        shuffled = list(members)
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        one, two = combine(members, rule), combine(shuffled, rule)
        np.testing.assert_allclose(one.prediction.probabilities, two.prediction.probabilities, atol=CLOSE)
        assert one.uncertainty.entropy_bits == pytest.approx(two.uncertainty.entropy_bits, abs=CLOSE)
        assert one.uncertainty.disagreement == two.uncertainty.disagreement

    @every_rule
    @given(distributions(st.just(1)), st.integers(2, 7))
    def test_of_identical_members_is_of_one(self, rule: str, row: np.ndarray, count: int) -> None:
        one, many = combine(predictions_of(row), rule), combine(predictions_of(np.repeat(row, count, 0)), rule)
        np.testing.assert_allclose(one.prediction.probabilities, many.prediction.probabilities, atol=CLOSE)
        assert many.uncertainty.mutual_information_bits == pytest.approx(0, abs=CLOSE)
        assert many.uncertainty.disagreement == 0

    @pytest.mark.parametrize("rule", ["mean", "weighted_mean", "geometric_mean"])
    @given(distributions(st.just(1)))
    def test_of_one_is_that_one(self, rule: str, row: np.ndarray) -> None:
        np.testing.assert_allclose(combine(predictions_of(row), rule).prediction.probabilities, row[0], atol=CLOSE)

    @every_weighted_rule
    @given(distributions(st.integers(2, 5)))
    def test_a_member_of_weight_zero_is_not_there(self, rule: str, rows: np.ndarray) -> None:
        members = predictions_of(rows)
        alone, first = combine(members[:1], rule), combine(members, rule, [1.0] + [0.0] * (len(members) - 1))
        np.testing.assert_allclose(alone.prediction.probabilities, first.prediction.probabilities, atol=CLOSE)
        assert first.uncertainty.entropy_bits == pytest.approx(alone.uncertainty.entropy_bits, abs=CLOSE)
        assert first.uncertainty.mutual_information_bits == pytest.approx(0, abs=CLOSE)
        assert first.uncertainty.disagreement == 0

    @every_rule
    def test_survives_certain_members_that_contradict_each_other(self, rule: str) -> None:
        ensemble = combine(predictions_of([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), rule)
        first, second, third = ensemble.prediction.probabilities
        assert first == pytest.approx(second, abs=1e-5)
        assert third < first
        assert ensemble.uncertainty == Uncertainty(1.0, 1.0, 1.0, 3)

    @every_rule
    def test_has_words_for_people(self, rule: str) -> None:
        assert RULES[rule].title
        assert RULES[rule].sentence.endswith(".")


class TestTies:
    @pytest.mark.parametrize(
        ("rows", "order"),
        [
            pytest.param([[0.6, 0.4, 0.0], [0.1, 0.9, 0.0]], [1, 0, 2], id="the surer member wins"),
            pytest.param([[0.9, 0.1, 0.0], [0.4, 0.6, 0.0]], [0, 1, 2], id="the surer member wins, first"),
            pytest.param([[0.7, 0.3, 0.0], [0.3, 0.7, 0.0]], [0, 1, 2], id="equal means: lower index"),
            pytest.param([[0.8, 0.05, 0.15], [0.7, 0.05, 0.25]], [0, 2, 1], id="without votes by mean"),
        ],
    )
    def test_majority_vote(self, rows: list[list[float]], order: list[int]) -> None:
        ensemble = combine(predictions_of(rows), "majority_vote")
        assert [c.index for c in ensemble.prediction.top_k(3)] == order

    def test_sums_of_slider_values_tie(self) -> None:
        rows = [[0.6, 0.4], [0.6, 0.4], [0.1, 0.9]]
        assert 0.1 + 0.2 != 0.3
        ensemble = combine(predictions_of(rows), "majority_vote", [0.1, 0.2, 0.3])
        assert ensemble.prediction.top_k(1)[0].index == 1

    @pytest.mark.parametrize("rule", ["majority_vote", "rank_vote"])
    def test_equal_shares_are_ordered_by_the_weighted_mean(self, rule: str) -> None:
        rows = [[0.9, 0.1], [0.2, 0.8], [0.2, 0.8]]  # weighted mean 0.55 and 0.45, unweighted 0.43 and 0.57
        prediction = combine(predictions_of(rows), rule, [2, 1, 1]).prediction
        assert prediction.probabilities.tolist() == [0.5, 0.5]
        assert [c.index for c in prediction.top_k(2)] == [0, 1]

    @pytest.mark.parametrize("rule", ["majority_vote", "rank_vote"])
    def test_shares_are_exact(self, rule: str) -> None:
        rows = np.full((2, 30), 0.001)
        rows[0, 3] = rows[1, 17] = 1 - 0.029
        found = combine(predictions_of(rows), rule).prediction.probabilities
        assert found[3] == found[17] == found.max()
        if rule == "majority_vote":
            assert set(found.tolist()) == {0.0, 0.5}

    def test_a_unanimous_vote_is_exactly_one(self) -> None:
        ensemble = combine(predictions_of([[0.6, 0.3, 0.1]] * 3), "majority_vote")
        assert ensemble.prediction.probabilities[0] == 1

    def test_a_certain_member_gives_no_points_by_index(self) -> None:
        row = np.zeros((1, 100))
        row[0, 42] = 1.0
        ensemble = combine(predictions_of(row), "rank_vote").prediction
        assert ensemble.top_k(1)[0].index == 42
        assert np.ptp(np.delete(ensemble.probabilities, 42)) < CLOSE

    def test_rank_vote_stops_at_the_tenth(self) -> None:
        row = np.arange(30, 0, -1.0)[None]
        found = combine(predictions_of(row / row.sum()), "rank_vote").prediction.probabilities
        np.testing.assert_allclose(found[:10], np.arange(10, 0, -1) / 55, atol=1e-5)
        np.testing.assert_allclose(found[10:], 0, atol=1e-8)


class TestRefusals:
    @pytest.mark.parametrize(
        ("weights", "rule", "sentence"),
        [
            pytest.param([1, 1], "weighted_mean", r"Expected 3 weights.* Received: 2\.", id="too few"),
            pytest.param([0, 0, 0], "weighted_mean", r"not all of them 0\. Received: \[0", id="all 0"),
            pytest.param([1, -1, 1], "geometric_mean", "Expected weights of 0 or more", id="negative"),
            pytest.param([1, math.nan, 1], "weighted_mean", "Received: .*nan", id="NaN"),
            pytest.param([1, math.inf, 1], "majority_vote", "Received: .*inf", id="infinity"),
            pytest.param([1, 2, 1], "mean", "'weighted_mean' takes others", id="weights for the plain mean"),
        ],
    )
    def test_unusable_weights(self, weights: list[float], rule: str, sentence: str) -> None:
        with pytest.raises(InputError, match=sentence):
            combine(predictions_of([[0.5, 0.5]] * 3), rule, weights)

    def test_no_members(self) -> None:
        with pytest.raises(InputError, match="at least one prediction"):
            combine([])

    def test_different_label_spaces_by_name(self) -> None:
        members = [Prediction("vgg16", THREE, np.array([1, 0, 0])), Prediction("mine", OTHER, np.array([1, 0]))]
        with pytest.raises(LabelSpaceError, match=r"one label space\. Received: three \(vgg16\); other \(mine\)\."):
            combine(members)

    @pytest.mark.parametrize("count", [1, 2], ids=["even one", "two"])
    def test_classes_that_do_not_exclude_each_other(self, count: int) -> None:
        with pytest.raises(LabelSpaceError, match=r"exclude each other.*averaged over them: tags\."):
            combine([Prediction("cloud", TAGS, np.array([0.9, 0.9, 0.1]))] * count)

    def test_an_unknown_rule(self) -> None:
        with pytest.raises(UnknownNameError, match=r"majority_vote.* Received: 'majority'"):
            combine(predictions_of([[1.0, 0.0]]), "majority")

    def test_nan_cannot_come_in(self) -> None:
        with pytest.raises(InputError, match="nan"):
            predictions_of([[math.nan, 1.0]])


def test_huge_weights_do_not_overflow() -> None:
    ensemble = combine(predictions_of([[1.0, 0.0], [0.0, 1.0]]), "weighted_mean", [1e308, 1e308])
    assert ensemble.weights == (0.5, 0.5)


def test_an_ensemble_says_what_it_is_made_of() -> None:
    members = predictions_of([[0.6, 0.4], [0.2, 0.8]])
    ensemble = combine(members, "weighted_mean", [3, 1])
    assert ensemble.members == tuple(members)
    assert ensemble.weights == (0.75, 0.25)
    assert ensemble.rule == "weighted_mean"
    assert ensemble.prediction.model == "ensemble"
    assert ensemble.prediction.milliseconds == 3.0


def test_predictions_by_label_space_keep_the_order_in_which_spaces_come() -> None:
    a, b = Prediction("a", THREE, np.array([1, 0, 0])), Prediction("b", OTHER, np.array([1, 0]))
    c = Prediction("c", THREE, np.array([0, 1, 0]))
    assert by_label_space([b, a, c]) == {"other": [b], "three": [a, c]}
    assert list(by_label_space([b, a, c])) == ["other", "three"]


class TestContributions:
    @pytest.mark.parametrize("rule", [name for name, rule in RULES.items() if rule.evidence])
    @given(distributions(st.integers(1, 6)), st.data())
    def test_add_up(self, rule: str, rows: np.ndarray, data: st.DataObject) -> None:
        ensemble = combine(predictions_of(rows), rule)
        index = data.draw(st.integers(0, rows.shape[1] - 1))
        parts = contributions(ensemble, index)
        assert len(parts) == len(rows)
        assert min(parts) >= 0
        assert sum(parts) == pytest.approx(float(ensemble.prediction.probabilities[index]), abs=1e-4)

    def test_are_weight_times_probability_for_a_mean(self) -> None:
        ensemble = combine(predictions_of([[0.6, 0.4], [0.2, 0.8]]), "weighted_mean", [3, 1])
        assert contributions(ensemble, 0) == pytest.approx((0.45, 0.05))

    def test_are_leave_one_out_differences_for_the_geometric_mean(self) -> None:
        ensemble = combine(predictions_of([[0.9, 0.1], [0.4, 0.6]]), "geometric_mean")
        whole = float(ensemble.prediction.probabilities[0])
        assert contributions(ensemble, 0) == pytest.approx((whole - 0.4, whole - 0.9))

    def test_a_single_member_of_a_geometric_mean_gives_everything(self) -> None:
        ensemble = combine(predictions_of([[0.9, 0.1]]), "geometric_mean")
        assert contributions(ensemble, 0) == pytest.approx((0.9,))


class TestLeaveOneOut:
    def test_names_the_decisive_member(self) -> None:
        ensemble = combine(predictions_of([[0.99, 0.01], [0.3, 0.7], [0.4, 0.6]]))
        assert [(without.member.model, without.is_decisive) for without in leave_one_out(ensemble)] == [
            ("a", True),
            ("b", False),
            ("c", False),
        ]

    @every_rule
    def test_is_the_ensemble_of_the_others(self, rule: str) -> None:
        members = predictions_of([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
        for without, rest in zip(leave_one_out(combine(members, rule)), (1, 0, 0), strict=True):
            assert without.ensemble.members[0] is members[rest]
            expected = combine([m for m in members if m is not without.member], rule)
            np.testing.assert_allclose(
                without.ensemble.prediction.probabilities, expected.prediction.probabilities, atol=CLOSE
            )

    def test_keeps_the_weights_of_the_others(self) -> None:
        rows = [[1.0, 0.0], [0.4, 0.6], [0.8, 0.2]]
        (_, _, last) = leave_one_out(combine(predictions_of(rows), "weighted_mean", [3, 1, 4]))
        assert last.ensemble.weights == (0.75, 0.25)
        assert last.ensemble.prediction.probabilities[0] == pytest.approx(0.85)

    def test_of_a_single_member_is_empty(self) -> None:
        assert leave_one_out(combine(predictions_of([[0.5, 0.5]]))) == []

    def test_leaves_out_the_only_weight_in_silence(self) -> None:
        ensemble = combine(predictions_of([[0.9, 0.1], [0.2, 0.8]]), "weighted_mean", [1, 0])
        assert [without.member.model for without in leave_one_out(ensemble)] == ["b"]


class TestUncertainty:
    @pytest.mark.parametrize(
        ("rows", "expected"),
        [
            pytest.param([[1.0, 0.0]], Uncertainty(0, 0, 0, 2), id="one certain member"),
            pytest.param([[0.5, 0.5]], Uncertainty(1, 0, 0, 2), id="one that knows nothing"),
            pytest.param([[0.5, 0.5]] * 3, Uncertainty(1, 0, 0, 2), id="shared doubt is no disagreement"),
            pytest.param([[1.0, 0.0], [0.0, 1.0]], Uncertainty(1, 1, 1, 2), id="certain and contradicting"),
        ],
    )
    def test_known_values(self, rows: list[list[float]], expected: Uncertainty) -> None:
        assert combine(predictions_of(rows)).uncertainty == expected

    @pytest.mark.parametrize(
        ("choices", "share"),
        [
            pytest.param("aab", 2 / 3, id="one of three"),
            pytest.param("aabb", 4 / 6, id="two groups"),
            pytest.param("abcd", 1, id="all differ"),
        ],
    )
    def test_disagreement_counts_pairs(self, choices: str, share: float) -> None:
        rows = np.eye(4)[[ord(choice) - ord("a") for choice in choices]]
        assert combine(predictions_of(rows)).uncertainty.disagreement == pytest.approx(share)

    @given(distributions(st.integers(1, 6)))
    def test_stays_within_its_bounds(self, rows: np.ndarray) -> None:
        found = combine(predictions_of(rows)).uncertainty
        assert 0 <= found.mutual_information_bits <= found.entropy_bits <= math.log2(rows.shape[1]) + CLOSE
        assert 0 <= found.disagreement <= 1

    @pytest.mark.parametrize(
        ("part", "level"),
        [
            (0.0, "low"),
            (LOW_BELOW - 1e-9, "low"),
            (LOW_BELOW + 1e-9, "medium"),
            (HIGH_FROM - 1e-9, "medium"),
            (HIGH_FROM, "high"),
            (1.0, "high"),
        ],
    )
    def test_words(self, part: float, level: str) -> None:
        assert bits_level(part * math.log2(1024), 1024) == level

    def test_one_class_leaves_no_doubt(self) -> None:
        assert combine(predictions_of([[1.0]])).uncertainty.level == "low"

    @pytest.mark.parametrize(("share", "level"), [(0.0, "low"), (0.3, "medium"), (0.5, "high")])
    def test_words_for_disagreement(self, share: float, level: str) -> None:
        assert Uncertainty(0, 0, share, 2).disagreement_level == level


@pytest.mark.parametrize("module", [ensembles, combination_rules], ids=lambda module: module.__name__)
def test_examples_in_docstrings(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


@every_rule
def test_ten_members_and_a_thousand_classes_follow_a_slider(rule: str) -> None:
    rows = np.random.default_rng(0).dirichlet(np.full(1000, 0.05), 10)
    members = predictions_of(rows)

    def once() -> float:
        start = time.perf_counter()
        ensemble: Ensemble = combine(members, rule)
        contributions(ensemble, 0)
        return time.perf_counter() - start

    # 0.1 to 0.5 ms; a machine that is busy with other tests may take more, and 30 ms still follow a hand.
    assert min(once() for _ in range(5)) < 0.03
