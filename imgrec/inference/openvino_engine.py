"""OpenVINO, which serves: one compiled network, its weights mapped from the file.

Measured on two cores (bench/README.md), and why it is as it is:
- one image at a time: two or eight in one batch took as long as one after the other, within 5 %;
- all cores for each inference, one inference after another: two networks side by side with a core each took as
  long altogether, and each answer came later;
- small networks keep OpenVINO's own blob beside them, which halves their loading (0.15 s of computing become 0.07 for
  MobileNet, a sixth of `imgrec predict`); for large ones it would be half a gigabyte more to keep and to read.
"""

import functools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from imgrec.errors import EngineError
from imgrec.inference.engine import check_batch
from imgrec.inference.process_info import anonymous_bytes, give_back_memory, usable_cores
from imgrec.inference.shutdown import foreign_call
from imgrec.settings import MIB

if TYPE_CHECKING:
    import openvino

    from imgrec.images.preprocessing import Normalization


# One core for the process, also when two networks come at once.
_CORE_LOCK = threading.Lock()

# Up to this size the weights are worth keeping twice, once as OpenVINO likes them.
LARGEST_BLOB_BYTES = 64 * MIB


class OpenVINOEngine:
    """A network that `fold` has saved, loaded and run once.

    `memory_bytes` is what the network's anonymous memory was measured to be (`measure`): in a server, where
    other threads run, it could not be separated.

    Raises `EngineError` when the files are not a network that runs.
    """

    def __init__(self, path: Path, memory_bytes: int) -> None:
        self.memory_bytes = memory_bytes
        with foreign_call():
            try:
                compiled = _compile(path)
                _, height, width, _ = compiled.input(0).shape
                self._input_size = (int(height), int(width))
                # Only the request is kept (it holds the compiled network), and only one thread at a time uses it:
                # sharing either between threads ends in "Infer Request is busy", or in a deadlock.
                self._request: openvino.InferRequest | None = compiled.create_infer_request()
            except RuntimeError as error:
                raise EngineError(_sentence(path, error)) from error
        self._path = path
        self._lock = threading.Lock()
        # The first inference allocates and compiles what is left; here it counts as loading.
        if not np.isfinite(self.predict(np.zeros((1, *self._input_size, 3), np.uint8))).all():
            raise EngineError(f"Expected {path} to give probabilities. Received: values that are not finite.")

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """As `Engine.predict`; raises `InputError` on another shape or dtype, `EngineError` when it fails."""
        check_batch(batch, self._input_size)
        with foreign_call(), self._lock:
            if self._request is None:
                raise EngineError(f"Expected {self._path} to be loaded. Received: a network that was closed.")
            try:
                rows = [self._probabilities(self._request, image) for image in batch]
            except RuntimeError as error:
                raise EngineError(_sentence(self._path, error)) from error
            classes = int(self._request.model_outputs[0].shape[1])
        return np.stack(rows) if rows else np.empty((0, classes), np.float32)

    def close(self) -> None:
        """See `Engine.close`."""
        with foreign_call(), self._lock:
            self._request = None

    @staticmethod
    def _probabilities(request: "openvino.InferRequest", image: np.ndarray) -> np.ndarray:
        """float32 (C,) for one image, uint8 (H, W, 3); a copy, because the request reuses its own."""
        request.infer([np.ascontiguousarray(image)[np.newaxis]], share_inputs=True)
        return np.array(request.get_output_tensor(0).data[0], np.float32)


def fold(exported: Path, rule: "Normalization", input_size: tuple[int, int], target: Path) -> None:
    """Save the network that Keras exported so that it takes uint8 (1, H, W, 3) in RGB and normalizes by itself.

    Weights stay float32. Writes `target` (.xml) and its .bin; raises `RuntimeError` as OpenVINO does.
    """
    openvino = runtime()
    model = _core().read_model(exported)
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
    """Anonymous memory in bytes that the network at `path` takes once it is loaded and has run.

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
    """OpenVINO without its converters, which take half of the time to import and report to Google Analytics.

    `import openvino` works without them where they are missing, so they are made to seem missing.
    """
    with hidden("openvino.tools.ovc"):
        import openvino
    module: ModuleType = openvino
    return module


@contextmanager
def hidden(name: str) -> Iterator[None]:
    """Within the block `import name` fails as if it were not installed, unless it is loaded already."""
    finder = _Refusal(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Refusal(MetaPathFinder):
    """A finder before all others that ends the search for one module."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == self._name:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def _core() -> "openvino.Core":
    with _CORE_LOCK:
        return _make_core()


@functools.cache
def _make_core() -> "openvino.Core":
    core: openvino.Core = runtime().Core()
    return core


def _compile(path: Path) -> "openvino.CompiledModel":
    """Return the network at `path` for this processor; raises `RuntimeError` as OpenVINO does."""
    model, configuration = _core().read_model(path), _configuration()
    if path.with_suffix(".bin").stat().st_size <= LARGEST_BLOB_BYTES:
        # A blob of another processor or version has another name, and so is not found; the new one is added.
        with suppress(RuntimeError):  # a folder that cannot be written
            return _core().compile_model(model, "CPU", configuration | {"CACHE_DIR": str(path.parent)})
    return _core().compile_model(model, "CPU", configuration)


def _configuration() -> dict[str, str]:
    return {
        # One answer as soon as possible: one stream on all cores.
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": str(usable_cores()),
        # The default is bfloat16 where the processor has it: three digits instead of seven.
        "INFERENCE_PRECISION_HINT": "f32",
        # Threads bound to cores wait while anything else runs there, and the host is rarely all ours.
        "ENABLE_CPU_PINNING": "NO",
    }


def _sentence(path: Path, error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"Expected {path} to be a network that OpenVINO can run. Received: {lines[-1] if lines else 'no reason'}"
