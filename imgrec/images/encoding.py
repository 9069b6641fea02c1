"""Pixels as files, and files in addresses: PNG for what must stay exact, JPEG for what is only looked at."""

import base64
import io

import numpy as np
from PIL import Image

from imgrec.images.raster import check_pixels

JPEG_QUALITY = 88


def to_png(pixels: np.ndarray) -> bytes:
    """Return `pixels`, uint8 (H, W, 3), as a PNG file."""
    return _encode(pixels, "PNG", optimize=True)


def to_jpeg(pixels: np.ndarray) -> bytes:
    """Return `pixels`, uint8 (H, W, 3), as a JPEG file."""
    return _encode(pixels, "JPEG", quality=JPEG_QUALITY)


def data_url(image: bytes) -> str:
    """Return a PNG, WebP or JPEG file as an address that holds it."""
    kind = "png" if image.startswith(b"\x89PNG") else "webp" if image[8:12] == b"WEBP" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"


def _encode(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    check_pixels(pixels)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()
