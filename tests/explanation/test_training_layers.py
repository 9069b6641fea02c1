"""Dropout in its place among the layers of a compiled network."""

from pathlib import Path

import pytest

from imgrec.explanation.layers import Layer
from imgrec.explanation.training_layers import with_dropout
from imgrec.models.weights import BUNDLED

SAVED = BUNDLED / "capstone_cnn.keras"

# As `read_layers` returns them for its compiled network; see the slow test of `layers`.
KINDS = [
    "input",
    "normalization",
    "convolution",
    "relu",
    "convolution",
    "relu",
    "max_pooling",
    "convolution",
    "relu",
    "convolution",
    "relu",
    "max_pooling",
    "flatten",
    "dense",
    "relu",
    "dense",
    "softmax",
]
LAYERS = [Layer(kind, "", (8, 8, at + 1), 10, at) for at, kind in enumerate(KINDS)]


def test_each_dropout_stands_after_its_layer_with_that_layers_values() -> None:
    found = with_dropout(LAYERS, SAVED)
    assert [layer for layer in found if layer.kind != "dropout"] == LAYERS
    places = [at for at, layer in enumerate(found) if layer.kind == "dropout"]
    assert [found[at - 1].kind for at in places] == ["max_pooling", "max_pooling", "relu"]
    assert [found[at].rate for at in places] == [0.25, 0.25, 0.5]
    for at in places:
        assert (found[at].place, found[at].output) == (found[at - 1].place, found[at - 1].output)
        assert found[at].parameters == 0


@pytest.mark.parametrize(
    "saved", [None, Path("weights.h5"), BUNDLED / "cifar_resnet.keras"], ids=["none", "no Keras file", "no chain"]
)
def test_other_networks_are_left_as_they_are(saved: Path | None) -> None:
    assert with_dropout(LAYERS, saved) == tuple(LAYERS)


def test_a_graph_of_another_network_is_left_as_it_is() -> None:
    other = [*LAYERS[:6], *LAYERS[7:]]
    assert with_dropout(other, SAVED) == tuple(other)
