"""The only decoder of untrusted bytes: `decode` returns a `DecodedImage` or raises `ImageError`.

The input of every model depends on the uploaded bytes alone: one decode serves all models, upright by its EXIF tag,
sRGB, 8 bit, without alpha, and not much larger than the largest network needs. `notes` describe what was normalized.
Of the file's name and metadata only the orientation outlives the call.

Decoders are foreign code that reads untrusted bytes. Sizes are checked from the header before any pixel is decoded,
large images are decoded in a process of their own, and whatever a decoder raises leaves here as an `ImageError`;
incomplete images are refused.
Every function may be called from several threads.
"""

import hashlib
import io
import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
from PIL import Image, PngImagePlugin

from imgrec.errors import ImageError, ImageTooLargeError
from imgrec.images import decoder_process, formats, limits, readers
from imgrec.images.raster import Raster
from imgrec.settings import MIB

THUMBNAIL_SIDE_PX = 1024
# At 85 a photo's artifacts cannot be seen at this size, and 1024 px take about 150 kB.
THUMBNAIL_QUALITY = 85

# All other transposes undo themselves.
_INVERSE = {
    Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
    Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """An image as every model is given it; it takes at most `working_size.MAX_KEPT_BYTES`.

    `whole` has its pixels as of `working_size`: the short side at least 640 px unless the image itself is smaller, or
    too long for that. Of an image that is too long, `middle` has the middle square at that size, for networks that are
    given no more; None for all others. `format` is a key of
    `formats.EXTENSIONS`. `sha256` (hexadecimal) is that of the uploaded bytes and the key of every cache. `notes` are
    phrases such as "rotated by its EXIF tag". `size_px` is the (height, width) of the whole image, upright, before it
    was reduced. `orientation` is the EXIF orientation of the file, 1 to 8, by which the pixels were turned upright; 1
    where they lay so.
    """

    whole: Raster
    format: str
    sha256: str
    notes: tuple[str, ...]
    size_px: tuple[int, int]
    orientation: int = 1
    middle: Raster | None = None

    @property
    def pixels(self) -> np.ndarray:
        """The pixels of the whole image, uint8 (H, W, 3), RGB, read-only."""
        return self.whole.array

    @property
    def nbytes(self) -> int:
        """The memory that the pixels take as arrays."""
        return sum(math.prod(part.shape) for part in (self.whole, self.middle) if part is not None)


def decode(data: bytes, *, max_bytes: int, name: str | None = None) -> DecodedImage:
    """Return the image in `data`: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC, of animations the first frame.

    Args:
        data: The whole file.
        max_bytes: Its largest size.
        name: The file's name, for a note where its extension is that of another format.

    Raises:
        ImageTooLargeError: Above `max_bytes`, `limits.MAX_PIXELS` or the memory that a decoder may take.
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
        notes.append(f"named {extension} but is {formats.with_article(kind)}")
    with _quiet, _foreign_code(kind):
        found = _read(data, kind, notes)
    digest = hashlib.sha256(data).hexdigest()
    whole, *middle = map(Raster, found.parts)
    return DecodedImage(whole, kind, digest, tuple(notes), found.size_px, found.orientation, *middle)


def as_stored(image: DecodedImage) -> np.ndarray:
    """Return the pixels of `image` as they lie in the file, as software that ignores EXIF shows them: uint8 (H, W, 3).

    The upright pixels where the file has no orientation.
    """
    if image.orientation not in readers.UPRIGHT:
        return image.pixels
    transpose, _ = readers.UPRIGHT[image.orientation]
    return np.asarray(image.whole.to_image().transpose(_INVERSE.get(transpose, transpose)))


def thumbnail(image: DecodedImage, side_px: int = THUMBNAIL_SIDE_PX) -> bytes:
    """Return a JPEG of `image.pixels`, its long side at most `side_px`: what is shown is what the models are given."""
    small = image.whole.to_image().copy()
    small.thumbnail((side_px, side_px), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=THUMBNAIL_QUALITY)
    return buffer.getvalue()


def _read(data: bytes, kind: str, notes: list[str]) -> readers.Pixels:
    """Return what `readers.read` does, here or in another process."""
    reader = readers.open_image(data, kind)
    with _large_image if reader.decoder_bytes > limits.MAX_TOGETHER_BYTES else nullcontext():
        if reader.decoder_bytes <= limits.MAX_HERE_BYTES:
            return readers.read(reader, notes)
        del reader
        return decoder_process.read(data, kind, notes)


@contextmanager
def _foreign_code(kind: str) -> Iterator[None]:
    """Turn any exception of a decoder into an `ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageTooLargeError(f"The {kind} does not fit into memory. Use a smaller image.") from error
    except Image.DecompressionBombError as error:  # Pillow's own check of frames
        megapixels = limits.MAX_PIXELS / 1e6
        raise ImageTooLargeError(f"The {kind} has more than {megapixels:.0f} megapixels, the limit.") from error
    except Exception as error:  # Decoders of damaged files raise anything: OSError, SyntaxError, KeyError, ...
        if "PngImagePlugin.MAX_TEXT" in str(error):
            text_mib = PngImagePlugin.MAX_TEXT_CHUNK / MIB
            raise ImageTooLargeError(
                f"The {kind} has a text or color profile of more than {text_mib:.0f} MiB, the limit. Save it without."
            ) from error
        raise ImageError(f"The {kind} is incomplete, damaged or of an unsupported kind.") from error


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
