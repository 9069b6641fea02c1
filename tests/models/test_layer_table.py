"""Layers read from a model's file."""

import json
import zipfile
from pathlib import Path

import pytest

from imgrec.errors import InputError, StorageError
from imgrec.models import cards
from imgrec.models.layer_table import read_dropout_rates, read_layers

COURSE = cards.BUNDLED / "capstone_cnn.keras"


def test_the_parameters_of_the_layers_are_those_of_the_card() -> None:
    card = cards.read(COURSE.with_suffix(".json"))
    layers = read_layers(COURSE)
    assert sum(layer.parameters for layer in layers) == card.spec(bundled=True).parameters == 1_250_858
    assert [layer.parameters for layer in layers if layer.parameters] == [896, 9_248, 18_496, 36_928, 1_180_160, 5_130]
    assert layers[0].output == (32, 32, 3)
    assert layers[-1].output == (len(card.classes),)


def test_what_only_moves_numbers_learns_nothing() -> None:
    free = {"Input", "Max-pooling", "Dropout", "Flatten", "Softmax"}
    assert {layer.kind for layer in read_layers(COURSE) if layer.parameters == 0} == free


def test_networks_that_are_no_chain_are_refused() -> None:
    with pytest.raises(InputError, match="Expected a chain"):
        read_layers(cards.BUNDLED / "cifar_resnet.keras")


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.keras").write_bytes(b"no")
    with pytest.raises(InputError, match="to be a Keras model"):
        read_layers(tmp_path / "x.keras")
    with pytest.raises(StorageError):
        read_layers(tmp_path / "none.keras")


def test_the_rates_of_dropout_layers_are_read_in_their_order() -> None:
    rates = read_dropout_rates(COURSE)
    assert rates == [0.25, 0.25, 0.5]


def test_dropout_within_a_network_within_a_network_is_found(tmp_path: Path) -> None:
    def layer(name: str, **config: object) -> dict[str, object]:
        return {"module": "keras.layers", "class_name": name, "config": config}

    def network(*layers: dict[str, object]) -> dict[str, object]:
        return {"module": "keras.models", "class_name": "Sequential", "config": {"layers": list(layers)}}

    outer = network(network(layer("Dropout", rate=0.1)), layer("Dense", units=3), layer("SpatialDropout2D", rate=0.2))
    path = tmp_path / "nested.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(outer))
    assert read_dropout_rates(path) == [0.1, 0.2]
