"""OpenVINO runs compiled networks, their weights mapped from the file: `OpenVINOEngine` serves, `stream` measures.

Measured on two cores (bench/README.md), the reasons for the engine's design:
- one image at a time: two or eight in one batch took as long as one after the other, within 5 %;
- all cores for each inference, one inference after another: two networks side by side with a core each took as
  long altogether, and each answer came later;
- small networks keep OpenVINO's own blob beside them, which halves their loading (0.15 s of computing become 0.07 for
  MobileNet, a sixth of `imgrec predict`); for large ones it would be half a gigabyte more to keep and to read.
"""

import functools
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from imgrec.errors import EngineError
from imgrec.inference.engine import check_batch
from imgrec.inference.process_info import anonymous_bytes, give_back_memory, usable_cores
from imgrec.inference.shutdown import check_going_on, foreign_call
from imgrec.settings import MIB

if TYPE_CHECKING:
    import openvino

    from imgrec.images.preprocessing import Normalization

Key = TypeVar("Key")

# Up to this size the weights are worth keeping twice, once in OpenVINO's own order.
LARGEST_BLOB_BYTES = 64 * MIB

# One core for the process, also when two networks come at once.
_CORE_LOCK = threading.Lock()


class OpenVINOEngine:
    """A network that `fold` has saved, loaded and run once.

    `memory_bytes` is the result of `measure`, because in a server the memory of other threads could not be separated.
    Raises `EngineError` when the files are not a network that runs.
    """

    def __init__(self, path: Path, memory_bytes: int) -> None:
        self.memory_bytes = memory_bytes
        with foreign_call(), engine_errors(path):
            compiled = _compile(path)
            self._input_size = _input_size(compiled)
            # Only the request is kept (it holds the compiled network), and only one thread at a time uses it:
            # sharing either between threads ends in "Infer Request is busy", or in a deadlock.
            self._request: openvino.InferRequest | None = compiled.create_infer_request()
        self._path = path
        self._lock = threading.Lock()
        # The first inference allocates and compiles what is left; here it counts as loading.
        if not np.isfinite(self.predict(np.zeros((1, *self._input_size, 3), np.uint8))).all():
            raise EngineError(f"Expected {path} to give probabilities. Received: values that are not finite.")

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """Predict as `Engine.predict`; raises `InputError` on another shape or dtype, `EngineError` when it fails."""
        check_batch(batch, self._input_size)
        with foreign_call(), self._lock:
            if self._request is None:
                raise EngineError(f"Expected {self._path} to be loaded. Received: a network that was closed.")
            with engine_errors(self._path):
                rows = [self._probabilities(self._request, image) for image in batch]
            classes = int(self._request.model_outputs[0].shape[1])
        return np.stack(rows) if rows else np.empty((0, classes), np.float32)

    def close(self) -> None:
        """See `Engine.close`."""
        with foreign_call(), self._lock:
            self._request = None

    @staticmethod
    def _probabilities(request: "openvino.InferRequest", image: np.ndarray) -> np.ndarray:
        """Return float32 (C,) for one image, uint8 (H, W, 3); a copy, because the request reuses its own."""
        request.infer([np.ascontiguousarray(image)[np.newaxis]], share_inputs=True)
        return np.array(request.get_output_tensor(0).data[0], np.float32)


def stream(path: Path, images: Iterable[tuple[Key, np.ndarray]]) -> Iterator[tuple[Key, np.ndarray]]:
    """Yield float32 probabilities (C,) for each image, uint8 (H, W, 3), with its key; in the order of their end.

    Several requests at once keep all cores busy while the next images are being decoded. No more images are taken than
    are being computed, so that memory does not grow with their number.

    Raises:
        EngineError: The network at `path` cannot be loaded or run.
        InputError: An image has another size.
    """
    finished: deque[tuple[Key, np.ndarray]] = deque()

    def keep(request: "openvino.InferRequest", userdata: tuple[Key, np.ndarray]) -> None:
        # The request reuses its tensor: copied here, before it is given the next image.
        finished.append((userdata[0], np.array(request.get_output_tensor(0).data[0], np.float32)))

    with foreign_call(), engine_errors(path):
        compiled, queue = open_queue(path)
        queue.set_callback(keep)
        try:
            for key, image in images:
                check_going_on()
                batch = np.ascontiguousarray(image)[np.newaxis]
                check_batch(batch, _input_size(compiled))
                # The image is kept with its key, so that it is not freed while the request reads it.
                queue.start_async([batch], (key, batch), share_inputs=True)
                while finished:
                    yield finished.popleft()
        finally:
            queue.wait_all()
        yield from finished


