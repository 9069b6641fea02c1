import numpy as np
import pytest

from imgrec.images import transforms


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def test_a_blur_takes_contrast_and_keeps_the_mean(pixels: np.ndarray) -> None:
    blurred = transforms.blur(pixels, 2)
    assert blurred.shape == pixels.shape
    assert blurred.std() < pixels.std() / 3
    assert blurred.mean() == pytest.approx(pixels.mean(), abs=1.5)


def test_a_full_turn_is_the_image_and_half_a_turn_is_upside_down(pixels: np.ndarray) -> None:
    assert (transforms.rotate(pixels, 0) == pixels).all()
    assert (transforms.rotate(pixels, 180) == pixels[::-1, ::-1]).all()


@pytest.mark.parametrize("degrees", [10, 45, 90, -65])
def test_a_turned_image_has_no_empty_corner(degrees: float) -> None:
    white = np.full((40, 60, 3), 255, np.uint8)
    assert (transforms.rotate(white, degrees) == 255).all()


def test_a_rotation_is_counterclockwise() -> None:
    square = np.zeros((40, 40, 3), np.uint8)
    square[:20, 15:25] = 255  # the hand of a clock at 12
    turned = transforms.rotate(square, 90)
    assert turned[20, 5].mean() > 200
    assert turned[5, 20].mean() < 50


def test_a_jpeg_of_low_quality_differs_more(pixels: np.ndarray) -> None:
    errors = [np.abs(transforms.recompress(pixels, q).astype(int) - pixels).mean() for q in (90, 30, 4)]
    assert errors == sorted(errors)


def test_squares_have_one_color_each(pixels: np.ndarray) -> None:
    found = transforms.pixelate(pixels, 10)
    for row in range(0, 40, 10):
        for column in range(0, 60, 10):
            square = found[row : row + 10, column : column + 10]
            assert (square == square[0, 0]).all()
            mean = pixels[row : row + 10, column : column + 10].mean(axis=(0, 1))
            assert square[0, 0] == pytest.approx(mean, abs=1)


def test_small_images_are_not_enlarged(pixels: np.ndarray) -> None:
    assert transforms.reduce(pixels, 256) is pixels
    assert transforms.reduce(pixels, 20).shape == (20, 30, 3)
