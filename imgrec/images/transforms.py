"""Changes of an image that keep its size: blur, rotation, a JPEG of it, large squares. Arrays in, arrays out.

All take and return uint8 (H, W, 3).
"""

import io
import math

import numpy as np
from PIL import Image, ImageFilter


def blur(pixels: np.ndarray, radius_px: float) -> np.ndarray:
    """Return `pixels` with a Gaussian blur of this standard deviation."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius_px)))


def rotate(pixels: np.ndarray, degrees: float) -> np.ndarray:
    """Return `pixels` turned counterclockwise around the center; the mirrored image fills the corners."""
    height, width = pixels.shape[:2]
    # So much of the mirrored image is needed on each side that no corner stays empty.
    turn = math.radians(degrees)
    sine, cosine = abs(math.sin(turn)), abs(math.cos(turn))
    above = min(height, max(0, math.ceil((width * sine + height * cosine - height) / 2)) + 1)
    beside = min(width, max(0, math.ceil((height * sine + width * cosine - width) / 2)) + 1)
    wide = np.pad(pixels, ((above, above), (beside, beside), (0, 0)), mode="symmetric")
    turned = Image.fromarray(wide).rotate(degrees, Image.Resampling.BILINEAR)
    return np.asarray(turned)[above : above + height, beside : beside + width]


def recompress(pixels: np.ndarray, quality: int) -> np.ndarray:
    """Return `pixels` as they are after they were saved as a JPEG; `quality` from 1 to 95."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def pixelate(pixels: np.ndarray, side_px: float) -> np.ndarray:
    """Return `pixels` in squares of about `side_px`, each of the mean color of what it covers."""
    height, width = pixels.shape[:2]
    image = Image.fromarray(pixels)
    small = image.resize((max(1, round(width / side_px)), max(1, round(height / side_px))), Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.NEAREST))


def reduce(pixels: np.ndarray, short_side_px: int) -> np.ndarray:
    """Return `pixels` reduced so that the short side has `short_side_px`; as they are where it has no more."""
    height, width = pixels.shape[:2]
    factor = short_side_px / min(height, width)
    if factor >= 1:
        return pixels
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
