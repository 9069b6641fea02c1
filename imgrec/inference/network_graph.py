"""The parts of a compiled network: its last feature map, the step from that to a vector, the head above, the logits.

A node of the graph is a *bottleneck* if every path from the input to the probabilities passes it. The last bottleneck
with a height, a width and channels is the last feature map. Most networks average or maximize it over all positions,
or flatten it into a dense layer: each of these makes one vector, and each position has its part in it. What follows is
the head; in most networks it is linear.

Adding the feature map and the logits as outputs changes probabilities by rounding at most, and takes at most 5 % of the
time of an inference of an ImageNet network (bench/README.md).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import openvino

# Layers that change no value, only shape or type.
SHAPE_ONLY = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Transpose", "Convert"})

Pooling = Literal["mean", "max", "dense"]


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Where a network is cut: outputs of nodes of its graph, and weights.

    `features` (views, h, w, channels) is the last feature map, `vector` (views, *vector_shape) what `pooling` makes of
    it, `logits` (views, classes) the input of the softmax. `views` is 2 for a network that averages the answers to an
    image and to its mirror image. `dense` (h · w, channels, units) are the weights of a dense layer on the flattened
    features. `linear` (units, classes) is what turns the vector into logits, up to a constant; None for a head that is
    not linear. `computed_bytes` of `dense` are no part of the mapped file: a compact network has them in integers.
    """

    features: "openvino.Output"
    vector: "openvino.Output"
    vector_shape: tuple[int, ...]
    pooling: Pooling
    logits: "openvino.Output"
    dense: np.ndarray | None
    linear: np.ndarray | None
    computed_bytes: int


def find_parts(model: "openvino.Model", *, with_weights: bool = True) -> Parts | None:
    """Return the parts of `model`, whose weights live as long as it does; None for a network of another form.

    Without weights `dense` and `linear` are None: those of a compact network are computed, and take gigabytes for VGG.
    """
    chain = list(_bottlenecks(model))
    softmax = next((at for at, node in enumerate(chain) if node.get_type_name() == "Softmax"), len(chain))
    above = chain[softmax + 1 :]
    top = next((at for at, node in enumerate(above) if _is_feature_map(node)), 0)
    if not top:
        return None
    features, head = above[top], above[:top][::-1]
    first = next((at for at, node in enumerate(head) if node.get_type_name() not in SHAPE_ONLY), None)
    pooling = None if first is None else _pooling(head[first], head[:first])
    if first is None or pooling is None:
        return None
    matrix = _matrix(head[first]) if pooling == "dense" and with_weights else None
    _, height, width, channels = features.output(0).shape
    return Parts(
        features.output(0),
        head[first].output(0),
        tuple(head[first].output(0).shape)[1:],
        pooling,
        above[0].output(0),
        matrix if matrix is None else matrix.reshape(height * width, channels, -1),
        _linear(head[first + 1 :]) if with_weights else None,
        0 if matrix is None or _sources(head[first])[1].get_type_name() == "Constant" else matrix.nbytes,
    )


def cut_head(model: "openvino.Model", parts: Parts, openvino: Any) -> "openvino.Model":
    """Return the part of `model` from the vector to the logits, for any number of rows; `openvino` is the module.

    `model` cannot be run afterwards.
    """
    count, *shape = parts.vector.shape
    # The graph was traced with a fixed number of rows, which its Reshape layers name.
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Reshape" and node.output(0).shape[0] == count:
            free = np.array([-1, *list(node.output(0).shape)[1:]], np.int64)
            node.input(1).replace_source_output(openvino.opset13.constant(free).output(0))
    rows = openvino.opset13.parameter([-1, *shape], openvino.Type.f32, name="vectors")
    for target in list(parts.vector.get_target_inputs()):
        target.replace_source_output(rows.output(0))
    return openvino.Model([openvino.opset13.result(parts.logits)], [rows], "head")


def put_channels_last(model: "openvino.Model", openvino: Any) -> None:
    """Change `model`, whose channels come first, so that `find_parts` finds its last map; `openvino` is the module.

    The layer that averages or maximizes that map over all positions gets it transposed. Nothing is done to a network
    without such a layer, or whose channels are last.
    """
    for node in _bottlenecks(model):
        if (kind := _pools_all(node)) is None:
            if node.get_type_name() == "Convolution" and math.prod(node.output(0).shape[2:]) > 1:
                return
            continue
        pooled, shape = node.output(0), list(node.output(0).shape)
        operations = openvino.opset13
        moved = operations.transpose(node.input_value(0), np.array([0, 2, 3, 1], np.int64))
        reduce = operations.reduce_mean if kind == "mean" else operations.reduce_max
        vector = reduce(moved, np.array([1, 2], np.int64), keep_dims=False)
        same = operations.reshape(vector, np.array(shape, np.int64), special_zero=False)
        for target in list(pooled.get_target_inputs()):
            target.replace_source_output(same.output(0))
        model.validate_nodes_and_infer_types()
        return


def _pools_all(node: Any) -> Literal["mean", "max"] | None:
    """Return what makes one number of each channel of a map whose channels come first; None for any other layer."""
    name = node.get_type_name()
    if name not in ("ReduceMean", "ReduceMax", "AvgPool", "MaxPool"):
        return None
    source = list(node.input_value(0).shape)
    if len(source) != 4 or math.prod(source[2:]) == 1:
        return None
    if name.startswith("Reduce"):
        axes = node.input_value(1).get_node()
        is_all = axes.get_type_name() == "Constant" and sorted(
            axis % 4 for axis in np.atleast_1d(axes.data).tolist()
        ) == [2, 3]
    else:
        settings = node.get_attributes()
        is_all = list(settings["kernel"]) == source[2:] and not any([*settings["pads_begin"], *settings["pads_end"]])
    return ("max" if name in ("ReduceMax", "MaxPool") else "mean") if is_all else None


