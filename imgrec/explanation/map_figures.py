"""What a map says in numbers: its extremes, the place of its peak, and its share in each quarter of the image."""

from dataclasses import dataclass

import numpy as np

from imgrec.explanation.alignment import on_image
from imgrec.explanation.attribution import Attribution

# The longer side of the grid on the image from which figures are taken, finer than any map.
SIDE = 192

QUARTERS = ("upper left", "upper right", "lower left", "lower right")


@dataclass(frozen=True, slots=True)
class MapFigures:
    """The figures of one map.

    `least` and `most` are its extremes, in the unit of its method. `peak` is the place of the largest value as (x, y),
    each in [0, 1] from the upper left corner of the image. `quarters` are the shares of what speaks for the target in
    the order of `QUARTERS`, all 0 where nothing does.
    """

    least: float
    most: float
    peak: tuple[float, float]
    quarters: tuple[float, float, float, float]

    @property
    def sentence(self) -> str:
        """The figures for a reader that does not see the map."""
        x, y = self.peak
        place = f"strongest at {100 * x:.0f} % from the left and {100 * y:.0f} % from the top"
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in zip(QUARTERS, self.quarters, strict=True))
        return f"values from {self.least:.2f} to {self.most:.2f}, {place}; in the quarters: {shares}"


def measure_map(found: Attribution) -> MapFigures:
    """Return the figures of `found`; values above 0 speak for the target."""
    height, width = found.size_px
    scale = SIDE / max(height, width)
    # An even number of rows and columns, so that quarters are equal.
    rows, columns = (2 * max(1, round(side * scale / 2)) for side in (height, width))
    values = on_image(found, (rows, columns))
    row, column = np.unravel_index(np.nanargmax(values), values.shape)
    amounts = np.maximum(np.nan_to_num(values), 0)
    sums = amounts.reshape(2, rows // 2, 2, columns // 2).sum(axis=(1, 3)).ravel()
    shares = sums / sums.sum() if sums.sum() > 0 else np.zeros(4)
    upper_left, upper_right, lower_left, lower_right = (float(share) for share in shares)
    return MapFigures(
        least=float(np.nanmin(values)),
        most=float(np.nanmax(values)),
        peak=((float(column) + 0.5) / columns, (float(row) + 0.5) / rows),
        quarters=(upper_left, upper_right, lower_left, lower_right),
    )
