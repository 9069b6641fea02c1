"""OpenVINO for many images: several requests at once, results as they come. For measuring, not for serving.

The engine that serves answers one visitor as soon as possible; this one keeps all cores busy while the next
images are being decoded.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from imgrec.errors import EngineError
from imgrec.inference.engine import check_batch
from imgrec.inference.openvino_engine import runtime
from imgrec.inference.process_info import usable_cores
from imgrec.inference.shutdown import check_going_on, foreign_call

if TYPE_CHECKING:
    import openvino

Key = TypeVar("Key")


def stream(path: Path, images: Iterable[tuple[Key, np.ndarray]]) -> Iterator[tuple[Key, np.ndarray]]:
    """float32 probabilities (C,) for each image, uint8 (H, W, 3), with its key; in the order in which they finish.

    No more images are taken than are being computed, so that memory does not grow with their number. Raises
    `EngineError` when the network at `path` cannot be loaded or run, `InputError` on another size of image.
    """
    with foreign_call():
        yield from _stream(path, images)


def _stream(path: Path, images: Iterable[tuple[Key, np.ndarray]]) -> Iterator[tuple[Key, np.ndarray]]:
    try:
        compiled, queue = open_queue(path)
    except RuntimeError as error:
        raise EngineError(f"Expected {path} to be a network that OpenVINO can run. Received: {error}") from error
    _, height, width, _ = compiled.input(0).shape
    finished: deque[tuple[Key, np.ndarray]] = deque()

    def keep(request: "openvino.InferRequest", userdata: tuple[Key, np.ndarray]) -> None:
        # The request reuses its tensor: copied here, before it is given the next image.
        finished.append((userdata[0], np.array(request.get_output_tensor(0).data[0], np.float32)))

    queue.set_callback(keep)
    try:
        for key, image in images:
            check_going_on()
            batch = np.ascontiguousarray(image)[np.newaxis]
            check_batch(batch, (int(height), int(width)))
            # The image is kept with its key, so that it is not freed while the request reads it.
            queue.start_async([batch], (key, batch), share_inputs=True)
            while finished:
                yield finished.popleft()
        queue.wait_all()
    except RuntimeError as error:
        raise EngineError(f"Expected {path} to look at every image. Received: {error}") from error
    finally:
        queue.wait_all()
    yield from finished


def open_queue(path: Path) -> tuple[Any, Any]:
    """Return the network at `path` compiled for throughput, in float32 as it serves, and its queue of requests."""
    openvino = runtime()
    configuration = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "INFERENCE_NUM_THREADS": str(usable_cores()),
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": "NO",
    }
    compiled = openvino.Core().compile_model(path, "CPU", configuration)
    # One image waits behind each that is being computed: between two, a stream need not wait for Python.
    streams = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    return compiled, openvino.AsyncInferQueue(compiled, 2 * streams)
