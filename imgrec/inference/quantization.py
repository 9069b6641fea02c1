"""A compiled network → its twin in 8-bit integers; a worker process (this module, run with -m) does the work.

NNCF watches the network run on the calibration images, chooses a range of integers for each layer, and corrects what
the rounding shifts. Layers whose values do not suit integers stay in float32. What was tried, and why this recipe, is
in bench/compact.md.

NNCF reports its use to Google Analytics; the module that would do so is hidden from it.
"""

import functools
import math
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imgrec import extras
from imgrec.errors import ConversionError, EngineError, StorageError
from imgrec.inference import calibration_images, child_process, network_graph
from imgrec.inference.process_info import processor_flags
from imgrec.models import training_images
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.prediction import SUM_TOLERANCE
from imgrec.settings import MIB, Settings

# Counted up whenever the steps below change what a twin computes.
RECIPE_VERSION = 8

# The version of NNCF, as pyproject.toml asks for it. Hosts without NNCF are to know the twins that were made elsewhere.
NNCF = "3.4"

# VGG19 takes a minute on two cores.
TIMEOUT_S = 15 * 60.0

# The arguments of Python that start the worker process.
WORKER = ("-m", "imgrec.inference.quantization")

# NNCF and its imports; besides, the weights are held about three times.
WORKER_BYTES = 500 * MIB
WORKER_COPIES = 3

# Processors that multiply and add 8-bit integers in one step; on others the sum of two products can overflow.
INTEGER_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"})

# OpenVINO multiplies by weights in 4 bits with these; elsewhere it would make float32 of them, and take more memory.
FOUR_BIT_FLAGS = frozenset({"avx2"})

# A dense layer with so many weights takes most of the memory of its network, and most of its time is spent on reading
# them: 25,088 × 4,096 and 4,096 × 4,096 in VGG. All others of the catalog have fewer.
MANY_WEIGHTS = 8_000_000
FOUR_BIT_GROUP = 128

# Activations that are negative for some values; in OpenVINO's names.
SMOOTH_ACTIVATIONS = frozenset({"Elu", "Gelu", "HSwish", "Mish", "Selu", "Swish"})

# In OpenVINO's names, too.
ARITHMETIC = frozenset({"Add", "Divide", "Multiply", "Subtract"})

# Of networks whose biases are corrected layer by layer: EfficientNet-Lite4 has 13 million.
MAX_CORRECTED_WEIGHTS = 15_000_000

# Both networks are timed in turns, so often.
TURNS = 9

# Of these the answers are looked at.
CHECKED_IMAGES = 8

Timings = dict[str, float]


@functools.cache
def has_integer_arithmetic() -> bool:
    """Whether the processor has instructions for 8-bit integers."""
    return not processor_flags().isdisjoint(INTEGER_FLAGS)


@functools.cache
def has_four_bit_arithmetic() -> bool:
    """Whether OpenVINO computes with weights in 4 bits on this processor."""
    return not processor_flags().isdisjoint(FOUR_BIT_FLAGS)


def key(spec: ModelSpec, settings: Settings) -> dict[str, object]:
    """Return what the twin `spec` depends on, besides the network that it is made of."""
    own = _own_images(spec, settings)
    return {
        "recipe": RECIPE_VERSION,
        "nncf": NNCF,
        "overflow_fix": not has_integer_arithmetic(),
        "four_bits": has_four_bit_arithmetic(),
        # The name of the file has the digest of its content.
        "images": calibration_images.digest(settings.calibration) if own is None else own.stem,
    }


def describe_images(spec: ModelSpec, settings: Settings) -> str:
    """Return in words which images the twin `spec` is made with."""
    if settings.calibration is not None:
        return f"images of the folder {settings.calibration.name}"
    if _own_images(spec, settings) is not None:
        return "some of the images that it was trained on"
    return "crops of imgrec's sample gallery"


def _own_images(spec: ModelSpec, settings: Settings) -> Path | None:
    """Return the kept training images of a model of the owner's; None without, or where a folder was named."""
    return None if settings.calibration is not None else training_images.find(spec.name, settings)


