import shutil
from pathlib import Path

import numpy as np
import pytest

from imgrec.errors import InputError
from imgrec.images import gallery
from imgrec.inference import calibration_images


def test_the_crops_are_the_same_on_every_machine_and_differ_from_each_other() -> None:
    images = calibration_images.inputs(None, (32, 24), 0.875)
    assert len(images) == calibration_images.COUNT
    assert {(image.shape, image.dtype) for image in images} == {((32, 24, 3), np.dtype(np.uint8))}
    assert len({image.tobytes() for image in images}) == calibration_images.COUNT
    again = calibration_images.inputs(None, (32, 24), 0.875)
    assert all(np.array_equal(one, other) for one, other in zip(images, again, strict=True))
    assert np.ptp(np.stack(images).mean(axis=(1, 2, 3))) > 60  # dark ones and bright ones


def test_images_of_a_folder_are_taken_and_broken_ones_left_out(tmp_path: Path) -> None:
    for number in range(calibration_images.MIN_COUNT):
        shutil.copy(gallery.get_samples()[0].path, tmp_path / f"{number}.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    before = calibration_images.digest(tmp_path)
    assert len(calibration_images.inputs(tmp_path, (16, 16), 0.875)) == calibration_images.MIN_COUNT
    (tmp_path / "0.jpg").unlink()
    assert calibration_images.digest(tmp_path) not in {before, calibration_images.digest(None)}
    with pytest.raises(InputError, match=f"{calibration_images.MIN_COUNT} images or more .*Received: 31"):
        calibration_images.inputs(tmp_path, (16, 16), 0.875)
