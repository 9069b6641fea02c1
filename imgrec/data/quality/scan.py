"""What was seen of a set of labeled images, on which all checks work, and the words that their sentences share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imgrec import formatting
from imgrec.data.quality.report import Case

# The values of red, green and blue differ by less than this in each field of a gray image's thumbnail; JPEG's
# rounding gives 1 or 2.
GRAY_SPREAD = 4


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """What was seen of a set: for each of N readable images its file, part, class, digest, size, format, thumbnail.

    `targets` int64 (N,) are indices into `labels`; `is_test` bool (N,); `sizes_px` int64 (N, 2) height and width of the
    whole image; `thumbnails` uint8 (N, *likeness.THUMBNAIL_SHAPE, 3); `digests` are the sha256 of the bytes.
    `unreadable` are (file, reason), `left_out` sentences on files that belong to no class. `missing` are sentences on
    classes without a image, which are not among `labels`, `remarks` sentences on the parts. `input_size` is (height,
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
        train = np.bincount(self.targets[~self.is_test], minlength=len(self.labels))
        test = np.bincount(self.targets[self.is_test], minlength=len(self.labels))
        return {label: (int(train[i]), int(test[i])) for i, label in enumerate(self.labels)}

    def case(self, *indices: int, remark: str = "") -> Case:
        return Case(tuple(self.files[i] for i in indices), remark)

    def label(self, index: int) -> str:
        return self.labels[int(self.targets[index])]

    def gray(self) -> np.ndarray:
        """bool (N,): images without color."""
        spread = self.thumbnails.max(axis=3).astype(np.int16) - self.thumbnails.min(axis=3)
        return np.asarray(spread.reshape(len(spread), -1).max(axis=1, initial=0) < GRAY_SPREAD)


def percent(share: float, digits: int = 0) -> str:
    return formatting.percent(share, digits)


def listed(labels: Sequence[str]) -> str:
    named = [repr(label) for label in labels[:4]]
    return ", ".join(named) if len(labels) <= 4 else f"{', '.join(named)} and {len(labels) - 4:,} more"


def has(labels: Sequence[str]) -> str:
    return "has" if len(labels) == 1 else "have"


def is_or_are(count: int) -> str:
    return "is" if count == 1 else "are"


def images(count: int) -> str:
    return "image" if count == 1 else "images"


def files(count: int) -> str:
    return "file" if count == 1 else "files"