def quantize(
    spec: ModelSpec, exact: Path, folder: Path, settings: Settings, on_progress: Callable[[str], None]
) -> tuple[int, Timings]:
    """Have a worker write the twin of the network at `exact` into `folder`, as `model.xml` and `model.bin`.

    Args:
        spec: The twin.
        exact: The compiled network in float32.
        folder: A new folder.
        settings: For the calibration images.
        on_progress: Called with each stage as it begins.

    Returns:
        Its memory in bytes, and the median milliseconds of both networks on this machine by their precision.

    Raises:
        ConversionError: The network cannot be quantized.
        InputError: There are too few calibration images.
        MissingExtraError: NNCF is not installed.
        StorageError: The disk is full.
    """
    extras.check("int8", f"to make {spec.name}")
    own = _own_images(spec, settings)
    answer = child_process.ask(
        WORKER,
        {
            "name": spec.name,
            "exact": str(exact.resolve()),
            "folder": str(folder.resolve()),
            "input_size": spec.input_size,
            "crop_fraction": spec.crop_fraction,
            "calibration": None if settings.calibration is None else str(settings.calibration.resolve()),
            "training_images": None if own is None else str(own.resolve()),
        },
        backend="openvino",
        timeout_s=TIMEOUT_S,
        purpose=f"{spec.name} to be quantized",
        memory_bytes=WORKER_BYTES + WORKER_COPIES * 4 * spec.parameters,
        last_key="memory_bytes",
        on_answer=lambda answer: on_progress(str(answer["stage"])) if "stage" in answer else None,
    )
    timings = {name: float(str(answer[name])) for name in ("float32", "int8")}
    return int(str(answer["memory_bytes"])), timings


def _work(request: dict[str, Any], tell: child_process.Tell) -> None:
    """Run in the worker: answer with each stage, and at last with `memory_bytes` and the timings."""
    folder, height_width = Path(request["folder"]), tuple(request["input_size"])
    if request["training_images"] is not None:
        images = list(training_images.read(Path(request["training_images"]), height_width))
    else:
        calibration = None if request["calibration"] is None else Path(request["calibration"])
        images = calibration_images.inputs(calibration, height_width, request["crop_fraction"])
    tell(stage="quantizing")
    try:
        path = _quantize(request["name"], Path(request["exact"]), folder, images)
        tell(stage="checking")
        tell(**_measure(request["name"], Path(request["exact"]), path, np.stack(images[:CHECKED_IMAGES])))
    except (OSError, RuntimeError) as error:
        # OpenVINO gives no reason for a failed write.
        if shutil.disk_usage(folder).free > MIB:
            raise
        raise StorageError(f"Expected more room in {folder.parent}. Received: a full disk.") from error


def _quantize(name: str, exact: Path, folder: Path, images: list[np.ndarray]) -> Path:
    """Write the twin, and return its path."""
    from imgrec.inference import openvino_engine

    openvino = openvino_engine.runtime()  # before NNCF imports it
    with openvino_engine.hidden("openvino_telemetry"):
        import nncf
        from openvino._offline_transformations import apply_moc_transformations

        model = openvino_engine.read_graph(exact)
        # Batch normalization is folded into the weights before their ranges are chosen, not after.
        apply_moc_transformations(model, cf=True)
        overflow = nncf.OverflowFix.DISABLE if has_integer_arithmetic() else nncf.OverflowFix.ENABLE
        nodes = model.get_ordered_ops()
        # What is negative before an activation matters to these; all else ends in a ReLU, or adds to such.
        is_smooth = any(node.get_type_name() in SMOOTH_ACTIVATIONS for node in nodes)
        first = _first_layer(nodes) if _has_depthwise_layers(nodes) else []
        large = _large_dense_layers(nodes) if has_four_bit_arithmetic() else []
        try:
            twin = nncf.quantize(
                model,
                nncf.Dataset([image[np.newaxis] for image in images]),
                preset=nncf.QuantizationPreset.MIXED if is_smooth else nncf.QuantizationPreset.PERFORMANCE,
                subset_size=len(images),
                fast_bias_correction=not _is_fragile(nodes),
                ignored_scope=nncf.IgnoredScope(names=first + large + _behind_last_layer(nodes)),
                advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=overflow),
            )
            if large:
                others = {node.get_friendly_name() for node in twin.get_ordered_ops() if _has_weights(node)} - {*large}
                twin = nncf.compress_weights(
                    twin,
                    mode=nncf.CompressWeightsMode.INT4_SYM,
                    group_size=FOUR_BIT_GROUP,
                    all_layers=True,
                    ignored_scope=nncf.IgnoredScope(names=sorted(others)),
                )
        except (nncf.errors.InternalError, nncf.errors.ValidationError, nncf.errors.UnsupportedModelError) as error:
            reason = str(error).strip().splitlines()[-1:] or ["no reason"]
            raise ConversionError(
                f"Expected {name} to be a network that NNCF can quantize. Received: {reason[0]}"
            ) from error
        # Folding has moved the last transpose behind the pooling: the last feature map is read with its channels last.
        if network_graph.find_parts(twin, with_weights=False) is None:
            network_graph.put_channels_last(twin, openvino)
        path = folder / "model.xml"
        openvino.save_model(twin, path, compress_to_fp16=False)
    return path


