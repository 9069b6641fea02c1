"""How large an image may be, by what its header says: pixels, the memory of its decoder, and the time of its parts.

Everything here is checked before a pixel is decoded. What cannot be known from a header is bounded by
`decoder_process`.
"""

from imgrec.errors import ImageError, ImageTooLargeError
from imgrec.images import formats, working_size
from imgrec.settings import MIB

# The largest images that cameras and phones make have 100 million pixels.
MAX_PIXELS = 100_000_000

# The memory that a decoder may take at its peak: enough for 50 megapixels in every format, and for the smallest host
# (1 GiB) beside a server with its default models.
MAX_DECODER_BYTES = 640 * MIB

# Above this a process of its own decodes: an eighth of the smallest host. Nearly all photographs stay below, JPEGs of
# any size and 12 megapixels in every format but WebP and AVIF.
MAX_HERE_BYTES = 128 * MIB

# Above this one image is decoded at a time, so that a burst of uploads needs the peak only once.
MAX_TOGETHER_BYTES = 48 * MIB

# Peak bytes for one decoded pixel, measured on 50-megapixel images by `tests.reliability.large_images` and rounded up.
# Pillow holds RGB in 4 bytes; some decoders have planes and copies of their own, and a TIFF of one strip holds that
# beside the image. Each is the worst of the format. A JPEG is decoded at reduced scale.
BYTES_PER_PIXEL = {
    "JPEG": 5,
    "PNG": 5,
    "GIF": 5,
    "BMP": 5,
    "TIFF": 9,
    "HEIC": 11,
    "HEIC with transparency": 13,
    "AVIF": 12,
    "WebP": 13,
}

# What an image takes beside that when it is too narrow to be reduced: a second copy, in RGB.
UNREDUCED_BYTES_PER_PIXEL = 4

# Cameras write about 20 segments and, in progressive files, about 10 scans for each image in the file; both
# cost a decoder time for few bytes, so that a file of 20 MiB made for the purpose would take minutes.
MAX_JPEG_SEGMENTS = 1_000
MAX_JPEG_SCANS = 200

# Chunks of a PNG or WebP, blocks of a GIF before its second frame, tags of a TIFF: each is a step of Python. Photos
# have a PNG chunk for each 8 KiB and up to 100 tags; 10,000 chunks or 2,000 tags take about 0.1 s.
MAX_CHUNKS = 10_000
MAX_TAGS = 2_000

_JPEG_SCALES = (1, 2, 4, 8)


def decoder_bytes(kind: str, width: int, height: int, extra_bytes: int = 0) -> int:
    """Return about what the decoder of `kind`, a key of `BYTES_PER_PIXEL`, takes; `extra_bytes` beside its pixels."""
    pixels, factor = width * height, working_size.reduction(width, height)
    if kind == "JPEG":
        pixels //= max(scale for scale in _JPEG_SCALES if scale <= factor) ** 2
    return pixels * (BYTES_PER_PIXEL[kind] + UNREDUCED_BYTES_PER_PIXEL * (factor == 1)) + extra_bytes


def check_size(kind: str, width: int, height: int, taken_bytes: int) -> None:
    """Raise `ImageTooLargeError` when the whole image is too large, or the memory that its decoder takes."""
    pixels, limit = width * height, MAX_PIXELS
    if taken_bytes > MAX_DECODER_BYTES:
        limit = min(limit, pixels * MAX_DECODER_BYTES // taken_bytes)
    if pixels > limit:
        raise ImageTooLargeError(
            f"The {kind} has {width} × {height} px, {pixels / 1e6:,.0f} megapixels; "
            f"the limit is {limit / 1e6:.0f}. Use a smaller image."
        )


def check_parts(data: bytes, kind: str) -> None:
    """Raise `ImageError` when `data`, of the format `kind`, has so many parts that reading them takes too long."""
    if kind == "JPEG":
        _check(kind, formats.count_jpeg_segments(data, MAX_JPEG_SEGMENTS + 1), "segments", MAX_JPEG_SEGMENTS)
        _check(kind, formats.count_jpeg_scans(data), "scans", MAX_JPEG_SCANS)
    elif kind == "PNG":
        _check(kind, formats.count_png_chunks(data, MAX_CHUNKS + 1), "chunks", MAX_CHUNKS)
    elif kind == "WebP":
        _check(kind, formats.count_webp_chunks(data, MAX_CHUNKS + 1), "chunks", MAX_CHUNKS)
    elif kind == "GIF":
        _check(kind, formats.scan_gif(data, MAX_CHUNKS + 1).blocks, "blocks", MAX_CHUNKS)
    elif kind == "TIFF":
        _check(kind, formats.count_tiff_tags(data), "tags", MAX_TAGS)


def _check(kind: str, count: int, parts: str, limit: int) -> None:
    if count > limit:
        raise ImageError(f"The {kind} has too many {parts}; the limit is {limit:,}. Save it again.")
