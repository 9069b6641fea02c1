"""Colors for numbers: viridis, whose lightness grows with the value, for those that see few or no hues too."""

import numpy as np

# Viridis as a polynomial of degree 6 for each of red, green and blue (Matt Zucker, CC0); at most 3 of 255 off.
_VIRIDIS = np.array(
    [
        [0.2777273272234177, 0.005407344544966578, 0.3340998053353061],
        [0.1050930431085774, 1.404613529898575, 1.384590162594685],
        [-0.3308618287255563, 0.214847559468213, 0.09509516302823659],
        [-4.634230498983486, -5.799100973351585, -19.33244095627987],
        [6.228269936347081, 14.17993336680509, 56.69055260068105],
        [4.776384997670288, -13.74514537774601, -65.35303263337234],
        [-5.435455855934631, 4.645852612178535, 26.3124352495832],
    ]
)


def viridis(values: np.ndarray) -> np.ndarray:
    """Return uint8 (..., 3) for `values` in [0, 1], of any shape; values outside have the color of the nearest end."""
    powers = np.clip(values, 0, 1)[..., np.newaxis] ** np.arange(len(_VIRIDIS))
    return np.asarray(np.rint(255 * np.clip(powers @ _VIRIDIS, 0, 1)), np.uint8)


def stretched(values: np.ndarray) -> np.ndarray:
    """Return `values` shifted and scaled to [0, 1] as float32; 0 everywhere where all are equal."""
    low, high = float(values.min()), float(values.max())
    return np.asarray((values - low) / (high - low) if high > low else np.zeros_like(values), np.float32)
