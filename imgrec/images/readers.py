"""Foreign decoders of untrusted bytes: `read` returns the upright pixels of an image at working size.

It runs in the server's process for most images, and in a process of its own for large ones, see `decoder_process`.
Sizes are checked from the header before any pixel is decoded. What a decoder raises passes unchanged.
"""

import io
from dataclasses import dataclass, field
from typing import Any

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    _avif,
    _webp,
)

from imgrec.errors import ImageError, ImageTooLargeError
from imgrec.images import bands, color, formats, limits, working_size

# Pillow's own classes instead of `Image.open`: exactly the identified decoder runs, a JPEG with several
# images gives its main one, and no process-wide registry or size warning takes part.
_PILLOW: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
}

# Threads of the decoder of AVIF; each takes memory of its own.
_AVIF_THREADS = 2

# Tags of TIFF and EXIF.
_NEW_SUBFILE_TYPE, _REDUCED_RESOLUTION = 0x00FE, 1
_BITS_PER_SAMPLE = 0x0102
_ORIENTATION = 0x0112
_TILE_WIDTH, _TILE_HEIGHT = 0x0142, 0x0143
_DNG_VERSION = 0xC612

# Orientations from this on swap width and height.
_FIRST_SIDEWAYS = 5
UPRIGHT = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT, "mirrored by its EXIF tag"),
    3: (Image.Transpose.ROTATE_180, "rotated by its EXIF tag"),
    4: (Image.Transpose.FLIP_TOP_BOTTOM, "mirrored by its EXIF tag"),
    5: (Image.Transpose.TRANSPOSE, "rotated and mirrored by its EXIF tag"),
    6: (Image.Transpose.ROTATE_270, "rotated by its EXIF tag"),
    7: (Image.Transpose.TRANSVERSE, "rotated and mirrored by its EXIF tag"),
    8: (Image.Transpose.ROTATE_90, "rotated by its EXIF tag"),
}


# The longest EXIF text of a PNG that is read, in hexadecimal digits: as much as a JPEG's segment holds.
_MAX_EXIF_DIGITS = 2 * 65_536


@dataclass(frozen=True, slots=True)
class Pixels:
    """What is kept of an image: `parts` as of `working_size.fit` in RGB, upright.

    `size_px` is the (height, width) of the whole, upright, `orientation` the EXIF orientation of the file.
    """

    parts: list[Image.Image]
    size_px: tuple[int, int]
    orientation: int


