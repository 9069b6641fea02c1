"""The transposes of a network that Keras exported, moved towards its output, where most of them cancel each other.

Keras keeps channels last and OpenVINO convolves with channels first, so that each layer is exported between two
transposes. Between a convolution and its batch normalization they hide that the one can be folded into the other, from
the processor's plugin and from the quantization of weights, and they are computed. A transpose moves behind a layer
that treats all values alike, or all of a channel, until it meets its inverse.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

Permutation = tuple[int, ...]

# Layers of one input that compute each value by itself.
UNARY = frozenset({
    "Clamp", "Convert", "Elu", "Exp", "Gelu", "HSigmoid", "HSwish", "HardSigmoid", "Mish", "Negative", "Relu", "Selu",
    "Sigmoid", "SoftPlus", "Sqrt", "Swish", "Tanh",
})  # fmt: skip
BINARY = frozenset(["Add", "Divide", "Maximum", "Minimum", "Multiply", "Power", "SquaredDifference", "Subtract"])
REDUCTIONS = frozenset({"ReduceMax", "ReduceMean", "ReduceSum"})


def cancel(model: Any, operations: Any) -> None:
    """Change `model` so that it computes the same with as few transposes as can be.

    Args:
        model: An `openvino.Model` of fixed shapes.
        operations: The module of OpenVINO's operations, as `openvino.opset13`.
    """
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "Transpose":
            _join(node, operations)
        elif kind in UNARY:
            _move_behind(node, [0], operations)
        elif kind == "BatchNormInference":
            # Its data is the first input; it has a number for each channel, which is the second axis.
            if (order := _order(node.input_value(0))) is not None and order[:2] == (0, 1):
                _move_behind(node, [0], operations)
        elif kind in BINARY:
            _binary(node, operations)
        elif kind == "Pad":
            _pad(node, operations)
        elif kind == "Concat":
            _concat(node, operations)
        elif kind in REDUCTIONS:
            _reduce(node, operations)
    model.validate_nodes_and_infer_types()


def count(model: Any) -> int:
    """Return the number of transposes of `model`."""
    return sum(node.get_type_name() == "Transpose" for node in model.get_ops())


def _order(output: Any) -> Permutation | None:
    """Return by what `output` is transposed; None if it is no transpose."""
    node = output.get_node()
    return _constant(node.input_value(1)) if node.get_type_name() == "Transpose" else None


def _constant(output: Any) -> tuple[int, ...] | None:
    node = output.get_node()
    return tuple(int(one) for one in node.data.flatten()) if node.get_type_name() == "Constant" else None


def _integers(values: Iterable[int], operations: Any) -> Any:
    return operations.constant(np.array(list(values), np.int64)).output(0)


def _inverse(order: Permutation) -> Permutation:
    return tuple(int(axis) for axis in np.argsort(order))


def _replace(old: Any, new: Any, targets: list[Any]) -> None:
    for target in targets:
        target.replace_source_output(new)


def _join(node: Any, operations: Any) -> None:
    """Make one transpose of two, or none of two that are inverse."""
    order, first = _order(node.output(0)), _order(node.input_value(0))
    if order is None or first is None:
        return
    source = node.input_value(0).get_node().input_value(0)
    both = tuple(first[axis] for axis in order)
    if both == tuple(range(len(both))):
        _replace(node.output(0), source, list(node.output(0).get_target_inputs()))
    else:
        node.input(0).replace_source_output(source)
        node.input(1).replace_source_output(_integers(both, operations))


def _move_behind(node: Any, inputs: list[int], operations: Any) -> None:
    """Move the transpose, the same of each of the `inputs`, behind `node`."""
    order = _order(node.input_value(inputs[0]))
    if order is None:
        return
    for at in inputs:
        node.input(at).replace_source_output(node.input_value(at).get_node().input_value(0))
    _transpose(node.output(0), order, operations)


def _transpose(output: Any, order: Permutation, operations: Any) -> None:
    """Have all that read `output` read it transposed."""
    output.get_node().constructor_validate_and_infer_types()
    targets = list(output.get_target_inputs())
    _replace(output, operations.transpose(output, np.array(order, np.int64)).output(0), targets)


def _binary(node: Any, operations: Any) -> None:
    orders = [_order(node.input_value(at)) for at in (0, 1)]
    if orders[0] is not None and orders[0] == orders[1]:
        _move_behind(node, [0, 1], operations)
        return
    for at, order in enumerate(orders):
        other = node.input_value(1 - at).get_node()
        if order is None or other.get_type_name() != "Constant" or len(other.data.shape) > len(order):
            continue
        values = other.data
        if values.size > 1:
            shaped = values.reshape((1,) * (len(order) - values.ndim) + values.shape)
            moved = operations.constant(np.ascontiguousarray(shaped.transpose(_inverse(order))))
            node.input(1 - at).replace_source_output(moved.output(0))
        _move_behind(node, [at], operations)
        return


def _pad(node: Any, operations: Any) -> None:
    order = _order(node.input_value(0))
    begins, ends = (_constant(node.input_value(at)) for at in (1, 2))
    if order is None or begins is None or ends is None:
        return
    for at, widths in ((1, begins), (2, ends)):
        node.input(at).replace_source_output(_integers((widths[axis] for axis in _inverse(order)), operations))
    _move_behind(node, [0], operations)


def _concat(node: Any, operations: Any) -> None:
    orders = {_order(node.input_value(at)) for at in range(node.get_input_size())}
    order = orders.pop()
    if order is None or orders:
        return
    sources = [node.input_value(at).get_node().input_value(0) for at in range(node.get_input_size())]
    axis = order[node.get_attributes()["axis"] % len(order)]
    targets = list(node.output(0).get_target_inputs())
    joined = operations.concat(sources, axis)
    _replace(node.output(0), operations.transpose(joined, np.array(order, np.int64)).output(0), targets)


def _reduce(node: Any, operations: Any) -> None:
    """Reduce positions before the transpose. Over channels it stays: layer normalization is known by its form."""
    order, axes = _order(node.input_value(0)), _constant(node.input_value(1))
    if order is None or axes is None:
        return
    reduced = {axis % len(order) for axis in axes}
    if reduced != set(_spatial(order)):
        return
    left = [order[axis] for axis in range(len(order)) if axis not in reduced]
    if not node.get_attributes()["keep_dims"] and left != sorted(left):
        return
    source = node.input_value(0).get_node().input_value(0)
    node.input(0).replace_source_output(source)
    node.input(1).replace_source_output(_integers(sorted(order[axis] for axis in reduced), operations))
    if node.get_attributes()["keep_dims"]:
        _transpose(node.output(0), order, operations)


def _spatial(order: Permutation) -> Iterator[int]:
    """Yield the axes of the transposed that are neither images nor channels of what has channels first."""
    return (axis for axis, source in enumerate(order) if source > 1)
