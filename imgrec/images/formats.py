"""The format that bytes claim to have, from their content alone; nothing is decoded here.

A file's extension is never trusted: `identify` reads the first bytes, `describe` names what is not a usable image, and
the counts find what would take a decoder too long.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

# How far into a file a signature is searched for; every one below lies within the first kilobyte.
HEAD_BYTES = 1024

# The lengths that a BMP's second header may have; "BM" alone also begins many a text.
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}

# A JPEG's markers but those that stand alone: no length follows (TEM, RST0-7, SOI, EOI, a padded or escaped 0xFF).
_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd9]", re.DOTALL)
_START_OF_SCAN = 0xDA
# 64 coefficients of 2 bytes.
_JPEG_BLOCK_BYTES = 128
# The headers of frames, those with several scans by definition among them.
_PROGRESSIVE_FRAMES = {0xC2, 0xC6, 0xCA, 0xCE}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}

# The first bytes of a GIF's blocks.
_GIF_EXTENSION, _GIF_IMAGE, _GIF_TRAILER = b"!", b",", b";"

# Stray bytes between a JPEG's segments, and blocks of a GIF's pixels (usually of 255 bytes): about 0.05 s.
_MAX_STRAY_BYTES = 65_536
_MAX_GIF_BLOCKS = 100_000


def identify(data: bytes) -> str | None:
    """Return the name of the allowed format that `data` begins like (a key of `EXTENSIONS`), or None."""
    return next((name for name, matches in _SIGNATURES.items() if matches(data)), None)


def describe(data: bytes) -> str:
    """Return what `data`, which is not an allowed image, looks like, with its article: "a PDF document"."""
    head = data[:HEAD_BYTES]
    fallback = "a text file" if _is_text(head) else "a file of an unknown format"
    return next((description for description, pattern in _STRANGERS if pattern.match(head)), fallback)


def with_article(image_format: str) -> str:
    """Return the name of a format after "a" or "an", by its sound."""
    return f"{'an' if image_format[0] in 'AEIO' else 'a'} {image_format}"


def is_image_name(name: str) -> bool:
    """Whether the extension of the file `name` is one of an allowed format."""
    return any(PurePath(name).suffix.lower() in extensions for extensions in EXTENSIONS.values())


def wrong_extension(name: str, image_format: str) -> str | None:
    """Return the extension of the file `name` if it belongs to another format than `image_format`, else None."""
    extension = PurePath(name).suffix.lower()
    others = set().union(*EXTENSIONS.values()) - EXTENSIONS[image_format]
    return extension if extension in others else None


def count_jpeg_segments(data: bytes, limit: int) -> int:
    """Return the number of segments before the first scan of a JPEG, counted up to `limit`.

    `limit` too where bytes between them are so many that reading them one by one takes long.
    """
    count, strays, end = 0, 0, 2
    for marker, position in _jpeg_segments(data):
        strays += position - end
        if marker == _START_OF_SCAN:
            return limit if strays > _MAX_STRAY_BYTES else count
        count += 1
        if count >= limit:
            return limit
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
    return limit if strays + len(data) - end > _MAX_STRAY_BYTES else count


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (marker, position) of each segment of a JPEG to its first scan, which is the last."""
    found = _JPEG_MARKER.search(data, 2)
    while found and found.end() + 2 <= len(data):
        position = found.start()
        marker = data[position + 1]
        yield marker, position
        if marker == _START_OF_SCAN:
            return
        found = _JPEG_MARKER.search(data, position + 2 + int.from_bytes(data[position + 2 : position + 4]))


def count_jpeg_scans(data: bytes) -> int:
    """Return how many scans a JPEG has at most: inside a scan the two bytes of its marker cannot occur."""
    return data.count(b"\xff\xda")


