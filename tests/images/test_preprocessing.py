"""What a network is fed: framing against resize-then-crop, normalization against Keras and by hand."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgrec.errors import InputError, UnknownNameError
from imgrec.images.decoding import DecodedImage
from imgrec.images.preprocessing import (
    FRAMINGS,
    LETTERBOX_COLOR,
    PREPROCESS,
    RESAMPLING,
    RESAMPLINGS,
    denormalize,
    frame,
    normalize,
)
from imgrec.images.raster import Raster


def random_pixels(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise made smooth enough that a photo's neighbors are as alike: uint8 (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def resized_then_cropped(pixels: np.ndarray, side: int, crop_fraction: float) -> np.ndarray:
    """The textbook's two steps for a square input: the short side resized, then the center cut out."""
    short = round(side / crop_fraction)
    height, width = pixels.shape[:2]
    if width < height:
        width, height = short, round(height * short / width)
    else:
        width, height = round(width * short / height), short
    left, top = (width - side) // 2, (height - side) // 2
    resized = Image.fromarray(pixels).resize((width, height), RESAMPLING)
    return np.asarray(resized.crop((left, top, left + side, top + side)))


@pytest.mark.parametrize(
    ("height", "width", "side", "crop_fraction"),
    [
        (256, 341, 224, 0.875),
        (480, 640, 224, 0.875),
        (640, 480, 299, 0.875),
        (641, 1139, 224, 0.875),
        (100, 90, 224, 0.875),
        (40, 800, 224, 0.875),
        (800, 40, 128, 0.875),
        (1, 1, 224, 0.875),
        (300, 300, 300, 1.0),
        (77, 500, 160, 0.95),
    ],
)
def test_crop_is_resize_then_crop_in_one_step(height: int, width: int, side: int, crop_fraction: float) -> None:
    pixels = random_pixels(height, width)

    framed = frame(pixels, (side, side), crop_fraction)

    difference = np.abs(framed.astype(int) - resized_then_cropped(pixels, side, crop_fraction).astype(int))
    assert framed.shape == (side, side, 3)
    assert framed.dtype == np.uint8
    assert difference.max() <= 2  # the filter's weights are rounded to 22 bits, each pass to 8


def test_a_image_of_the_right_size_is_only_cut() -> None:
    pixels = random_pixels(256, 341)

    np.testing.assert_array_equal(frame(pixels, (224, 224), 0.875), pixels[16:240, 58:282])


def test_squash_shows_the_whole_image() -> None:
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[:, :30] = 255  # the left tenth, which a center crop does not reach

    squashed = frame(pixels, (200, 200), 0.875, "squash")

    assert squashed[:, :15].min() == 255
    assert squashed[:, 25:].max() == 0
    assert frame(pixels, (200, 200), 0.875).max() == 0


def test_an_input_that_is_not_square_keeps_the_shape_of_things() -> None:
    pixels = np.zeros((400, 400, 3), np.uint8)
    pixels[150:250, 150:250] = 255  # a square of 100 px

    framed = frame(pixels, (100, 200), 1.0)

    rows, columns = np.nonzero(framed[..., 0] > 127)
    assert framed.shape == (100, 200, 3)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (50, 50)
    assert (rows.min(), columns.min()) == (25, 75)


@given(
    height=st.integers(1, 900),
    width=st.integers(1, 900),
    input_size=st.tuples(st.integers(1, 331), st.integers(1, 331)),
    crop_fraction=st.floats(0.1, 1.0),
    framing=st.sampled_from(sorted(FRAMINGS)),
)
@settings(max_examples=80, deadline=None)
def test_every_shape_fits_and_one_color_stays_one_color(
    height: int, width: int, input_size: tuple[int, int], crop_fraction: float, framing: str
) -> None:
    pixels = np.full((height, width, 3), (10, 100, 200), np.uint8)

    framed = frame(pixels, input_size, crop_fraction, framing)

    assert framed.shape == (*input_size, 3)
    assert np.all(framed == (10, 100, 200))


def test_a_decoded_image_and_its_pixels_are_framed_alike_and_left_alone() -> None:
    pixels = random_pixels(120, 150)
    before = hashlib.sha256(pixels.tobytes()).hexdigest()
    image = DecodedImage(Raster(pixels), "PNG", "0" * 64, (), (120, 150))

    np.testing.assert_array_equal(frame(image, (96, 96), 0.875), frame(pixels, (96, 96), 0.875))
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == before


@pytest.mark.parametrize(
    ("pixels", "input_size", "crop_fraction"),
    [
        (np.zeros((8, 8, 3)), (4, 4), 1.0),
        (np.zeros((8, 8), np.uint8), (4, 4), 1.0),
        (np.zeros((8, 8, 4), np.uint8), (4, 4), 1.0),
        (np.zeros((0, 8, 3), np.uint8), (4, 4), 1.0),
        (np.zeros((8, 8, 3), np.uint8), (0, 4), 1.0),
        (np.zeros((8, 8, 3), np.uint8), (4, 4), 0.0),
        (np.zeros((8, 8, 3), np.uint8), (4, 4), 1.1),
        (np.zeros((8, 8, 3), np.uint8), (4, 4), float("nan")),
    ],
    ids=["floats", "grey", "alpha", "empty", "no height", "no crop", "crop beyond", "NaN"],
)
def test_what_cannot_be_framed_is_refused(
    pixels: np.ndarray, input_size: tuple[int, int], crop_fraction: float
) -> None:
    with pytest.raises(InputError, match=r"^Expected .*Received: "):
        frame(pixels, input_size, crop_fraction)


