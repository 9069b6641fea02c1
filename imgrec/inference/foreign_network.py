"""A network of another origin, made like those of the catalog: an image in RGB in, probabilities of its classes out.

For worker processes only: the files are those of strangers, and OpenVINO's readers are in C++. They run no operation
while they read, and know none that starts a process or opens a file.

    read          the graph, from ONNX, SavedModel, LiteRT or OpenVINO
    standardize   float32 (1, height, width, 3) in, (1, classes) out, no size left open
    try_out       run it: does it answer with probabilities, logits, or something else?
    finish        a softmax where it gives logits; the last feature map channels last, so that it can be explained
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from imgrec.errors import ConversionError
from imgrec.images.preprocessing import PREPROCESS, blur, normalize
from imgrec.inference import network_graph
from imgrec.inference.openvino_engine import configuration, runtime
from imgrec.settings import MIB

if TYPE_CHECKING:
    import openvino

MAX_SIDE = 1024
MIN_CLASSES = 2
MAX_CLASSES = 100_000

# One map of numbers between two layers; VGG16 with an image of 1024 × 1024 px has one of 256 MiB.
MAX_MAP_BYTES = 512 * MIB
MAX_NODES = 100_000

# Beside copies of the file; arrays that only the graph makes large.
FREE_BYTES = 16 * MIB
MAX_EXPANSION = 20

# Loops and branches, state between two images, and what is different each time.
REFUSED = frozenset(
    {"Loop", "TensorIterator", "If", "ReadValue", "Assign", "RandomUniform", "Multinomial", "FrameworkNode"}
)

# Images of noise that `try_out` runs, with each preprocessing.
TRIED = 3

# How far the sum of probabilities may be from 1, in float16 too.
SUM_TOLERANCE = 5e-3

# Lines of OpenVINO's texts that say nothing of the file.
_UNSAID = ("Exception from", "Check '", "|", "Summary:", "To facilitate")

Outputs = Literal["probabilities", "logits"]


@dataclass(frozen=True, slots=True)
class Interface:
    """What a network takes and gives, as it was saved: `layout` is NHWC or NCHW, `input_type` float32 or uint8."""

    input_size: tuple[int, int]
    layout: str
    input_type: str
    classes: int


@dataclass(frozen=True, slots=True)
class Trial:
    """What running a network has shown; `modes` are the keys of `PREPROCESS` with which its answers are numbers."""

    outputs: Outputs
    modes: tuple[str, ...]


def read(path: Path) -> "openvino.Model":
    """Return the graph of an ONNX, LiteRT or OpenVINO file, or of a SavedModel's folder.

    Raises `ConversionError` where OpenVINO cannot read it.
    """
    try:
        # Always by name: what a path may be is more than the name of a file to the readers of SavedModels.
        model: openvino.Model = runtime().Core().read_model(str(path))
    except RuntimeError as error:
        raise ConversionError(f"Expected a network that OpenVINO can read in {path}. Received: {_reason(error)}") from (
            error
        )
    return model


def standardize(
    model: "openvino.Model", size: tuple[int, int] | None, file_bytes: int
) -> "tuple[openvino.Model, Interface]":
    """Return `model` with one image in, float32 (1, height, width, 3), and one answer out, float32 (1, classes).

    Args:
        model: As `read`.
        size: (height, width) in px for a network that leaves its input's size open.
        file_bytes: The size of its file: its arrays cannot be much larger.

    Raises:
        ConversionError: It has several inputs or outputs, takes no color image, is too large, or has loops.
    """
    openvino = runtime()
    layout, found, input_type = _input_of(model, size)
    if len(model.outputs) != 1:
        raise ConversionError(f"Expected one output. Received: {len(model.outputs)}, {_named(model.outputs)}.")
    model = _with_real_output(model)
    try:
        model.reshape([1, 3, *found] if layout == "NCHW" else [1, *found, 3])
        graph = openvino.preprocess.PrePostProcessor(model)
        graph.input().tensor().set_element_type(openvino.Type.f32).set_layout(openvino.Layout("NHWC"))
        graph.input().model().set_layout(openvino.Layout(layout))
        graph.input().preprocess().convert_element_type()
        graph.output().tensor().set_element_type(openvino.Type.f32)
        model = graph.build()
        _fold_constants(model)
    except RuntimeError as error:
        raise ConversionError(
            f"Expected a network for one image of {found[1]} × {found[0]} px. Received: {_reason(error)}"
        ) from error
    _check_graph(model, file_bytes)
    shape = list(model.output(0).shape)
    classes = max(shape, default=0)
    if math.prod(shape) != classes or not MIN_CLASSES <= classes <= MAX_CLASSES:
        raise ConversionError(
            f"Expected one number for each of two classes or more. Received: outputs of the shape {shape}."
        )
    answer = model.get_results()[0].input_value(0)
    if shape != [1, classes]:
        answer = openvino.opset13.reshape(answer, np.array([1, classes], np.int64), special_zero=False).output(0)
    return _with_output(model, answer), Interface(found, layout, input_type, classes)


def try_out(model: "openvino.Model", input_type: str) -> Trial:
    """Run `model`, as `standardize` returns it, on images of noise with every preprocessing.

    Raises `ConversionError` where its answers are no numbers, do not depend on the image, or are neither probabilities
    nor logits of classes that exclude each other.
    """
    last = _last_operation(model)
    if last == "Sigmoid":
        raise ConversionError(
            "Expected probabilities or logits of classes of which one is right. Received: a sigmoid for each class, "
            "any number of which may be right."
        )
    _, height, width, _ = model.input(0).shape
    images = _noise(height, width)
    answers: dict[str, np.ndarray] = {}
    try:
        request = compile_exactly(model).create_infer_request()
        for mode in PREPROCESS if input_type != "uint8" else ("identity",):
            rows = []
            for values in normalize(images, mode):
                request.infer([values[np.newaxis]])
                rows.append(np.array(request.get_output_tensor(0).data[0]))
            if np.isfinite(rows).all():
                answers[mode] = np.array(rows)
    except RuntimeError as error:
        raise ConversionError(f"Expected a network that runs. Received: {_reason(error)}") from error
    if not answers:
        raise ConversionError("Expected numbers as answers. Received: NaN or infinity, with every preprocessing.")
    if all(np.ptp(rows, axis=0).max() == 0 for rows in answers.values()):
        raise ConversionError("Expected answers that depend on the image. Received: the same for every image.")
    everything = np.concatenate(list(answers.values())).astype(np.float64)
    sums_to_1 = np.abs(everything.sum(axis=1) - 1).max() < SUM_TOLERANCE and everything.min() > -SUM_TOLERANCE
    return Trial("probabilities" if last == "Softmax" or sums_to_1 else "logits", tuple(answers))


def finish(model: "openvino.Model", outputs: Outputs) -> "openvino.Model":
    """Return `model` with a softmax where its outputs are logits, and its last feature map channels last."""
    if outputs == "logits":
        model = _with_output(model, runtime().opset13.softmax(model.get_results()[0].input_value(0), axis=1).output(0))
    network_graph.put_channels_last(model, runtime())
    return model


def reverse_channels(model: "openvino.Model") -> "openvino.Model":
    """Return `model` for an image whose channels are in the other order."""
    graph = runtime().preprocess.PrePostProcessor(model)
    graph.input().tensor().set_layout(runtime().Layout("NHWC"))
    graph.input().model().set_layout(runtime().Layout("NHWC"))
    graph.input().preprocess().reverse_channels()
    reversed: openvino.Model = graph.build()
    return reversed


def compile_exactly(model: "openvino.Model") -> "openvino.CompiledModel":
    """Return `model` compiled as it will serve: in float32."""
    compiled: openvino.CompiledModel = runtime().Core().compile_model(model, "CPU", configuration("LATENCY"))
    return compiled


def count_parameters(model: "openvino.Model") -> int:
    """Return how many numbers the constants of `model` have that are no shapes, axes or other settings."""
    return sum(
        math.prod(node.get_output_shape(0))
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Constant" and node.get_element_type().is_real()
    )


def _input_of(model: "openvino.Model", size: tuple[int, int] | None) -> tuple[str, tuple[int, int], str]:
    """Return the layout of the input, its (height, width) and its type."""
    if len(model.inputs) != 1:
        raise ConversionError(
            f"Expected one input, an image. Received: {len(model.inputs)} inputs, {_named(model.inputs)}."
        )
    shape, kind = model.input(0).get_partial_shape(), model.input(0).get_element_type().get_type_name()
    types = {"f32": "float32", "f16": "float16", "u8": "uint8"}
    if kind not in types:
        raise ConversionError(f"Expected an input of type float32, float16 or uint8. Received: {kind}.")
    sides = [None if side.is_dynamic else side.get_length() for side in shape] if shape.rank.is_static else []
    if len(sides) != 4 or 3 not in (sides[1], sides[3]) or sides[0] == 0:
        raise ConversionError(
            f"Expected an input of shape (N, height, width, 3) or (N, 3, height, width), a color image. "
            f"Received: {shape}."
        )
    layout = "NHWC" if sides[3] == 3 else "NCHW"
    height, width = sides[1:3] if layout == "NHWC" else sides[2:4]
    if (height is None or width is None) and size is None:
        raise ConversionError(f"Expected the size of its images, as --size 224. Received: none, and the input {shape}.")
    found = (height or (size or (0, 0))[0], width or (size or (0, 0))[1])
    if size is not None and size != found:
        raise ConversionError(f"Expected the size {found[1]} × {found[0]} px. Received: {size[1]} × {size[0]}.")
    if not 1 <= min(found) <= max(found) <= MAX_SIDE:
        raise ConversionError(
            f"Expected an input of at most {MAX_SIDE} × {MAX_SIDE} px. Received: {found[1]} × {found[0]}."
        )
    return layout, found, types[kind]


def _check_graph(model: "openvino.Model", file_bytes: int) -> None:
    """Raise `ConversionError` on a graph that only computes in a loop, or with more memory than a classifier needs."""
    nodes = model.get_ordered_ops()
    if len(nodes) > MAX_NODES:
        raise ConversionError(f"Expected at most {MAX_NODES:,} operations. Received: {len(nodes):,}.")
    constants = 0
    for node in nodes:
        kind = node.get_type_name()
        if kind in REFUSED:
            raise ConversionError(
                f"Expected operations that only compute. Received: {kind}, {node.get_friendly_name()}."
            )
        for output in node.outputs():
            if (shape := output.get_partial_shape()).is_dynamic:
                raise ConversionError(f"Expected sizes that do not depend on the image. Received: {kind} with {shape}.")
            size_bytes = math.prod(output.get_shape()) * output.get_element_type().size
            constants += size_bytes if kind == "Constant" else 0
            if size_bytes > MAX_MAP_BYTES and kind != "Constant":
                raise ConversionError(
                    f"Expected at most {MAX_MAP_BYTES / MIB:,.0f} MiB between two layers. "
                    f"Received: {size_bytes / MIB:,.0f} MiB, {list(output.get_shape())}."
                )
    if constants > max(FREE_BYTES, MAX_EXPANSION * file_bytes):
        raise ConversionError(
            f"Expected arrays that are in the file. Received: {constants:,} bytes from a file of {file_bytes:,}."
        )


def _fold_constants(model: "openvino.Model") -> None:
    """Compute once what does not depend on the image: sizes, and axes."""
    runtime()  # before any part of it is imported
    from openvino import passes

    manager = passes.Manager()
    manager.register_pass(passes.ConstantFolding())
    manager.run_passes(model)


def _with_output(model: "openvino.Model", answer: Any) -> "openvino.Model":
    """Return the network that ends in `answer`."""
    ended: openvino.Model = runtime().Model([runtime().opset13.result(answer)], model.get_parameters(), "network")
    return ended


def _with_real_output(model: "openvino.Model") -> "openvino.Model":
    """Return `model`; one whose output was rounded to whole numbers ends before that."""
    answer = model.get_results()[0].input_value(0)
    if answer.get_element_type().is_real():
        return model
    while answer.get_node().get_type_name() in ("Convert", "FakeQuantize"):
        answer = answer.get_node().input_value(0)
    return _with_output(model, answer)


def _last_operation(model: "openvino.Model") -> str:
    """Return the kind of the last operation that changes values."""
    node = model.get_results()[0].input_value(0).get_node()
    while node.get_type_name() in network_graph.SHAPE_ONLY:
        node = node.input_value(0).get_node()
    return str(node.get_type_name())


def _noise(height: int, width: int) -> np.ndarray:
    """Return images of colored noise, fine and coarse, uint8 (`TRIED`, height, width, 3); always the same."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (TRIED, height, width, 3)).astype(np.uint8)
    images[1] = np.clip((blur(images[1], 3.0).astype(np.int16) - 128) * 8 + 128, 0, 255)
    images[2] = 128 + (images[2] >> 3)
    return images


def _named(ports: Any) -> str:
    names = [f"{next(iter(sorted(port.get_names())), '?')} {port.get_partial_shape()}" for port in ports]
    return ", ".join(names[:4])[:300]


def _reason(error: Exception) -> str:
    """Return the last line of OpenVINO's text that says something, without the place in its source."""
    if "bad_alloc" in str(error):
        return "one that takes more memory than a file of its size may"
    lines = [line.strip(" -") for line in str(error).splitlines()]
    said = [line for line in lines if line and not line.startswith(_UNSAID)]
    return (said or lines or ["no reason"])[-1][:300]