def open_queue(path: Path) -> "tuple[openvino.CompiledModel, openvino.AsyncInferQueue]":
    """Return the network at `path` compiled for throughput, in float32 as it serves, and its queue of requests."""
    compiled = runtime().Core().compile_model(path, "CPU", configuration("THROUGHPUT"))
    # One image waits behind each that is being computed: between two, a stream need not wait for Python.
    streams = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    return compiled, runtime().AsyncInferQueue(compiled, 2 * streams)


def fold(exported: Path, rule: "Normalization", input_size: tuple[int, int], target: Path) -> None:
    """Save the network that Keras exported so that it takes uint8 (1, H, W, 3) in RGB and normalizes by itself.

    Weights stay float32. Writes `target` (.xml) and its .bin; raises `RuntimeError` as OpenVINO does.
    """
    openvino = runtime()
    model = core().read_model(exported)
    # Keras traces with one image and leaves the batch open, which networks with a Flatten cannot keep.
    model.reshape([1, *input_size, 3])
    graph = openvino.preprocess.PrePostProcessor(model)
    graph.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    graph.input().model().set_layout(openvino.Layout("NHWC"))
    steps = graph.input().preprocess()
    steps.convert_element_type(openvino.Type.f32)
    if rule.reverse_channels:
        steps.reverse_channels()
    if any(rule.mean):
        steps.mean(list(rule.mean))
    if rule.scale != (1.0, 1.0, 1.0):
        steps.scale(list(rule.scale))
    openvino.save_model(graph.build(), target, compress_to_fp16=False)


def measure(path: Path) -> int:
    """Return the anonymous memory in bytes that the network at `path` takes once it is loaded and has run.

    For a process that does nothing else; where it cannot be measured, the size of its weights. Raises
    `EngineError` when it does not run.
    """
    weights_bytes = path.with_suffix(".bin").stat().st_size
    # The first time loads the plugin, which belongs to no network, and writes the blob.
    OpenVINOEngine(path, 0).close()
    give_back_memory()
    before = anonymous_bytes()
    engine = OpenVINOEngine(path, 0)
    give_back_memory()
    after = anonymous_bytes()
    engine.close()
    # Compiling copies the weights into the order that the processor likes: it cannot take less.
    return max(weights_bytes, (after or 0) - (before or 0))


@functools.cache
def runtime() -> ModuleType:
    """Import OpenVINO without its converters, which take half of the time and report to Google Analytics.

    `import openvino` works without them where they are missing, so they are made to seem missing.
    """
    with hidden("openvino.tools.ovc"):
        import openvino
    module: ModuleType = openvino
    return module


@contextmanager
def hidden(name: str) -> Iterator[None]:
    """Have `import name` fail within the block as if it were not installed, unless it is loaded already."""
    finder = _Refusal(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Refusal(MetaPathFinder):
    """A finder before all others that ends the search for one module.

    `sys.modules[name] = None` does not serve: Keras takes what has a key there for loaded.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == self._name:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def core() -> "openvino.Core":
    """Return the one core of the process."""
    with _CORE_LOCK:
        return _make_core()


@functools.cache
def _make_core() -> "openvino.Core":
    core: openvino.Core = runtime().Core()
    return core


def _compile(path: Path) -> "openvino.CompiledModel":
    """Return the network at `path` for this processor; raises `RuntimeError` as OpenVINO does."""
    model, options = core().read_model(path), configuration("LATENCY")
    if path.with_suffix(".bin").stat().st_size <= LARGEST_BLOB_BYTES:
        # A blob of another processor or version has another name, and so is not found; the new one is added.
        with suppress(RuntimeError):  # a folder that cannot be written
            return core().compile_model(model, "CPU", options | {"CACHE_DIR": str(path.parent)})
    return core().compile_model(model, "CPU", options)


def configuration(hint: str) -> dict[str, str]:
    """Return the options of OpenVINO for "LATENCY" or "THROUGHPUT", in float32 on all cores."""
    return {
        # "LATENCY": one answer as soon as possible, one stream on all cores.
        "PERFORMANCE_HINT": hint,
        "INFERENCE_NUM_THREADS": str(usable_cores()),
        # The default is bfloat16 where the processor has it: three digits instead of seven.
        "INFERENCE_PRECISION_HINT": "f32",
        # Threads bound to cores wait while anything else runs there, and the host is rarely all ours.
        "ENABLE_CPU_PINNING": "NO",
    }


def _input_size(compiled: "openvino.CompiledModel") -> tuple[int, int]:
    _, height, width, _ = compiled.input(0).shape
    return int(height), int(width)


@contextmanager
def engine_errors(path: Path) -> Iterator[None]:
    """Turn OpenVINO's errors into an `EngineError` with the last line of their text."""
    try:
        yield
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1] if lines else "no reason"
        raise EngineError(f"Expected {path} to be a network that OpenVINO can run. Received: {reason}") from error
