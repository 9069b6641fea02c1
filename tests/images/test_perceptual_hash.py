"""Near duplicates: changed copies are found, strangers are not, and the pairs are those of the plain double loop."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from imgrec.errors import InputError
from imgrec.images import gallery
from imgrec.images.decoding import decode
from imgrec.images.perceptual_hash import (
    MAX_BITS,
    MIN_CORRELATION,
    THUMBNAIL_SHAPE,
    _candidates,
    brightness,
    difference_hashes,
    groups,
    near_pairs,
)
from imgrec.images.preprocessing import frame


def thumbnail(image: Image.Image) -> np.ndarray:
    return frame(np.asarray(image.convert("RGB")), THUMBNAIL_SHAPE, 1.0, "squash")


def stored(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue()))


CHANGES = {
    "stored again": lambda image: stored(image, 40),
    "half the size": lambda image: stored(image.resize((image.width // 2, image.height // 2)), 80),
    "larger": lambda image: image.resize((int(image.width * 1.3), int(image.height * 1.3))),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.15),
    "in gray": lambda image: image.convert("L"),
}


def photo(file: str) -> Image.Image:
    data = gallery.get_sample(file).path.read_bytes()
    return Image.fromarray(decode(data, max_bytes=len(data)).pixels)


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    """The samples, less the cat's second image and the waves, of which nothing is left at this size."""
    files = [sample.file for sample in gallery.get_samples()]
    return [photo(file) for file in files if file not in {"cat_sideways.jpg", "waves.jpg"}]


def test_a_copy_that_is_stored_turned_round_is_a_copy() -> None:
    thumbnails = np.stack([thumbnail(photo(file)) for file in ("cat.jpg", "cat_and_espresso.jpg", "cat_sideways.jpg")])
    assert near_pairs(thumbnails, limit=9).tolist() == [[0, 2]]


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found_and_strangers_are_not(change: str, photos: list[Image.Image]) -> None:
    thumbnails = np.stack([*map(thumbnail, photos), *(thumbnail(CHANGES[change](photo)) for photo in photos)])
    count = len(photos)
    assert near_pairs(thumbnails, limit=100).tolist() == [[i, count + i] for i in range(count)]


def test_flat_images_are_like_no_other() -> None:
    rng = np.random.default_rng(0)
    gray = np.full((5, *THUMBNAIL_SHAPE, 3), 128, np.uint8) + rng.integers(0, 3, (5, *THUMBNAIL_SHAPE, 3), np.uint8)
    assert near_pairs(gray.astype(np.uint8), limit=10).shape == (0, 2)
    assert near_pairs(gray[:0], limit=10).shape == (0, 2)


def test_no_more_pairs_than_asked_for() -> None:
    same = np.repeat(np.random.default_rng(0).integers(0, 256, (1, *THUMBNAIL_SHAPE, 3), dtype=np.uint8), 9, axis=0)
    assert near_pairs(same, limit=36).shape == (36, 2)
    assert near_pairs(same, limit=5).tolist() == [[0, 1], [0, 2], [0, 3], [0, 4], [0, 5]]


def test_copies_of_one_class_are_one_group_and_strangers_none(photos: list[Image.Image]) -> None:
    """Each photo four times in other qualities; the last copy of the first is of the other class."""
    few = photos[:5]
    copies = [stored(photo, quality) for quality in (90, 60, 40) for photo in few]
    pixels = np.stack([np.asarray(each.convert("RGB").resize((64, 64))) for each in (*few, *copies)])
    targets = np.array([i % 5 % 2 for i in range(20)])
    assert groups(pixels, targets).tolist() == [i % 5 for i in range(20)]
    targets[15] = 1
    assert groups(pixels, targets).tolist() == [15 if i == 15 else i % 5 for i in range(20)]
    assert groups(pixels[:0], targets[:0]).shape == (0,)


def test_flat_images_are_of_one_group_when_they_are_equal() -> None:
    pixels = np.repeat(np.array([7, 7, 8, 7], np.uint8), 12 * 12 * 3).reshape(4, 12, 12, 3)
    assert groups(pixels, np.array([0, 0, 0, 1])).tolist() == [0, 0, 2, 3]


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 12), block=st.integers(1, 5))
def test_what_is_like_a_third_is_of_one_group(seed: int, count: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    chain = [rng.integers(0, 256, (*THUMBNAIL_SHAPE, 3))]
    for _ in range(count - 1):  # a film: each like the one before, some like none
        chain.append(chain[-1] + rng.integers(-30, 30, chain[0].shape) if rng.random() < 0.8 else chain[0][::-1])
    pixels = np.clip(rng.permutation(np.stack(chain)), 0, 255).astype(np.uint8)
    expected = np.arange(count)
    for _ in range(count):
        for i, j in near_pairs(pixels, limit=1000).tolist():
            expected[[i, j]] = min(expected[i], expected[j])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imgrec.images.perceptual_hash.BLOCK", block)
        assert groups(pixels, np.zeros(count, int)).tolist() == expected.tolist()


@given(seed=st.integers(0, 2**32 - 1), copies=st.integers(0, 5), noise=st.integers(1, 90), block=st.integers(1, 7))
def test_the_pairs_are_those_of_the_plain_loop(seed: int, copies: int, noise: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    originals = rng.integers(0, 256, (6, *THUMBNAIL_SHAPE, 3))
    changed = originals[rng.integers(0, 6, copies)] + rng.integers(-noise, noise, (copies, *THUMBNAIL_SHAPE, 3))
    thumbnails = np.clip(np.concatenate([originals, changed]), 0, 255).astype(np.uint8)
    hashes = [int(value) for value in difference_hashes(thumbnails)]
    looks = brightness(thumbnails).reshape(len(thumbnails), -1)
    expected = [
        [i, j]
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if (hashes[i] ^ hashes[j]).bit_count() <= MAX_BITS and np.corrcoef(looks[i], looks[j])[0, 1] >= MIN_CORRELATION
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imgrec.images.perceptual_hash.BLOCK", block)
        patch.setattr("imgrec.images.perceptual_hash.SECOND_LOOKS", 2)
        assert near_pairs(thumbnails, limit=100).tolist() == expected


@given(seed=st.integers(0, 2**32 - 1), shift=st.integers(0, 60))
def test_the_hash_does_not_see_brightness_and_turns_over_with_a_mirror(seed: int, shift: int) -> None:
    thumbnails = np.random.default_rng(seed).integers(0, 190, (3, *THUMBNAIL_SHAPE, 3), dtype=np.uint8)
    hashes = difference_hashes(thumbnails)
    np.testing.assert_array_equal(difference_hashes(thumbnails + np.uint8(shift)), hashes)
    # Brighter to the right becomes brighter to the left: every bit, but where two fields are equally bright.
    mirrored = difference_hashes(np.ascontiguousarray(thumbnails[:, :, ::-1]))
    bits = (hashes[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    other = (mirrored[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    rows = bits.reshape(3, 8, 8), other.reshape(3, 8, 8)[:, :, ::-1]
    assert (rows[0] != rows[1]).mean() > 0.97


def test_refuses_other_thumbnails() -> None:
    with pytest.raises(InputError, match=r"\(N, 16, 18, 3\)"):
        difference_hashes(np.zeros((2, 8, 9, 3), np.uint8))


def test_candidates_differ_in_ten_bits_at_most() -> None:
    hashes = np.array([0, 2**10 - 1, 2**11 - 1], np.uint64)
    assert np.concatenate(list(_candidates(hashes))).tolist() == [[0, 1], [1, 2]]
