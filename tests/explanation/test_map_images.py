"""Maps as images: all on one scale, each with its words."""

import io

import numpy as np
from PIL import Image

from imgrec.explanation import explanation
from imgrec.explanation.map_images import REPORT_SIDE_PX, draw_all, report_maps
from imgrec.images.decoding import DecodedImage
from imgrec.images.raster import Raster
from imgrec.inference.pool import EnginePool
from imgrec.inference.request import Options
from tests.explanation.conftest import BLIND, BROKEN, SPEC


def decoded(pixels: np.ndarray) -> DecodedImage:
    return DecodedImage(Raster(pixels), "PNG", "ab", (), pixels.shape[:2])


def test_a_map_has_the_size_of_its_image_and_is_never_larger(pool: EnginePool, image: np.ndarray) -> None:
    whole = decoded(image)
    maps = explanation.explain(whole, Options((SPEC,)), pool).maps
    assert [pixels.shape for pixels in draw_all(whole, maps)] == [image.shape]
    assert [pixels.shape for pixels in draw_all(whole, maps, side_px=8)] == [(8, 8, 3)]


def test_the_light_half_has_the_color(pool: EnginePool, image: np.ndarray) -> None:
    whole = decoded(image)
    (drawn,) = draw_all(whole, explanation.explain(whole, Options((SPEC,)), pool).maps)
    colored = np.ptp(drawn.astype(int), axis=2)
    assert colored[:, 16:].mean() > 2 * colored[:, :16].mean()


def test_a_report_has_maps_with_words_and_a_note(pool: EnginePool, image: np.ndarray) -> None:
    maps, note = report_maps(decoded(image), Options((SPEC, BROKEN)), pool)
    assert len(maps) == 1
    assert maps[0].title.startswith("LIGHT: goldfish, ")
    assert "strongest at" in maps[0].alt
    opened = Image.open(io.BytesIO(maps[0].png))
    assert (opened.format, max(opened.size)) == ("PNG", min(REPORT_SIDE_PX, image.shape[0]))
    assert "One scale for all, from " in note
    assert "BROKEN: Expected a network. Received: nothing." in note


def test_without_a_map_the_note_says_why(pool: EnginePool, image: np.ndarray) -> None:
    maps, note = report_maps(decoded(image), Options((BROKEN,)), pool)
    assert (maps, note) == ((), "Expected a network. Received: nothing.")
    maps, note = report_maps(decoded(image), Options((BLIND,)), pool)
    assert maps == ()
    assert note
