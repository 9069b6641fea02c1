"""Images that show a network its usual values, so that the ranges of its integers can be chosen.

Those that come with imgrec are crops of the sample gallery (assets/samples, whose photographs are in the public domain
or under free licenses): each a square of another place and size, half of them mirrored, in another brightness. They
are the same on every machine.
"""

import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from imgrec.errors import ImgrecError, InputError
from imgrec.files import opened, storage_errors
from imgrec.images import decoding, gallery, preprocessing
from imgrec.images.decoding import DecodedImage
from imgrec.images.raster import Raster
from imgrec.settings import MIB

# Half as many leave twins twice as far from their originals (bench/compact.md).
COUNT = 256

# Of a folder of the user; fewer show too few values.
MIN_COUNT = 32
MAX_FILE_BYTES = 20 * MIB

# Drawings tell nothing of the values that photographs have.
DRAWN = frozenset({"waves.jpg", "horse_silhouette.jpg", "cat_sideways.jpg"})

# Of the short side of a sample, and of its brightness.
CROP_SHARE, GAIN, SHIFT = (0.35, 1.0), (0.7, 1.3), (-25.0, 25.0)


def digest(folder: Path | None) -> str:
    """Return what tells one choice of images from another: 16 hexadecimal digits.

    Args:
        folder: The user's images, of which names, sizes and times count; None for those that come with imgrec.
    """
    files = _files(folder) if folder is not None else [sample.path for sample in _samples()]
    with storage_errors(folder or gallery.SAMPLES_FOLDER):
        facts = [(file.name, file.stat().st_size, file.stat().st_mtime_ns if folder else 0) for file in files]
    text = json.dumps([str(folder or ""), facts, COUNT, CROP_SHARE, GAIN, SHIFT])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def inputs(folder: Path | None, size: tuple[int, int], crop_fraction: float) -> list[np.ndarray]:
    """Return `COUNT` framed images, uint8 (H, W, 3); of a folder with fewer, as many as it has.

    Args:
        folder: The user's images; None for those that come with imgrec.
        size: (height, width) of the network's input in px.
        crop_fraction: As in `ModelSpec`; crops of the samples are not cropped again.

    Raises:
        InputError: The folder has fewer than `MIN_COUNT` images that can be read.
        StorageError: It cannot be read.
    """
    if folder is None:
        return [preprocessing.frame(image, size, 1.0, "squash") for image in _crops(COUNT)]
    found: list[np.ndarray] = []
    for file in _files(folder):
        if len(found) == COUNT:
            break
        try:
            with opened(file) as stream:
                data = stream.read(MAX_FILE_BYTES + 1)
            image = decoding.decode(data, max_bytes=MAX_FILE_BYTES, name=file.name)
        except ImgrecError:  # of many files some are no images
            continue
        found.append(preprocessing.frame(image, size, crop_fraction, "crop"))
    if len(found) < MIN_COUNT:
        raise InputError(f"Expected {MIN_COUNT} images or more in {folder} for compact models. Received: {len(found)}.")
    return found


def _files(folder: Path) -> list[Path]:
    with storage_errors(folder):
        return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))


def _samples() -> list[gallery.Sample]:
    return [sample for sample in gallery.get_samples() if sample.file not in DRAWN]


@functools.cache
def _decoded() -> tuple[DecodedImage, ...]:
    return tuple(decoding.decode(sample.path.read_bytes(), max_bytes=MAX_FILE_BYTES) for sample in _samples())


def _crops(count: int) -> Iterator[DecodedImage]:
    """Yield `count` crops of the samples, of one after the other."""
    chance, samples = np.random.default_rng(0), _decoded()
    for number in range(count):
        pixels = samples[number % len(samples)].pixels
        height, width, _ = pixels.shape
        side = int(min(height, width) * chance.uniform(*CROP_SHARE))
        top, left = (int(chance.integers(0, edge - side + 1)) for edge in (height, width))
        crop = pixels[top : top + side, left : left + side]
        if chance.random() < 0.5:
            crop = crop[:, ::-1]
        bright = crop * chance.uniform(*GAIN) + chance.uniform(*SHIFT)
        yield replace(samples[number % len(samples)], whole=Raster(np.clip(bright, 0, 255).astype(np.uint8)))
