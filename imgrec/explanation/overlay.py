"""A map over its photo: colors on a common scale, opacity, a contour.

What speaks for the target is drawn from dark red to yellow, what speaks against it from dark blue to sky; both grow
lighter with the strength. Where a map has colors, the photo below is gray, so that a color is always that of the map.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# Color at strengths 0, 1/2 and 1.
FOR = np.array([[150, 20, 40], [240, 120, 20], [255, 240, 120]], np.float32)
AGAINST = np.array([[20, 40, 120], [20, 120, 220], [140, 215, 255]], np.float32)

# Weak values are drawn weaker than in proportion would be seen: a strength of a quarter has half of the opacity.
GAMMA = 0.5

# What the network did not see is gray, and darkened to this share of its brightness.
UNSEEN = 0.35

# A contour encloses values from this share of the largest one of its map on; a dark and a light line, each so wide.
CONTOUR = 0.5
LINE_PX = 2

# Luminance of sRGB values, without undoing their curve: for a gray that looks as bright.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class Scale:
    """The values with the strongest colors, at the same distance `reach` from 0, which has none.

    `low` and `high` are the smallest and the largest value, or 0 where that is beyond them.
    """

    reach: float
    low: float
    high: float


def common_scale(maps: Iterable[np.ndarray]) -> Scale:
    """Return one scale for several maps, float (h, w), NaN where there is no value."""
    values = np.concatenate([[0.0], *(found[np.isfinite(found)].ravel() for found in maps)])
    low, high = float(values.min()), float(values.max())
    return Scale(max(high, -low) or 1.0, low, high)


def draw(photo: np.ndarray, values: np.ndarray, scale: Scale, *, opacity: float, contour: bool = False) -> np.ndarray:
    """Draw a map over its photo.

    Args:
        photo: uint8 (H, W, 3).
        values: float (H, W), NaN where the network saw nothing.
        scale: See `common_scale`.
        opacity: Of the strongest color, in [0, 1]; at 0 the photo is as it was, but for what was not seen.
        contour: Whether a line encloses the largest values.

    Returns:
        uint8 (H, W, 3).
    """
    is_seen = np.isfinite(values)
    strength = np.clip(np.nan_to_num(values) / scale.reach, -1, 1)
    color = np.where(strength[..., None] < 0, ramp(-strength, AGAINST), ramp(strength, FOR))
    alpha = (opacity * np.abs(strength) ** GAMMA)[..., None]
    below = photo.astype(np.float32)
    gray = (below @ _LUMA)[..., None]
    # Gray before the first color shows, so that it is not mixed with that of the photo.
    below += (gray - below) * min(1.0, 2 * opacity)
    mixed = below + (color - below) * alpha
    mixed[~is_seen] = (gray * UNSEEN)[~is_seen]
    drawn: np.ndarray = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    if contour:
        _draw_contour(drawn, is_seen & (strength > 0) & (strength >= CONTOUR * strength.max()))
    return drawn


def ramp(strength: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Return float32 (..., 3) for strengths in [0, 1]; values outside have the color of the nearest end."""
    places = np.linspace(0, 1, len(colors))
    channels = [np.interp(strength, places, colors[:, channel]) for channel in range(3)]
    return np.asarray(np.stack(channels, axis=-1), np.float32)


def legend(scale: Scale, width: int) -> np.ndarray:
    """Return the colors from the lowest to the highest value as uint8 (width, 3), as they are over a middle gray."""
    values = np.linspace(scale.low, scale.high, width)[None]
    found: np.ndarray = draw(np.full((1, width, 3), 128, np.uint8), values, scale, opacity=1.0)[0]
    return found


def _draw_contour(drawn: np.ndarray, inside: np.ndarray) -> None:
    """Draw a dark line around `inside`, bool (H, W), and a light one within it, so that one of them is seen."""
    smaller = inside
    for color in (0, 255):
        larger, smaller = smaller, _eroded(smaller)
        drawn[larger & ~smaller] = color


def _eroded(inside: np.ndarray) -> np.ndarray:
    """Return `inside` without the `LINE_PX` px at its edges; the edges of the image are none."""
    found = inside
    for _ in range(LINE_PX):
        padded = np.pad(found, 1, mode="edge")
        found = found & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return found
