"""The layers of a compiled network in the order in which they compute, read from its graph.

A layer is a node of the graph, or two: a convolution and a dense layer end with the addition of their bias. What only
changes a type or the order of axes is no layer. Layers that work in training alone, such as dropout, were left out when
the network was converted.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgrec.explanation.layer_kinds import LAYER_KINDS
from imgrec.inference import openvino_engine

# Nodes that change neither values nor their number.
_PASSING = frozenset({"Convert", "Transpose"})

_ACTIVATIONS = {
    "Relu": "relu",
    "PRelu": "relu",
    "Swish": "swish",
    "HSwish": "swish",
    "Gelu": "gelu",
    "Sigmoid": "sigmoid",
    "HSigmoid": "sigmoid",
    "HardSigmoid": "sigmoid",
    "Tanh": "tanh",
}

# The axes of an image, and of what Keras makes of it: its number, height, width, channels. Nodes of the graph may have
# them in another order.
AXES = "nhwc"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer.

    `kind` is a key of `LAYER_KINDS`; `detail` its own facts, such as the size of its filters. `output` is its shape
    without the batch, the channels last: (height, width, channels) or (units,). `parameters` are those that were
    learned or measured in training. `place` is its last node among those of the graph, and `axes` the order of that
    node's axes, in the letters of `AXES`. `views` is 2 for a network that sees each image and its mirror image.
    `rate` is the share of values that a dropout layer sets to 0 in training.
    """

    kind: str
    detail: str
    output: tuple[int, ...]
    parameters: int
    place: int
    axes: str = AXES
    views: int = 1
    rate: float = 0.0

    @property
    def title(self) -> str:
        """The title of its kind."""
        return LAYER_KINDS[self.kind].title

    @property
    def is_map(self) -> bool:
        """Whether its output has a height and a width of more than one position."""
        return len(self.output) == 3 and self.output[0] * self.output[1] > 1

    @property
    def bytes(self) -> int:
        """What its output takes, as float32."""
        return 4 * self.views * math.prod(self.output)


def read_layers(path: Path) -> tuple[Layer, ...]:
    """Return the layers of the compiled network at `path`, first the input, then its normalization.

    Raises:
        EngineError: The file is not a network.
    """
    return tuple(_layers(openvino_engine.read_graph(path).get_ordered_ops()))


def _layers(nodes: list[Any]) -> Iterator[Layer]:
    places = {_key(node): place for place, node in enumerate(nodes)}
    layouts = _layouts(nodes)
    varies = set(layouts)
    has_begun = False
    last_scaling = None
    for node in nodes:
        if _key(node) not in varies:
            continue
        kind = _kind(node, varies)
        if node.get_type_name() == "Parameter":
            kind = "input"
        elif not has_begun and node.get_type_name() in ("Subtract", "Multiply", "Divide", "Add"):
            last_scaling = node
            continue
        if kind is None:
            continue
        if kind != "input" and not has_begun:
            has_begun = True
            if last_scaling is not None:
                yield _layer("normalization", last_scaling, last_scaling, places, layouts)
        end = (
            _with_bias(node, varies) if kind in ("convolution", "depthwise", "grouped", "pointwise", "dense") else node
        )
        yield _layer(kind, node, end, places, layouts)


def _layer(kind: str, node: Any, end: Any, places: dict[str, int], layouts: dict[str, str]) -> Layer:
    axes = layouts[_key(end)]
    views, *shape = list(end.output(0).shape)
    is_map = len(shape) == len(AXES) - 1
    output = tuple(shape[axes.index(axis) - 1] for axis in AXES[1:]) if is_map else tuple(shape)
    parameters = 0 if kind in ("input", "normalization") else _parameters(node)
    if end is not node:
        parameters += _parameters(end)
    return Layer(kind, _detail(kind, node, output), output, parameters, places[_key(end)], axes, views)


def _kind(node: Any, varies: set[str]) -> str | None:
    """Return the kind of layer that begins with `node`, whose output depends on the image; None for no layer."""
    name, inputs = node.get_type_name(), _sources(node)
    varying = [source for source in inputs if _key(source) in varies]
    shape = list(node.output(0).shape)
    if name in _ACTIVATIONS:
        return _ACTIVATIONS[name]
    match name:
        case "Convolution":
            return "pointwise" if set(inputs[1].output(0).shape[2:]) == {1} else "convolution"
        case "GroupConvolution":
            groups, _, channels = list(inputs[1].output(0).shape)[:3]
            return "depthwise" if channels == 1 and groups > 1 else "grouped"
        case "BatchNormInference":
            return "batch_normalization"
        case "Clamp":
            limits = node.get_attributes()
            return "relu6" if (limits["min"], limits["max"]) == (0, 6) else "relu" if limits["min"] == 0 else "clip"
        case "MaxPool":
            return "max_pooling"
        case "AvgPool":
            return "average_pooling"
        case "ReduceMean" | "ReduceMax" if _reduces_positions(node):
            return "global_average_pooling" if name == "ReduceMean" else "global_max_pooling"
        case "Add" if len(varying) == 2 and len(shape) == 4:
            is_norm = any(_multiplies_maps(_origin(source), varies) for source in varying)
            return "layer_normalization" if is_norm else "addition"
        case "Multiply" if len(varying) == 2 and any(_is_vector(source) for source in varying):
            return "scaling"
        case "Concat" if len(shape) == 4 and len(varying) > 1 and shape[0] == varying[0].output(0).shape[0]:
            return "concatenation"
        case "Reshape" if (
            len(shape) == 2 and len(inputs[0].output(0).shape) == 4 and max(inputs[0].output(0).shape[1:3]) > 1
        ):
            return "flatten"
        case "MatMul" if len(varying) == 1:
            # On a map it works at each position.
            return "dense" if len(shape) == 2 else "pointwise"
        case "Softmax" if len(shape) == 2:
            return "softmax"
    return None


