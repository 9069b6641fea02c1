"""The only decoder of untrusted bytes: `decode` returns a `DecodedImage` or raises `ImageError`.

The input of every model depends on the uploaded bytes alone: one decode serves all models, upright by its EXIF tag,
sRGB, 8 bit, without alpha, and not much larger than the largest network needs. `notes` describe what was normalized.
Of the file's name and metadata only the orientation outlives the call.

Decoders are foreign code that reads untrusted bytes. Sizes are checked from the header before any pixel is decoded, and
whatever a decoder raises leaves here as an `ImageError`; incomplete images are refused.
Every function may be called from several threads.
"""

import hashlib
import io
import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from imgrec.errors import ImageError, ImageTooLargeError
from imgrec.images import color, formats
from imgrec.settings import MIB

# The short side below which decoding never reduces an image. The largest short side that a catalog entry
# needs is 632 px (EfficientNetB7: input 600, crop fraction 0.949), so one decode serves every model.
WORKING_SIDE_PX = 640

# What a decoded image takes at most, whatever its shape: a visitor keeps several, and a server those of many visitors.
# A photo at working size takes 1.5 to 7 MB; a panorama up to 6.5 times as long as high fits at `WORKING_SIDE_PX`.
MAX_KEPT_BYTES = 8_000_000

# The largest images that cameras and phones make have 100 million pixels; read from the header.
MAX_PIXELS = 100_000_000

# The memory that a decoder may take at its peak: a quarter of the smallest host (1 GiB).
MAX_DECODER_BYTES = 256 * MIB

# Peak bytes for one decoded pixel, measured on 12-megapixel images and rounded up: Pillow holds RGB in 4 bytes, a
# conversion needs a second copy, and some decoders their own planes. Each is the worst of the format (transparency,
# floats). A JPEG is decoded at reduced scale, but a progressive one holds all its coefficients.
DECODER_BYTES_PER_PIXEL = {
    "JPEG": 10,
    "PNG": 10,
    "GIF": 10,
    "BMP": 10,
    "TIFF": 17,
    "HEIC": 8,
    "HEIC with transparency": 14,
    "AVIF": 13,
    "WebP": 18,
}
PROGRESSIVE_BYTES_PER_PIXEL = 6

# Above this one image is decoded at a time, so that a burst of uploads needs the peak only once.
LARGE_IMAGE_PIXELS = 12_000_000

# Cameras write about 20 segments and, in progressive files, about 10 scans for each image in the file; both
# cost a decoder time for few bytes, so that a file of 20 MiB made for the purpose would take minutes.
MAX_JPEG_SEGMENTS = 1_000
MAX_JPEG_SCANS = 200

THUMBNAIL_SIDE_PX = 1024
# At 85 a photo's artifacts cannot be seen at this size, and 1024 px take about 150 kB.
THUMBNAIL_QUALITY = 85

_OPENERS: dict[str, type[ImageFile.ImageFile]] = {
    # Pillow's own classes instead of `Image.open`: exactly the identified decoder runs, a JPEG with several
    # images gives its main one, and no process-wide registry or size warning takes part.
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}

# Tags of TIFF and EXIF.
_NEW_SUBFILE_TYPE, _REDUCED_RESOLUTION = 0x00FE, 1
_BITS_PER_SAMPLE = 0x0102
_ORIENTATION = 0x0112
_DNG_VERSION = 0xC612

# Formats without a count of frames in their header; walking through a crafted file would take minutes.
_UNCOUNTED_FRAMES = {"GIF": "first frame of an animation", "TIFF": "first of several pages"}

# Orientations from this on swap width and height.
_FIRST_SIDEWAYS = 5
_UPRIGHT = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT, "mirrored by its EXIF tag"),
    3: (Image.Transpose.ROTATE_180, "rotated by its EXIF tag"),
    4: (Image.Transpose.FLIP_TOP_BOTTOM, "mirrored by its EXIF tag"),
    5: (Image.Transpose.TRANSPOSE, "rotated and mirrored by its EXIF tag"),
    6: (Image.Transpose.ROTATE_270, "rotated by its EXIF tag"),
    7: (Image.Transpose.TRANSVERSE, "rotated and mirrored by its EXIF tag"),
    8: (Image.Transpose.ROTATE_90, "rotated by its EXIF tag"),
}

