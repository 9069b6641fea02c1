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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from imgrec.errors import EngineError
from imgrec.inference import network_graph, transposes
from imgrec.inference.engine import Activations, Queue, check_batch
from imgrec.inference.process_info import anonymous_bytes, give_back_file, give_back_memory, usable_cores
from imgrec.inference.shutdown import check_going_on, foreign_call
from imgrec.settings import MIB

if TYPE_CHECKING:
    import openvino

    from imgrec.images.preprocessing import Normalization

Key = TypeVar("Key")

# Up to this size the weights are worth keeping twice, once in OpenVINO's own order.
LARGEST_BLOB_BYTES = 64 * MIB

_CORE_LOCK = threading.Lock()


class OpenVINOEngine:
    """A network that `fold` has saved, loaded and run once.

    `memory_bytes` is the result of `measure`, because in a server the memory of other threads could not be separated.
    It computes on `threads` cores, by default on all; the answers are the same bits.
    Raises `EngineError` when the files are not a network that runs.
    """

    def __init__(self, path: Path, memory_bytes: int, threads: int | None = None) -> None:
        self.memory_bytes = memory_bytes
        with foreign_call(), engine_errors(path):
            compiled = _compile(path, threads)
            self._input_size = _input_size(compiled)
            # Only the request is kept (it holds the compiled network), and only one thread at a time uses it:
            # sharing either between threads ends in "Infer Request is busy", or in a deadlock.
            self._request: openvino.InferRequest | None = compiled.create_infer_request()
        self._path = path
        self._lock = threading.Lock()
        # The first inference allocates and compiles what is left; here it counts as loading.
        if not np.isfinite(self.predict(np.zeros((1, *self._input_size, 3), np.uint8))).all():
            raise EngineError(f"Expected {path} to give probabilities. Received: values that are not finite.")
        # OpenVINO has copied the weights, in the order that the processor likes, and keeps the files mapped.
        for file in (path.with_suffix(".bin"), *path.parent.glob("*.blob")):
            give_back_file(file)

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """Predict as `Engine.predict`; raises `InputError` on another shape or dtype, `EngineError` when it fails."""
        check_batch(batch, self._input_size)
        return self._predict(batch)

    def predict_values(self, values: np.ndarray) -> np.ndarray:
        """Predict as `Engine.predict_values`; raises as `predict`."""
        check_batch(values, self._input_size, "float32")
        return self._predict(values)

    def _predict(self, batch: np.ndarray) -> np.ndarray:
        with self._ready() as request:
            rows = [self._probabilities(request, image) for image in batch]
            classes = int(request.model_outputs[0].shape[1])
        return np.stack(rows) if rows else np.empty((0, classes), np.float32)

    def observe(self, image: np.ndarray) -> Activations:
        """Observe as `Engine.observe`; raises as `predict`."""
        check_batch(image[np.newaxis], self._input_size)
        with self._ready() as request:
            probabilities = self._probabilities(request, image)
            if len(request.model_outputs) == 1:
                return Activations(probabilities, None, None)
            features, logits = (np.array(request.get_output_tensor(at).data, np.float32) for at in (1, 2))
        return Activations(probabilities, logits.mean(axis=0), features)

    def close(self) -> None:
        """See `Engine.close`."""
        with foreign_call(), self._lock:
            self._request = None

    @contextmanager
    def _ready(self) -> Iterator["openvino.InferRequest"]:
        """Yield the request, which no other thread uses within the block."""
        with foreign_call(), self._lock:
            if self._request is None:
                raise EngineError(f"Expected {self._path} to be loaded. Received: a network that was closed.")
            with engine_errors(self._path):
                yield self._request

    @staticmethod
    def _probabilities(request: "openvino.InferRequest", image: np.ndarray) -> np.ndarray:
        """Return float32 (C,) for one image, (H, W, 3); a copy, because the request reuses its own."""
        # Written into the tensor that the request has, and no outputs copied: a twentieth of MobileNet's time.
        request.get_input_tensor(0).data[0] = image
        request.infer(share_outputs=True)
        return np.array(request.get_output_tensor(0).data[0], np.float32)