def test_an_unknown_framing_or_mode_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="squash"):
        frame(random_pixels(8, 8), (4, 4), 1.0, "squish")
    with pytest.raises(UnknownNameError, match="caffe"):
        normalize(np.zeros((1, 2, 2, 3), np.uint8), "cafe")


# One pixel (R, G, B) = (255, 0, 128) by hand.
BY_HAND = {
    "caffe": (128 - 103.939, 0 - 116.779, 255 - 123.68),
    "tf": (1.0, -1.0, 128 / 127.5 - 1),
    "torch": ((1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (128 / 255 - 0.406) / 0.225),
    "identity": (255.0, 0.0, 128.0),
    "unit": (1.0, 0.0, 128 / 255),
}


@pytest.mark.parametrize("mode", PREPROCESS)
def test_normalization_by_hand(mode: str) -> None:
    batch = np.array([[[[255, 0, 128]]]], np.uint8)

    normalized = normalize(batch, mode)

    assert normalized.dtype == np.float32
    assert normalized.shape == (1, 1, 1, 3)
    np.testing.assert_allclose(normalized[0, 0, 0], BY_HAND[mode], atol=1e-5)


@pytest.mark.parametrize("mode", PREPROCESS)
def test_normalizing_does_not_write_into_its_argument(mode: str) -> None:
    batch = random_pixels(8, 8)[None]
    batch.flags.writeable = False
    before = batch.copy()

    result = normalize(batch, mode)

    np.testing.assert_array_equal(batch, before)
    assert not np.shares_memory(result, batch)


def test_all_modes_differ() -> None:
    batch = random_pixels(8, 8)[None]
    results = {normalize(batch, mode).tobytes() for mode in PREPROCESS}

    assert len(results) == len(PREPROCESS)


@pytest.mark.parametrize("mode", PREPROCESS)
def test_denormalizing_undoes_normalizing(mode: str) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), np.uint8)
    assert denormalize(normalize(batch, mode), mode) == pytest.approx(batch.astype(np.float32), abs=1e-3)


def test_values_of_another_mode_are_not_limited_to_bytes() -> None:
    white = normalize(np.full((1, 1, 3), 255, np.uint8), "identity")
    assert denormalize(white, "tf") == pytest.approx(255 * 127.5 + 127.5)
    with pytest.raises(UnknownNameError):
        denormalize(white, "sepia")


def test_a_letterbox_keeps_the_shape_of_things_and_shows_all() -> None:
    pixels = random_pixels(100, 200)
    framed = frame(pixels, (64, 64), 0.875, "letterbox")
    assert (framed[:16] == LETTERBOX_COLOR).all()
    assert (framed[48:] == LETTERBOX_COLOR).all()
    inner = np.asarray(Image.fromarray(pixels).resize((64, 32), RESAMPLING))
    assert (framed[16:48] == inner).all()


def test_a_square_has_no_bars() -> None:
    pixels = random_pixels(100, 100)
    assert (frame(pixels, (64, 64), 0.875, "letterbox") == frame(pixels, (64, 64), 0.875, "squash")).all()


@pytest.mark.parametrize(("name", "filter"), RESAMPLINGS.items())
def test_images_are_resampled_as_named(name: str, filter: Image.Resampling) -> None:
    pixels = random_pixels(90, 120)
    framed = frame(pixels, (32, 32), 0.875, "squash", name)
    assert (framed == np.asarray(Image.fromarray(pixels).resize((32, 32), filter))).all()


def test_another_resampling_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="such as bicubic, bilinear, nearest"):
        frame(random_pixels(9, 9), (8, 8), 1.0, resampling="lanczos")


@pytest.mark.parametrize(
    "batch",
    [np.zeros((1, 2, 2, 3), np.float32), np.zeros((1, 2, 2), np.uint8), np.zeros((1, 3, 2, 2), np.uint8)],
    ids=["already floats", "no channels", "channels first"],
)
def test_a_batch_of_another_kind_is_refused(batch: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"^Expected a batch"):
        normalize(batch, "tf")


KERAS_REFERENCE = """
import sys
import numpy as np
from keras.applications import imagenet_utils
batch = np.load(sys.argv[1])
modes = {mode: imagenet_utils.preprocess_input(batch.astype("float32"), mode=mode) for mode in ("caffe", "tf", "torch")}
np.savez(sys.argv[2], **modes)
"""


@pytest.mark.slow
def test_normalization_is_that_of_keras(tmp_path: Path) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    np.save(tmp_path / "batch.npy", batch)
    command = [sys.executable, "-c", KERAS_REFERENCE, tmp_path / "batch.npy", tmp_path / "modes.npz"]
    # A process of its own: Keras and its backend stay out of this one.
    subprocess.run(command, check=True, env=os.environ | {"KERAS_BACKEND": "openvino"}, timeout=120)

    with np.load(tmp_path / "modes.npz") as expected:
        for mode in expected.files:
            np.testing.assert_allclose(normalize(batch, mode), expected[mode], atol=2e-5, err_msg=mode)
