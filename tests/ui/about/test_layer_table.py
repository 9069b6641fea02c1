"""The network that learns to add."""

import doctest

import pytest

from imgrec.ui.about import network


@pytest.mark.parametrize("steps", [0, 1, 10, 100])
def test_the_toy_gets_better_with_every_step(steps: int) -> None:
    def error(count: int) -> float:
        w1, w2, bias = network.learn_to_add(count)
        return abs(w1 * 0.2 + w2 * 0.7 + bias - 0.9)

    assert network.learn_to_add(0) == network.START
    assert error(200) < 1e-3
    assert error(steps) >= error(200)


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(network).failed == 0
