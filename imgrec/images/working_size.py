"""How much of an image is kept: its short side as long as the largest network needs, and never more than 8 MB."""

import math

from PIL import Image

# The short side below which decoding never reduces an image. The largest short side that a catalog entry
# needs is 632 px (EfficientNetB7: input 600, crop fraction 0.949), so one decode serves every model.
WORKING_SIDE_PX = 640

# What a decoded image takes at most, whatever its shape: a visitor keeps several, and a server those of many visitors.
# A photo at working size takes 1.5 to 7 MB; a panorama up to 6.5 times as long as high fits at `WORKING_SIDE_PX`.
MAX_KEPT_BYTES = 8_000_000


def reduction(width: int, height: int) -> int:
    """Return the largest whole factor that leaves the short side `WORKING_SIDE_PX`; 1 for smaller images."""
    return max(1, min(width, height) // WORKING_SIDE_PX)


def fit(image: Image.Image) -> list[Image.Image]:
    """Return `image`, already reduced by `reduction`, alone unless it takes more than `MAX_KEPT_BYTES` in RGB.

    Then it is reduced further; where that makes its short side too small, the middle square follows at
    `WORKING_SIDE_PX`.
    """
    parts = [_fitted(image, MAX_KEPT_BYTES)]
    side = min(WORKING_SIDE_PX, *image.size)
    if min(parts[0].size) < side:
        width, height = image.size
        left, top = (width - min(image.size)) / 2, (height - min(image.size)) / 2
        center = image.resize((side, side), Image.Resampling.BICUBIC, (left, top, width - left, height - top))
        parts = [_fitted(image, MAX_KEPT_BYTES - 3 * side * side), center]
    return parts


def _fitted(image: Image.Image, max_bytes: int) -> Image.Image:
    """Return `image`, reduced in its shape where its pixels take more than `max_bytes` in RGB."""
    short, long = sorted(image.size)
    scale = math.sqrt(max_bytes / (3 * short * long))
    if scale >= 1:
        return image
    short = max(1, int(short * scale))
    size = short, min(int(long * scale), max_bytes // (3 * short))
    return image.resize(size if image.width <= image.height else size[::-1], Image.Resampling.BICUBIC)
