"""First layers that are computed from the training images instead of trained.

Featurewise normalization gives each channel the mean 0 and the deviation 1. Whitening does more: neighboring pixels
of photographs are nearly equal, and a layer that first decorrelates them saves the rest of the network several
epochs of finding that out (Keller Jordan, *94 % on CIFAR-10 in 3.29 seconds*, 2024, §3.2). Both are part of the
network, so that training, validation, test and serving all include them.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from imgrec.images.preprocessing import PREPROCESS

# Directions with next to no variance are noise; without a floor they would be blown up to unit variance.
VARIANCE_FLOOR = 5e-4

# As Keras' ImageDataGenerator adds to a deviation: a channel that never changes is not divided by zero.
DEVIATION_FLOOR = 1e-6

# (mean, standard deviation) of each channel of what a network is fed.
Statistics = tuple[tuple[float, ...], tuple[float, ...]]


def channel_statistics(pixels: np.ndarray, preprocess: str) -> Statistics:
    """Mean and standard deviation of each channel of uint8 (N, H, W, 3), in the units of `preprocess`.

    Exact, from a histogram: the images need not fit into memory as floats.
    """
    rule = PREPROCESS[preprocess]
    means, deviations = [], []
    values = np.arange(256, dtype=np.float64)
    order = (2, 1, 0) if rule.reverse_channels else (0, 1, 2)
    for channel, mean, scale in zip(order, rule.mean, rule.scale, strict=True):
        # A thousand images at a time: `bincount` makes eight bytes of each value.
        parts = (pixels[start : start + 1000, ..., channel] for start in range(0, len(pixels), 1000))
        counts = sum(np.bincount(part.reshape(-1), minlength=256) for part in parts)
        shares = counts / np.sum(counts)
        average = float(shares @ values)
        means.append((average - mean) / scale)
        deviations.append(float(np.sqrt(shares @ (values - average) ** 2)) / scale + DEVIATION_FLOOR)
    return tuple(means), tuple(deviations)


def whitening_kernel(images: np.ndarray, patch_px: int) -> np.ndarray:
    """Convolution kernel float32 (patch, patch, 3, 2 * patch * patch * 3) from normalized images float (N, H, W, 3).

    Its outputs for a patch are the patch's principal components, scaled to unit variance, and their negatives
    (the rectifier that follows would lose half of them otherwise).
    """
    windows = sliding_window_view(images, (patch_px, patch_px), axis=(1, 2))
    patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, patch_px * patch_px * 3).astype(np.float64)
    covariance = patches.T @ patches / len(patches)
    variances, directions = np.linalg.eigh(covariance)
    scaled = directions / np.sqrt(variances + VARIANCE_FLOOR)
    kernel = np.concatenate([scaled, -scaled], axis=1)
    return kernel.reshape(patch_px, patch_px, 3, -1).astype(np.float32)
