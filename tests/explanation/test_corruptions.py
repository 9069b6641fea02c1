from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrec.errors import InputError, UnknownNameError
from imgrec.explanation.corruptions import CORRUPTIONS, SIDE_PX, STRENGTHS, corrupt, damaged, seed_of

KINDS = list(CORRUPTIONS)


def scene(height: int = 96, width: int = 128) -> np.ndarray:
    """A smooth scene with an edge and some texture, as photographs have."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = 90 + 40 * np.sin(columns / 9) + 30 * np.cos(rows / 13)
    waves[height // 3 : height // 2, width // 4 : width // 2] += 60
    return np.stack([waves, waves * 0.8 + 10, 200 - waves * 0.5], axis=-1).astype(np.uint8)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strength", STRENGTHS)
def test_damage_keeps_type_and_size_and_leaves_the_image_alone(kind: str, strength: int) -> None:
    pixels = scene()
    before = pixels.copy()
    found = corrupt(pixels, kind, strength, seed=3)
    assert found.dtype == np.uint8
    assert found.shape == pixels.shape
    assert (pixels == before).all()
    assert distance(found, pixels) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_pixels(kind: str) -> None:
    assert (corrupt(scene(), kind, 3, seed=7) == corrupt(scene(), kind, 3, seed=7)).all()


@pytest.mark.parametrize("kind", ["noise", "occlusion"])
def test_another_seed_gives_others(kind: str) -> None:
    assert (corrupt(scene(), kind, 3, seed=7) != corrupt(scene(), kind, 3, seed=8)).any()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("rotation", "occlusion")])
@given(seed=st.integers(0, 1000))
def test_stronger_damage_is_farther_from_the_image(kind: str, seed: int) -> None:
    distances = [distance(corrupt(scene(), kind, strength, seed), scene()) for strength in (0, *STRENGTHS)]
    assert distances == sorted(distances)


@given(seed=st.integers(0, 1000))
def test_a_larger_rectangle_covers_the_smaller_one(seed: int) -> None:
    white = np.full((96, 128, 3), 255, np.uint8)
    covered = [(corrupt(white, "occlusion", strength, seed) != 255).all(axis=-1) for strength in STRENGTHS]
    for smaller, larger in pairwise(covered):
        assert not (smaller & ~larger).any()
    shares = [float(mask.mean()) for mask in covered]
    assert shares == pytest.approx([amount / 100 for amount in CORRUPTIONS["occlusion"].amounts], abs=0.02)


def test_noise_has_the_deviation_that_it_says() -> None:
    gray = np.full((200, 200, 3), 128, np.uint8)
    for strength, amount in zip((1, 2, 3), CORRUPTIONS["noise"].amounts, strict=False):
        assert corrupt(gray, "noise", strength).std() == pytest.approx(amount, rel=0.05)


def test_contrast_and_brightness_are_what_they_say() -> None:
    pixels = scene().clip(80, 170)
    left = corrupt(pixels, "contrast", 2).std(axis=(0, 1)) / pixels.std(axis=(0, 1))
    assert left == pytest.approx([CORRUPTIONS["contrast"].amounts[1] / 100] * 3, abs=0.02)
    assert corrupt(pixels, "brightness", 1).mean() - pixels.mean() == pytest.approx(25, abs=0.1)


def test_strength_0_is_the_image() -> None:
    pixels = scene()
    assert corrupt(pixels, "blur", 0) is pixels


def test_other_names_and_strengths_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="such as noise"):
        corrupt(scene(), "noice", 1)
    with pytest.raises(InputError, match="Expected a strength from 0 to 5"):
        corrupt(scene(), "noise", 6)


@pytest.mark.parametrize("kind", KINDS)
def test_tiny_images_can_be_damaged(kind: str) -> None:
    assert corrupt(np.zeros((1, 2, 3), np.uint8), kind, 5).shape == (1, 2, 3)


def test_large_images_are_reduced_once() -> None:
    large = scene(600, 900)
    assert damaged(large, "blur", 1).shape == (SIDE_PX, SIDE_PX * 3 // 2, 3)


def test_amounts_are_in_the_sentence() -> None:
    assert CORRUPTIONS["noise"].describe(3) == "Gaussian noise, standard deviation 36 of 255"
    assert CORRUPTIONS["noise"].describe(0) == "unchanged"
    assert CORRUPTIONS["rotation"].describe_all() == "turned by 10, 20, 35, 60, 90°"


def test_seeds_of_names_do_not_change() -> None:
    assert seed_of("n01440764_tench.jpg") == 1098220723
    assert seed_of("a") != seed_of("b")
