"""A large image, reduced band by band: no step between a decoder and the working size holds a second whole image."""

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from imgrec.errors import ImageError
from imgrec.images import color

# A band has about so many pixels: 4 MB in Pillow.
BAND_PIXELS = 1_000_000

# The rows from `top` to before `bottom` of a decoded image, in its full width.
Band = Callable[[int, int], Image.Image]


def of_image(image: Image.Image) -> Band:
    """Return the bands of a whole Pillow image, with its palette and its transparent color."""
    return lambda top, bottom: (
        image if (top, bottom) == (0, image.height) else image.crop((0, top, image.width, bottom))
    )


def of_bytes(mode: str, size: tuple[int, int], data: bytes | memoryview, stride_bytes: int | None = None) -> Band:
    """Return the bands of rows of `mode` that lie in `data`, each `stride_bytes` long; `size` is (width, height).

    Raises `ImageError` when `data` is too short.
    """
    width, height = size
    row_bytes = width * len(Image.new(mode, (1, 1)).getbands())
    step = stride_bytes or row_bytes
    view = memoryview(data)
    if step < row_bytes or len(view) < step * (height - 1) + row_bytes:
        raise ImageError("The image is damaged: it has fewer pixels than its header says.")

    def band(top: int, bottom: int) -> Image.Image:
        rows = view[top * step : bottom * step]
        return Image.frombytes(mode, (width, bottom - top), rows, "raw", mode, step)

    return band


def reduce(band: Band, size: tuple[int, int], factor: int, bit_depth: int, notes: list[str]) -> Image.Image:
    """Return an image of `size` (width, height) in 8 bits, `factor` × `factor` pixels averaged to one: L, RGB or CMYK.

    The same as `color.to_8_bit` and `Image.reduce` of the whole; the last column and row may average fewer pixels.
    """
    width, height = size
    edges = _edges(width, height, factor)
    first = band(*edges[0])
    limits = _limits(band(top, bottom) for top, bottom in edges) if first.mode in color.STRETCHED else None
    small: Image.Image | None = None
    for top, bottom in edges:
        said: list[str] = []
        plain = color.to_8_bit(band(top, bottom), bit_depth, said, limits)
        notes += [note for note in said if note not in notes]
        part = plain.reduce(factor) if factor > 1 else plain
        if len(edges) == 1:
            return part
        if small is None:
            small = Image.new(part.mode, (part.width, -(-height // factor)))
        small.paste(part, (0, top // factor))
    if small is None:
        raise ImageError("The image has no rows.")
    return small


def _edges(width: int, height: int, factor: int) -> list[tuple[int, int]]:
    """Return (top, bottom) of bands of about `BAND_PIXELS`, each but the last a multiple of `factor` high."""
    rows = max(1, BAND_PIXELS // (width * factor)) * factor
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]


def _limits(parts: Iterator[Image.Image]) -> tuple[float, float]:
    """Return the least and the greatest value of all parts; NaN where one has it."""
    ends = [(values.min(), values.max()) for values in (np.asarray(part, dtype=np.float32) for part in parts)]
    return float(np.min([least for least, _ in ends])), float(np.max([greatest for _, greatest in ends]))
