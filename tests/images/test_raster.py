"""Pixels, as decoded or as an array: the same values either way, and checked."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from imgrec.errors import ImageError
from imgrec.images.preprocessing import frame
from imgrec.images.raster import Raster
from tests.images.test_decoding import encoded, opened, panorama


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def test_an_array_and_an_image_hold_the_same_pixels_and_come_back_as_they_were() -> None:
    pixels = noise(7, 5)
    for source in (pixels, Image.fromarray(pixels)):
        raster = Raster(source)
        assert raster.shape == (5, 7, 3)
        np.testing.assert_array_equal(np.asarray(raster.to_image()), pixels)
        np.testing.assert_array_equal(raster.array, pixels)
        np.testing.assert_array_equal(np.asarray(raster.to_image()), pixels)
        assert not raster.array.flags.writeable


def test_an_array_is_made_once_and_the_image_not_kept_beside_it() -> None:
    image = Image.fromarray(noise(7, 5))
    raster = Raster(image)
    assert raster.to_image() is image
    first = raster.array
    assert raster.array is first
    assert raster.to_image() is not image


def test_many_threads_that_ask_at_once_get_the_same_values() -> None:
    pixels = noise(300, 200)

    def read(raster: Raster, number: int) -> np.ndarray:
        return raster.array if number % 2 else np.asarray(raster.to_image())

    with ThreadPoolExecutor(8) as threads:
        for _ in range(20):
            arrays = threads.map(read, [Raster(Image.fromarray(pixels))] * 8, range(8))
            assert all((array == pixels).all() for array in arrays)


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK"])
def test_an_image_that_is_not_in_rgb_is_refused(mode: str) -> None:
    with pytest.raises(ImageError, match="Expected an image in RGB"):
        Raster(Image.new(mode, (2, 2)))


@pytest.mark.parametrize("framing", ["crop", "squash", "letterbox"])
def test_what_a_network_is_given_does_not_depend_on_the_form_of_the_pixels(framing: str) -> None:
    decoded = opened(encoded(panorama(800, 648), "PNG"))
    as_decoded = frame(decoded, (224, 224), 0.875, framing)
    np.testing.assert_array_equal(as_decoded, frame(decoded.pixels, (224, 224), 0.875, framing))
    np.testing.assert_array_equal(as_decoded, frame(decoded, (224, 224), 0.875, framing))
