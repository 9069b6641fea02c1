"""The maps of one image as images, all on one scale: for files and for reports."""

from collections.abc import Sequence

import numpy as np

from imgrec.errors import ImgrecError
from imgrec.explanation import explanation, overlay
from imgrec.explanation.alignment import on_image
from imgrec.explanation.attribution import DEFAULT_METHOD, METHODS, Attribution
from imgrec.explanation.map_figures import measure_map
from imgrec.formatting import percent
from imgrec.images.decoding import DecodedImage
from imgrec.images.encoding import to_png
from imgrec.images.preprocessing import frame
from imgrec.inference.pool import EnginePool
from imgrec.inference.request import Options
from imgrec.reports.html_report import Map

# Of the longer side of an image, which is not enlarged.
FILE_SIDE_PX = 640
REPORT_SIDE_PX = 360

OPACITY = 0.8


def draw_all(image: DecodedImage, maps: Sequence[Attribution], side_px: int = FILE_SIDE_PX) -> list[np.ndarray]:
    """Return each map over the photo, uint8 (H, W, 3), its longer side at most `side_px`."""
    height, width = image.size_px
    shrunk = min(1.0, side_px / max(height, width))
    size = max(1, round(height * shrunk)), max(1, round(width * shrunk))
    photo = frame(image, size, 1.0, "squash")
    values = [on_image(one, size) for one in maps]
    scale = overlay.common_scale(values)
    return [overlay.draw(photo, one, scale, opacity=OPACITY) for one in values]


def report_maps(image: DecodedImage, options: Options, pool: EnginePool) -> tuple[tuple[Map, ...], str]:
    """Return the maps of the ensemble's first class for a report, and what a reader must know of them.

    Without a map, the second says why.
    """
    try:
        found = explanation.explain(image, options, pool)
    except ImgrecError as error:
        return (), str(error)
    method = METHODS[DEFAULT_METHOD]
    scale = overlay.common_scale(one.values for one in found.maps)
    said = [
        f"{method.title}, in {method.unit}. One scale for all, from {_figure(scale.low)} to {_figure(scale.high)}: "
        "dark red to yellow speaks for the class, dark blue to sky against it; what a model did not see is gray.",
        *(f"{failure.title or failure.model}: {failure.error}" for failure in found.failures),
    ]
    images = draw_all(image, found.maps, REPORT_SIDE_PX)
    maps = tuple(
        Map(
            f"{one.title}: {one.target.label}, {percent(one.probability)}",
            to_png(pixels),
            f"{one.title}, {one.target.label}: {measure_map(one).sentence}",
        )
        for one, pixels in zip(found.maps, images, strict=True)
    )
    return maps, " ".join(said)


def _figure(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
