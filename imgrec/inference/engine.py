"""The protocols of what runs a network, and the check of its input."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from imgrec.errors import InputError

# A network that is loaded for a stream of images, as `openvino_engine.open_queue` returns it.
Queue = tuple[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Activations:
    """What a network computes for one image.

    `probabilities` and `logits` are float32 (C,); `features` is the last feature map, float32 (views, h, w, channels),
    where a network that averages an image and its mirror image has two views. `logits` and `features` are None for a
    network that does not end in a feature map, pooling or a dense layer, and a softmax.
    """

    probabilities: np.ndarray
    logits: np.ndarray | None
    features: np.ndarray | None


class Engine(Protocol):
    """A network that is loaded and ready; knows no names, labels or images.

    Methods may be called from several threads. After `close` the engine is not to be used again.
    """

    @property
    def memory_bytes(self) -> int:
        """Anonymous memory that the engine holds: what the kernel cannot drop, unlike mapped files."""

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """Return float32 probabilities (N, C) for `batch`, uint8 (N, H, W, 3), RGB, as of `preprocessing.frame`."""

    def predict_values(self, values: np.ndarray) -> np.ndarray:
        """Predict as `predict`, of pixels that may be fractions or outside 0-255: float32 (N, H, W, 3), RGB.

        The network normalizes them as it normalizes bytes. So a wrong normalization can be tried on the real network:
        see `explain.preprocessing_trials`.
        """

    def observe(self, image: np.ndarray) -> Activations:
        """Return what the network computes for `image`, uint8 (H, W, 3); the probabilities are those of `predict`."""

    def close(self) -> None:
        """Give the memory back; calling it twice does no harm."""


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """What each position of a feature map adds to each logit: `logits`, float32 (h, w, C).

    It is the logit where only this position is kept, less `empty`, float32 (C,), the logit where none is kept. With a
    linear head the sum over all positions is what the image adds to the logit; there `empty` is None.
    """

    logits: np.ndarray
    empty: np.ndarray | None


class Head(Protocol):
    """The part of a network above its last feature map, which tells what each position does to the logits."""

    @property
    def memory_bytes(self) -> int:
        """As of `Engine`."""

    def locate(self, features: np.ndarray) -> Contributions:
        """Return what each position of `features`, as of `Activations`, adds to the logits."""

    def close(self) -> None:
        """As of `Engine`."""


def check_batch(batch: np.ndarray, input_size: tuple[int, int], dtype: str = "uint8") -> None:
    """Raise `InputError` unless `batch` is of this `dtype` and of shape (N, height, width, 3)."""
    if batch.dtype != dtype or batch.ndim != 4 or batch.shape[1:] != (*input_size, 3):
        height, width = input_size
        raise InputError(
            f"Expected a batch of type {dtype} and shape (N, {height}, {width}, 3). "
            f"Received: {batch.dtype} {batch.shape}."
        )
