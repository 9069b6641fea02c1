"""What bytes claim to be; the formats themselves are tried in test_images.py."""

import struct

import pytest

from imgrec.images import formats


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


def test_a_character_cut_in_two_at_the_end_of_the_head_is_still_text() -> None:
    assert formats.describe(("ü" * 2000).encode()) == "a text file"
    assert formats.describe(("x" + "ü" * 2000).encode()) == "a text file"