def jpeg_coefficient_bytes(data: bytes) -> int:
    """Return what a decoder of the JPEG `data` takes for its coefficients: 0 unless several scans make one image."""
    components: list[tuple[int, int]] = []
    blocks, buffers = 0.0, False
    for marker, position in _jpeg_segments(data):
        if marker in _FRAMES:
            # Length, precision, height, width and count; then an identity, two factors and a table of each component.
            count, height, width = (
                data[position + 9],
                *(int.from_bytes(data[position + i : position + i + 2]) for i in (5, 7)),
            )
            components = [(one >> 4, one & 15) for one in data[position + 11 : position + 10 + 3 * count : 3]]
            most = max((x for x, _ in components), default=1) * max((y for _, y in components), default=1)
            blocks = width * height / 64 * sum(x * y for x, y in components) / max(1, most)
            buffers = marker in _PROGRESSIVE_FRAMES
        if marker == _START_OF_SCAN:
            buffers = buffers or data[position + 4] < len(components)
    return int(blocks * _JPEG_BLOCK_BYTES) if buffers else 0


def count_png_chunks(data: bytes, limit: int) -> int:
    """Return the number of chunks of a PNG, counted up to `limit`."""
    position, count = 8, 0
    while count < limit and position + 8 <= len(data):
        position += 12 + int.from_bytes(data[position : position + 4])
        count += 1
    return count


def count_webp_chunks(data: bytes, limit: int) -> int:
    """Return the number of chunks of a WebP, counted up to `limit`; a chunk of an animation is one frame."""
    position, count = 12, 0
    while count < limit and position + 8 <= len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
        count += 1
    return count


def webp_size(data: bytes) -> tuple[int, int]:
    """Return the (width, height) of a WebP, from the header of its first chunk; (0, 0) where it has none."""
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return 0, 0


def count_tiff_tags(data: bytes) -> int:
    """Return the number of tags in the first directory of a TIFF or of an EXIF block, with or without its prefix."""
    data = data.removeprefix(b"Exif\0\0")
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    start = int.from_bytes(data[4:8], order)
    return int.from_bytes(data[start : start + 2], order)


@dataclass(frozen=True, slots=True)
class GifStructure:
    """What a GIF has beside the pixels of its first frame.

    `blocks` stand before its first frame; `is_animated`: it has a second one; `is_damaged`: it ends without its last
    byte.
    """

    blocks: int
    is_animated: bool = False
    is_damaged: bool = False


def scan_gif(data: bytes, limit: int) -> GifStructure:
    """Return the structure of a GIF; the blocks before its first frame are counted up to `limit`."""
    blocks, position = _skip_gif_extensions(data, 13 + _color_table_bytes(data, 10), limit)
    frames, left = 0, _MAX_GIF_BLOCKS
    while left > 0:
        if data[position : position + 1] != _GIF_IMAGE:
            return GifStructure(blocks, frames > 1, is_damaged=data[position : position + 1] != _GIF_TRAILER)
        frames += 1
        # The size of a code follows the descriptor and its colors, then the pixels.
        pixels, end = _skip_gif_blocks(data, position + 11 + _color_table_bytes(data, position + 9), left)
        others, position = _skip_gif_extensions(data, end, left)
        left -= 1 + pixels + others
    return GifStructure(blocks, frames > 1)


def _skip_gif_extensions(data: bytes, position: int, limit: int) -> tuple[int, int]:
    """Return how many blocks and stray bytes stand before the next frame or trailer, up to `limit`, and their end."""
    count = 0
    while count < limit and data[position : position + 1] not in {b"", _GIF_IMAGE, _GIF_TRAILER}:
        count += 1
        if data[position : position + 1] == _GIF_EXTENSION:
            inside, position = _skip_gif_blocks(data, position + 2, limit)
            count += inside
        else:  # software skips what is no block
            position += 1
    return min(count, limit), position


def _skip_gif_blocks(data: bytes, position: int, limit: int) -> tuple[int, int]:
    """Return how many sub-blocks stand at `position`, up to `limit`, and the position after them."""
    count = 0
    while count < limit and position < len(data) and data[position]:
        position += 1 + data[position]
        count += 1
    return count, position + 1


