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

    def close(self) -> None:
        """Give the memory back; calling it twice does no harm."""


def check_batch(batch: np.ndarray, input_size: tuple[int, int]) -> None:
    """Raise `InputError` unless `batch` is uint8 of shape (N, height, width, 3)."""
    if batch.dtype != "uint8" or batch.ndim != 4 or batch.shape[1:] != (*input_size, 3):
        height, width = input_size
        raise InputError(
            f"Expected a batch of type uint8 and shape (N, {height}, {width}, 3). "
            f"Received: {batch.dtype} {batch.shape}."
        )