def stream(
    path: Path, images: Iterable[tuple[Key, np.ndarray]], opened: Queue | None = None
) -> Iterator[tuple[Key, np.ndarray]]:
    """Yield float32 probabilities (C,) for each image, uint8 (H, W, 3), with its key; in the order of their end.

    Several requests at once keep all cores busy while the next images are being decoded. No more images are taken than
    are being computed, so that memory does not grow with their number. `opened` is a network that is loaded already.

    Raises:
        EngineError: The network at `path` cannot be loaded or run.
        InputError: An image has another size.
    """
    finished: deque[tuple[Key, np.ndarray]] = deque()

    def keep(request: "openvino.InferRequest", userdata: tuple[Key, np.ndarray]) -> None:
        # The request reuses its tensor: copied here, before it is given the next image.
        finished.append((userdata[0], np.array(request.get_output_tensor(0).data[0], np.float32)))

    with foreign_call(), engine_errors(path):
        compiled, queue = opened or open_queue(path)
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


def open_queue(path: Path, threads: int | None = None) -> Queue:
    """Return the network at `path` compiled for throughput, in float32 as it serves, and its queue of requests.

    It computes on `threads` cores, an image on each; on all by default.
    """
    cores = {"INFERENCE_NUM_THREADS": str(threads), "NUM_STREAMS": str(threads)} if threads else {}
    compiled = runtime().Core().compile_model(path, "CPU", configuration("THROUGHPUT") | cores)
    # One image waits behind each that is being computed: between two, a stream need not wait for Python.
    streams = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    return compiled, runtime().AsyncInferQueue(compiled, 2 * streams)


def read_graph(path: Path) -> "openvino.Model":
    """Return the graph of the network at `path`, its weights mapped from the file; raises `EngineError`."""
    with engine_errors(path):
        return core().read_model(path)


def run_until(path: Path, places: Sequence[int], image: np.ndarray) -> list[np.ndarray]:
    """Return what nodes of the network at `path` compute for `image`; nothing beyond them is loaded or computed.

    Args:
        path: The network, as `fold` has saved it.
        places: The places of the nodes among `read_graph(path).get_ordered_ops()`.
        image: uint8 (height, width, 3).

    Raises:
        InputError: The image has another size.
        EngineError: The network cannot be loaded or run.
    """
    with foreign_call(), engine_errors(path):
        model = read_graph(path)
        check_batch(image[np.newaxis], tuple(model.input(0).shape)[1:3])
        nodes = model.get_ordered_ops()
        ends = [runtime().opset13.result(nodes[place].output(0)) for place in places]
        part = runtime().Model(ends, model.get_parameters(), "part")
        request = core().compile_model(part, "CPU", configuration("LATENCY")).create_infer_request()
        request.infer([np.ascontiguousarray(image)[np.newaxis]], share_inputs=True)
        return [np.array(request.get_output_tensor(at).data, np.float32) for at in range(len(places))]


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
    built = graph.build()
    transposes.cancel(built, openvino.opset13)
    if network_graph.find_parts(built, with_weights=False) is None:
        network_graph.put_channels_last(built, openvino)
    openvino.save_model(built, target, compress_to_fp16=False)


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
    """Return the one core of the process, also to two threads that ask at once."""
    with _CORE_LOCK:
        return _make_core()


@functools.cache
def _make_core() -> "openvino.Core":
    made: openvino.Core = runtime().Core()
    return made


def _compile(path: Path, threads: int | None = None) -> "openvino.CompiledModel":
    """Return the network at `path` for this processor; raises `RuntimeError` as OpenVINO does.

    Its outputs are the probabilities and, where `network_graph` finds them, the last feature map and the logits.
    """
    model, options = core().read_model(path), configuration("LATENCY")
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = str(threads)
    # The file takes uint8. Its first layer converts that to float32, which as input gives the same bits in the same
    # time, and lets values through that no byte can hold: see `predict_values`.
    model.inputs[0].get_node().set_element_type(runtime().Type.f32)
    model.validate_nodes_and_infer_types()
    if (parts := network_graph.find_parts(model, with_weights=False)) is not None:
        model.add_outputs([parts.features, parts.logits])
        # New outputs are named by a counter of the process, and a blob by all names: without this, each time that a
        # process loads the network again would leave another blob.
        for place, output in enumerate(model.outputs):
            output.get_tensor().set_names({f"output_{place}"})
    if path.with_suffix(".bin").stat().st_size <= LARGEST_BLOB_BYTES:
        # A blob of another processor or version has another name, and so is not found; the new one is added.
        with suppress(RuntimeError):  # a folder that cannot be written
            return core().compile_model(model, "CPU", options | {"CACHE_DIR": str(path.parent)})
    return core().compile_model(model, "CPU", options)


def configuration(hint: str) -> dict[str, str]:
    """Return the settings of a network for the processor; `hint` is "LATENCY" or "THROUGHPUT"."""
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
