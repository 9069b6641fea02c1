"""Intervals and tests against scipy, and by what they must promise."""

import doctest

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from imgrec.errors import InputError
from imgrec.metrics import significance
from imgrec.metrics.significance import agreement, bootstrap, error_correlation, holm, mcnemar, wilson


def pairs(only_a: int, only_b: int, both: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two models' hits with these counts."""
    a = np.array([True] * only_a + [False] * only_b + [True] * both)
    b = np.array([False] * only_a + [True] * only_b + [True] * both)
    return a, b


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(significance).failed == 0


@given(trials=st.integers(1, 100_000), share=st.floats(0, 1))
def test_wilson_like_scipy(trials: int, share: float) -> None:
    successes = round(trials * share)
    theirs = scipy.stats.binomtest(successes, trials).proportion_ci(method="wilson")
    mine = wilson(successes, trials)
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert 0 <= mine.low <= successes / trials <= mine.high <= 1


@pytest.mark.parametrize(("successes", "trials"), [(-1, 3), (4, 3), (0, 0)])
def test_wilson_refuses(successes: int, trials: int) -> None:
    with pytest.raises(InputError, match="Expected 0 ≤ successes ≤ trials"):
        wilson(successes, trials)


@given(only_a=st.integers(0, 60), only_b=st.integers(0, 60))
def test_mid_p_is_the_exact_p_less_half_of_the_observed_on_each_side(only_a: int, only_b: int) -> None:
    found = mcnemar(*pairs(only_a, only_b, both=1))
    discordant = only_a + only_b
    exact = scipy.stats.binomtest(only_a, discordant).pvalue if discordant else 1.0
    observed = scipy.stats.binom.pmf(only_a, discordant, 0.5)
    expected = 1.0 if only_a == only_b else exact - observed
    assert found.p_value == pytest.approx(expected, abs=1e-9)
    assert mcnemar(*pairs(only_b, only_a, both=1)).p_value == pytest.approx(found.p_value)


def test_many_discordant_images_do_not_overflow() -> None:
    assert mcnemar(*pairs(6000, 5800)).p_value == pytest.approx(0.0656, abs=2e-3)
    assert mcnemar(*pairs(9000, 100)).p_value == pytest.approx(0, abs=1e-300)


def test_mcnemar_refuses_different_images() -> None:
    with pytest.raises(InputError, match="the same images"):
        mcnemar([True], [True, False])


@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_never_lowers_and_keeps_the_order(values: list[float]) -> None:
    adjusted = holm(values)
    assert (adjusted >= np.array(values)).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(values, kind="stable")]) >= 0).all()


def test_the_bootstrap_of_a_mean_is_near_its_normal_interval() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    found = bootstrap(lambda rows: float(values[rows].mean()), 400)
    half = 1.96 * values.std() / 20
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.015)


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for trial in range(200):
        values = np.random.default_rng(trial).random(80) < 0.7
        found = bootstrap(lambda rows, values=values: float(values[rows].mean()), 80, resamples=300, seed=trial)
        covered += found.low <= 0.7 <= found.high
    assert covered >= 180


def test_samples_without_a_value_are_left_out() -> None:
    found = bootstrap(lambda i: float("nan") if i.sum() % 2 else 1.0, 5, resamples=50)
    assert (found.low, found.high) == (1.0, 1.0)


def test_agreement_and_error_correlation_like_numpy() -> None:
    generator = np.random.default_rng(0)
    choices = generator.integers(0, 3, (4, 200))
    table = agreement(list(choices))
    assert (np.diag(table) == 1).all()
    assert table == pytest.approx(table.T)
    right = choices == generator.integers(0, 3, 200)
    assert error_correlation(list(right)) == pytest.approx(np.corrcoef(right.astype(float)))


def test_a_bootstrap_is_repeatable_and_depends_on_its_seed() -> None:
    values = np.random.default_rng(0).random(50)
    first, again, other = (bootstrap(lambda rows: float(values[rows].mean()), 50, 100, seed) for seed in (0, 0, 1))
    assert first == again != other


def test_a_model_without_errors_has_no_error_correlation() -> None:
    found = error_correlation([[True, True], [True, False]])
    assert np.isnan(found[0, 1])
    assert found[1, 1] == 1
