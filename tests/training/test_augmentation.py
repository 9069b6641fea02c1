"""Augmentation: what each change does to an image, and that the same seed does it again."""

import numpy as np
import pytest

from imgrec.data.dataset import Images
from imgrec.errors import InputError
from imgrec.training.augmentation import COVER, Augmentation

INDICES = np.arange(8)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (8, 12, 10, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(),
        Augmentation(mirror=True),
        Augmentation(shift_px=2),
        Augmentation(cutout_px=4),
        Augmentation(shear=10.0),
        Augmentation(zoom=0.2),
        Augmentation(rotation=20.0),
        Augmentation(shift=0.2),
        Augmentation(mirror=True, shift_px=3, cutout_px=4, rotation=5.0, shear=5.0, zoom=0.1),
    ],
    ids=["none", "mirror", "shift", "cutout", "shear", "zoom", "rotation", "fraction", "all"],
)
def test_changes_are_repeatable_and_leave_the_original_alone(augmentation: Augmentation, images: np.ndarray) -> None:
    before = images.copy()
    once = augmentation.apply(images, INDICES, seed=1, epoch=2)
    again = augmentation.apply(images, INDICES, seed=1, epoch=2)
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(images, before)
    assert once.dtype == np.uint8
    assert once.shape == images.shape


def test_no_augmentation_changes_nothing(images: np.ndarray) -> None:
    np.testing.assert_array_equal(Augmentation().apply(images, INDICES, seed=0, epoch=0), images)


def test_each_image_is_mirrored_in_one_of_two_epochs(images: np.ndarray) -> None:
    first, second = (Augmentation(mirror=True).apply(images, INDICES, seed=3, epoch=epoch) for epoch in (0, 1))
    same_first = (first == images).all(axis=(1, 2, 3))
    same_second = (second == images).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(same_first, ~same_second)
    assert same_first.any()
    assert same_second.any()
    np.testing.assert_array_equal(first[~same_first], images[~same_first][:, :, ::-1])


def test_a_shifted_image_is_a_window_of_the_reflected_one(images: np.ndarray) -> None:
    shifted = Augmentation(shift_px=2).apply(images, INDICES, seed=0, epoch=0)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    for one, around in zip(shifted, padded, strict=True):
        assert any(
            np.array_equal(one, around[top : top + 12, left : left + 10]) for top in range(5) for left in range(5)
        )


def test_a_shift_by_a_fraction_moves_each_image_by_its_own_and_at_most_that_far() -> None:
    images = np.zeros((40, 21, 31, 3), np.uint8)
    images[:, 10, 15] = 255  # one bright pixel, which lands between four
    moved = Augmentation(shift=0.2).apply(images, np.arange(40), seed=0, epoch=0)[..., 0].astype(float)
    weights = moved / moved.sum(axis=(1, 2), keepdims=True)
    down = (weights * np.arange(21)[:, None]).sum(axis=(1, 2)) - 10
    across = (weights * np.arange(31)).sum(axis=(1, 2)) - 15
    assert 3 < abs(down).max() <= 0.2 * 21 + 0.05
    assert 4 < abs(across).max() <= 0.2 * 31 + 0.05
    assert len(set(np.round(down, 2))) > 30


def test_a_cutout_covers_one_square_and_nothing_else(images: np.ndarray) -> None:
    images[(images == COVER).all(axis=-1)] = 0
    cut = Augmentation(cutout_px=4).apply(images, INDICES, seed=0, epoch=0)
    covered = (cut == COVER).all(axis=-1)
    assert (covered.sum(axis=(1, 2)) == 16).all()
    np.testing.assert_array_equal(cut[~covered], images[~covered])


def test_a_zoomed_image_keeps_its_center() -> None:
    image = np.zeros((1, 21, 21, 3), np.uint8)
    image[0, 8:13, 8:13] = 200
    zoomed = Augmentation(zoom=0.2, shear=10).apply(image, np.array([0]), seed=0, epoch=0)
    assert (zoomed[0, 10, 10] == 200).all()
    assert zoomed[0, 0, 0].max() == 0


def test_a_rotation_turns_by_at_most_its_angle_and_keeps_areas() -> None:
    image = np.zeros((1, 41, 41, 3), np.uint8)
    image[0, 18:23, 5:36] = 255  # a level bar
    turned = Augmentation(rotation=30.0).apply(image, np.array([0]), seed=3, epoch=0)[0, ..., 0].astype(float)
    rows, columns = np.mgrid[:41, :41] - 20.0
    slope = np.degrees(0.5 * np.arctan2(2 * (turned * rows * columns).sum(), (turned * (columns**2 - rows**2)).sum()))
    assert 1 < abs(slope) <= 30.5
    assert turned.sum() == pytest.approx(image[0, ..., 0].sum(), rel=0.03)


def test_a_copy_of_all_images_is_repeatable_and_another_number_gives_another(images: np.ndarray) -> None:
    many = Images(np.tile(images, (20, 1, 1, 1)), np.arange(160))
    augmentation, blocks = Augmentation(mirror=True, rotation=20.0), list[int]()
    one, again, other = (
        augmentation.copy_of(many, seed=3, number=number, on_block=lambda: blocks.append(1)).pixels
        for number in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    # Every image was changed or mirrored, those of later blocks too.
    changed = np.array([(a != b).any() for a, b in zip(one, many.pixels, strict=True)])
    assert changed.all()
    assert len(blocks) == 3 * 3


@pytest.mark.parametrize("values", [{"rotation": 181.0}, {"zoom": 1.0}, {"shift": -0.1}, {"shear": float("nan")}])
def test_an_augmentation_out_of_range_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(InputError, match="Expected an augmentation from 0 to rotation 180"):
        Augmentation(**values)
