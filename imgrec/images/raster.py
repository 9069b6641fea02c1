"""`Raster`: pixels, as the decoder has left them or as an array."""

import numpy as np
from PIL import Image

from imgrec.errors import ImageError


class Raster:
    """The pixels of an image, at least 1 × 1, in RGB: of Pillow until an array is asked for, then that array.

    Pillow keeps four bytes a pixel, so that each way between the two is a copy. What is only framed for a network needs
    none. Any thread may call any method.
    """

    __slots__ = ("_kept", "shape")

    def __init__(self, source: Image.Image | np.ndarray) -> None:
        """Keep `source`, which nothing changes any more; of an array that could be changed, a copy.

        Raises `ImageError` unless it is in RGB, or uint8 (H, W, 3), and not empty.
        """
        if isinstance(source, np.ndarray):
            check_pixels(source)
            self.shape = source.shape
            if source.flags.writeable:
                source = source.copy()
                source.flags.writeable = False
        else:
            if source.mode != "RGB" or 0 in source.size:
                raise ImageError(f"Expected an image in RGB. Received: {source.mode} {source.size}.")
            self.shape = (source.height, source.width, 3)
        self._kept = source

    @property
    def array(self) -> np.ndarray:
        """The pixels, uint8 (H, W, 3), read-only."""
        kept = self._kept
        if not isinstance(kept, np.ndarray):
            kept = self._kept = np.asarray(kept)
        return kept

    def to_image(self) -> Image.Image:
        """Return the pixels as an image of Pillow, not to be changed."""
        kept = self._kept
        return Image.fromarray(kept) if isinstance(kept, np.ndarray) else kept


def check_pixels(pixels: np.ndarray) -> None:
    """Raise `ImageError` unless `pixels` is uint8 (H, W, 3) and not empty."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ImageError(f"Expected pixels of type uint8 and shape (H, W, 3). Received: {pixels.dtype} {pixels.shape}.")
