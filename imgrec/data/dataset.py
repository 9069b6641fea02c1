"""Labeled images: read one by one in place, or as arrays for a training."""

import hashlib
import math
import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from imgrec.errors import InputError
from imgrec.files import check_disk, storage_errors
from imgrec.predictions.class_groups import ClassGroups
from imgrec.predictions.labels import LabelSpace
from imgrec.settings import MIB

# Larger arrays are on the disk. What was read lately is in the system's cache anyway, which shrinks when memory is
# needed and which no limit of a container counts against the process.
IN_MEMORY_BYTES = 256 * MIB

# Left free on the disk: a training writes checkpoints too.
HEADROOM_BYTES = 256 * MIB

# Of each image in `Dataset.contents`.
DIGEST_BYTES = hashlib.sha256().digest_size

# Reads (id, image) of some of the ids, in the order of the images.
Read = Callable[[Collection[str]], Iterator[tuple[str, "Raw"]]]

# An image as it came: encoded bytes, uint8 pixels (H, W, 3), or a sentence why it cannot be read.
Raw = bytes | np.ndarray | str


@runtime_checkable
class Indexed(Protocol):
    """A `Read` that knows the place of each image, and so grows with their number; `only` returns one of some ids."""

    def only(self, ids: Collection[str]) -> Read:
        """Return the part of these ids, to be sent elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One image of a dataset; `target` is its class in the dataset's label space."""

    id: str
    target: int
    image: Raw


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Images in an array: `pixels` uint8 (N, height, width, 3) RGB, `targets` int64 (N,).

    Many images are an `np.memmap`, read-only: take batches of them, not all. `folder` is for copies of them that are
    many. Raises `InputError` on other types and shapes.
    """

    pixels: np.ndarray
    targets: np.ndarray
    folder: Path | None = None

    def __post_init__(self) -> None:
        pixels, targets = self.pixels, self.targets
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] != 3 or 0 in pixels.shape[1:]:
            raise InputError(
                f"Expected images of type uint8 and shape (N, H, W, 3). Received: {pixels.dtype} {pixels.shape}."
            )
        if targets.shape != pixels.shape[:1] or not np.issubdtype(targets.dtype, np.integer):
            raise InputError(
                f"Expected one whole number for each of {len(pixels)} images. "
                f"Received: {targets.dtype} {targets.shape}."
            )
        object.__setattr__(self, "targets", targets.astype(np.int64))

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: np.ndarray) -> "Images":
        """Return a copy of the images at `indices` (K,); on the disk where it is large and there is a folder for it."""
        if self.folder is None or len(indices) * self.pixels[0].nbytes <= IN_MEMORY_BYTES:
            return Images(np.asarray(self.pixels[indices]), self.targets[indices], self.folder)
        pixels = empty_images(len(indices), self.pixels.shape[1:], self.folder)
        for row, index in enumerate(indices.tolist()):
            pixels[row] = self.pixels[index]
        return Images(pixels, self.targets[indices], self.folder)


@dataclass(frozen=True, eq=False)  # without slots, for the cached property
class ArrayDataset:
    """A dataset in arrays; `test` is None where it has no test part.

    `label_space` names a space of `labels.LABEL_SPACES` if the classes are those, else None. `notes` say what was left
    out and why; `missing` are those about classes without an image. `files` names the training images in their order,
    if they were files. `published` says how the dataset is distributed.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images | None
    source: str
    label_space: str | None = None
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    published: str = ""

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return class → (images to train on, images to test on)."""
        parts = (self.train.targets, self.test.targets if self.test else np.array([], int))
        train, test = (np.bincount(targets, minlength=len(self.classes)).tolist() for targets in parts)
        return dict(zip(self.classes, zip(train, test, strict=True), strict=True))

    def summary(self) -> str:
        """Return the totals in a sentence: "180 images of 3 classes, all to train on."."""
        test = len(self.test) if self.test else 0
        parts = f": {len(self.train):,} to train on, {test:,} to test on" if test else ", all to train on"
        packed = f"; published in {self.published}" if self.published else ""
        return f"{len(self.train) + test:,} images of {len(self.classes):,} classes{parts}{packed}."

    @cached_property
    def sha256(self) -> str:
        """The sha256 of the training images and their targets, which a resumed run must find again."""
        digest = hashlib.sha256()
        for array in (self.train.pixels, self.train.targets):
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)  # without slots, for the cached property
class Dataset:
    """Labeled images that are read one by one, so that there may be more of them than the memory holds.

    `ids`, `targets` and `is_test` are in the order of the images. `read` gives (id, image) of some of the ids, in that
    order. `source` is where the dataset is from, `flaws` are sentences on what affects numbers measured on it.
    `per_class` is how many images of each class were taken at most, None for all. `left_out` are sentences on files
    that are no images of a class, `remarks` sentences on the parts, `empty` names of classes without any file. `arrays`
    is the same in arrays, where the source is arrays. `groups` say what the classes mean in WordNet, where their names
    alone do not.
    """

    name: str
    label_space: LabelSpace
    ids: tuple[str, ...]
    targets: tuple[int, ...]
    is_test: tuple[bool, ...]
    read: Read = field(repr=False)
    source: str
    flaws: tuple[str, ...] = ()
    per_class: int | None = None
    left_out: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    arrays: ArrayDataset | None = None
    groups: ClassGroups | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def items(self, only: Collection[str] | None = None) -> Iterator[Item]:
        """Read the images in their order, as often as this is called; with `only`, those with these ids."""
        targets = dict(zip(self.ids, self.targets, strict=True))
        wanted = targets.keys() if only is None else targets.keys() & set(only)
        return (Item(id_, targets[id_], image) for id_, image in self.read(wanted))

    def images(self, ids: Collection[str]) -> dict[str, bytes | np.ndarray]:
        """Return the images with these ids, as far as they can be read; the others are not read."""
        return {item.id: item.image for item in self.items(ids) if not isinstance(item.image, str)}

    def positions(self, *, test: bool) -> list[int]:
        """Return the positions of the images to test on, or of those to train on."""
        return [i for i, is_test in enumerate(self.is_test) if is_test == test]

    def take(self, positions: Sequence[int], **changes: Any) -> "Dataset":
        """Return the images at `positions` in their order, with other fields changed; `InputError` without any."""
        if not positions:
            raise InputError(f"Expected labeled images in {changes.get('name', self.name)}. Received: none.")
        parts = {key: tuple(getattr(self, key)[i] for i in positions) for key in ("ids", "targets", "is_test")}
        return replace(self, **(parts | changes))

    def with_contents(self, contents: bytes) -> "Dataset":
        """Return the same images, of which `contents` is known without reading them."""
        found = replace(self)
        vars(found)["contents"] = contents  # as the cached property does
        return found

    def slice(self, positions: range) -> "Dataset":
        """Return the images at `positions` to be sent elsewhere: small, unless their pixels go with them."""
        part = self.take(positions, left_out=(), remarks=(), flaws=(), empty=(), arrays=None)
        if isinstance(self.read, Indexed):
            return replace(part, read=self.read.only(part.ids))
        if self.arrays is None:
            return part
        pixels = tuple((item.id, item.image) for item in self.items(part.ids))
        return replace(part, read=partial(_chosen, pixels))

    @property
    def digest(self) -> str:
        """The sha256 of classes, ids and targets: which images are meant, and what is right."""
        digest = hashlib.sha256(repr(self.label_space.labels).encode())
        for item in zip(self.ids, self.targets, strict=True):
            digest.update(repr(item).encode())
        return digest.hexdigest()

    @cached_property
    def contents(self) -> bytes:
        """The sha256 of each image, `DIGEST_BYTES` of each one in their order; all are read for it, once.

        Of what lies in a store, `evaluation_split` takes the sha256 of its version instead, and reads nothing.
        An image that has gone since the dataset was opened counts as empty.
        """
        digests = {item.id: digest_of(item.image) for item in self.items()}
        return b"".join(digests.get(id_, digest_of(b"")) for id_ in self.ids)

    @property
    def images_sha256(self) -> str:
        """The sha256 of the sha256 of all images, in their order."""
        return hashlib.sha256(self.contents).hexdigest()


def _chosen(images: Sequence[tuple[str, Raw]], ids: Collection[str]) -> Iterator[tuple[str, Raw]]:
    return ((id_, image) for id_, image in images if id_ in ids)


def digest_of(image: Raw) -> bytes:
    """Return the sha256 of a file's bytes, of pixels and their shape, or of the sentence that stands for them."""
    if isinstance(image, np.ndarray):
        image = repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()
    return hashlib.sha256(image.encode() if isinstance(image, str) else image).digest()


def empty_images(count: int, shape: tuple[int, ...], folder: Path) -> np.ndarray:
    """Return an array for `count` images of one `shape`, uint8: in memory while it is small, else on the disk.

    Raises `StorageError` with the figures when the disk under `folder` has no room.
    """
    needed_bytes = count * math.prod(shape)
    if needed_bytes <= IN_MEMORY_BYTES:
        return np.empty((count, *shape), np.uint8)
    place = folder / "rows"
    with storage_errors(place, needed_bytes):
        folder.mkdir(parents=True, exist_ok=True)
        purpose = f" for {count:,} images of {' × '.join(map(str, shape[:2]))} px"
        check_disk(folder, needed_bytes + HEADROOM_BYTES, purpose)
        with tempfile.TemporaryFile(dir=folder) as file:
            # Reserved before it is mapped: a disk that is full later would end the process.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, needed_bytes)
            else:
                file.truncate(needed_bytes)
            return np.memmap(file, np.uint8, "r+", shape=(count, *shape))
