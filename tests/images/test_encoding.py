"""Pixels as files."""

import numpy as np
import pytest

from imgrec.errors import ImageError
from imgrec.images import encoding
from imgrec.images.decoding import decode


def test_png_is_exact_and_jpeg_is_near() -> None:
    rows, columns = np.mgrid[0:64, 0:48]
    pixels = np.stack([4 * rows, 5 * columns, rows + columns], axis=2).astype(np.uint8)
    assert (decode(encoding.to_png(pixels), max_bytes=100_000).pixels == pixels).all()
    near = decode(encoding.to_jpeg(pixels), max_bytes=100_000)
    assert near.format == "JPEG"
    assert np.abs(near.pixels.astype(int) - pixels).mean() < 4


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(ImageError, match="uint8"):
        encoding.to_png(np.zeros((4, 4, 3)))
