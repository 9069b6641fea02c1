"""Augmentation: what a recipe does to training images, and never to validation images.

Plain numpy on uint8, so that a page can show what the network will see without any runtime, and so that the same
seed, epoch and step give the same images on any machine: that is what makes a resumed run repeat an
uninterrupted one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from imgrec.data.dataset import Images, empty_images
from imgrec.errors import InputError

# What covers a cut-out square: the mean color of CIFAR-10, which is close to that of any photographs.
COVER = np.array([125, 123, 114], dtype=np.uint8)


# How far each change may go: a half turn, a shear that leaves something to see, and no image of no size.
LIMITS = {"rotation": 180.0, "shear": 60.0, "zoom": 0.9, "shift": 0.9}

# What the text of each setting means.
_VALUES: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(LIMITS, float),
    **dict.fromkeys(("shift_px", "cutout_px"), int),
    "mirror": {"": True, "1": True, "0": False}.__getitem__,
}

# Images that are changed together for a whole set of copies.
_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Random changes to each training image.

    `mirror`: half of the images are mirrored, the other half in the next epoch. `shift_px`: moved by up to so
    many whole pixels each way, the border reflected. `cutout_px`: a square of this side is covered. `rotation` and
    `shear`: by up to so many degrees. `zoom`: magnified or reduced by up to this fraction, each axis by itself.
    `shift`: moved by up to this fraction of the side each way. What these four lay bare is filled with the nearest
    pixel, as Keras' ImageDataGenerator does, whose arguments of the same names they are. Raises `InputError` on values
    beyond `LIMITS`.
    """

    mirror: bool = False
    shift_px: int = 0
    cutout_px: int = 0
    rotation: float = 0.0
    shear: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        values = {name: getattr(self, name) for name in LIMITS}
        if (
            not all(0 <= value <= LIMITS[name] for name, value in values.items())
            or min(self.shift_px, self.cutout_px) < 0
        ):
            limits = ", ".join(f"{name} {most:g}" for name, most in LIMITS.items())
            raise InputError(f"Expected an augmentation from 0 to {limits}. Received: {values}.")

    @property
    def changes_anything(self) -> bool:
        """Whether an image may come out other than it went in."""
        return self != Augmentation()

    def copy_of(self, images: Images, *, seed: int, number: int, on_block: Callable[[], object]) -> Images:
        """Return a changed copy of all `images`; another `number` gives another copy. `on_block` is called often.

        Raises `StorageError` when many images find no room on the disk.
        """
        shape = images.pixels.shape
        pixels = (
            np.empty(shape, np.uint8) if images.folder is None else empty_images(shape[0], shape[1:], images.folder)
        )
        for start in range(0, len(images), _BLOCK):
            on_block()
            indices = np.arange(start, min(start + _BLOCK, len(images)))
            pixels[indices] = self.apply(images.pixels[indices], indices, seed=seed, epoch=number)
        return Images(pixels, images.targets, images.folder)

    def apply(self, images: np.ndarray, indices: np.ndarray, *, seed: int, epoch: int) -> np.ndarray:
        """Return changed copies of uint8 (N, H, W, 3); `indices` (N,) say which images of the dataset they are.

        The change of an image depends on `seed`, `epoch` and the batch alone.
        """
        rng = np.random.default_rng((seed, epoch, int(indices[0])))
        if self.rotation or self.shear or self.zoom or self.shift:
            images = self._warp(images, rng)
        if self.shift_px:
            images = self._shift(images, rng)
        if self.mirror:
            images = np.where(_mirrored(indices, seed, epoch)[:, None, None, None], images[:, :, ::-1], images)
        if self.cutout_px:
            images = self._cut_out(images, rng)
        return images

    def _shift(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        count, height, width, _ = images.shape
        reach = self.shift_px
        padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="reflect")
        windows = sliding_window_view(padded, (height, width), axis=(1, 2))
        top, left = rng.integers(0, 2 * reach + 1, (2, count))
        return np.ascontiguousarray(windows[np.arange(count), top, left].transpose(0, 2, 3, 1))

    def _cut_out(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        count, height, width, _ = images.shape
        side = self.cutout_px
        top = rng.integers(0, height - side + 1, (count, 1))
        left = rng.integers(0, width - side + 1, (count, 1))
        rows = (np.arange(height) >= top) & (np.arange(height) < top + side)
        columns = (np.arange(width) >= left) & (np.arange(width) < left + side)
        covered = rows[:, :, None] & columns[:, None, :]
        return np.where(covered[..., None], COVER, images)

    def _warp(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        from scipy import ndimage  # in a worker that trains: a server has none

        count, height, width, _ = images.shape
        turns = np.deg2rad(rng.uniform(-self.rotation, self.rotation, count))
        slants = np.deg2rad(rng.uniform(-self.shear, self.shear, count))
        scales = rng.uniform(1 - self.zoom, 1 + self.zoom, (count, 2))
        moves = rng.uniform(-self.shift, self.shift, (count, 2)) * (height, width)
        center = np.array([(height - 1) / 2, (width - 1) / 2])
        warped = np.empty_like(images)
        for i, (turn, slant, (down, across), move) in enumerate(zip(turns, slants, scales, moves, strict=True)):
            # Output pixel → input pixel, around the center: zoom along each axis, rows slide sideways, then a turn.
            zoomed = np.array([[down, 0.0], [-np.sin(slant) * across, np.cos(slant) * across]])
            turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            matrix = turned @ zoomed
            offset = center - matrix @ center + move
            for channel in range(3):
                ndimage.affine_transform(
                    images[i, ..., channel], matrix, offset, output=warped[i, ..., channel], order=1, mode="nearest"
                )
        return warped


def parse(text: str, base: Augmentation) -> Augmentation:
    """Return `base` with the settings in `text`; raises `InputError` on what is none.

    >>> parse("rotation=20, zoom=0.2, mirror", Augmentation(shift_px=3))
    Augmentation(mirror=True, shift_px=3, cutout_px=0, rotation=20.0, shear=0.0, zoom=0.2, shift=0.0)
    """
    changes: dict[str, Any] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, value = part.partition("=")
        try:
            changes[name] = _VALUES[name](value)
        except (ValueError, KeyError):
            known = ", ".join(f"{field}=…" for field in _VALUES if field != "mirror")
            raise InputError(f"Expected an augmentation of {known} and mirror. Received: {part!r}.") from None
    return replace(base, **changes)


def _mirrored(indices: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Which images are mirrored in this epoch: bool (N,); the others are in the next.

    Each image is then seen both ways in any two epochs, instead of by luck; this is worth about a tenth of the
    training time (Keller Jordan, *94 % on CIFAR-10 in 3.29 seconds*, 2024).
    """
    mixed = (indices.astype(np.uint64) + np.uint64(seed) * np.uint64(7919)) * np.uint64(0x9E3779B97F4A7C15)
    chosen: np.ndarray = ((mixed >> np.uint64(40)) + np.uint64(epoch)) % np.uint64(2) == 1
    return chosen
