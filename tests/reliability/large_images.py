"""An image of 50 megapixels in every format and kind: decoded or refused, in what memory and time.

    python -m tests.reliability.large_images [--megapixels 50] [--here] [KIND ...]

Each image is decoded by a new process; memory is the most that it and the decoder's own process take above the start.
With `--here` all decoding is done in one process: what the decoder itself takes, by the pixel.
"""

import argparse
import functools
import io
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

from imgrec.errors import ImageError
from imgrec.images import limits
from imgrec.images.decoding import decode
from imgrec.settings import MIB
from tests.reliability.images import photograph

# 3 : 2, as cameras have it.
ASPECT = 1.5
MAX_SERVER_MIB = 150


def scene(megapixels: float) -> Image.Image:
    """Return a photograph enlarged to so many pixels."""
    height = round((megapixels * 1e6 / ASPECT) ** 0.5)
    photo = Image.open(io.BytesIO(photograph())).convert("RGB")
    return photo.resize((round(ASPECT * height), height), Image.Resampling.BILINEAR)


def coarse(image: Image.Image) -> Image.Image:
    """Return `image` in few colors, so that its file is small without loss."""
    return image.point(lambda value: value & 0xE0)


def transparent(image: Image.Image) -> Image.Image:
    """Return `image` with a gradient of opacity."""
    plain = coarse(image).convert("RGBA")
    plain.putalpha(Image.linear_gradient("L").resize(image.size))
    return plain


def gray(image: Image.Image, kind: type) -> Image.Image:
    """Return the brightness of `image` as numbers of another type."""
    return Image.fromarray((np.asarray(image.convert("L")) & 0xE0).astype(kind))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return the file of an image."""
    file = io.BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(image).save(file, quality=50, **options)
    else:
        image.save(file, kind, **options)
    return file.getvalue()


deflate = functools.partial(saved, kind="TIFF", compression="tiff_adobe_deflate")

KINDS: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG": lambda image: saved(image, "JPEG"),
    "JPEG progressive": lambda image: saved(image, "JPEG", progressive=True),
    "JPEG progressive 4:4:4": lambda image: saved(image, "JPEG", progressive=True, subsampling=0),
    "JPEG progressive CMYK": lambda image: saved(image.convert("CMYK"), "JPEG", progressive=True, quality=60),
    "PNG": lambda image: saved(coarse(image), "PNG", compress_level=1),
    "PNG transparent": lambda image: saved(transparent(image), "PNG"),
    "PNG palette": lambda image: saved(coarse(image).quantize(64, dither=Image.Dither.NONE), "PNG"),
    "PNG 16 bits": lambda image: saved(gray(image, np.uint16), "PNG"),
    "WebP": lambda image: saved(image, "WEBP", method=0),
    "WebP lossless": lambda image: saved(coarse(image), "WEBP", lossless=True, quality=0, method=0),
    "WebP transparent": lambda image: saved(transparent(image), "WEBP", method=0),
    "GIF": lambda image: saved(coarse(image).quantize(64, dither=Image.Dither.NONE), "GIF"),
    "BMP 1 bit": lambda image: saved(image.convert("1"), "BMP"),
    "TIFF LZW": lambda image: saved(coarse(image), "TIFF", compression="tiff_lzw"),
    "TIFF JPEG": lambda image: saved(image, "TIFF", compression="jpeg", quality=70),
    "TIFF one strip": lambda image: deflate(coarse(image), strip_size=2**30),
    "TIFF transparent": lambda image: deflate(transparent(image)),
    "TIFF float": lambda image: deflate(gray(image, np.float32)),
    "AVIF": lambda image: saved(image, "AVIF", quality=60, speed=10),
    "AVIF 4:4:4": lambda image: saved(image, "AVIF", quality=60, speed=10, subsampling="4:4:4"),
    "AVIF transparent": lambda image: saved(transparent(image), "AVIF", quality=50, speed=10),
    "HEIC": lambda image: saved(image, "HEIC"),
    "HEIC 4:4:4": lambda image: saved(image, "HEIC", chroma=444),
    "HEIC transparent": lambda image: saved(transparent(image), "HEIC"),
}


def measure(data: bytes, here: bool) -> dict[str, object]:
    """Decode in this process, which must be new; return the figures."""
    if here:
        limits.MAX_HERE_BYTES = limits.MAX_DECODER_BYTES = sys.maxsize
    before, start = _peak_bytes(), time.monotonic()
    try:
        size_px: object = decode(data, max_bytes=len(data)).size_px
    except ImageError as error:
        size_px = str(error)
    return {
        "size_px": size_px,
        "seconds": round(time.monotonic() - start, 2),
        "server_mib": round((_peak_bytes() - before) / MIB),
        "decoder_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / MIB),
    }


def _peak_bytes() -> int:
    # Not `getrusage`, which has the peak of the process that started this one.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024


def main() -> None:
    """Measure all kinds, print the figures, and exit with 1 when one is refused or takes too much in the server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND")
    parser.add_argument("--megapixels", type=float, default=50)
    parser.add_argument("--here", action="store_true")
    options = parser.parse_args()
    image = scene(options.megapixels)
    found = {}
    for name in options.kinds or KINDS:
        data = KINDS[name](image)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found[name] = pool.apply(measure, (data, options.here)) | {"file_mib": round(len(data) / MIB, 1)}
        print(name, found[name], file=sys.stderr)
    broken = [
        name
        for name, row in found.items()
        if isinstance(row["size_px"], str) or (not options.here and int(str(row["server_mib"])) > MAX_SERVER_MIB)
    ]
    print(json.dumps({"kinds": found, "broken": broken}, indent=2, ensure_ascii=False))
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
