"""Image files of every format and mode, odd, damaged and hostile, made from a seed: the same each time."""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

from tests.reliability.images import photograph

MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "F"]
WRITERS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIC", "MPO", "DIB"]
SIDES_PX = [1, 2, 7, 16, 63, 64, 65, 255, 257, 640, 1281]
OPTIONS: dict[str, list[dict[str, object]]] = {
    "JPEG": [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 1}, {"icc_profile": bytes(200_000)}],
    "PNG": [{}, {"compress_level": 0}, {"bits": 2}, {"dpi": (1, 1)}, {"icc_profile": b"no profile"}],
    "WEBP": [{}, {"lossless": True}, {"quality": 1}, {"exact": True}, {"icc_profile": bytes(3_000_000)}],
    "GIF": [{}, {"interlace": 1}, {"transparency": 0}, {"comment": b"x" * 70_000}],
    "TIFF": [
        *({}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}, {"compression": "packbits"}),
        *({"compression": "jpeg"}, {"compression": "group4"}, {"tile_size": (64, 64)}, {"big_tiff": True}),
    ],
    "AVIF": [{"speed": 10}, {"speed": 10, "subsampling": "4:4:4"}, {"speed": 10, "quality": 1}],
}
FRAMES = {"GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"}


def odd_images(count: int, folders: list[Path], seed: int = 0) -> Iterator[bytes]:
    """Yield `count` files: a third each whole, damaged, and with hostile headers or metadata.

    `folders` have further files: each fourth file is one of them, and others are damaged.
    """
    chance = random.Random(seed)  # noqa: S311 (no secret)
    others = sorted(file for folder in folders for file in folder.rglob("*") if file.is_file())
    made: list[bytes] = [photograph()]
    for number in range(count):
        if others and number % 4 == 3:
            data = chance.choice(others).read_bytes()
        elif number % 3 == 0:
            data = whole(chance)
            made = [*made[-200:], data]
        elif number % 3 == 1:
            source = others[chance.randrange(len(others))].read_bytes() if others and number % 2 else None
            data = damaged(source or chance.choice(made), chance)
        else:
            data = hostile(chance)
        yield data


