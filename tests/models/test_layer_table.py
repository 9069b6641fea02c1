"""Layers read from a model's file, and the toy that learns to add."""

import doctest
from pathlib import Path

import pytest

from imgrec.errors import InputError, StorageError
from imgrec.models import cards, layer_table

COURSE = cards.BUNDLED / "capstone_cnn.keras"


def test_the_parameters_of_the_layers_are_those_of_the_card() -> None:
    card = cards.read(COURSE.with_suffix(".json"))
    layers = layer_table.read(COURSE)
    assert sum(layer.parameters for layer in layers) == card.spec(bundled=True).parameters == 1_250_858
    assert [layer.parameters for layer in layers if layer.parameters] == [896, 9_248, 18_496, 36_928, 1_180_160, 5_130]
    assert layers[0].output == (32, 32, 3)
    assert layers[-1].output == (len(card.classes),)


def test_what_only_moves_numbers_learns_nothing() -> None:
    free = {"Input", "Max-pooling", "Dropout", "Flatten", "Softmax"}
    assert {layer.kind for layer in layer_table.read(COURSE) if layer.parameters == 0} == free


def test_networks_that_are_no_chain_are_refused() -> None:
    with pytest.raises(InputError, match="Expected a chain"):
        layer_table.read(cards.BUNDLED / "cifar_resnet.keras")


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.keras").write_bytes(b"no")
    with pytest.raises(InputError, match="to be a Keras model"):
        layer_table.read(tmp_path / "x.keras")
    with pytest.raises(StorageError):
        layer_table.read(tmp_path / "none.keras")


@pytest.mark.parametrize("steps", [0, 1, 10, 100])
def test_the_toy_gets_better_with_every_step(steps: int) -> None:
    def error(count: int) -> float:
        w1, w2, bias = layer_table.learn_to_add(count)
        return abs(w1 * 0.2 + w2 * 0.7 + bias - 0.9)

    assert layer_table.learn_to_add(0) == layer_table.START
    assert error(200) < 1e-3
    assert error(steps) >= error(200)


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(layer_table).failed == 0
