"""Pillow's many pixel modes → 8-bit sRGB, with a note for people on everything that was changed.

Two steps, because a large image is reduced between them: `to_8_bit` brings samples to 8 opaque bits, which
is what can be averaged; `to_srgb` does the rest on the smaller image.
"""

import io

import numpy as np
from PIL import Image

from imgrec.errors import ImageError

# What transparent places are put on: pages and screens are white, and so are most cut-out product images.
BACKGROUND = (255, 255, 255)

# The largest color profile that is used: a press' table has about 1 MiB, a screen's a few hundred bytes.
MAX_PROFILE_BYTES = 4 * 1024 * 1024

# Modes whose numbers have no nominal range: 32-bit integers and floats.
STRETCHED = {"I", "F"}

_OPAQUE = 255
_BYTE_BITS = 8


def to_8_bit(
    image: Image.Image, bit_depth: int, notes: list[str], limits: tuple[float, float] | None = None
) -> Image.Image:
    """Return `image` in one of the modes L, RGB and CMYK; `bit_depth` is that of a sample in the file.

    Transparent places are put on `BACKGROUND`. 16 bits keep their upper 8. Numbers without a nominal range
    (32-bit integers, floats) are stretched from their least to their greatest, or from the first to the second of
    `limits` where `image` is a part. Raises `ImageError` when those are not finite.
    """
    if image.mode in STRETCHED:
        return _stretched(image, limits, notes)
    if bit_depth > _BYTE_BITS:
        notes.append(f"{bit_depth}-bit reduced to 8")
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> _BYTE_BITS).astype(np.uint8))
    if image.has_transparency_data:
        return _on_background(image if image.mode == "RGBA" else image.convert("RGBA"), notes)
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in {"L", "RGB", "CMYK"} else image.convert("RGB")


def to_srgb(image: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    """Return `image` (L, RGB or CMYK) in RGB; colors go through the ICC `profile` unless that is sRGB itself."""
    if image.mode == "L":
        # British spelling: the notes are part of the JSON of `imgrec predict`, which keeps its words.
        notes.append("grey: one channel repeated as red, green and blue")
        return image.convert("RGB")
    if image.mode == "CMYK":
        notes.append("CMYK converted to RGB")
        return _through_profile(image, profile) or image.convert("RGB")
    converted = _through_profile(image, profile)
    if converted is None:
        return image
    notes.append("colors converted to sRGB")
    return converted


def _stretched(image: Image.Image, limits: tuple[float, float] | None, notes: list[str]) -> Image.Image:
    values: np.ndarray = np.asarray(image, dtype=np.float32)
    least, greatest = limits or (float(values.min()), float(values.max()))
    if not np.isfinite([least, greatest]).all():
        raise ImageError("Some pixels of this image are not finite numbers (NaN or infinite).")
    notes.append(f"brightness from {least:.4g} to {greatest:.4g} stretched over black to white")
    scaled = (values - least) * (_OPAQUE / ((greatest - least) or 1.0))
    return Image.fromarray(np.rint(scaled).astype(np.uint8))


def _on_background(image: Image.Image, notes: list[str]) -> Image.Image:
    least: float
    least, _ = image.getchannel("A").getextrema()  # type: ignore[assignment]  # one channel: one pair
    if least == _OPAQUE:
        return image.convert("RGB")
    notes.append("transparency put on white")
    page = Image.new("RGB", image.size, BACKGROUND)
    page.paste(image, mask=image)
    return page


def _through_profile(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """Return `image` in sRGB by its ICC `profile`; None where there is none, it is sRGB, or it cannot be used."""
    if not profile or len(profile) > MAX_PROFILE_BYTES:
        return None
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return None
        # Made anew each time (10 µs): lcms does not promise that threads may share a profile.
        target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        return ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None  # As image viewers do: a broken profile is ignored.
