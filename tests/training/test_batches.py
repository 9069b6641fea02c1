"""Feeding: every image once an epoch, and the same again from the middle on; first layers computed from it."""

import hashlib

import numpy as np
import pytest

from imgrec.data.dataset import Images
from imgrec.images.preprocessing import PREPROCESS, normalize
from imgrec.training import heads
from imgrec.training.augmentation import Augmentation
from imgrec.training.batches import batches, steps_per_epoch
from imgrec.training.input_normalization import channel_statistics, whitening_kernel

IMAGES = Images(np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), dtype=np.uint8), np.arange(50, dtype=np.int64))
AUGMENTATION = Augmentation(mirror=True, shift_px=1, cutout_px=2)


def fed(epoch: int, first: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(batches(IMAGES, AUGMENTATION, batch_size=8, seed=5, epoch=epoch, first=first))


def test_an_epoch_brings_every_image_at_most_once() -> None:
    seen = np.concatenate([targets for _, targets in fed(0)])
    assert len(seen) == 48
    assert len(set(seen.tolist())) == 48
    assert seen.tolist() != np.concatenate([targets for _, targets in fed(1)]).tolist()


def test_an_epoch_goes_on_in_the_middle_as_if_it_had_not_stopped() -> None:
    for (whole, whole_targets), (rest, rest_targets) in zip(fed(3)[2:], fed(3, first=2), strict=True):
        np.testing.assert_array_equal(whole, rest)
        np.testing.assert_array_equal(whole_targets, rest_targets)


def test_order_and_augmentation_are_those_of_version_0_1() -> None:
    """Else a run that an older version began would go on with other images."""
    digest = hashlib.sha256()
    for epoch in (0, 3):
        for pixels, targets in fed(epoch):
            digest.update(pixels.tobytes())
            digest.update(targets.tobytes())
    assert digest.hexdigest()[:16] == "1eaeabcad91ec5eb"
    order = [49, 34, 32, 39, 45, 6, 19, 12]
    assert fed(1)[0][1].tolist() == heads.batches(np.arange(50), 8, seed=5, epoch=1)[0].tolist() == order


def test_fewer_images_than_a_batch_are_one_batch() -> None:
    assert steps_per_epoch(5, 8) == 1
    few = IMAGES.take(np.arange(5))
    [(pixels, _)] = batches(few, Augmentation(), batch_size=8, seed=0, epoch=0)
    assert len(pixels) == 5


def test_whitened_patches_have_unit_variance_and_no_covariance() -> None:
    pixels = np.random.default_rng(0).normal(size=(200, 9, 9, 3))
    smooth = pixels + np.roll(pixels, 1, axis=1) + np.roll(pixels, 1, axis=2)
    kernel = whitening_kernel(smooth, 2)
    assert kernel.shape == (2, 2, 3, 24)
    np.testing.assert_array_equal(kernel[..., :12], -kernel[..., 12:])
    windows = np.lib.stride_tricks.sliding_window_view(smooth, (2, 2), axis=(1, 2))
    patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, 12)
    outputs = patches @ kernel.reshape(12, 24)[:, :12]
    np.testing.assert_allclose(outputs.T @ outputs / len(outputs), np.eye(12), atol=0.01)


@pytest.mark.parametrize("preprocess", PREPROCESS)
def test_statistics_are_those_of_what_the_network_is_fed(preprocess: str) -> None:
    fed_pixels = normalize(IMAGES.pixels, preprocess).reshape(-1, 3)
    mean, deviation = channel_statistics(IMAGES.pixels, preprocess)
    np.testing.assert_allclose(mean, fed_pixels.mean(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(deviation, fed_pixels.std(axis=0), rtol=1e-4)


def test_a_channel_that_never_changes_is_not_divided_by_zero() -> None:
    gray = np.full((3, 4, 4, 3), 128, np.uint8)
    mean, deviation = channel_statistics(gray, "identity")
    assert mean == (128.0, 128.0, 128.0)
    assert min(deviation) > 0
