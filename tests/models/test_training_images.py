from pathlib import Path

import numpy as np
import pytest

from imgrec.errors import InputError
from imgrec.models import training_images
from imgrec.settings import Settings

IMAGES = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)


def test_what_is_kept_is_found_by_the_model_and_by_its_twin(settings: Settings) -> None:
    assert training_images.find("mine", settings) is None
    path = training_images.keep("mine", IMAGES, settings)
    assert training_images.find("mine", settings) == training_images.find("mine.int8", settings) == path
    assert training_images.find("min", settings) is None
    assert np.array_equal(training_images.read(path, (4, 5)), IMAGES)


def test_the_same_images_have_one_name_and_others_take_their_place(settings: Settings) -> None:
    path = training_images.keep("mine", IMAGES, settings)
    assert training_images.keep("mine", IMAGES, settings) == path
    other = training_images.keep("mine", IMAGES + 1, settings)
    theirs = training_images.keep("mine_too", IMAGES, settings)
    assert sorted(path.parent.iterdir()) == sorted([other, theirs])
    training_images.remove("mine", settings)
    assert list(path.parent.iterdir()) == [theirs]


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" + bytes(100)], ids=["empty", "text", "cut"])
def test_a_damaged_file_is_a_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mine-0.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"Received: a damaged file; delete it\."):
        training_images.read(path, (4, 5))


def test_images_of_another_size_are_a_sentence(settings: Settings) -> None:
    path = training_images.keep("mine", IMAGES, settings)
    with pytest.raises(InputError, match=r"uint8 images of 224 × 224 px.*Received: uint8 \(2, 4, 5, 3\)"):
        training_images.read(path, (224, 224))
