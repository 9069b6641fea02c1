"""The format that bytes claim to have, from their content alone; nothing is decoded here.

A file's extension is never trusted: `identify` reads the first bytes, `describe` names what is not a usable image, and
the counts find what would take a decoder too long.
"""

import codecs
import re
from collections.abc import Callable
from pathlib import PurePath

# How far into a file a signature is searched for; every one below lies within the first kilobyte.
HEAD_BYTES = 1024

# The lengths that a BMP's second header may have; "BM" alone also begins many a text.
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}

# JPEG markers that stand alone: no length follows (TEM, RST0-7, SOI, EOI, a padded or escaped 0xFF).
_BARE_JPEG_MARKERS = {0x00, 0x01, 0xFF, *range(0xD0, 0xDA)}
_START_OF_SCAN = 0xDA


def identify(data: bytes) -> str | None:
    """Return the name of the allowed format that `data` begins like (a key of `EXTENSIONS`), or None."""
    return next((name for name, matches in _SIGNATURES.items() if matches(data)), None)


def describe(data: bytes) -> str:
    """Return what `data`, which is not an allowed image, looks like, with its article: "a PDF document"."""
    head = data[:HEAD_BYTES]
    fallback = "a text file" if _is_text(head) else "a file of an unknown format"
    return next((description for description, pattern in _STRANGERS if pattern.match(head)), fallback)


def wrong_extension(name: str, image_format: str) -> str | None:
    """Return the extension of the file `name` if it belongs to another format than `image_format`, else None."""
    extension = PurePath(name).suffix.lower()
    others = set().union(*EXTENSIONS.values()) - EXTENSIONS[image_format]
    return extension if extension in others else None


def count_jpeg_segments(data: bytes, limit: int) -> int:
    """Return the number of segments before the first scan of a JPEG, counted up to `limit`."""
    position, count = 2, 0
    while count < limit:
        position = data.find(b"\xff", position)
        if position < 0 or position + 4 > len(data) or data[position + 1] == _START_OF_SCAN:
            break
        if data[position + 1] in _BARE_JPEG_MARKERS:
            position += 1
            continue
        position += 2 + int.from_bytes(data[position + 2 : position + 4])
        count += 1
    return count


def count_jpeg_scans(data: bytes) -> int:
    """Return how many scans a JPEG has at most: inside a scan the two bytes of its marker cannot occur."""
    return data.count(b"\xff\xda")


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
