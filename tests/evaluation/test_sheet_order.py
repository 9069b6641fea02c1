"""A contact sheet sorted, filtered and summed up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from imgrec.evaluation.contact_sheet import Row
from imgrec.evaluation.sheet_order import (
    ORDERS,
    Accuracy,
    Filter,
    accuracy,
    agreement,
    arrange,
    most_disputed,
    result,
    summary,
)
from imgrec.predictions.prediction import Classification


def choice(index: int, probability: float = 0.5) -> Classification:
    return Classification(f"label {index}", None, index, probability)


def row(
    position: int,
    answer: int | None = 1,
    probability: float = 0.5,
    models: tuple[int, ...] = (1, 1, 1),
    target: int | None = None,
    **fields: object,
) -> Row:
    choices = {f"m{i}": choice(index) for i, index in enumerate(models)}
    return Row(
        position,
        f"{position}.jpg",
        answer=None if answer is None else choice(answer, probability),
        choices=choices,
        members=tuple(choices),
        agreeing=sum(index == answer for index in models),
        disagreement=1 - sum(index == models[0] for index in models) / len(models) if models else 0.0,
        target=target,
        truth=None if target is None else f"label {target}",
        **fields,  # type: ignore[arg-type]
    )


ROWS = [
    row(0, probability=0.9, entropy_bits=1.0),
    row(1, None, models=(), error="no image"),
    row(2, 2, 0.4, (2, 3, 4), entropy_bits=4.0, is_unsure=True, target=3, mutual_information_bits=0.2),
    row(3, 5, 0.6, (5, 6, 7), entropy_bits=2.0, target=5, mutual_information_bits=0.9),
    row(4, 5, 0.7, (5, 5, 6), entropy_bits=3.0, target=6),
]


@pytest.mark.parametrize(
    ("order", "positions"),
    [
        ("disputed", [3, 2, 4, 0, 1]),
        ("unsure", [2, 4, 3, 0, 1]),
        ("likely", [0, 4, 3, 2, 1]),
        ("label", [0, 2, 4, 3, 1]),
        ("given", [0, 2, 3, 4, 1]),
    ],
)
def test_orders(order: str, positions: list[int]) -> None:
    assert [each.position for each in arrange(ROWS, order)] == positions


def test_every_order_is_tested_above() -> None:
    assert list(ORDERS) == ["disputed", "unsure", "likely", "label", "given"]


@pytest.mark.parametrize(
    ("chosen", "positions"),
    [
        pytest.param(Filter(), {0, 1, 2, 3, 4}, id="nothing filtered"),
        pytest.param(Filter(differ=("m0", "m1")), {2, 3}, id="two models differ"),
        pytest.param(Filter(differ=("m0", "m2")), {2, 3, 4}, id="two others differ"),
        pytest.param(Filter(differ=("m0", "gone")), set(), id="a model without answers"),
        pytest.param(Filter(only_unsure=True), {2}, id="unsure"),
        pytest.param(Filter(only_wrong=True), {2, 4}, id="wrong"),
        pytest.param(Filter(label=" LABEL 5"), {3, 4}, id="label"),
        pytest.param(Filter(only_wrong=True, label="5"), {4}, id="two conditions"),
    ],
)
def test_filters(chosen: Filter, positions: set[int]) -> None:
    assert {each.position for each in arrange(ROWS, "given", chosen)} == positions


@given(st.permutations(ROWS), st.sampled_from(list(ORDERS)))
def test_an_order_does_not_depend_on_how_rows_came(rows: list[Row], order: str) -> None:
    assert arrange(rows, order) == arrange(ROWS, order)


def test_accuracy_is_that_of_known_classes() -> None:
    assert accuracy(ROWS) == Accuracy(1, 3)
    assert accuracy(ROWS, "m1") == Accuracy(1, 3)
    assert accuracy(ROWS, "m2") == Accuracy(1, 3)
    assert accuracy(ROWS, "gone") is None
    assert accuracy(ROWS[:2]) is None


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_wilsons(counts: tuple[int, int]) -> None:
    theirs = binomtest(*counts).proportion_ci(method="wilson")
    words = Accuracy(*counts).sentence
    ends = [f"{100 * end:.0f}" if end in (0, 1) else f"{100 * end:.1f}" for end in (theirs.low, theirs.high)]
    if counts[0] not in (0, counts[1]):  # at the ends rounding decides whether it is 0 or 0.0
        assert "–".join(ends) in words


def test_sentences() -> None:
    assert summary(ROWS) == "5 images · all models agree on 1 · 1 unsure · 1 without an answer"
    assert summary([row(0, models=(1,))]) == "1 image · 0 unsure"
    assert Accuracy(46, 50).sentence.replace("\u202f", " ") == "46 of 50 right: 92.0 % (95 % interval: 81.2–96.8 %)"
    assert Accuracy(46, 50).short.replace("\u202f", " ") == "92.0 % (81.2–96.8 %)"


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ((1, 1, 1), "all 3 agree"),
        ((1, 1), "both agree"),
        ((1, 1, 2), "2 of 3 agree"),
        ((1, 2, 3), "1 of 3 says so"),
        ((2, 3), "0 of 2 says so"),
        ((1,), ""),
    ],
)
def test_agreement(models: tuple[int, ...], words: str) -> None:
    assert agreement(row(0, 1, models=models)) == words


def test_result() -> None:
    assert [result(each) for each in ROWS] == ["", "", "wrong (is label 3)", "right", "wrong (is label 6)"]


def test_most_disputed() -> None:
    assert most_disputed(ROWS) is ROWS[3]
    assert most_disputed(ROWS[:2]) is None
    assert most_disputed([]) is None
