"""A decoded image → the batch that a network expects; one place for every engine, training run and test.

Two steps that stay apart: `frame` cuts and resizes (uint8 to uint8, what people are shown as "what the model
sees"), `normalize` shifts and scales (uint8 to float32). Engines fold `PREPROCESS` into their compiled graph;
`normalize` is the reference that they are tested against.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from imgrec.errors import InputError, UnknownNameError
from imgrec.images.decoding import DecodedImage
from imgrec.images.raster import check_pixels

# Bicubic, antialiased as all of Pillow's. Against bilinear on 500 ImageNet images, in points of top-1 and top-5:
# MobileNet 0.75 192 +0.2 and +1.4, 0.50 160 +1.4 and +1.2, 0.25 128 +1.0 and +1.2, 0.75 224 (whose images need no
# resizing) 0 and 0. Few points on few images, but all in one direction, and the time is the same.
RESAMPLING = Image.Resampling.BICUBIC
DEFAULT_RESAMPLING = RESAMPLING.name.lower()

# What fills the input beside the image in a letterbox: mid-gray, near the middle of all normalizations.
LETTERBOX_COLOR = (128, 128, 128)


@dataclass(frozen=True, slots=True)
class Normalization:
    """y = (x[channels] − mean) / scale, for each pixel x of values 0-255 in RGB.

    `reverse_channels`: the network was trained on BGR, and `mean` and `scale` are in that order too.
    """

    reverse_channels: bool
    mean: tuple[float, float, float]
    scale: tuple[float, float, float]


def frame(
    image: DecodedImage | np.ndarray,
    input_size: tuple[int, int],
    crop_fraction: float,
    framing: str = "crop",
    resampling: str = DEFAULT_RESAMPLING,
) -> np.ndarray:
    """Return the part of `image` that a network is given, resized to its input: uint8 (height, width, 3), RGB.

    With "crop", the image is resized until it covers `input_size` / `crop_fraction` and its center is cut out, as
    published accuracies are measured. Both happen in one resize of that part of the source, and the sizes in between
    are rounded as they are there.

    Args:
        image: Decoded, or its pixels as uint8 (H, W, 3); smaller images are enlarged.
        input_size: (height, width) in px, at least 1 × 1.
        crop_fraction: In (0, 1]; "squash" and "letterbox" ignore it.
        framing: A key of `ALL_FRAMINGS`.
        resampling: A key of `RESAMPLINGS`.

    Raises:
        UnknownNameError: Another framing or resampling.
        InputError: Another kind of array, or a number out of its range.
    """
    if isinstance(image, np.ndarray):
        check_pixels(image)
        source = Image.fromarray(image)
    else:
        # A square crop lies within the middle square, which a very long image keeps in more detail.
        is_square_crop = framing == "crop" and input_size[0] == input_size[1]
        source = (image.middle if image.middle is not None and is_square_crop else image.whole).to_image()
    size_px = source.height, source.width
    if resampling not in RESAMPLINGS:
        raise UnknownNameError.of("resampling", resampling, list(RESAMPLINGS))
    box = find_box(size_px, input_size, crop_fraction, framing)
    height, width = input_size
    if framing == "letterbox":
        inner = letterbox_size(size_px, input_size)
        whole = Image.new("RGB", (width, height), LETTERBOX_COLOR)
        part = source.resize(inner[::-1], RESAMPLINGS[resampling], box)
        whole.paste(part, ((width - inner[1]) // 2, (height - inner[0]) // 2))
        return np.asarray(whole)
    return np.asarray(source.resize((width, height), RESAMPLINGS[resampling], box))


def find_box(
    size_px: tuple[int, ...], input_size: tuple[int, int], crop_fraction: float, framing: str = "crop"
) -> tuple[float, float, float, float]:
    """Return (left, top, right, bottom) in px of the part that `frame` cuts from an image of `size_px`.

    `size_px` is (height, width); the rest and the errors are those of `frame`.
    """
    if min(input_size) < 1 or not 0 < crop_fraction <= 1:
        raise InputError(
            f"Expected an input size of at least 1 × 1 and a crop fraction in (0, 1]. "
            f"Received: {input_size} and {crop_fraction}."
        )
    if framing not in ALL_FRAMINGS:
        raise UnknownNameError.of("framing", framing, list(ALL_FRAMINGS))
    if framing == "crop":
        return _center_box(size_px, input_size, crop_fraction)
    return 0.0, 0.0, float(size_px[1]), float(size_px[0])


def letterbox_size(source: tuple[int, ...], input_size: tuple[int, int]) -> tuple[int, int]:
    """Return the (height, width) in px of the whole image inside a letterbox of `input_size`."""
    factor = min(input_size[0] / source[0], input_size[1] / source[1])
    return max(1, round(source[0] * factor)), max(1, round(source[1] * factor))


def normalize(batch: np.ndarray, mode: str) -> np.ndarray:
    """Return `batch`, uint8 (..., 3) in RGB, as the network's float32 of the same shape; `mode` a key of `PREPROCESS`.

    Raises `UnknownNameError` on another mode, and `InputError` on another dtype or number of channels: what was
    already scaled must not be scaled again.
    """
    if batch.dtype != np.uint8 or batch.shape[-1:] != (3,):
        raise InputError(f"Expected a batch of type uint8 and shape (..., 3). Received: {batch.dtype} {batch.shape}.")
    if mode not in PREPROCESS:
        raise UnknownNameError.of("preprocessing mode", mode, list(PREPROCESS))
    rule = PREPROCESS[mode]
    channels = batch[..., ::-1] if rule.reverse_channels else batch
    return (channels - np.array(rule.mean, np.float32)) / np.array(rule.scale, np.float32)


def blur(pixels: np.ndarray, deviation_px: float) -> np.ndarray:
    """Return `pixels`, uint8 (H, W, 3), blurred by a Gaussian of this standard deviation."""
    check_pixels(pixels)
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(deviation_px)))


def denormalize(values: np.ndarray, mode: str) -> np.ndarray:
    """Return the pixels in RGB for which `normalize` with `mode` gives `values`; neither rounded nor limited to 0-255.

    `values` and the result are float32 (..., 3). Raises `UnknownNameError` on a mode that is no key of `PREPROCESS`.
    """
    if mode not in PREPROCESS:
        raise UnknownNameError.of("preprocessing mode", mode, list(PREPROCESS))
    rule = PREPROCESS[mode]
    pixels = values * np.array(rule.scale, np.float32) + np.array(rule.mean, np.float32)
    return pixels[..., ::-1] if rule.reverse_channels else pixels


def _center_box(
    source: tuple[int, ...], input_size: tuple[int, int], crop_fraction: float
) -> tuple[float, float, float, float]:
    """Return (left, top, right, bottom) in the source of the part that a center crop of the resized image shows.

    The resized image and the crop's corner are whole pixels, as in resize-then-crop: a corner between two
    pixels would blur an image that needs no resizing at all (which cost MobileNetV2 3 points of top-1).
    """
    covered = [round(side / crop_fraction) for side in input_size]
    # The larger factor makes the resized image cover both sides; for a square input it is the short side's.
    factor = max(covered[0] / source[0], covered[1] / source[1])
    top, bottom = _center(source[0], max(round(source[0] * factor), covered[0]), input_size[0])
    left, right = _center(source[1], max(round(source[1] * factor), covered[1]), input_size[1])
    return left, top, right, bottom


def _center(source: int, resized: int, kept: int) -> tuple[float, float]:
    """Return the start and the end of the middle `kept` of `resized` pixels, in pixels of the `source`."""
    start = (resized - kept) // 2
    return start * source / resized, min((start + kept) * source / resized, source)


FRAMINGS = {
    "crop": "The short side is resized and the center cut out, as published accuracies are measured.",
    "squash": "The whole image is stretched to the input, whatever its shape.",
}

# Besides those that are offered everywhere: what other software does, and no network of the catalog was trained with.
ALL_FRAMINGS = FRAMINGS | {
    "letterbox": "The whole image keeps its shape, and gray bars fill the rest.",
}

# Pillow's, antialiased when an image is reduced, except for nearest, which takes one pixel of many.
RESAMPLINGS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}

# Keras' three conventions and two of networks that need none: `tf` maps to [-1, 1]; `caffe` and `torch` subtract
# ImageNet's mean color; `identity` networks normalize inside; `unit` is for networks trained on [0, 1].
PREPROCESS = {
    "caffe": Normalization(True, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
    "tf": Normalization(False, (127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
    "torch": Normalization(False, (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)),
    "identity": Normalization(False, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "unit": Normalization(False, (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
}
