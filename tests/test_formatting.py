"""Numbers for people: percentages, intervals, times and sizes."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrec import formatting
from imgrec.formatting import THIN_SPACE, duration, interval, milliseconds, percent, size
from imgrec.settings import MIB


def plain(text: str) -> str:
    return text.replace(THIN_SPACE, " ")


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        pytest.param(0.8412, "84.1 %", id="one decimal"),
        pytest.param(0.0, "0 %", id="nothing at all"),
        pytest.param(1e-12, "<0.1 %", id="next to nothing"),
        pytest.param(0.0009999, "<0.1 %", id="just below the least figure"),
        pytest.param(0.001, "0.1 %", id="the least figure"),
        pytest.param(0.9994, "99.9 %", id="rounds down"),
        pytest.param(0.9997, ">99.9 %", id="would round to 100"),
        pytest.param(0.99999994, ">99.9 %", id="the float32 below 1"),
        pytest.param(1.0, "100.0 %", id="exactly 1"),
        pytest.param(1.0000001, "100.0 %", id="above 1 by rounding"),
        pytest.param(-1e-7, "0 %", id="below 0 by rounding"),
    ],
)
def test_percent(probability: float, expected: str) -> None:
    assert plain(percent(probability)) == expected


@given(st.floats(0, 1))
def test_percent_never_claims_certainty(probability: float) -> None:
    text = plain(percent(probability))
    assert (text == "100.0 %") == (probability == 1)
    assert (text == "0 %") == (probability == 0)
    if text[0] not in "<>":
        assert float(text.removesuffix(" %")) / 100 == pytest.approx(probability, abs=0.00051)


def test_examples_in_docstrings() -> None:
    found = doctest.testmod(formatting)
    assert found.attempted
    assert not found.failed


def test_percent_does_not_break_at_the_line() -> None:
    assert " " not in percent(0.5)


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 MiB"),
        (MIB // 2, "0.5 MiB"),
        (16 * MIB, "16 MiB"),
        (999 * MIB, "999 MiB"),
        (1023 * MIB, "1.0 GiB"),
        (1536 * MIB, "1.5 GiB"),
    ],
)
def test_size(count: int, expected: str) -> None:
    assert size(count) == expected


@given(st.floats(0, 1))
def test_percent_without_decimals_never_claims_certainty(share: float) -> None:
    text = plain(percent(share, 0))
    assert (text == "100 %") == (share == 1)
    assert (text == "0 %") == (share == 0)


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(0.7224, 1.0, "72.2–100 %"), (0.0, 0.277, "0–27.7 %"), (0.9349, 0.9441, "93.5–94.4 %")],
)
def test_interval(low: float, high: float, text: str) -> None:
    assert plain(interval(low, high)) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0.0 ms"), (0.04, "<0.1 ms"), (99.94, "99.9 ms"), (99.96, "100 ms"), (1234.5, "1,234 ms")],
)
def test_milliseconds(number: float, text: str) -> None:
    assert milliseconds(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"),
        (0.01, "<0.1 s"),
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (9000, "2 h 30 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
