"""The head of a network on OpenVINO: what each position of the last feature map does to the answer."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imgrec.errors import EngineError
from imgrec.inference import network_graph
from imgrec.inference.engine import Contributions
from imgrec.inference.openvino_engine import configuration, core, engine_errors, runtime
from imgrec.inference.shutdown import foreign_call

if TYPE_CHECKING:
    import openvino


class OpenVINOHead:
    """The head of a network that `fold` has saved; see `Head`.

    A linear head is one matrix. Any other is compiled, for any number of rows; its `memory_bytes` are those of its
    weights, which compiling copies. The weights of a dense layer on the features stay mapped from the file, but those
    of a compact network are computed, and count.

    Raises `EngineError` when the network has no head of the expected form.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._request: openvino.InferRequest | None = None
        self.memory_bytes = 0
        with foreign_call(), engine_errors(path):
            model = core().read_model(path)
            parts = network_graph.find_parts(model)
            if parts is None:
                raise EngineError(
                    f"Expected {path} to end in a feature map, a pooling or dense layer, and a softmax. "
                    "Received: another network."
                )
            self.memory_bytes = parts.computed_bytes
            if parts.linear is None:
                head = network_graph.cut_head(model, parts, runtime())
                self.memory_bytes += network_graph.count_weight_bytes(head)
                self._request = core().compile_model(head, "CPU", configuration("LATENCY")).create_infer_request()
        # The arrays lie in the file that the model has mapped; the cut has no part in them.
        self._model: openvino.Model | None = model
        self._parts: network_graph.Parts | None = parts

    def locate(self, features: np.ndarray) -> Contributions:
        """Locate as `Head.locate`; raises `EngineError` when it fails."""
        with foreign_call(), self._lock, engine_errors(self._path):
            vectors = self._vectors(features)
            logits, empty = self._logits(vectors.reshape(-1, vectors.shape[-1]))
        views, height, width = features.shape[:3]
        found = logits.reshape(views, height, width, -1)
        # The second view is the mirror image.
        turned = [view[:, ::-1] if at else view for at, view in enumerate(found)]
        return Contributions(np.asarray(np.mean(turned, axis=0, dtype=np.float32)), empty)

    def close(self) -> None:
        """See `Head.close`."""
        with foreign_call(), self._lock:
            self._request = self._parts = self._model = None

    def _vectors(self, features: np.ndarray) -> np.ndarray:
        """Return the part of each position in the vector: float32 (views, h · w, units)."""
        parts = self._opened()
        views, height, width, channels = features.shape
        positions = features.reshape(views, height * width, channels)
        if parts.dense is not None:
            return np.asarray(np.matmul(positions[:, :, np.newaxis], parts.dense)[:, :, 0])
        if parts.pooling == "mean":
            return positions / np.float32(height * width)
        # The first of equal ones, so that the parts add up to the maximum.
        is_largest = np.arange(height * width)[:, np.newaxis] == positions.argmax(axis=1, keepdims=True)
        return np.where(is_largest, positions, np.float32(0))

    def _logits(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return float32 (N, C), what each of `vectors` (N, units) adds to the logits, and those of none."""
        parts = self._opened()
        if parts.linear is not None or self._request is None:
            return np.asarray(vectors @ parts.linear), None
        rows = np.concatenate([vectors, np.zeros_like(vectors[:1])]).reshape(-1, *parts.vector_shape)
        self._request.infer([rows], share_inputs=True)
        logits = np.array(self._request.get_output_tensor(0).data)
        return logits[:-1] - logits[-1], logits[-1]

    def _opened(self) -> network_graph.Parts:
        if self._parts is None:
            raise EngineError(f"Expected {self._path} to be loaded. Received: a head that was closed.")
        return self._parts
