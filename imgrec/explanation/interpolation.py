"""Values of a grid between the centers of its cells."""

import numpy as np


def enlarge(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return `values`, float (h, w), at `size`, (height, width), interpolated linearly: float32.

    A value is that of the center of its cell; beyond the outer centers it is constant.
    """
    return sample(values, *((np.arange(count) + 0.5) / count for count in size))


def sample(values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return `values`, float (h, w), at the places `rows` (H,) and `columns` (W,): float32 (H, W).

    A place is 0 at one edge of the grid and 1 at the other; outside, the nearest value is taken.
    """
    height, width = values.shape
    above, below, row_parts = _neighbors(rows, height)
    left, right, column_parts = _neighbors(columns, width)
    mixed = values[above] * (1 - row_parts)[:, None] + values[below] * row_parts[:, None]
    return np.asarray(mixed[:, left] * (1 - column_parts) + mixed[:, right] * column_parts, np.float32)


def _neighbors(places: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the cells before and after each place, and how far it is from the first to the second, in [0, 1)."""
    exact = np.clip(places * count - 0.5, 0, count - 1)
    first = np.floor(exact).astype(int)
    return first, np.minimum(first + 1, count - 1), exact - first
