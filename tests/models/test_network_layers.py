"""Layers of every network: their sums are the catalog's, and they agree with what publications print."""

import re
from itertools import pairwise
from typing import Any

import pytest

from imgrec.models import network_layers
from imgrec.models.catalog import BUILT_IN
from imgrec.models.network_layers import FOLDER, depth_of, read_network, read_printed
from imgrec.training.recipes import RECIPES

PRINTED = {table.model: table for table in read_printed()}


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_the_parameters_of_all_layers_are_those_of_the_catalog(name: str) -> None:
    layers = read_network(name)
    assert sum(layer.parameters for layer in layers) == BUILT_IN[name].parameters
    height, width = BUILT_IN[name].input_size
    assert layers[0].output == f"{height} × {width} × 3"
    assert {layer.kind for layer in layers if layer.macs} <= {"Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense"}
    assert len({layer.name for layer in layers}) == len(layers)


def test_a_recipe_from_scratch_has_its_layers_and_no_file_is_left_of_a_model_that_is_gone() -> None:
    from_scratch = {name: recipe for name, recipe in RECIPES.items() if recipe.backbone is None}
    assert {path.stem for path in FOLDER.glob("*.csv")} == set(BUILT_IN) | set(from_scratch)
    for name, recipe in from_scratch.items():
        assert sum(layer.parameters for layer in read_network(name)) == recipe.parameters


@pytest.mark.parametrize(
    ("name", "million", "digit"),
    [
        ("mobilenet", 569, 1),  # Howard et al. 2017, Tables 6 and 9; the last digit is rounded
        ("mobilenet_a075_224", 325, 1),
        ("mobilenet_a025_224", 41, 1),
        ("mobilenet_a050_160", 76, 1),
        ("resnet50", 3_800, 100),  # He et al. 2015, Table 1
        ("resnet152", 11_300, 100),
        ("vgg19", 19_600, 100),
    ],
)
def test_multiply_accumulates_are_those_published(name: str, million: int, digit: int) -> None:
    assert sum(layer.macs for layer in read_network(name)) / 1e6 == pytest.approx(million, abs=digit)


@pytest.mark.parametrize(
    ("name", "depth"),
    [("vgg16", 16), ("vgg19", 19), ("mobilenet", 28), ("resnet50", 50), ("resnet152", 152), ("densenet121", 121)],
)
def test_the_depth_is_the_one_in_the_name(name: str, depth: int) -> None:
    assert depth_of(name) == depth


def test_every_printed_layer_of_mobilenet_is_ours_but_for_one_stride() -> None:
    every = read_network("mobilenet")
    layers = [(before, layer) for before, layer in pairwise(every) if layer.macs]
    printed = [row for row in PRINTED["mobilenet"].rows if row[0].startswith(("Conv", "FC"))]
    assert len(layers) == len(printed) == 28
    different = []
    for (before, layer), (kind, filters, given) in zip(layers, printed, strict=True):
        # Keras has the dense layer as a convolution of 1 × 1, and the padding of a stride of 2 as a layer.
        assert layer.filter.removeprefix("1 × 1 × ") == filters.removeprefix("1 × 1 × ")
        assert (before.input if before.kind == "ZeroPadding2D" else layer.input) == given
        if not kind.endswith(f"/ s{layer.stride}"):
            different.append((layer.name, kind))
    assert different == [("conv_dw_13", "Conv dw / s2")]
    assert "stride 2" in PRINTED["mobilenet"].remark


def test_every_printed_block_of_resnet50_is_ours() -> None:
    layers = read_network("resnet50")
    for stage, (_, side, words) in enumerate(PRINTED["resnet50"].rows[1:5], start=2):
        blocks, inner = re.search(r"(\d) × \[(.*)\]", words).groups()  # type: ignore[union-attr]
        for block in range(1, int(blocks) + 1):
            found = [layer for layer in layers if re.fullmatch(rf"conv{stage}_block{block}_[123]_conv", layer.name)]
            assert [f"{layer.filter[:5]}, {layer.filter.split()[-1]}" for layer in found] == inner.split("; ")
            assert found[-1].output.startswith(side)
        assert not [layer for layer in layers if layer.name.startswith(f"conv{stage}_block{int(blocks) + 1}_")]


@pytest.mark.parametrize("name", ["mine", "../models/cifar_vgg", "", "con/../x"])
def test_other_models_have_no_table(name: str) -> None:
    assert read_network(name) == ()
    assert depth_of(name) is None


def test_tables_have_a_cell_for_each_column() -> None:
    for table in PRINTED.values():
        row: Any
        for row in table.rows:
            assert len(row) == len(table.columns)
        assert table.model in BUILT_IN
    assert network_layers.COLUMNS[0] == "name"
