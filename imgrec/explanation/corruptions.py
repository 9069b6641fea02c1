"""Eight kinds of damage to an image, each in five strengths: the same image, kind, strength and seed, the same pixels.

They are imgrec's own. Benchmarks of other names have other strengths, and their figures cannot be compared with these.
Lengths are shares of the short side, so that a kind means the same for images of any size; `damaged` works on a
reduced copy of `SIDE_PX`, once for all networks.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from imgrec.errors import InputError, UnknownNameError
from imgrec.images import transforms

# Slightly above the input of the usual networks, so that a blur of one pixel is one of theirs, too.
SIDE_PX = 256

# Strength 0 is the image itself.
STRENGTHS = (1, 2, 3, 4, 5)

_MID_GRAY = 128

Change = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


@dataclass(frozen=True, slots=True)
class Corruption:
    """A kind of damage: `change` takes pixels, one of `amounts` (by strength, the weakest first), and a generator.

    `meaning` says in a phrase what an amount is, with `{}` in its place.
    """

    title: str
    amounts: tuple[float, float, float, float, float]
    meaning: str
    change: Change

    def describe(self, strength: int) -> str:
        """Return what the damage of this strength is: "standard deviation 36 of 255"."""
        return self.meaning.format(f"{self.amounts[strength - 1]:g}") if strength else "unchanged"

    def describe_all(self) -> str:
        """Return all strengths in one phrase: "turned by 10, 20, 35, 60, 90°"."""
        return self.meaning.format(", ".join(f"{amount:g}" for amount in self.amounts))


def corrupt(pixels: np.ndarray, kind: str, strength: int, seed: int = 0) -> np.ndarray:
    """Return `pixels` with damage.

    Random choices depend on `kind` and `seed`, and not on `strength`: a stronger noise is the same noise, only
    stronger, and a larger square lies around the smaller one.

    Args:
        pixels: uint8 (H, W, 3); not changed.
        kind: A key of `CORRUPTIONS`.
        strength: 1 to 5; 0 returns `pixels`, whatever the kind.
        seed: Of the random choices; see `seed_of`.

    Returns:
        uint8 (H, W, 3).

    Raises:
        UnknownNameError: No such kind.
        InputError: No such strength.
    """
    if strength not in (0, *STRENGTHS):
        raise InputError(f"Expected a strength from 0 to {STRENGTHS[-1]}. Received: {strength}.")
    if strength == 0:
        return pixels
    if kind not in CORRUPTIONS:
        raise UnknownNameError.of("corruption", kind, list(CORRUPTIONS))
    found = CORRUPTIONS[kind]
    rng = np.random.default_rng((seed, zlib.crc32(kind.encode())))
    return found.change(pixels, found.amounts[strength - 1], rng)


def damaged(pixels: np.ndarray, kind: str, strength: int, seed: int = 0) -> np.ndarray:
    """Return `pixels` reduced to `SIDE_PX`, with damage; arguments as of `corrupt`."""
    return corrupt(transforms.reduce(pixels, SIDE_PX), kind, strength, seed)


def seed_of(name: str) -> int:
    """Return the seed of an image by its digest or its id in a dataset: other images are covered at other places."""
    return zlib.crc32(name.encode())


def _noise(pixels: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(pixels.shape, np.float32) * deviation
    return _bytes(pixels + noise)


def _blur(pixels: np.ndarray, percent_of_side: float, rng: np.random.Generator) -> np.ndarray:
    return transforms.blur(pixels, percent_of_side / 100 * min(pixels.shape[:2]))


def _jpeg(pixels: np.ndarray, quality: float, rng: np.random.Generator) -> np.ndarray:
    return transforms.recompress(pixels, int(quality))


def _rotation(pixels: np.ndarray, degrees: float, rng: np.random.Generator) -> np.ndarray:
    return transforms.rotate(pixels, degrees if rng.random() < 0.5 else -degrees)


def _brightness(pixels: np.ndarray, added: float, rng: np.random.Generator) -> np.ndarray:
    return _bytes(pixels.astype(np.float32) + added)


def _contrast(pixels: np.ndarray, percent_left: float, rng: np.random.Generator) -> np.ndarray:
    mean = pixels.mean(axis=(0, 1), dtype=np.float32)
    return _bytes((pixels - mean) * (percent_left / 100) + mean)


def _occlusion(pixels: np.ndarray, percent_of_area: float, rng: np.random.Generator) -> np.ndarray:
    height, width = pixels.shape[:2]
    share = (percent_of_area / 100) ** 0.5
    rows, columns = max(1, round(height * share)), max(1, round(width * share))
    # The place in the free room is a share of it, so that rectangles of all strengths lie within each other.
    down, across = rng.random(2)
    top, left = round((height - rows) * down), round((width - columns) * across)
    covered = pixels.copy()
    covered[top : top + rows, left : left + columns] = _MID_GRAY
    return covered


def _pixelate(pixels: np.ndarray, squares: float, rng: np.random.Generator) -> np.ndarray:
    return transforms.pixelate(pixels, max(1.0, min(pixels.shape[:2]) / squares))


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


CORRUPTIONS = {
    "noise": Corruption("Noise", (10, 20, 36, 60, 90), "Gaussian noise, standard deviation {} of 255", _noise),
    "blur": Corruption("Blur", (0.4, 0.8, 1.3, 2, 3), "Gaussian blur, standard deviation {}\u202f% of the side", _blur),
    "jpeg": Corruption("JPEG", (30, 18, 12, 7, 4), "JPEG of quality {}", _jpeg),
    "rotation": Corruption("Rotation", (10, 20, 35, 60, 90), "turned by {}°", _rotation),
    "brightness": Corruption("Brightness", (25, 50, 80, 110, 150), "brighter by {} of 255", _brightness),
    "contrast": Corruption("Contrast", (60, 40, 25, 12, 6), "{}\u202f% of the contrast is left", _contrast),
    "occlusion": Corruption(
        "Occlusion", (5, 10, 20, 35, 50), "a gray rectangle over {}\u202f% of the area", _occlusion
    ),
    "pixelate": Corruption("Pixelate", (48, 32, 22, 16, 12), "{} squares along the short side", _pixelate),
}
