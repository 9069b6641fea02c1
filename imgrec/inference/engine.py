"""The protocol of what runs a network, and the check of its input."""

from typing import Protocol

import numpy as np

from imgrec.errors import InputError


class Engine(Protocol):
    """A network that is loaded and ready; knows no names, labels or images.

    `predict` may be called from several threads. After `close` the engine is not to be used again.
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

    def close(self) -> None:
        """Give the memory back; calling it twice does no harm."""


def check_batch(batch: np.ndarray, input_size: tuple[int, int], dtype: str = "uint8") -> None:
    """Raise `InputError` unless `batch` is of this `dtype` and of shape (N, height, width, 3)."""
    if batch.dtype != dtype or batch.ndim != 4 or batch.shape[1:] != (*input_size, 3):
        height, width = input_size
        raise InputError(
            f"Expected a batch of type {dtype} and shape (N, {height}, {width}, 3). "
            f"Received: {batch.dtype} {batch.shape}."
        )