def _multiplies_maps(node: Any, varies: set[str]) -> bool:
    """Whether `node` multiplies two maps, as layer normalization does before it adds."""
    varying = [source for source in _sources(node) if _key(source) in varies]
    return node.get_type_name() == "Multiply" and len(varying) == 2 and not any(map(_is_vector, varying))


def _is_vector(node: Any) -> bool:
    """Whether `node` has one number for each channel of an image, and no positions."""
    shape = sorted(node.output(0).shape)
    return len(shape) == 4 and shape[:3] == [1, 1, 1] and shape[3] > 1


def _with_bias(node: Any, varies: set[str]) -> Any:
    """Return the node that adds a bias to the output of `node`, or `node` where none does."""
    at = node
    while True:
        targets = [target.get_node() for target in at.output(0).get_target_inputs()]
        if len(targets) != 1:
            return node
        (after,) = targets
        if after.get_type_name() == "Add" and any(_key(source) not in varies for source in _sources(after)):
            constant = next(source for source in _sources(after) if _key(source) not in varies)
            # A number for all units is no bias.
            return after if math.prod(constant.output(0).shape) > 1 else node
        if after.get_type_name() not in _PASSING:
            return node
        at = after


def _parameters(node: Any) -> int:
    """Return the number of values in the constants that `node` computes with."""
    return sum(
        math.prod(source.output(0).shape) for source in map(_origin, _sources(node)) if _is_weights(source, node)
    )


def _is_weights(source: Any, node: Any) -> bool:
    is_float = source.get_type_name() == "Constant" and source.get_element_type().is_real()
    return is_float and node.get_type_name() not in ("Clamp", "ReduceMean", "ReduceMax", "Swish", "Gelu")


def _origin(node: Any) -> Any:
    """Return where the values of `node` come from, before they were converted or reordered."""
    while node.get_type_name() in (*_PASSING, "Reshape"):
        node = _sources(node)[0]
    return node


def _layouts(nodes: list[Any]) -> dict[str, str]:
    """Return for each node that depends on the image the order of its axes, in four letters where it has four."""
    found: dict[str, str] = {}
    for node in nodes:
        name = node.get_type_name()
        before = [found[_key(source)] for source in _sources(node) if _key(source) in found]
        if name == "Parameter":
            found[_key(node)] = AXES
        elif name == "Transpose" and before and len(order := _sources(node)[1].get_data()) == len(before[0]):
            found[_key(node)] = "".join(before[0][axis] for axis in order)
        elif before:
            found[_key(node)] = before[0]
    return found


def _reduces_positions(node: Any) -> bool:
    """Whether a reduction goes over height and width, and not over the channels."""
    source, axes = _sources(node)
    if len(source.output(0).shape) != 4 or axes.get_type_name() != "Constant":
        return False
    return sorted(axis % 4 for axis in axes.get_data().reshape(-1).tolist()) in ([1, 2], [2, 3])


def _detail(kind: str, node: Any, output: tuple[int, ...]) -> str:
    """Return the facts of one layer in words; empty where there are none."""
    inputs = _sources(node)
    if node.get_type_name() == "MatMul":
        where = " at each position" if kind == "pointwise" else ""
        return f"{output[-1]:,} weighted sums of {inputs[0].output(0).shape[-1]:,} inputs{where}"
    match kind:
        case "convolution" | "pointwise" | "grouped" | "depthwise":
            *_, channels, height, width = list(inputs[1].output(0).shape)
            stride = max(node.get_attributes()["strides"])
            step = f", in steps of {stride}" if stride > 1 else ""
            if kind == "depthwise":
                return f"one filter of {height} × {width} for each of {output[-1]:,} channels{step}"
            return f"{output[-1]:,} filters of {height} × {width} × {channels:,}{step}"
        case "max_pooling" | "average_pooling":
            height, width = list(node.get_attributes()["kernel"])
            what = "maximum" if kind == "max_pooling" else "mean"
            return f"{what} of each {height} × {width} window"
        case "concatenation":
            return f"{len(inputs)} groups of channels"
    return ""


def _sources(node: Any) -> list[Any]:
    return [entry.get_source_output().get_node() for entry in node.inputs()]


def _key(node: Any) -> str:
    return str(node.get_name())
