"""Pixels as files: PNG for what must stay exact, JPEG for what is only looked at."""

import io

import numpy as np
from PIL import Image

from imgrec.images.decoding import check_pixels

JPEG_QUALITY = 88


def to_png(pixels: np.ndarray) -> bytes:
    """Return `pixels`, uint8 (H, W, 3), as a PNG file."""
    return _encode(pixels, "PNG", optimize=True)


def to_jpeg(pixels: np.ndarray) -> bytes:
    """Return `pixels`, uint8 (H, W, 3), as a JPEG file."""
    return _encode(pixels, "JPEG", quality=JPEG_QUALITY)


def _encode(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    check_pixels(pixels)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()
