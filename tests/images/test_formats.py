"""What bytes claim to be; the formats themselves are tried in test_images.py."""

import io
import struct

import pytest
from PIL import Image

from imgrec.images import formats
from imgrec.images.formats import GifStructure


def media_file(major: bytes, *compatible: bytes) -> bytes:
    brands = major + bytes(4) + b"".join(compatible)
    return struct.pack(">I", len(brands) + 8) + b"ftyp" + brands + bytes(64)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (media_file(b"heic", b"mif1", b"heic"), "HEIC"),
        (media_file(b"mif1", b"heic"), "HEIC"),
        (media_file(b"mif1", b"miaf", b"avif"), "AVIF"),
        (media_file(b"avif", b"mif1", b"miaf"), "AVIF"),
        (media_file(b"avis", b"msf1", b"avif"), "AVIF"),
        (media_file(b"isom", b"iso2", b"mp41"), None),
        (media_file(b"crx ", b"isom"), None),
        (b"RIFF\x24\0\0\0WAVEfmt ", None),
        (b"BM" + bytes(12) + struct.pack("<I", 40), "BMP"),
        (b"BM" + bytes(12) + struct.pack("<I", 41), None),
        (b"MM\0*\0\0\0\x08", "TIFF"),
        (b"MM\0+\0\x08\0\0", None),
        (b"", None),
    ],
)
def test_identify(data: bytes, expected: str | None) -> None:
    assert formats.identify(data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xd8\xff\xda\0\2", 0),
        (b"\xff\xd8" + b"\xff\xe0\0\4xx" * 3 + b"\xff\xda\0\2", 3),
        (b"\xff\xd8" + b"\xff\xe0\0\4xx" + b"junk\xff\xff\xe1\0\2" + b"\xff\xda\0\2", 2),
        (b"\xff\xd8" + b"\xff\xe0\0\4xx" * 50, 10),
        (b"\xff\xd8\xff", 0),
    ],
    ids=["none", "three", "junk and padding between", "more than the limit", "breaks off"],
)
def test_count_jpeg_segments(data: bytes, expected: int) -> None:
    assert formats.count_jpeg_segments(data, limit=10) == expected


def gif(before: bytes, between: bytes) -> bytes:
    """Return a GIF of two frames of one pixel, with bytes before and between them."""
    frame = b"," + bytes(4) + b"\1\0\1\0" + b"\0" + b"\2\2\x44\1\0"
    return b"GIF89a\1\0\1\0\x80\0\0" + bytes(6) + before + frame + between + frame + b";"


COMMENT = b"!\xfe\1x\0"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (gif(b"", b""), GifStructure(0, is_animated=True)),
        (gif(COMMENT * 3, COMMENT * 50), GifStructure(6, is_animated=True)),
        (gif(COMMENT * 50, b""), GifStructure(10, is_animated=True)),
        (gif(b"", b";"), GifStructure(0)),
        (gif(b"", b"")[:34], GifStructure(0, is_damaged=True)),
        (gif(b"", b"?" * 50), GifStructure(0, is_animated=True)),
        (b"GIF89a", GifStructure(0, is_damaged=True)),
    ],
    ids=["two frames", "comments", "more than the limit", "one frame", "no end", "other bytes", "breaks off"],
)
def test_scan_gif(data: bytes, expected: GifStructure) -> None:
    found = formats.scan_gif(data, limit=10)

    assert found.blocks == expected.blocks
    assert found == expected or found.blocks == 10  # what follows so many blocks is not looked at


@pytest.mark.parametrize(("chunks", "expected"), [(0, 0), (3, 3), (50, 10)])
def test_count_chunks(chunks: int, expected: int) -> None:
    assert formats.count_png_chunks(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\2abCdxxCRC!" * chunks, limit=10) == expected
    assert formats.count_webp_chunks(b"RIFFxxxxWEBP" + b"abcd\1\0\0\0x\0" * chunks, limit=10) == expected


def test_count_tiff_tags() -> None:
    assert formats.count_tiff_tags(b"II*\0\x08\0\0\0\x01\x02") == 0x201
    assert formats.count_tiff_tags(b"Exif\0\0MM\0*\0\0\0\x08\x01\x02") == 0x102
    assert formats.count_tiff_tags(b"") == formats.count_tiff_tags(b"II*\0\xff\xff\xff\xff") == 0


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_webp_size(lossless: bool, mode: str) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (301, 17)).save(buffer, "WEBP", lossless=lossless)

    assert formats.webp_size(buffer.getvalue()) == (301, 17)
    assert formats.webp_size(b"RIFF") == (0, 0)


@pytest.mark.parametrize(
    ("options", "bytes_per_pixel"),
    [({}, 0), ({"progressive": True}, 3), ({"progressive": True, "subsampling": 0}, 6)],
    ids=["baseline", "progressive 4:2:0", "progressive 4:4:4"],
)
def test_what_the_coefficients_of_a_jpeg_take(options: dict[str, object], bytes_per_pixel: int) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (320, 160)).save(buffer, "JPEG", **options)

    assert formats.jpeg_coefficient_bytes(buffer.getvalue()) == 320 * 160 * bytes_per_pixel


def test_a_jpeg_whose_bytes_are_read_one_by_one_has_too_many_segments() -> None:
    assert formats.count_jpeg_segments(b"\xff\xd8\xff" + b"\xff" * 100_000, limit=10) == 10
    assert formats.count_jpeg_segments(b"\xff\xd8" + bytes(100_000) + b"\xff\xda\0\2", limit=10) == 10


def test_a_format_has_its_article() -> None:
    assert [formats.with_article(name) for name in formats.EXTENSIONS] == [
        *("a JPEG", "a PNG", "a WebP", "a GIF", "a BMP", "a TIFF", "an AVIF", "a HEIC")
    ]


def test_a_character_cut_in_two_at_the_end_of_the_head_is_still_text() -> None:
    assert formats.describe(("ü" * 2000).encode()) == "a text file"
    assert formats.describe(("x" + "ü" * 2000).encode()) == "a text file"