def whole(chance: random.Random) -> bytes:
    """Return an image of a format, mode and shape by chance, as Pillow writes it."""
    while True:
        kind = chance.choice(WRITERS)
        image = _scene(chance.choice(SIDES_PX), chance.choice(SIDES_PX), chance)
        options = dict(chance.choice(OPTIONS.get(kind, [{}])))
        if kind in FRAMES and chance.random() < 0.3:
            more = [_scene(*image.size, chance) for _ in range(chance.choice([1, 2, 9]))]
            options |= {"save_all": True, "append_images": more}
        if chance.random() < 0.3 and kind != "AVIF":  # its writer crashes on some orientations
            options["exif"] = _exif(chance)
        try:
            image = _as_mode(image, chance.choice(MODES))
            file = io.BytesIO()
            if kind == "HEIC":
                pillow_heif.from_pillow(image).save(file, quality=50)
            else:
                image.save(file, kind, **options)
            return file.getvalue()
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, SystemError):
            continue  # no format has all modes and options


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return `data` with some bytes changed, cut out, repeated or missing at the end."""
    changed = bytearray(data[: 2 * 1024 * 1024])
    for _ in range(chance.choice([1, 1, 2, 5, 50])):
        end = chance.choice([64, 1024, len(changed)])
        at = chance.randrange(max(1, min(end, len(changed))))
        way = chance.random()
        if way < 0.5:
            changed[at : at + 1] = chance.choice([b"\0", b"\xff", b"\x7f", bytes([chance.randrange(256)])])
        elif way < 0.7:
            del changed[at : at + chance.choice([1, 4, 100])]
        elif way < 0.9:
            changed[at:at] = changed[at : at + chance.choice([1, 16, 1000])]
        else:
            del changed[max(12, at) :]
    return bytes(changed)


def hostile(chance: random.Random) -> bytes:
    """Return a file made to cost time or memory: sizes, tags, chunks, texts and frames beyond all measure."""
    width, height = chance.choice([(65_000, 65_000), (30_000, 1), (1, 30_000), (9_000, 5_000), (2**31 - 1, 1)])
    count = chance.choice([10, 1_000, 30_000])
    png, gif = _saved(Image.new("RGB", (16, 16)), "PNG"), _saved(Image.new("P", (16, 16)), "GIF")
    header = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = zlib.compress(bytes(5_000_000), 9)
    comments = b"!\xfe\1x\0" * count
    makers = [
        lambda: header + chunk(b"IDAT", pixels) + chunk(b"IEND", b""),
        lambda: png[:33] + chunk(b"teXt", b"a\0b") * count + png[33:],
        lambda: png[:33] + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2_000_000))) + png[33:],
        lambda: png[:33] + chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(9_000_000))) + png[33:],
        lambda: tiff(count, chance),
        lambda: png[:33] + chunk(b"eXIf", tiff(count, chance)) + png[33:],
        lambda: _saved(Image.new("RGB", (16, 16)), "WEBP", exif=tiff(count, chance)),
        lambda: _saved(Image.new("RGB", (16, 16)), "AVIF", exif=tiff(count, chance)),
        lambda: gif[:6] + struct.pack("<HH", width & 0xFFFF, height & 0xFFFF) + gif[10:],
        lambda: gif.replace(b",", comments + b",", 1),
        lambda: gif[:-1] + comments + gif[-1:],
        lambda: _saved(Image.new("L", (2_000, 2_000)), "JPEG", progressive=True) + b"\xff\xda" * count,
        lambda: b"\xff\xd8" + b"\xff\xe1\0\x09Exif\0\0x" * count + photograph()[2:],
        lambda: b"\xff\xd8" + b"\xff" * count * 20 + photograph()[2:],
        lambda: b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, width & 0xFFFF, -height, 1, 24, 1) + bytes(60),
        lambda: _saved(Image.new("RGB", (4_000, 3_000), (count % 255, 9, 9)), chance.choice(["PNG", "WEBP", "TIFF"])),
        lambda: _saved(Image.new("RGB", (1_279, 9_000)), chance.choice(["PNG", "JPEG", "BMP"])),
    ]
    return chance.choice(makers)()


def tiff(tags: int, chance: random.Random) -> bytes:
    """Return a gray TIFF of 16 × 16 px, or an EXIF block, with `tags` further tags."""
    kind, count, value = chance.choice([(4, 1, 1), (5, 40, 0), (1, 300, 0), (5, 1, 0), (2, 60_000, 0), (13, 1, 8)])
    entries = {256: (3, 1, 16), 257: (3, 1, 16), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 277: (3, 1, 1)}
    entries |= {278: (3, 1, 16), 279: (4, 1, 256)}
    for tag in range(1_000, 1_000 + min(tags, 60_000)):
        entries.setdefault(tag, (kind, count, value))
    start = 8 + 2 + 12 * (len(entries) + 1) + 4
    entries[273] = (4, 1, start)
    directory = b"".join(
        struct.pack("<HHLL", tag, kind, count, value or start) for tag, (kind, count, value) in sorted(entries.items())
    )
    return b"II*\0" + struct.pack("<LH", 8, len(entries)) + directory + bytes(4) + b"\1\0\0\0\2\0\0\0" * 200


def chunk(name: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _scene(width: int, height: int, chance: random.Random) -> Image.Image:
    noise = np.random.default_rng(chance.randrange(2**32)).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def _as_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    if mode == "PA":
        return image.convert("P").convert("PA")
    return image.convert(mode)


def _exif(chance: random.Random) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = chance.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 60_000])
    exif[0x010E] = "x" * chance.choice([1, 1_000, 60_000])
    return exif.tobytes()


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
