"""Images with and without an ImageNet class, for `bench.unsure`: real ones, and noise and text made here."""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from imgrec.data.dataset import Item
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.images import decoding
from imgrec.images.decoding import DecodedImage
from imgrec.settings import ASSETS, Settings

# Images of each class of flowers5 and CIFAR-10, and of noise and text altogether.
FLOWERS_EACH = 100
CIFAR_EACH = 50
MADE = 100
MADE_SIDE_PX = 256

# The only flower of flowers5 that is a class of ImageNet, and the only class of CIFAR-10 that is none.
KNOWN_FLOWER = "daisy"
UNKNOWN_OF_CIFAR = "deer"

# Photographs of the gallery, and samples of the project, of things that ImageNet has no class for. Chosen by eye:
# a rocket (missile), an astronaut before a space shuttle, a palm on a seashore and such are left out.
ODD = tuple(
    f"photos/{name}.jpg"
    for name in (
        "surfing", "city", "paris", "ruins", "bw_cherry_blossoms", "bw_city", "columns", "flowers", "bfly", "mdn_dino",
        "mdn_plumeria", "ws_riaphotographs_srgb8", "ws_bliznaca_srgb8", "ct_ocelot",
    )
)  # fmt: skip
ODD_SAMPLES = ("galaxies.jpg", "waves.jpg", "temple.jpg")

TEXT = ASSETS / "labels" / "WORDNET-LICENSE.txt"

NO_CLASS = -1


@dataclass(frozen=True, slots=True)
class Source:
    """Images of one kind and their framing.

    `has_class` tells whether ImageNet has a class for what they show; `targets` (N,) is that class where it is known
    for each image, else `NO_CLASS`. `same_origin` is the source with images of the same origin that have a class.
    """

    name: str
    title: str  # "… are above the limit" is said of it
    has_class: bool
    images: Sequence[DecodedImage]
    targets: np.ndarray
    framing: str = "crop"
    same_origin: str | None = None

    @property
    def sha256(self) -> str:
        """The digest of framing and images."""
        whole = hashlib.sha256(self.framing.encode())
        for image in self.images:
            whole.update(image.sha256.encode())
        return whole.hexdigest()


def sources(data: Path, settings: Settings) -> Iterator[Source]:
    """Yield every source, read one after the other; `imagenet_val_a`, which limits are measured on, is the first."""
    validation = open_evaluation_split(str(data / "imagenet_val_a"), settings)
    images = _decoded(validation.items(), settings)
    # These came squashed to 227 × 227 px: the whole frame is taken.
    yield Source("imagenet_val_a", "ImageNet's validation images", True, images, np.array(validation.targets), "squash")
    training = open_evaluation_split(str(data / "imagenet_sample_even"), settings)
    yield Source(
        "imagenet_sample_even",
        "ImageNet's training images, cropped",
        True,
        _decoded(training.items(), settings),
        np.array(training.targets),
    )
    flowers = open_evaluation_split(str(data / "flowers5"), settings, per_class=FLOWERS_EACH)
    daisy = flowers.label_space.labels.index(KNOWN_FLOWER)
    parts = [_decoded((item for item in flowers.items() if (item.target == daisy) == own), settings) for own in (0, 1)]
    yield _source("flowers", "flowers without a class", False, parts[0], "daisies")
    yield _source("daisies", "daisies, a class of ImageNet, from the same folder", True, parts[1])
    cifar = open_evaluation_split("cifar10", settings, per_class=CIFAR_EACH)
    deer = cifar.label_space.labels.index(UNKNOWN_OF_CIFAR)
    parts = [_decoded((item for item in cifar.items() if (item.target == deer) == own), settings) for own in (0, 1)]
    yield _source("cifar10_deer", "CIFAR-10's deer", False, parts[1], "cifar10_others")
    yield _source("cifar10_others", "CIFAR-10's other images, most with a class", True, parts[0])
    yield _source("noise", "noise", False, [_of_array(pixels) for pixels in noise()])
    yield _source("text", "rendered text", False, [_of_array(pixels) for pixels in text()])
    gallery = data / "gallery"
    paths = [*(gallery / name for name in ODD), *(ASSETS / "samples" / name for name in ODD_SAMPLES)]
    yield _source("gallery", "photos of things without a class", False, _of_files(paths, settings), "gallery_known")
    with (gallery / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith("photos/") and row["expected_imagenet"]]
    known = _of_files([gallery / row["file"] for row in rows], settings)
    yield _source("gallery_known", "photos of things with a class", True, known)


def noise() -> Iterator[np.ndarray]:
    """Yield uint8 (H, W, 3): independent pixels, soft noise around gray, colored clouds, and plain colors."""
    random = np.random.default_rng(0)
    side = MADE_SIDE_PX
    for _ in range(MADE // 4):
        yield random.integers(0, 256, (side, side, 3), dtype=np.uint8)
        yield random.normal(128, 32, (side, side, 3)).clip(0, 255).astype(np.uint8)
        small = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        yield np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))
        yield np.full((side, side, 3), random.integers(0, 256, 3), np.uint8)


def text() -> Iterator[np.ndarray]:
    """Yield uint8 (H, W, 3): lines of `TEXT` in Pillow's own font, dark on light or the other way round."""
    random = np.random.default_rng(0)
    lines = [line.strip() for line in TEXT.read_text(encoding="utf-8").splitlines() if line.strip()]
    for _ in range(MADE):
        paper, ink = sorted(random.integers(0, 256, 2).tolist(), reverse=bool(random.integers(2)))
        if abs(paper - ink) < 100:
            paper, ink = 250, 10
        page = Image.new("RGB", (MADE_SIDE_PX, MADE_SIDE_PX), (paper,) * 3)
        size = int(random.integers(10, 48))
        first = int(random.integers(len(lines)))
        words = "\n".join((lines * 2)[first : first + MADE_SIDE_PX // size])
        ImageDraw.Draw(page).multiline_text((6, 6), words, (ink,) * 3, ImageFont.load_default(size))
        yield np.asarray(page)


def _source(
    name: str, title: str, has_class: bool, images: Sequence[DecodedImage], same_origin: str | None = None
) -> Source:
    return Source(name, title, has_class, images, np.full(len(images), NO_CLASS), same_origin=same_origin)


def _decoded(items: Iterable[Item], settings: Settings) -> list[DecodedImage]:
    found = []
    for item in items:
        assert not isinstance(item.image, str)
        is_array = isinstance(item.image, np.ndarray)
        found.append(
            _of_array(item.image) if is_array else decoding.decode(item.image, max_bytes=settings.max_upload_bytes)
        )
    return found


def _of_files(paths: Iterable[Path], settings: Settings) -> list[DecodedImage]:
    return [decoding.decode(path.read_bytes(), max_bytes=settings.max_upload_bytes) for path in paths]


def _of_array(pixels: np.ndarray) -> DecodedImage:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return decoding.decode(file.getvalue(), max_bytes=len(file.getvalue()))