# All other transposes undo themselves.
_INVERSE = {
    Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
    Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """An image as every model is given it; it takes at most `MAX_KEPT_BYTES`.

    `pixels` is uint8 (H, W, 3), RGB, read-only, its short side at least `WORKING_SIDE_PX` unless the image itself is
    smaller, or too long for that; another array raises `ImageError`. Of an image that is too long, `center` has the
    middle square at `WORKING_SIDE_PX`, for networks that are given no more; None for all others. `format` is a key of
    `formats.EXTENSIONS`. `sha256` (hexadecimal) is that of the uploaded bytes and the key of every cache. `notes` are
    phrases such as "rotated by its EXIF tag".
    `size_px` is the (height, width) of the whole image, upright, before it was reduced. `orientation` is the EXIF
    orientation of the file, 1 to 8, by which `pixels` were turned upright; 1 where they lay so.
    """

    pixels: np.ndarray
    format: str
    sha256: str
    notes: tuple[str, ...]
    size_px: tuple[int, int]
    orientation: int = 1
    center: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_pixels(self.pixels)
        if self.pixels.flags.writeable:
            pixels = self.pixels.copy()
            pixels.flags.writeable = False
            object.__setattr__(self, "pixels", pixels)

    @property
    def nbytes(self) -> int:
        """The memory that the image takes."""
        return self.pixels.nbytes + (0 if self.center is None else self.center.nbytes)


def check_pixels(pixels: np.ndarray) -> None:
    """Raise `ImageError` unless `pixels` is uint8 (H, W, 3) and not empty."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ImageError(f"Expected pixels of type uint8 and shape (H, W, 3). Received: {pixels.dtype} {pixels.shape}.")


def decode(data: bytes, *, max_bytes: int, name: str | None = None) -> DecodedImage:
    """Return the image in `data`: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC, of animations the first frame.

    Args:
        data: The whole file.
        max_bytes: Its largest size.
        name: The file's name, for a note where its extension is that of another format.

    Raises:
        ImageTooLargeError: Above `max_bytes`, `MAX_PIXELS` or the memory that a decoder may take.
        ImageError: Not a whole image in one of these formats.
    """
    if len(data) > max_bytes:
        raise ImageTooLargeError(f"The file is larger than {max_bytes / MIB:.3g} MiB, the limit for an image.")
    kind = formats.identify(data)
    if kind is None:
        *others, last = formats.EXTENSIONS
        raise ImageError(f"This is {formats.describe(data)}. Use {', '.join(others)} or {last}.")
    notes: list[str] = []
    if name is not None and (extension := formats.wrong_extension(name, kind)):
        notes.append(f"named {extension} but is a {kind}")
    with _quiet, _foreign_code(kind):
        # libheif turns an image upright by itself, and does not tell.
        parts, size_px, orientation = (*_load_heic(data, notes), 1) if kind == "HEIC" else _load(data, kind, notes)
        pixels, *center = [np.asarray(part) for part in parts]
    digest = hashlib.sha256(data).hexdigest()
    return DecodedImage(pixels, kind, digest, tuple(notes), size_px, orientation, *center)


def as_stored(image: DecodedImage) -> np.ndarray:
    """Return the pixels of `image` as they lie in the file, as software that ignores EXIF shows them: uint8 (H, W, 3).

    The upright pixels where the file has no orientation.
    """
    if image.orientation not in _UPRIGHT:
        return image.pixels
    transpose, _ = _UPRIGHT[image.orientation]
    return np.asarray(Image.fromarray(image.pixels).transpose(_INVERSE.get(transpose, transpose)))


def thumbnail(image: DecodedImage, side_px: int = THUMBNAIL_SIDE_PX) -> bytes:
    """Return a JPEG of `image.pixels`, its long side at most `side_px`: what is shown is what the models are given."""
    small = Image.fromarray(image.pixels)
    small.thumbnail((side_px, side_px), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=THUMBNAIL_QUALITY)
    return buffer.getvalue()


def _load(data: bytes, kind: str, notes: list[str]) -> tuple[list[Image.Image], tuple[int, int], int]:
    """Return the upright RGB image as `_reduced` gives it, the (height, width) of the whole, its EXIF orientation."""
    if kind == "JPEG":
        _check_jpeg(data)
    image = _OPENERS[kind](io.BytesIO(data))
    width, height = image.size
    _check_size(kind, width, height, progressive="progressive" in image.info)
    if kind == "TIFF":
        _refuse_raw(image)
    notes += _frame_notes(image, kind)
    # Pillow turns a TIFF upright while it loads it (and reports the turned size before), but not the others.
    orientation = turned = _orientation(image) if kind == "TIFF" else 1
    with _alone_if_large(width * height):
        # Reads a JPEG at 1/2, 1/4 or 1/8 of its side, straight from its coefficients; nothing for the others.
        image.draft(None, (WORKING_SIDE_PX, WORKING_SIDE_PX))
        image.load()
        parts = _reduced(color.to_8_bit(image, _bit_depth(image, kind, data), notes))
    if turned == 1:
        orientation = _orientation(image)
    parts = _to_srgb(parts, image.info.get("icc_profile"), notes)
    if orientation in _UPRIGHT:
        transpose, note = _UPRIGHT[orientation]
        notes.append(note)
        if turned == 1:
            parts = [part.transpose(transpose) for part in parts]
            if orientation >= _FIRST_SIDEWAYS:
                width, height = height, width
    return parts, (height, width), orientation if orientation in _UPRIGHT else 1


def _load_heic(data: bytes, notes: list[str]) -> tuple[list[Image.Image], tuple[int, int]]:
    """As `_load`, through libheif, which turns an image upright itself."""
    # Loaded on demand: 10 ms and 20 MB that only iPhone images need.
    import pillow_heif

    # Not `register_heif_opener`, which would change Pillow for the whole process.
    container = pillow_heif.open_heif(io.BytesIO(data))
    width, height = container.size
    _check_size("HEIC with transparency" if container.has_alpha else "HEIC", width, height)
    if len(container) > 1:
        notes.append(f"the main one of {len(container)} images in the file")
    with _alone_if_large(width * height):
        image = container.to_pillow()
        if image.size != (width, height):
            raise ImageError("The HEIC is damaged: its image has another size than its header says.")
        parts = _reduced(color.to_8_bit(image, container.info["bit_depth"], notes))
    return _to_srgb(parts, container.info.get("icc_profile"), notes), (height, width)


def _check_jpeg(data: bytes) -> None:
    if formats.count_jpeg_segments(data, MAX_JPEG_SEGMENTS) >= MAX_JPEG_SEGMENTS:
        raise ImageError(f"The JPEG has too many segments; the limit is {MAX_JPEG_SEGMENTS:,}. Save it again.")
    if (scans := formats.count_jpeg_scans(data)) > MAX_JPEG_SCANS:
        raise ImageError(f"The JPEG has {scans:,} scans; the limit is {MAX_JPEG_SCANS}. Save it again.")


def _check_size(kind: str, width: int, height: int, progressive: bool = False) -> None:
    """Raise `ImageTooLargeError` when the whole image, or the memory of its decoder, is too large."""
    pixels = decoded = width * height
    limit = MAX_PIXELS
    if kind == "JPEG":
        scale = max(scale for scale in (1, 2, 4, 8) if scale == 1 or min(width, height) // scale >= WORKING_SIDE_PX)
        decoded = pixels // scale**2
    taken = decoded * DECODER_BYTES_PER_PIXEL[kind] + (pixels * PROGRESSIVE_BYTES_PER_PIXEL if progressive else 0)
    if taken > MAX_DECODER_BYTES:
        limit = min(limit, pixels * MAX_DECODER_BYTES // taken)
    if pixels > limit:
        raise ImageTooLargeError(
            f"The {kind} has {width} × {height} px, {pixels / 1e6:.0f} megapixels; "
            f"the limit is {limit / 1e6:.0f}. Use a smaller image."
        )


def _refuse_raw(image: ImageFile.ImageFile) -> None:
    """Raise `ImageError` for raw files that look like a TIFF (DNG, NEF, ARW), of which only a preview is readable."""
    tags = getattr(image, "tag_v2", {})
    if _DNG_VERSION in tags or tags.get(_NEW_SUBFILE_TYPE, 0) == _REDUCED_RESOLUTION:
        raise ImageError("This is a camera raw file. Export it as a JPEG.")


def _frame_notes(image: ImageFile.ImageFile, kind: str) -> list[str]:
    if kind == "JPEG":
        return ["the main one of several images in the file"] if "mp" in image.info else []
    if not getattr(image, "is_animated", False):
        return []
    if kind in _UNCOUNTED_FRAMES:
        return [_UNCOUNTED_FRAMES[kind]]
    frames: int = getattr(image, "n_frames", 1)
    return [f"first of {frames} frames"]


def _bit_depth(image: ImageFile.ImageFile, kind: str, data: bytes) -> int:
    """Bits of one sample as stored in the file; Pillow keeps that only for gray images."""
    if kind == "PNG":
        return formats.png_bit_depth(data)
    if kind == "TIFF":
        return int(max(getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))))
    return 8


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation 1-8; 1, upright, where there is none."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # A broken EXIF block has no information; the image itself is intact.
        return 1
    return orientation if isinstance(orientation, int) else 1


def _to_srgb(parts: list[Image.Image], profile: bytes | None, notes: list[str]) -> list[Image.Image]:
    """Return `parts` of one image in sRGB; `notes` get what was done once."""
    return [color.to_srgb(part, profile, [] if number else notes) for number, part in enumerate(parts)]


def _reduced(image: Image.Image) -> list[Image.Image]:
    """Return `image`, averaged down by the largest whole factor that leaves its short side `WORKING_SIDE_PX`.

    Where that takes more than `MAX_KEPT_BYTES`, it is reduced further; where that makes its short side too small, the
    middle square follows at `WORKING_SIDE_PX`.
    """
    factor = min(image.size) // WORKING_SIDE_PX
    whole = image.reduce(factor) if factor > 1 else image
    parts = [_fitted(whole, MAX_KEPT_BYTES)]
    side = min(WORKING_SIDE_PX, *whole.size)
    if min(parts[0].size) < side:
        width, height = whole.size
        left, top = (width - min(whole.size)) / 2, (height - min(whole.size)) / 2
        center = whole.resize((side, side), Image.Resampling.BICUBIC, (left, top, width - left, height - top))
        parts = [_fitted(whole, MAX_KEPT_BYTES - 3 * side * side), center]
    return parts


def _fitted(image: Image.Image, max_bytes: int) -> Image.Image:
    """Return the RGB `image`, reduced in its shape where its pixels take more than `max_bytes`."""
    short, long = sorted(image.size)
    scale = math.sqrt(max_bytes / (3 * short * long))
    if scale >= 1:
        return image
    short = max(1, int(short * scale))
    size = short, min(int(long * scale), max_bytes // (3 * short))
    return image.resize(size if image.width <= image.height else size[::-1], Image.Resampling.BICUBIC)


@contextmanager
def _foreign_code(kind: str) -> Iterator[None]:
    """Turn any exception of a decoder into an `ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageTooLargeError(f"The {kind} does not fit into memory. Use a smaller image.") from error
    except Exception as error:  # Decoders of damaged files raise anything: OSError, SyntaxError, KeyError, ...
        raise ImageError(f"The {kind} is incomplete, damaged or of an unsupported kind.") from error


def _alone_if_large(pixels: int) -> AbstractContextManager[object]:
    return _large_image if pixels > LARGE_IMAGE_PIXELS else nullcontext()


class _Quiet:
    """A context in which decoders' warnings about metadata are ignored, while at least one thread is inside.

    Python's own `catch_warnings` changes the process, and undoes it in the wrong order when two threads overlap: here
    the first thread that enters and the last one that leaves do it for all.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._caught = warnings.catch_warnings(action="ignore")
                self._caught.__enter__()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._caught.__exit__(None, None, None)


_quiet = _Quiet()
_large_image = threading.Lock()