def _has_depthwise_layers(nodes: Sequence[Any]) -> bool:
    """Whether a network has layers with few weights for each channel, in which rounding weighs most."""
    return any(node.get_type_name() == "GroupConvolution" for node in nodes)


def _first_layer(nodes: Sequence[Any]) -> list[str]:
    """Return the name of the first layer, in a list; none where the network has no convolution.

    It sees the image itself: it has few weights, and all that follows suffers from its rounding. In float32 it gives
    the next layer four times as many bytes, though: 12 MiB in VGG16, whose other layers hide the rounding.
    """
    return [node.get_friendly_name() for node in nodes if node.get_type_name() == "Convolution"][:1]


def _behind_last_layer(nodes: Sequence[Any]) -> list[str]:
    """Return the names of arithmetic on logits and probabilities, as to average those of an image and its mirror.

    The largest values of other images would be cut to those of the calibration images.
    """
    last = [node.get_friendly_name() for node in nodes if _has_weights(node)][-1:]
    behind, found = set(last), []
    for node in nodes:
        sources = {entry.get_source_output().get_node().get_friendly_name() for entry in node.inputs()}
        if sources & behind:
            behind.add(node.get_friendly_name())
            is_bias = node.get_type_name() == "Add" and sources & set(last)
            if node.get_type_name() in ARITHMETIC and not is_bias:
                found.append(node.get_friendly_name())
    return found


def _has_weights(node: Any) -> bool:
    return node.get_type_name() in ("Convolution", "GroupConvolution", "MatMul")


def _large_dense_layers(nodes: Sequence[Any]) -> list[str]:
    """Return the names of dense layers with `MANY_WEIGHTS`, whose inputs are whole groups."""
    found = []
    for node in nodes:
        if node.get_type_name() != "MatMul" or node.input_value(1).get_node().get_type_name() != "Constant":
            continue
        shape = list(node.input_value(1).shape)
        inputs = shape[1] if node.get_attributes()["transpose_b"] else shape[0]
        if len(shape) == 2 and math.prod(shape) >= MANY_WEIGHTS and inputs % FOUR_BIT_GROUP == 0:
            found.append(node.get_friendly_name())
    return found


def _is_fragile(nodes: Sequence[Any]) -> bool:
    """Whether the biases of a network are to be corrected layer by layer, on what the layers before give by then.

    Networks with depthwise layers win most by that. It keeps what many layers give for a fifth of the images: gigabytes
    for large networks, and for those that join the output of many layers.
    """
    kinds = {node.get_type_name() for node in nodes}
    weights = sum(math.prod(node.output(0).shape) for node in nodes if node.get_type_name() == "Constant")
    return _has_depthwise_layers(nodes) and "Concat" not in kinds and weights <= MAX_CORRECTED_WEIGHTS


def _measure(name: str, exact: Path, path: Path, images: np.ndarray) -> dict[str, float]:
    """Return the memory of the twin, and how long it and its original take; check that it gives probabilities."""
    from imgrec.inference import openvino_engine

    try:
        memory_bytes = openvino_engine.measure(path)
        engines = {"float32": openvino_engine.OpenVINOEngine(exact, 0), "int8": openvino_engine.OpenVINOEngine(path, 0)}
    except EngineError as error:
        raise ConversionError(f"{name} was quantized, but does not run: {error}") from error
    sums = {precision: engine.predict(images).sum(axis=1) for precision, engine in engines.items()}
    if np.abs(sums["int8"] - sums["float32"]).max() > SUM_TOLERANCE:
        raise ConversionError(
            f"Expected the probabilities of {name} to sum to {sums['float32'][0]:.4g}, as before it was quantized. "
            f"Received: {sums['int8'].min():.4g} to {sums['int8'].max():.4g}."
        )
    taken: dict[str, list[float]] = {precision: [] for precision in engines}
    for _ in range(TURNS):
        for precision, engine in engines.items():
            start = time.perf_counter()
            engine.predict(images[:1])
            taken[precision].append((time.perf_counter() - start) * 1e3)
    return {"memory_bytes": memory_bytes} | {one: round(statistics.median(times), 3) for one, times in taken.items()}


if __name__ == "__main__":
    child_process.serve(_work)
