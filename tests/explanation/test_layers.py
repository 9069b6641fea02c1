"""The layers of a compiled network, read from its graph."""

from pathlib import Path

import pytest

from imgrec.errors import EngineError
from imgrec.explanation.layer_kinds import LAYER_KINDS
from imgrec.explanation.layers import read_layers
from imgrec.inference import conversion
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import Settings
from tests.explanation.networks import FILTERS, PARAMETERS, SIDE, save_network

BUNDLED = [spec for spec in BUILT_IN.values() if spec.bundled]
HALF = SIDE // 2


def test_each_layer_has_its_kind_shape_and_parameters(tmp_path: Path) -> None:
    layers = read_layers(save_network(tmp_path, classes=5))
    assert [(layer.kind, layer.output, layer.parameters) for layer in layers] == [
        ("input", (SIDE, SIDE, 3), 0),
        ("normalization", (SIDE, SIDE, 3), 0),
        ("convolution", (SIDE, SIDE, FILTERS), PARAMETERS[0]),
        ("relu", (SIDE, SIDE, FILTERS), 0),
        ("max_pooling", (HALF, HALF, FILTERS), 0),
        ("batch_normalization", (HALF, HALF, FILTERS), PARAMETERS[1]),
        ("global_average_pooling", (FILTERS,), 0),
        ("dense", (5,), FILTERS * 5 + 5),
        ("softmax", (5,), 0),
    ]
    assert layers[2].detail == "4 filters of 3 × 3 × 3"
    assert all(layer.kind in LAYER_KINDS and layer.title for layer in layers)


def test_what_is_no_network_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.xml"
    path.write_text("<net/>")
    with pytest.raises(EngineError, match=r"model\.xml"):
        read_layers(path)


@pytest.mark.slow
@pytest.mark.parametrize("spec", BUNDLED, ids=lambda spec: spec.name)
def test_the_parameters_of_all_layers_are_those_of_the_model(spec, ready: Settings) -> None:
    file = weights.locate(spec, ready)
    assert file is not None
    layers = read_layers(conversion.convert(spec, file, ready))
    assert sum(layer.parameters for layer in layers) == spec.parameters
    assert layers[0].output == (*spec.input_size, 3)
    assert layers[-1].kind == "softmax"
    assert layers[-1].output == (len(spec.get_label_space().labels),)