def _color_table_bytes(data: bytes, position: int) -> int:
    """Return the length of the color table that the flags at `position` of a GIF announce."""
    flags = data[position] if position < len(data) else 0
    return 3 << (flags % 8 + 1) if flags & 0x80 else 0


def png_bit_depth(data: bytes) -> int:
    """Return the bits of one sample of a PNG, from its header chunk, which the standard puts first."""
    return data[24] if len(data) > 24 else 8


def _is_bmp(data: bytes) -> bool:
    return data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS


def _is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _has_brand(data: bytes, brands: set[bytes], others: set[bytes]) -> bool:
    """Whether an ISO media file is of one of `brands`; the major brand decides, then the compatible ones.

    `mif1` as the major brand means any image, so that the compatible brands decide.
    """
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4]), HEAD_BYTES)
    major, compatible = data[8:12], {data[i : i + 4] for i in range(16, end - 3, 4)}
    if major in brands | others and major not in {b"mif1", b"msf1"}:
        return major in brands
    return bool(({major} | compatible) & brands)


def _is_text(head: bytes) -> bool:
    try:
        # Not final: the head's end may cut a character in two.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\r\n\t\f\ufeff" for character in text)


# The extensions of each allowed format; the keys are the allow-list.
EXTENSIONS = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"},
    "PNG": {".png", ".apng"},
    "WebP": {".webp"},
    "GIF": {".gif"},
    "BMP": {".bmp", ".dib"},
    "TIFF": {".tif", ".tiff"},
    "AVIF": {".avif", ".avifs"},
    "HEIC": {".heic", ".heif", ".hif"},
}

_SIGNATURES: dict[str, Callable[[bytes], bool]] = {
    "JPEG": lambda data: data.startswith(b"\xff\xd8\xff"),
    "PNG": lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"),
    "WebP": _is_webp,
    "GIF": lambda data: data.startswith((b"GIF87a", b"GIF89a")),
    "BMP": _is_bmp,
    "TIFF": lambda data: data.startswith((b"II*\0", b"MM\0*")) and data[8:10] != b"CR",
    "AVIF": lambda data: _has_brand(data, _AVIF_BRANDS, _HEIF_BRANDS),
    "HEIC": lambda data: _has_brand(data, _HEIF_BRANDS, _AVIF_BRANDS),
}

# Other files, for the sentence of the error; the first that matches is taken.
_STRANGERS = [
    (description, re.compile(pattern, re.DOTALL | re.IGNORECASE))
    for description, pattern in [
        ("an empty file", rb"\Z"),
        ("a PDF document", rb".{0,32}%PDF-"),
        ("an SVG drawing, without pixels", rb"(\xef\xbb\xbf)?\s*(<\?xml.*?|<!--.*?|<!doctype.*?)*<svg[\s>]"),
        ("a web page (HTML)", rb"(\xef\xbb\xbf)?\s*(<\?xml.*?|<!--.*?)*<(!doctype html|html|head|body)"),
        ("a camera raw file", rb"II\*\0....CR|FUJIFILMCCD-RAW|IIRO|IIU\0|....ftypcrx "),
        ("a JPEG XL image", rb"\xff\x0a|\0\0\0\x0cJXL "),
        ("a JPEG 2000 image", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
        ("a Photoshop document", rb"8BPS"),
        ("an icon (ICO)", rb"\0\0\x01\0"),
        ("a BigTIFF file", rb"II\+\0|MM\0\+"),
        ("a ZIP archive or an office document", rb"PK\x03\x04|PK\x05\x06"),
        ("a compressed archive", rb"\x1f\x8b|BZh|7z\xbc\xaf|\xfd7zXZ|Rar!"),
        ("a video", rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI |\0\0\x01\xba"),
        ("an audio file", rb"ID3|RIFF....WAVE|OggS|fLaC"),
        ("a program", rb"\x7fELF|MZ"),
        ("an HDF5 file, such as model weights", rb"\x89HDF\r\n"),
    ]
]