def count_weight_bytes(model: "openvino.Model") -> int:
    """Return the bytes of all constants of `model`."""
    return sum(node.get_byte_size() for node in model.get_ordered_ops() if node.get_type_name() == "Constant")


def _bottlenecks(model: "openvino.Model") -> Iterator[Any]:
    """Yield the nodes that every path from the input to the output passes, from the output on."""
    ordered = model.get_ordered_ops()
    position = {node.get_friendly_name(): at for at, node in enumerate(ordered)}
    varies = {model.input(0).get_node().get_friendly_name()}
    for node in ordered:
        if any(source.get_friendly_name() in varies for source in _sources(node)):
            varies.add(node.get_friendly_name())
    open_nodes = {node.get_friendly_name(): node for node in _sources(model.get_results()[0])}
    while open_nodes:
        node = open_nodes.pop(max(open_nodes, key=lambda name: position[name]))
        if not open_nodes:
            yield node
        sources = ((source.get_friendly_name(), source) for source in _sources(node))
        open_nodes |= {name: source for name, source in sources if name in varies}


def _sources(node: Any) -> list[Any]:
    return [entry.get_source_output().get_node() for entry in node.inputs()]


def _is_feature_map(node: Any) -> bool:
    """Whether the output of `node` has a height, a width and channels, the channels last."""
    shape = list(node.output(0).shape)
    return len(shape) == 4 and min(shape[1:]) > 1 and shape[3] not in shape[1:3]


def _pooling(node: Any, before: list[Any]) -> Pooling | None:
    """Return what makes a vector of the feature map; `before` are the layers between them."""
    kind = node.get_type_name()
    moves = any(one.get_type_name() == "Transpose" for one in before)
    if kind in ("ReduceMean", "ReduceMax") and not moves:
        axes = sorted(axis % 4 for axis in np.atleast_1d(_sources(node)[1].get_data()).tolist())
        return ("mean" if kind == "ReduceMean" else "max") if axes == [1, 2] else None
    return "dense" if kind == "MatMul" and not moves and _is_constant(_sources(node)[1]) else None


def _matrix(node: Any) -> np.ndarray | None:
    """Return the constant (units, classes) that a dense layer, or a convolution of 1 × 1, multiplies by."""
    weights = _values(_sources(node)[1])
    if weights is None:
        return None
    if node.get_type_name() == "MatMul":
        return weights.T if node.get_attributes()["transpose_b"] else weights
    outputs, inputs, *kernel = weights.shape
    return weights.reshape(outputs, inputs).T if math.prod(kernel) == 1 else None


def _is_constant(node: Any) -> bool:
    """Whether `_values` has values of `node`."""
    inner = {"Constant": 0, "Convert": 1, "Reshape": 1, "Multiply": 2}.get(node.get_type_name())
    return inner is not None and all(_is_constant(source) for source in _sources(node)[:inner])


def _values(node: Any) -> np.ndarray | None:
    """Return a constant, or the one that a compact network keeps in integers times its scale; None for another node."""
    if node.get_type_name() == "Constant":
        values: np.ndarray = node.data
        return _unpacked(values, list(node.output(0).shape)) if _is_four_bit(node) else values
    if node.get_type_name() == "Reshape":
        inner = _values(_sources(node)[0])
        return None if inner is None else inner.reshape(list(node.output(0).shape))
    if node.get_type_name() == "Convert":
        inner = _values(_sources(node)[0])
        return None if inner is None else inner.astype(np.float32)
    if node.get_type_name() == "Multiply":
        factors = [_values(source) for source in _sources(node)]
        return None if factors[0] is None or factors[1] is None else np.asarray(factors[0] * factors[1])
    return None


def _is_four_bit(node: Any) -> bool:
    return str(node.get_element_type().get_type_name()) == "i4"


def _unpacked(packed: np.ndarray, shape: list[int]) -> np.ndarray:
    """Return integers of 4 bits, two in a byte, the lower half first, as int8 of `shape`."""
    pairs = packed.reshape(-1).view(np.int8)
    values = np.empty(2 * pairs.size, np.int8)
    values[0::2] = (pairs << 4) >> 4
    values[1::2] = pairs >> 4
    return values[: math.prod(shape)].reshape(shape)


def _linear(head: list[Any]) -> np.ndarray | None:
    """Return the matrix (units, classes) of a head without its constants; None where it is not linear."""
    product: np.ndarray | None = None
    factor: Any = 1.0
    for node in head:
        kind = node.get_type_name()
        constant = next((one for one in _sources(node)[1:] if one.get_type_name() == "Constant"), None)
        if kind in ("MatMul", "Convolution") and (matrix := _matrix(node)) is not None:
            product = matrix if product is None else product @ matrix
        elif kind == "Multiply" and constant is not None and constant.data.size == 1:
            factor = factor * constant.data.item()
        elif not (kind in SHAPE_ONLY or (kind == "Add" and constant is not None)):
            return None
    return product if product is None or factor == 1.0 else product * np.float32(factor)
