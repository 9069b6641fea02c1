"""The layers of every network of the catalog and of every recipe from scratch, into `assets/layers`, 15 min.

    python -m bench.layer_tables [MODEL …]

Each network is built once by Keras, without weights, in a process of its own. Shapes and parameters are Keras' own;
multiply-accumulates follow from the shapes. A test holds the sum of the parameters against the catalog.
"""

import csv
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from imgrec.models import cards, network_layers
from imgrec.models.catalog import BUILT_IN
from imgrec.models.network_layers import FOLDER, NetworkLayer
from imgrec.training.recipes import RECIPES

# Layers that multiply and add: what publications count as the depth of a network.
WEIGHTED = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense")


FROM_SCRATCH = [name for name, recipe in RECIPES.items() if recipe.backbone is None]


def shape(tensor: Any) -> tuple[int, ...]:
    return tuple(int(side) for side in tensor.shape[1:])


def flat(model: Any) -> Iterator[Any]:
    """Return the layers in their order, with those of networks inside the network."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from flat(layer)
        else:
            yield layer


def filters_and_macs(layer: Any, given: tuple[int, ...], made: tuple[int, ...]) -> tuple[str, int]:
    """Return the filter in words, and how often a layer multiplies and adds for one image."""
    kind, places = type(layer).__name__, math.prod(made[:-1])
    if kind == "Conv2D":
        height, width, channels, filters = layer.kernel.shape
        return f"{height} × {width} × {channels} × {filters}", places * height * width * channels * filters
    if kind == "DepthwiseConv2D":
        height, width, channels, times = layer.kernel.shape
        dw = f"{height} × {width} × {channels} dw" + (f" × {times}" if times > 1 else "")
        return dw, places * height * width * channels * times
    if kind == "SeparableConv2D":
        height, width, channels, times = layer.depthwise_kernel.shape
        filters = layer.pointwise_kernel.shape[-1]
        words = f"{height} × {width} × {channels} dw, 1 × 1 × {channels * times} × {filters}"
        return words, places * channels * times * (height * width + filters)
    if kind == "Dense":
        inputs, units = layer.kernel.shape
        return f"{inputs} × {units}", places * inputs * units
    if hasattr(layer, "pool_size"):
        return " × ".join(map(str, layer.pool_size)) + " pool", 0
    return "", 0


def rows_of(model: Any) -> list[NetworkLayer]:
    found: list[NetworkLayer] = []
    depths: dict[int, int] = {}  # of the value with this id: layers with weights on the longest way to it
    deepest = 0
    for layer in flat(model):
        nodes = [node for node in layer._inbound_nodes if node.output_tensors]
        given, made = nodes[0].input_tensors, nodes[0].output_tensors[0]
        kind = type(layer).__name__
        is_weighted = kind in WEIGHTED
        # Networks inside begin with values of their own: what came before counts as the deepest so far.
        before = max((depths.get(id(each), deepest) for each in given), default=0)
        depth = before + is_weighted + (kind == "SeparableConv2D")
        for node in nodes:
            depths |= {id(each): depth for each in node.output_tensors}
        deepest = max(deepest, depth)
        filters, macs = filters_and_macs(layer, shape(given[0]) if given else (), shape(made))
        strides = getattr(layer, "strides", None)
        stride = "" if strides is None else str(strides if isinstance(strides, int) else max(strides))
        inputs = " + ".join(" × ".join(map(str, shape(each))) for each in given)
        outputs = " × ".join(map(str, shape(made)))
        found.append(
            NetworkLayer(layer.name, kind, stride, inputs, filters, outputs, int(layer.count_params()), macs, depth)
        )
    return found


def build(name: str) -> None:
    import keras

    from imgrec.inference import keras_networks
    from imgrec.training import networks

    # Only shapes count: zeros take no time, and memory only once they are read.
    keras.initializers.VarianceScaling.__call__ = lambda self, shape, dtype=None: np.zeros(shape, dtype)
    if name in BUILT_IN:
        spec = BUILT_IN.get_spec(name)
        expected, file = spec.parameters, cards.BUNDLED / f"{name}.keras"
        model = keras_networks.load(spec, file) if spec.bundled else keras_networks.build(spec)
    else:
        recipe = RECIPES[name]
        expected, arguments = recipe.parameters, dict(recipe.arguments)
        if recipe.featurewise_center:
            arguments["statistics"] = ((0.0,) * 3, (1.0,) * 3)
        model = networks.NETWORKS[recipe.network](recipe.input_size, recipe.classes, **arguments)
    rows = rows_of(model)
    total = sum(row.parameters for row in rows)
    if total != model.count_params() or total != expected:
        raise SystemExit(f"{name}: {total:,} parameters, {model.count_params():,}, {expected:,}")
    with (FOLDER / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(network_layers.COLUMNS)
        writer.writerows([getattr(row, column) for column in network_layers.COLUMNS] for row in rows)
    macs = sum(row.macs for row in rows)
    print(
        f"{name:<22}{len(rows):>6} layers, depth {max(row.depth for row in rows):>4}, {macs / 1e6:>10,.1f} million MACs"
    )


def main(names: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in names or [*BUILT_IN, *(name for name in FROM_SCRATCH if name not in BUILT_IN)]:
        command = [sys.executable, "-m", "bench.layer_tables", "--build", name]
        subprocess.run(command, check=True, env=os.environ | {"KERAS_BACKEND": "openvino"})


if __name__ == "__main__":
    build(sys.argv[2]) if sys.argv[1:2] == ["--build"] else main(sys.argv[1:])