@dataclass(slots=True)
class Reader:
    """An image whose header was read, nothing decoded yet.

    `size` is its (width, height) as stored, `decoder_bytes` about what decoding takes, `bit_depth` that of a sample in
    the file, `info` what Pillow calls so; `is_upright`: the decoder turns the image by itself.
    """

    size: tuple[int, int]
    decoder_bytes: int
    bit_depth: int = 8
    info: dict[Any, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    is_upright: bool = False

    def load(self) -> tuple[bands.Band, tuple[int, int]]:
        """Decode the pixels; return their rows, and their (width, height), which may be a fraction of `size`."""
        raise NotImplementedError

    def find_orientation(self) -> int:
        """Return the EXIF orientation, 1 to 8; 1, upright, where there is none."""
        carrier = Image.Image()
        carrier.info = self.info
        return _orientation(carrier)


def open_image(data: bytes, kind: str) -> Reader:
    """Return the image in `data`, of the format `kind`; raises `ImageError` when it is too large."""
    limits.check_parts(data, kind)
    open_kind = {"WebP": _WebpReader.open, "AVIF": _AvifReader.open, "HEIC": _HeicReader.open}.get(kind)
    return open_kind(data) if open_kind else _PillowReader.open(data, kind)


def read(reader: Reader, notes: list[str]) -> Pixels:
    """Decode the image and return it upright, in sRGB, at working size; `notes` get what was normalized."""
    notes += reader.notes
    width, height = reader.size
    # A decoder that turns an image reports the turned size before, and forgets the orientation after.
    orientation = reader.find_orientation() if reader.is_upright else 1
    band, size = reader.load()
    whole = bands.reduce(band, size, working_size.reduction(*size), reader.bit_depth, notes)
    del band
    if not reader.is_upright:
        orientation = reader.find_orientation()
    profile = reader.info.get("icc_profile")
    parts = [
        color.to_srgb(part, profile, [] if number else notes) for number, part in enumerate(working_size.fit(whole))
    ]
    if orientation not in UPRIGHT:
        return Pixels(parts, (height, width), 1)
    transpose, note = UPRIGHT[orientation]
    notes.append(note)
    if not reader.is_upright:
        parts = [part.transpose(transpose) for part in parts]
        if orientation >= _FIRST_SIDEWAYS:
            width, height = height, width
    return Pixels(parts, (height, width), orientation)


@dataclass(slots=True, kw_only=True)
class _PillowReader(Reader):
    image: ImageFile.ImageFile

    @classmethod
    def open(cls, data: bytes, kind: str) -> Reader:
        image = _PILLOW[kind](io.BytesIO(data))
        width, height = image.size
        extra_bytes = formats.jpeg_coefficient_bytes(data) if kind == "JPEG" else 0
        if kind == "TIFF":
            extra_bytes = _check_tiff(image)
        taken_bytes = limits.decoder_bytes(kind, width, height, extra_bytes)
        limits.check_size(kind, width, height, taken_bytes)
        return cls(
            size=(width, height),
            decoder_bytes=taken_bytes,
            bit_depth=_bit_depth(image, kind, data),
            info=image.info,
            notes=_frame_notes(image, kind, data),
            is_upright=kind == "TIFF",
            image=image,
        )

    def load(self) -> tuple[bands.Band, tuple[int, int]]:
        # Reads a JPEG at 1/2, 1/4 or 1/8 of its side, straight from its coefficients; nothing for the others.
        self.image.draft(None, (working_size.WORKING_SIDE_PX, working_size.WORKING_SIDE_PX))
        self.image.load()
        return bands.of_image(self.image), self.image.size

    def find_orientation(self) -> int:
        return _orientation(self.image)


@dataclass(slots=True, kw_only=True)
class _WebpReader(Reader):
    # Pillow's own reader keeps this decoder's two canvases while it copies the pixels twice.
    decoder: Any

    @classmethod
    def open(cls, data: bytes) -> Reader:
        width, height = formats.webp_size(data)
        taken_bytes = limits.decoder_bytes("WebP", width, height)
        limits.check_size("WebP", width, height, taken_bytes)
        decoder = _webp.WebPAnimDecoder(data)
        size, _, _, frames, _ = decoder.get_info()
        if size != (width, height):
            raise ImageError("The WebP is damaged: its image has another size than its header says.")
        names = {"icc_profile": "ICCP", "exif": "EXIF", "xmp": "XMP "}
        info = {key: value for key, name in names.items() if (value := decoder.get_chunk(name))}
        notes = [f"first of {frames} frames"] if frames > 1 else []
        return cls(size=size, decoder_bytes=taken_bytes, info=info, notes=notes, decoder=decoder)

    def load(self) -> tuple[bands.Band, tuple[int, int]]:
        mode = self.decoder.get_info()[-1]
        frame = self.decoder.get_next()
        self.decoder = None
        if frame is None:
            raise OSError("no frame could be decoded")
        return bands.of_bytes("RGBA" if mode == "RGBA" else "RGBX", self.size, frame[0]), self.size


@dataclass(slots=True, kw_only=True)
class _AvifReader(Reader):
    # Pillow's own reader reads all tags of the EXIF block, and copies the pixels beside the decoder's.
    decoder: Any
    orientation: int

    @classmethod
    def open(cls, data: bytes) -> Reader:
        decoder = _avif.AvifDecoder(data, "auto", _AVIF_THREADS)
        size, frames, _, profile, _, orientation, _ = decoder.get_info()
        width, height = size
        taken_bytes = limits.decoder_bytes("AVIF", width, height)
        limits.check_size("AVIF", width, height, taken_bytes)
        info = {"icc_profile": profile} if profile else {}
        notes = [f"first of {frames} frames"] if frames > 1 else []
        return cls(
            size=size, decoder_bytes=taken_bytes, info=info, notes=notes, decoder=decoder, orientation=orientation
        )

    def load(self) -> tuple[bands.Band, tuple[int, int]]:
        mode = self.decoder.get_info()[2]
        pixels = self.decoder.get_frame(0)[0]
        self.decoder = None
        return bands.of_bytes(mode, self.size, pixels), self.size

    def find_orientation(self) -> int:
        return self.orientation


@dataclass(slots=True, kw_only=True)
class _HeicReader(Reader):
    container: Any

    @classmethod
    def open(cls, data: bytes) -> Reader:
        # Loaded on demand: 10 ms and 20 MB that only iPhone images need. Not `register_heif_opener`, which would
        # change Pillow for the whole process.
        import pillow_heif

        container = pillow_heif.open_heif(io.BytesIO(data))
        width, height = container.size
        name = "HEIC with transparency" if container.has_alpha else "HEIC"
        taken_bytes = limits.decoder_bytes(name, width, height)
        limits.check_size(name, width, height, taken_bytes)
        return cls(
            size=container.size,
            decoder_bytes=taken_bytes,
            bit_depth=container.info["bit_depth"],
            info=container.info,
            notes=[f"the main one of {len(container)} images in the file"] if len(container) > 1 else [],
            container=container,
        )

    def load(self) -> tuple[bands.Band, tuple[int, int]]:
        pixels = self.container.data
        if self.container.size != self.size:
            raise ImageError("The HEIC is damaged: its image has another size than its header says.")
        return bands.of_bytes(self.container.mode, self.size, pixels, self.container.stride), self.size

    def find_orientation(self) -> int:
        # libheif turns an image upright by itself, and does not tell.
        return 1


def _check_tiff(image: ImageFile.ImageFile) -> int:
    """Return the bytes that a tile takes; raise `ImageError` for giant ones, and for camera raw files.

    Raw files look like a TIFF (DNG, NEF, ARW), and only a preview in them is readable.
    """
    tags = getattr(image, "tag_v2", {})
    if _DNG_VERSION in tags or tags.get(_NEW_SUBFILE_TYPE, 0) == _REDUCED_RESOLUTION:
        raise ImageError("This is a camera raw file. Export it as a JPEG.")
    width, height = int(tags.get(_TILE_WIDTH, 0)), int(tags.get(_TILE_HEIGHT, 0))
    if width * height > limits.MAX_PIXELS:
        raise ImageTooLargeError(
            f"The TIFF has tiles of {width} × {height} px, {width * height / 1e6:,.0f} megapixels; "
            f"the limit is {limits.MAX_PIXELS / 1e6:.0f}. Save it again."
        )
    return width * height * limits.BYTES_PER_PIXEL["TIFF"]


def _frame_notes(image: ImageFile.ImageFile, kind: str, data: bytes) -> list[str]:
    if kind == "JPEG":
        return ["the main one of several images in the file"] if "mp" in image.info else []
    if kind == "GIF":
        # Pillow would read the second frame to find out.
        structure = formats.scan_gif(data, limits.MAX_CHUNKS)
        notes = ["first frame of an animation"] if structure.is_animated else []
        return notes + (["damaged after its first frame"] if structure.is_damaged else [])
    if not getattr(image, "is_animated", False):
        return []
    # A TIFF has no count of its pages; walking through a crafted file would take minutes.
    return ["first of several pages"] if kind == "TIFF" else [f"first of {getattr(image, 'n_frames', 1)} frames"]


def _bit_depth(image: ImageFile.ImageFile, kind: str, data: bytes) -> int:
    """Bits of one sample as stored in the file; Pillow keeps that only for gray images."""
    if kind == "PNG":
        return formats.png_bit_depth(data)
    if kind == "TIFF":
        return int(max(getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))))
    return 8


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation 1-8; 1, upright, where there is none."""
    exif, text = image.info.get("exif", b""), image.info.get("Raw profile type exif", "")
    if formats.count_tiff_tags(exif) > limits.MAX_TAGS or len(text) > _MAX_EXIF_DIGITS:
        return 1
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # A broken EXIF block has no information; the image itself is intact.
        return 1
    return orientation if isinstance(orientation, int) else 1
