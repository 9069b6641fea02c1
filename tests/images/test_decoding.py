"""The door for untrusted bytes: every allowed kind comes in, everything else is one typed sentence."""

import csv
import functools
import hashlib
import io
import itertools
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from imgrec.errors import ImageError, ImageTooLargeError
from imgrec.images import decoding, limits
from imgrec.images.decoding import DecodedImage, decode, thumbnail
from imgrec.images.limits import MAX_PIXELS
from imgrec.images.preprocessing import frame
from imgrec.images.raster import Raster
from imgrec.images.working_size import MAX_KEPT_BYTES, WORKING_SIDE_PX
from imgrec.settings import MIB

MAX_BYTES = 20 * MIB


def scene(width: int = 96, height: int = 64) -> Image.Image:
    """A smooth image that no flip or rotation maps to itself, with a red, a green and a blue side."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x / max(width - 1, 1), 255 * y / max(height - 1, 1)
    blue = 255 * np.exp(-((x - width / 4) ** 2 + (y - height / 4) ** 2) / (width * height / 24))
    return Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(image).save(buffer, quality=options.get("quality", 90))
    else:
        image.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(data: bytes, **options: object) -> DecodedImage:
    return decode(data, max_bytes=MAX_BYTES, **options)


def with_alpha(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, image.width // 2, image.height))
    return image


def png16(channels: int) -> bytes:
    """A PNG of 16 bits a sample, which Pillow cannot write with colors: 8 × 8, every sample 0x80FF."""
    rows = (b"\0" + b"\x80\xff" * (8 * channels)) * 8
    color_type = {1: 0, 3: 2, 4: 6}[channels]
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, color_type, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(name, body) for name, body in chunks)


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_header(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, and whose pixels are a few bytes that would inflate for ever."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(bytes(100_000)))


FORMATS = ["JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "AVIF", "HEIC"]
LOSSLESS = {"PNG", "BMP", "TIFF"}


@functools.cache
def sample(kind: str) -> bytes:
    return encoded(scene(), kind, **({"quality": 90} if kind in {"JPEG", "WebP", "AVIF", "HEIC"} else {}))


@pytest.mark.parametrize("kind", FORMATS)
def test_each_allowed_format_gives_its_pixels(kind: str) -> None:
    image = opened(sample(kind))

    difference = np.abs(image.pixels.astype(int) - np.asarray(scene()).astype(int))
    assert (image.format, image.size_px, image.notes) == (kind, (64, 96), ())
    assert difference.max() == 0 if kind in LOSSLESS else difference.mean() < 8
    assert image.pixels.dtype == np.uint8
    assert not image.pixels.flags.writeable
    assert image.sha256 == hashlib.sha256(sample(kind)).hexdigest()


GRAY = "grey: one channel repeated as red, green and blue"
MODES: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "gray JPEG": (lambda: encoded(scene().convert("L"), "JPEG"), (GRAY,)),
    "1-bit PNG": (lambda: encoded(scene().convert("1"), "PNG"), (GRAY,)),
    "palette PNG": (lambda: encoded(scene().convert("P"), "PNG"), ()),
    "palette PNG with transparency": (
        lambda: encoded(scene().convert("P"), "PNG", transparency=0),
        ("transparency put on white",),
    ),
    "RGB PNG with a transparent color": (
        lambda: encoded(Image.new("RGB", (4, 4), (9, 9, 9)), "PNG", transparency=(9, 9, 9)),
        ("transparency put on white",),
    ),
    "RGBA PNG": (lambda: encoded(with_alpha(scene()), "PNG"), ("transparency put on white",)),
    "RGBA PNG, opaque": (lambda: encoded(scene().convert("RGBA"), "PNG"), ()),
    "gray PNG with alpha": (lambda: encoded(with_alpha(scene()).convert("LA"), "PNG"), ("transparency put on white",)),
    "RGBA WebP": (lambda: encoded(with_alpha(scene()), "WebP"), ("transparency put on white",)),
    "RGBA AVIF": (lambda: encoded(with_alpha(scene()), "AVIF"), ("transparency put on white",)),
    "RGBA HEIC": (lambda: encoded(with_alpha(scene()), "HEIC"), ("transparency put on white",)),
    "CMYK JPEG": (lambda: encoded(scene().convert("CMYK"), "JPEG"), ("CMYK converted to RGB",)),
    "CMYK TIFF": (lambda: encoded(scene().convert("CMYK"), "TIFF"), ("CMYK converted to RGB",)),
    "YCbCr TIFF": (lambda: encoded(scene().convert("YCbCr"), "TIFF"), ()),
    "16-bit gray PNG": (lambda: png16(1), ("16-bit reduced to 8", GRAY)),
    "16-bit RGB PNG": (lambda: png16(3), ("16-bit reduced to 8",)),
    "16-bit RGBA PNG": (lambda: png16(4), ("16-bit reduced to 8", "transparency put on white")),
    "16-bit big-endian TIFF": (
        lambda: encoded(Image.fromarray(np.full((8, 8), 0x80FF, ">u2")), "TIFF"),
        ("16-bit reduced to 8", GRAY),
    ),
    "32-bit TIFF": (
        lambda: encoded(Image.fromarray(np.array([[-5, 995]], np.int32)), "TIFF"),
        ("brightness from -5 to 995 stretched over black to white", GRAY),
    ),
    "float TIFF": (
        lambda: encoded(Image.fromarray(np.array([[0.25, 0.5]], np.float32)), "TIFF"),
        ("brightness from 0.25 to 0.5 stretched over black to white", GRAY),
    ),
    "float TIFF of one value": (
        lambda: encoded(Image.fromarray(np.full((2, 2), 7.0, np.float32)), "TIFF"),
        ("brightness from 7 to 7 stretched over black to white", GRAY),
    ),
    "progressive JPEG": (lambda: encoded(scene(), "JPEG", progressive=True), ()),
    "multi-image JPEG": (
        lambda: encoded(scene(), "MPO", save_all=True, append_images=[Image.new("RGB", (96, 64))]),
        ("the main one of several images in the file",),
    ),
    "animated GIF": (
        lambda: encoded(scene(), "GIF", save_all=True, append_images=[Image.new("RGB", (96, 64))] * 2),
        ("first frame of an animation",),
    ),
    "animated GIF that breaks off": (
        lambda: encoded(scene(), "GIF", save_all=True, append_images=[scene().rotate(180)])[:-1000],
        ("first frame of an animation", "damaged after its first frame"),
    ),
    "animated WebP": (
        lambda: encoded(scene(), "WebP", save_all=True, append_images=[Image.new("RGB", (96, 64))]),
        ("first of 2 frames",),
    ),
    "animated PNG": (
        lambda: encoded(scene(), "PNG", save_all=True, append_images=[Image.new("RGB", (96, 64))]),
        ("first of 2 frames",),
    ),
    "animated AVIF": (
        lambda: encoded(scene(), "AVIF", save_all=True, append_images=[Image.new("RGB", (96, 64))]),
        ("first of 2 frames",),
    ),
    "TIFF of two pages": (
        lambda: encoded(scene(), "TIFF", save_all=True, append_images=[Image.new("RGB", (96, 64))]),
        ("first of several pages",),
    ),
    "one pixel": (lambda: encoded(Image.new("RGB", (1, 1), (7, 8, 9)), "PNG"), ()),
}


@pytest.mark.parametrize(("make", "notes"), MODES.values(), ids=MODES.keys())
def test_what_was_normalized_is_said(make: Callable[[], bytes], notes: tuple[str, ...]) -> None:
    image = opened(make())

    assert image.notes == notes
    assert image.pixels.shape == (*image.size_px, 3)


VALUES: dict[str, tuple[Callable[[], bytes], tuple[int, int, int]]] = {
    "16 bits keep the upper 8": (lambda: png16(3), (0x80, 0x80, 0x80)),
    "16-bit gray keeps the upper 8": (lambda: png16(1), (0x80, 0x80, 0x80)),
    "the transparent is white": (
        lambda: encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "PNG"),
        (255, 255, 255),
    ),
    "the half transparent is half white": (
        lambda: encoded(Image.new("RGBA", (4, 4), (200, 0, 100, 51)), "PNG"),
        (244, 204, 224),
    ),
    "CMYK by Adobe's convention": (
        lambda: encoded(Image.new("RGB", (16, 16), (200, 100, 50)).convert("CMYK"), "JPEG", quality=100),
        (200, 100, 50),
    ),
    "floats: the least is black": (
        lambda: encoded(Image.fromarray(np.array([[-3.0, 1e9]], np.float32)), "TIFF"),
        (0, 0, 0),
    ),
}


@pytest.mark.parametrize(("make", "expected"), VALUES.values(), ids=VALUES.keys())
def test_the_first_pixel_is_right(make: Callable[[], bytes], expected: tuple[int, int, int]) -> None:
    np.testing.assert_allclose(opened(make()).pixels[0, 0].astype(int), expected, atol=2)


ORIENTATIONS = {
    1: ((), None),
    2: (("mirrored by its EXIF tag",), Image.Transpose.FLIP_LEFT_RIGHT),
    3: (("rotated by its EXIF tag",), Image.Transpose.ROTATE_180),
    4: (("mirrored by its EXIF tag",), Image.Transpose.FLIP_TOP_BOTTOM),
    5: (("rotated and mirrored by its EXIF tag",), Image.Transpose.TRANSPOSE),
    6: (("rotated by its EXIF tag",), Image.Transpose.ROTATE_90),
    7: (("rotated and mirrored by its EXIF tag",), Image.Transpose.TRANSVERSE),
    8: (("rotated by its EXIF tag",), Image.Transpose.ROTATE_270),
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "TIFF", "AVIF", "HEIC"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_exif_orientation_gives_the_upright_image(kind: str, orientation: int) -> None:
    notes, undo = ORIENTATIONS[orientation]
    stored = scene() if undo is None else scene().transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    if kind == "HEIC":
        # libheif stores a turn of its own when it is told the orientation, and undoes it itself.
        heif = pillow_heif.from_pillow(stored)
        heif.info["exif"] = exif.tobytes()
        buffer = io.BytesIO()
        heif.save(buffer, quality=95)
        data, notes = buffer.getvalue(), ()
    else:
        data = encoded(stored, kind, exif=exif, **({"quality": 95} if kind in {"JPEG", "WebP", "AVIF"} else {}))

    image = opened(data)

    assert image.size_px == (64, 96)
    assert np.abs(image.pixels.astype(int) - np.asarray(scene()).astype(int)).mean() < 6
    assert image.notes == notes
    # libheif does not tell how it turned an image.
    assert image.orientation == (1 if kind == "HEIC" else orientation)
    expected = scene() if kind == "HEIC" else stored
    as_it_lies = decoding.as_stored(image)
    assert as_it_lies.shape == np.asarray(expected).shape
    assert np.abs(as_it_lies.astype(int) - np.asarray(expected).astype(int)).mean() < 6


def test_a_png_may_say_its_orientation_after_its_pixels() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = encoded(scene().transpose(Image.Transpose.ROTATE_90), "PNG")
    end = plain.rindex(b"IEND") - 4
    late = plain[:end] + png_chunk(b"eXIf", exif.tobytes()[6:]) + plain[end:]

    image = opened(late)

    np.testing.assert_array_equal(image.pixels, np.asarray(scene()))
    assert image.size_px == (64, 96)


def test_a_broken_exif_block_does_not_take_the_image_with_it() -> None:
    assert opened(encoded(scene(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")).size_px == (64, 96)


def test_a_wide_gamut_profile_is_converted_and_srgb_is_left_alone() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"tXYZ").replace(b"gXYZ", b"rXYZ").replace(b"tXYZ", b"gXYZ")
    swapped = swapped.replace(b"s\0R\0G\0B", b"x\0R\0G\0B").replace(b"sRGB", b"xRGB")
    red = Image.new("RGB", (4, 4), (255, 0, 0))

    untouched, converted = (opened(encoded(red, "PNG", icc_profile=profile)) for profile in (srgb, swapped))

    assert untouched.notes == ()
    assert converted.notes == ("colors converted to sRGB",)
    np.testing.assert_allclose(converted.pixels[0, 0].astype(int), (0, 255, 0), atol=3)


@pytest.mark.parametrize("profile", [b"not a profile", bytes(5 * MIB)], ids=["broken", "huge"])
def test_a_profile_that_cannot_be_used_is_left_out(profile: bytes) -> None:
    image = opened(encoded(scene(), "TIFF", icc_profile=profile))

    np.testing.assert_array_equal(image.pixels, np.asarray(scene()))


NOT_IMAGES = {
    "0 bytes": (b"", "an empty file"),
    "text": ("Grüße,\nno image".encode(), "a text file"),
    "text that begins like a BMP": (b"BMW and other cars, a history of engines", "a text file"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
    "SVG": (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
    "HTML": (b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page (HTML)"),
    "ZIP": (b"PK\x03\x04" + bytes(40), "a ZIP archive"),
    "video": (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "a video"),
    "JPEG XL": (b"\xff\x0a" + bytes(40), "a JPEG XL image"),
    "camera raw file": (b"II*\0\x10\0\0\0CR\2\0" + bytes(40), "a camera raw file"),
    "Photoshop": (b"8BPS\0\1" + bytes(40), "a Photoshop document"),
    "icon": (b"\0\0\1\0\1\0" + bytes(40), "an icon"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "an HDF5 file"),
    "noise": (bytes(range(128, 255)), "a file of an unknown format"),
}


@pytest.mark.parametrize(("data", "looks_like"), NOT_IMAGES.values(), ids=NOT_IMAGES.keys())
def test_what_is_no_image_is_named(data: bytes, looks_like: str) -> None:
    with pytest.raises(ImageError, match=r"\. Use JPEG, .* or HEIC\.$") as caught:
        opened(data)
    assert str(caught.value).startswith(f"This is {looks_like}")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_image_that_breaks_off_is_refused(kind: str, kept: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8))
    data = encoded(noise, kind)

    with pytest.raises(ImageError, match=f"^The {kind} is incomplete"):
        opened(data[: int(len(data) * kept)])


def test_a_jpeg_read_at_reduced_scale_is_refused_too_when_it_breaks_off() -> None:
    data = encoded(scene(2000, 1500), "JPEG")

    with pytest.raises(ImageError, match=r"^The JPEG is incomplete"):
        opened(data[: len(data) // 2])


def raw_file() -> bytes:
    tags = {0xC612: b"\1\4\0\0"}
    return encoded(scene(), "TIFF", tiffinfo=tags)


def giant_tile() -> bytes:
    """A TIFF of 16 × 16 px whose only tile says it has 65,520 × 65,520, 4 GB, and would inflate to 100 MB."""
    tile = zlib.compress(bytes(100_000_000), 9)
    long, size = 4, 16
    tags = {256: size, 257: size, 258: 8, 259: 8, 262: 1, 277: 1, 322: 65520, 323: 65520, 324: 8 + 126, 325: len(tile)}
    directory = b"".join(struct.pack("<HHLL", tag, long, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<LH", 8, len(tags)) + directory + bytes(4) + tile


def resized_header(jpeg: bytes, width: int, height: int) -> bytes:
    """A progressive JPEG whose header says another size."""
    frame = jpeg.index(b"\xff\xc2")
    return jpeg[: frame + 5] + struct.pack(">HH", height, width) + jpeg[frame + 9 :]


BOMBS: dict[str, tuple[Callable[[], bytes], type[ImageError], str]] = {
    "more bytes than allowed": (lambda: bytes(25_000_000), ImageTooLargeError, "larger than 20 MiB"),
    "cut above the limit": (lambda: bytes(MAX_BYTES + 1), ImageTooLargeError, "larger than 20 MiB"),
    "a PNG header of 200 megapixels": (lambda: png_header(20_000, 10_000), ImageTooLargeError, "20000 × 10000 px"),
    "a PNG header of 4 × 10^18 pixels": (lambda: png_header(2**31 - 1, 2**31 - 1), ImageError, "megapixels"),
    "a GIF with a giant canvas": (
        lambda: b"GIF89a" + struct.pack("<HH", 65535, 65535) + sample("GIF")[10:],
        ImageTooLargeError,
        "65535 × 65535 px",
    ),
    "a BMP header of 900 megapixels": (
        lambda: sample("BMP")[:18] + struct.pack("<ii", 30_000, 30_000) + sample("BMP")[26:],
        ImageTooLargeError,
        "900 megapixels",
    ),
    "a PNG text that inflates": (
        lambda: encoded(scene(), "PNG", pnginfo=inflating_text()),
        ImageTooLargeError,
        "more than 1 MiB, the limit",
    ),
    "a TIFF with a tile larger than itself": (giant_tile, ImageTooLargeError, "tiles of 65520 × 65520 px"),
    "a raw file that looks like a TIFF": (raw_file, ImageError, "a camera raw file"),
    "a JPEG of a million EXIF segments": (
        lambda: sample("JPEG")[:2] + b"\xff\xe1\0\x09Exif\0\0x" * 1_000_000 + sample("JPEG")[2:],
        ImageError,
        "the limit is 1,000",
    ),
    "a JPEG of a million padding bytes": (
        lambda: b"\xff\xd8" + b"\xff" * 1_000_000 + sample("JPEG")[2:],
        ImageError,
        "the limit is 1,000",
    ),
    "a PNG of a million chunks": (
        lambda: sample("PNG")[:33] + png_chunk(b"abCd", b"") * 1_000_000 + sample("PNG")[33:],
        ImageError,
        "The PNG has too many chunks; the limit is 10,000",
    ),
    "a GIF of a million comments": (
        lambda: b"!\xfe\1x\0".join([sample("GIF")[:781], *[b""] * 1_000_000, sample("GIF")[781:]]),
        ImageError,
        "The GIF has too many blocks; the limit is 10,000",
    ),
    "a WebP of a million chunks": (
        lambda: sample("WebP") + b"abcd\0\0\0\0" * 1_000_000,
        ImageError,
        "The WebP has too many chunks; the limit is 10,000",
    ),
    "a TIFF of 60,000 tags": (
        lambda: sample("TIFF")[:4] + struct.pack("<LH", 8, 60_000) + bytes(12 * 60_000),
        ImageError,
        "The TIFF has too many tags; the limit is 2,000",
    ),
    "a WebP header of 268 megapixels": (
        lambda: b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + b"\xff\x3f\0" * 2,
        ImageTooLargeError,
        "The WebP has 16384 × 16384 px",
    ),
    "a JPEG of 10,000 scans": (lambda: sample("JPEG") + b"\xff\xda" * 10_000, ImageError, "the limit is 200"),
    "a progressive JPEG above the decoder's share": (
        lambda: resized_header(encoded(scene().convert("CMYK"), "JPEG", progressive=True), 10_000, 9_990),
        ImageTooLargeError,
        "The JPEG has 10000 × 9990 px",
    ),
    "NaN": (
        lambda: encoded(Image.fromarray(np.full((2, 2), np.nan, np.float32)), "TIFF"),
        ImageError,
        "not finite numbers",
    ),
}


def inflating_text() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "x" * (8 * MIB), zip=True)
    return info


@pytest.mark.parametrize(("make", "error", "sentence"), BOMBS.values(), ids=BOMBS.keys())
def test_bombs_are_refused_with_a_sentence(make: Callable[[], bytes], error: type[ImageError], sentence: str) -> None:
    with pytest.raises(error) as caught:
        opened(make())
    assert sentence in str(caught.value)


def test_a_hundred_megapixel_photo_is_read_at_reduced_scale() -> None:
    data = encoded(Image.new("L", (12_000, 8_000), 100), "JPEG", quality=1)

    image = opened(data)

    assert image.size_px == (8_000, 12_000)
    assert image.pixels.shape == (1_000, 1_500, 3)
    assert image.size_px[0] * image.size_px[1] <= MAX_PIXELS


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@given(width=st.integers(1, 3000), height=st.integers(1, 3000))
@settings(max_examples=15, deadline=None)
def test_the_short_side_is_never_reduced_below_the_working_side(kind: str, width: int, height: int) -> None:
    options = {"compress_level": 0} if kind == "PNG" else {"quality": 1}
    image = opened(encoded(Image.new("L", (width, height)), kind, **options))

    short = min(image.pixels.shape[:2])
    assert image.size_px == (height, width)
    assert short >= min(WORKING_SIDE_PX, width, height)
    assert short < 2 * WORKING_SIDE_PX
    assert image.pixels.shape[0] / image.pixels.shape[1] == pytest.approx(height / width, rel=1 / short)


def test_reduced_scale_shows_the_same_image() -> None:
    large = opened(encoded(scene(1920, 1280), "JPEG", quality=95))
    small = np.asarray(scene(960, 640)).astype(int)

    assert large.pixels.shape == (640, 960, 3)
    assert np.abs(large.pixels.astype(int) - small).mean() < 3


LONG = [(20_900, 1_279), (1_279, 20_900), (60_000, 64), (1, 3_000_000), (2_532, 1_170)]


@pytest.mark.parametrize(("width", "height"), LONG)
@pytest.mark.parametrize("sideways", [False, True])
def test_an_image_of_any_shape_takes_no_more_than_its_limit(width: int, height: int, sideways: bool) -> None:
    options: dict[str, object] = {"compress_level": 1}
    if sideways:
        exif = Image.Exif()
        exif[0x0112] = 6
        options["exif"] = exif
    image = opened(encoded(Image.new("RGB", (width, height), (10, 100, 200)), "PNG", **options))

    assert image.size_px == ((width, height) if sideways else (height, width))
    assert image.nbytes <= MAX_KEPT_BYTES
    assert min(image.pixels.shape[:2]) <= min(width, height)
    assert np.all(image.pixels == (10, 100, 200))
    shown = (image.middle or image.whole).array
    assert min(shown.shape[:2]) >= min(WORKING_SIDE_PX, width, height)
    assert np.all(shown == (10, 100, 200))


def panorama(width: int, height: int) -> Image.Image:
    """Noise of about 8 px, as a photo has details; each place is different."""
    noise = np.random.default_rng(5).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    ("width", "height", "side", "crop_fraction"),
    [(10_450, 640, 600, 0.949), (640, 9_000, 224, 0.875), (8_000, 900, 600, 0.949), (2_532, 1_170, 224, 0.875)],
)
def test_a_network_is_given_of_a_panorama_what_it_would_be_given_of_the_whole(
    width: int, height: int, side: int, crop_fraction: float
) -> None:
    whole = panorama(width, height)

    kept = opened(encoded(whole, "PNG", compress_level=1))

    expected = frame(np.asarray(whole), (side, side), crop_fraction).astype(int)
    assert kept.nbytes <= MAX_KEPT_BYTES < whole.width * whole.height * 3
    differences = np.abs(frame(kept, (side, side), crop_fraction).astype(int) - expected)
    # Of 256; two unrelated places differ by some 50, and half a pixel makes 5.
    assert differences.mean() < 6


@pytest.mark.parametrize("framing", ["squash", "letterbox"])
def test_the_whole_of_a_panorama_is_there_in_the_other_framings(framing: str) -> None:
    whole = panorama(10_450, 640)

    kept = opened(encoded(whole, "PNG", compress_level=1))

    expected = frame(np.asarray(whole), (224, 224), 0.875, framing).astype(int)
    assert np.abs(frame(kept, (224, 224), 0.875, framing).astype(int) - expected).mean() < 4


@pytest.mark.parametrize("size", [(640, 480), (1_279, 1_706), (1_920, 1_080)])
def test_a_photo_of_a_usual_shape_is_kept_as_before(size: tuple[int, int]) -> None:
    whole = panorama(*size)

    kept = opened(encoded(whole, "PNG", compress_level=1))

    assert kept.middle is None
    np.testing.assert_array_equal(kept.pixels, np.asarray(whole))


@pytest.mark.parametrize(
    ("name", "notes"),
    [
        ("a.png", ("named .png but is a JPEG",)),
        ("a.HEIC", ("named .heic but is a JPEG",)),
        ("a.JPG", ()),
        ("a", ()),
        ("a.unknown", ()),
        (None, ()),
    ],
)
def test_a_wrong_extension_is_harmless_and_said(name: str | None, notes: tuple[str, ...]) -> None:
    assert opened(sample("JPEG"), name=name).notes == notes


def test_a_decoded_image_copies_what_others_may_write_and_refuses_other_arrays() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    image = DecodedImage(Raster(pixels), "PNG", "0" * 64, (), (2, 2))
    pixels[:] = 9

    assert image.pixels.max() == 0
    assert not image.pixels.flags.writeable
    for wrong in (np.zeros((2, 2, 3)), np.zeros((2, 2), np.uint8), np.zeros((0, 2, 3), np.uint8)):
        with pytest.raises(ImageError, match="Expected pixels"):
            DecodedImage(Raster(wrong), "PNG", "0" * 64, (), (2, 2))


def test_the_thumbnail_shows_what_was_decoded_without_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "somebody's secret place"
    image = opened(encoded(scene(1400, 700), "JPEG", exif=exif))

    shown = Image.open(io.BytesIO(thumbnail(image, side_px=512)))

    assert shown.size == (256, 512)
    assert not shown.getexif()
    assert b"secret" not in thumbnail(image)
    small = Image.fromarray(image.pixels).resize(shown.size)
    assert np.abs(np.asarray(shown).astype(int) - np.asarray(small).astype(int)).mean() < 3


def test_decoding_in_many_threads_gives_the_same_and_leaves_the_warnings_as_they_were() -> None:
    broken_exif = encoded(scene(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(20))
    data = [sample(kind) for kind in FORMATS] + [broken_exif]
    expected = [opened(one).pixels for one in data]
    filters = list(warnings.filters)
    wrong: list[int] = []

    def work(turn: int) -> None:
        for i in range(20):
            which = (turn + i) % len(data)
            if not np.array_equal(opened(data[which]).pixels, expected[which]):
                wrong.append(which)

    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert list(warnings.filters) == filters


def test_large_images_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_TOGETHER_BYTES", 10)
    with decoding._large_image:
        thread = threading.Thread(target=opened, args=(sample("PNG"),))
        thread.start()
        thread.join(timeout=0.05)
        assert thread.is_alive()
    thread.join(timeout=10)
    assert not thread.is_alive()


@pytest.mark.parametrize("kind", FORMATS)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_mutated_bytes_give_a_image_or_an_image_error(kind: str, data: st.DataObject) -> None:
    bytes_of_kind = bytearray(sample(kind))
    for _ in range(data.draw(st.integers(1, 6))):
        # Half of the mutations hit the header, where the lengths and sizes stand.
        end = data.draw(st.sampled_from([64, len(bytes_of_kind)]))
        position = data.draw(st.integers(0, max(min(end, len(bytes_of_kind)) - 1, 0)))
        change = data.draw(st.sampled_from(["set", "cut", "insert", "delete"]))
        if change == "set":
            bytes_of_kind[position : position + 1] = data.draw(st.binary(min_size=1, max_size=4))
        elif change == "insert":
            bytes_of_kind[position:position] = data.draw(st.binary(max_size=16))
        elif change == "delete":
            del bytes_of_kind[position : position + data.draw(st.integers(1, 16))]
        else:
            del bytes_of_kind[position:]
    try:
        assert opened(bytes(bytes_of_kind)).pixels.size > 0
    except ImageError as error:
        sentence = str(error)
        assert re.match("(This is|The file|The [A-Z]|Some pixels).*[.]$", sentence)


@given(noise=st.binary(max_size=200), start=st.sampled_from([b"", *(sample(kind)[:16] for kind in FORMATS)]))
@settings(max_examples=200, deadline=None)
def test_noise_after_a_good_beginning_gives_an_image_error(noise: bytes, start: bytes) -> None:
    with pytest.raises(ImageError):
        opened(start + noise)


# ── real images ────────────────────────────────────────────────────────────────────────────────────────────


def gallery(folder: Path) -> list[dict[str, str]]:
    with (folder / "gallery" / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_whole_gallery_comes_in_as_its_manifest_says(test_data: Path) -> None:
    for row in gallery(test_data):
        data = (test_data / "gallery" / row["file"]).read_bytes()
        if row["kind"] == "broken":
            with pytest.raises(ImageError):
                opened(data)
            continue
        image = opened(data, name=row["file"])
        stored = (int(row["height"]), int(row["width"]))
        turned = "rotated" in " ".join(image.notes) and "exif3" not in row["file"]
        assert image.format.upper() == row["format"], row["file"]
        assert image.size_px == (stored[::-1] if turned else stored), row["file"]
        assert image.pixels.shape[:2] == image.size_px, row["file"]
        assert ("CMYK converted to RGB" in image.notes) == (row["mode"] == "CMYK"), row["file"]
        assert (GRAY in image.notes) == (row["mode"] in {"L", "1", "I;16"}), row["file"]
        assert ("transparency put on white" in image.notes) == (row["mode"] in {"RGBA", "LA"}), row["file"]
        assert ("first frame of an animation" in image.notes) == ("animated" in row["file"]), row["file"]


def test_the_eight_exif_orientations_of_one_photo_are_one_image(test_data: Path) -> None:
    folder = test_data / "gallery" / "variants"
    decoded = [opened((folder / f"dog_exif{i}.jpg").read_bytes()).pixels.astype(int) for i in range(1, 9)]

    for one, other in itertools.combinations(decoded, 2):
        assert np.abs(one - other).mean() < 1.5


def test_a_cmyk_photo_has_the_colors_of_its_rgb_original(test_data: Path) -> None:
    folder = test_data / "gallery"
    cmyk = opened((folder / "variants" / "pizza_cmyk.jpg").read_bytes()).pixels
    rgb = Image.fromarray(opened((folder / "photos" / "pizza.jpg").read_bytes()).pixels).resize((480, 320))

    assert np.abs(cmyk.astype(int) - np.asarray(rgb).astype(int)).mean() < 6
