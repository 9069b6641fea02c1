"""What is measured of each image, on which all checks work, and the words that their sentences share.

Each image is read once and leaves 0.9 kB: digest, size, format and a thumbnail. So the memory does not grow with the
images, and a dataset that cannot be trained on can still be examined.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from imgrec.data.classes import no_classes
from imgrec.data.dataset import Dataset
from imgrec.data.quality.report import Case
from imgrec.data.reader import read_images
from imgrec.errors import ImageError
from imgrec.images.decoding import DecodedImage
from imgrec.images.perceptual_hash import THUMBNAIL_SHAPE
from imgrec.images.preprocessing import frame
from imgrec.settings import Settings

# The values of red, green and blue differ by less than this in each field of a gray image's thumbnail; JPEG's
# rounding gives 1 or 2.
GRAY_SPREAD = 4


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """What was measured of each of N readable images.

    `targets` int64 (N,) are indices into `labels`; `is_test` bool (N,); `digests` are the sha256 of the bytes;
    `sizes_px` int64 (N, 2) height and width of the whole image; `thumbnails` uint8 (N, *THUMBNAIL_SHAPE, 3).
    `unreadable` are (file, reason), `left_out` sentences on files that belong to no class, `missing` sentences on
    classes without an image, which are not among `labels`, `remarks` sentences on the parts. `input_size` is (height,
    width) of the network.
    """

    labels: tuple[str, ...]
    files: Sequence[str]
    targets: np.ndarray
    is_test: np.ndarray
    digests: Sequence[bytes]
    sizes_px: np.ndarray
    formats: np.ndarray
    thumbnails: np.ndarray
    unreadable: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]
    input_size: tuple[int, int]
    missing: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return class → (images to train on, images to test on)."""
        parts = (self.targets[~self.is_test], self.targets[self.is_test])
        train, test = (np.bincount(targets, minlength=len(self.labels)).tolist() for targets in parts)
        return dict(zip(self.labels, zip(train, test, strict=True), strict=True))

    def case(self, *indices: int, remark: str = "") -> Case:
        """Return the images at `indices` as a case."""
        return Case(tuple(self.files[i] for i in indices), remark)

    def gray(self) -> np.ndarray:
        """Return which images are without color: bool (N,)."""
        spread = self.thumbnails.max(axis=3).astype(np.int16) - self.thumbnails.min(axis=3)
        return np.asarray(spread.reshape(len(spread), -1).max(axis=1, initial=0) < GRAY_SPREAD)


def scan(
    found: Dataset,
    settings: Settings,
    input_size: tuple[int, int],
    on_progress: Callable[[int, int], None] | None,
) -> Examined:
    """Read every image of `found` once; `on_progress` gets (done, all). Without it only the names are looked at."""
    is_test = dict(zip(found.ids, found.is_test, strict=True))
    kept, seen, unreadable = list(zip(found.ids, found.targets, strict=True)), [], []
    if on_progress is not None:
        kept = []
        for done, (item, measured) in enumerate(read_images(found.items(), settings, _measure), 1):
            if isinstance(measured, ImageError):
                unreadable.append((item.id, str(measured)))
            else:
                kept.append((item.id, item.target))
                seen.append(measured)
            on_progress(done, len(found))
    space = found.label_space.labels
    present = sorted({target for _, target in kept})
    labels = tuple(space[target] for target in present)
    return Examined(
        labels=labels,
        files=[file for file, _ in kept],
        targets=np.searchsorted(present, np.array([target for _, target in kept], np.int64)),
        is_test=np.array([is_test[file] for file, _ in kept], bool),
        digests=[digest for digest, *_ in seen],
        sizes_px=np.array([size for _, size, *_ in seen], np.int64).reshape(-1, 2),
        formats=np.array([kind for *_, kind, _ in seen], np.str_),
        thumbnails=np.array([thumbnail for *_, thumbnail in seen], np.uint8).reshape(-1, *THUMBNAIL_SHAPE, 3),
        unreadable=tuple(unreadable),
        left_out=found.left_out,
        input_size=input_size,
        missing=found.arrays.missing if found.arrays else no_classes(sorted({*found.empty, *space} - set(labels))),
        remarks=found.remarks,
    )


def _measure(image: DecodedImage) -> tuple[bytes, tuple[int, int], str, np.ndarray]:
    thumbnail = frame(image, THUMBNAIL_SHAPE, 1.0, "squash")
    return bytes.fromhex(image.sha256), image.size_px, image.format, thumbnail


def listed(labels: Sequence[str]) -> str:
    """Return the first of `labels` in quotes, and how many more there are."""
    named = [repr(label) for label in labels[:4]]
    return ", ".join(named) if len(labels) <= 4 else f"{', '.join(named)} and {len(labels) - 4:,} more"


def has(labels: Sequence[str]) -> str:
    """Return the verb for `labels`."""
    return "has" if len(labels) == 1 else "have"


def counted(count: int, noun: str) -> str:
    """Return `count` with its noun: "1 image"."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def is_or_are(count: int) -> str:
    """Return the verb for `count` things."""
    return "is" if count == 1 else "are"
