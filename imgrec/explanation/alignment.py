"""Maps on the original image, each through the resize and crop of its model, and the mean of several."""

from collections.abc import Sequence

import numpy as np

from imgrec.errors import InputError
from imgrec.explanation.attribution import Attribution
from imgrec.explanation.interpolation import sample
from imgrec.predictions.ensembles import ENSEMBLE

# The longer side of the mean of several maps, in px: finer than any grid.
FUSED_SIDE_PX = 256


def on_image(found: Attribution, size_px: tuple[int, int]) -> np.ndarray:
    """Return the map of `found` on the whole image, drawn at `size_px`: float32, NaN where the model saw nothing.

    `size_px` is (height, width), of any scale.
    """
    left, top, right, bottom = found.box
    edges = ((top, bottom), (left, right))
    rows, columns = (
        ((np.arange(count) + 0.5) * full / count - start) / (end - start)
        for count, full, (start, end) in zip(size_px, found.size_px, edges, strict=True)
    )
    is_seen = [(places >= 0) & (places <= 1) for places in (rows, columns)]
    return np.where(np.outer(*is_seen), sample(found.values, rows, columns), np.float32(np.nan))


def fuse(found: Sequence[Attribution], weights: Sequence[float] | None = None) -> Attribution:
    """Return the mean of maps of one target and method, on the whole image, weighted before any scaling.

    Where some models saw nothing, the mean is that of the others; where none did, it is NaN.

    Args:
        found: One map or more, of one image.
        weights: One for each map, 0 or more, not all 0; None for equal ones.

    Raises:
        InputError: No map, or weights that do not fit.
    """
    shares = np.asarray([1.0] * len(found) if weights is None else weights, np.float64)
    if not found or shares.shape != (len(found),) or not (np.all(shares >= 0) and shares.sum() > 0):
        raise InputError(f"Expected maps, and weights of 0 or more for each. Received: {len(found)} maps, {weights}.")
    height, width = found[0].size_px
    scale = min(1.0, FUSED_SIDE_PX / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    maps = np.stack([on_image(one, size) for one in found])
    counted = np.isfinite(maps) * shares[:, None, None]
    total = counted.sum(axis=0)
    sums = (np.nan_to_num(maps) * counted).sum(axis=0)
    mean = np.divide(sums, total, out=np.full(size, np.nan), where=total > 0).astype(np.float32)
    return Attribution(
        model=ENSEMBLE,
        title="Ensemble",
        target=found[0].target,
        method=found[0].method,
        values=mean,
        box=(0.0, 0.0, float(width), float(height)),
        size_px=(height, width),
        probability=float(np.average([one.probability for one in found], weights=shares)),
        milliseconds=sum(one.milliseconds for one in found),
    )
