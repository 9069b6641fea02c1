"""One dataset: the digests that are stored on disk, parts of it, and items read in order."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgrec.data.dataset import Images
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.data.features import digest_of
from imgrec.data.sources import open_dataset
from imgrec.data.training_arrays import load
from imgrec.errors import InputError
from imgrec.settings import Settings


def folder(place: Path) -> Path:
    for part, count in (("train", 3), ("test", 2)):
        for number, label in enumerate(("cats", "dogs")):
            (place / "toy" / part / label).mkdir(parents=True)
            for i in range(count):
                y, x = np.mgrid[:9, :12]
                blue = np.full_like(x, 40 * i + 90 * number + (part == "test"))
                pixels = np.stack([x * 20, y * 25, blue], -1).astype(np.uint8)
                Image.fromarray(pixels).save(place / "toy" / part / label / f"{i}.bmp")
    return place / "toy"


def arrays(place: Path) -> Path:
    pixels = np.arange(8 * 4 * 4 * 3, dtype=np.uint8).reshape(8, 4, 4, 3)
    parts = {"x_train": pixels[:6], "y_train": np.array([0, 1] * 3), "x_test": pixels[6:], "y_test": np.array([1, 0])}
    np.savez(place / "toy.npz", **parts, class_names=np.array(["dog", "cat"]))
    return place / "toy.npz"


@pytest.mark.parametrize(
    ("make", "ids_and_targets", "images", "first_of_each", "trained_on", "pixels"),
    [
        pytest.param(
            folder,
            "88e4f2cc18ec01fb536052f4c8400dae5c37083482cb54a3bb4757725f6e9aca",
            "5d0f6260cf133d99ad73045c0277b03d164b9569d6056cc7de46aa8b9db56229",
            "b68eebb67976f511987781efda4faead34df7998d898e10007fa094adfe3daca",
            "778c4b15ad7e19391414df56adb77821c609bd04fccf19daa490f01389db9aba",
            "f38fb7e617ecfd786da4f8055d8aeb32c49a6a031dee84eaed3b0d80d371ac90",
            id="folder",
        ),
        pytest.param(
            arrays,
            "39b1acecc493324f8f770a93ee4363de01454b227b9a2eb2be42bfc792f6a17d",
            "f03d1ce2f5f53dec49e11d2db67593aa62414969178b01ac6ffe91701e185e33",
            "39b1acecc493324f8f770a93ee4363de01454b227b9a2eb2be42bfc792f6a17d",
            "e47e34f160e66f496cc95a879aad775e918019413f23c177c37d5734596af113",
            "5a24d56cc0dcffaf40468f5ab1571b31c462711066b0771f1d210e67b148abd7",
            id="arrays",
        ),
    ],
)
def test_digests_are_those_of_stored_measurements_runs_and_features(
    make: Callable[[Path], Path],
    ids_and_targets: str,
    images: str,
    first_of_each: str,
    trained_on: str,
    pixels: str,
    tmp_path: Path,
    settings: Settings,
) -> None:
    """Values of version 0.1: with others, stored results would count as those of another dataset."""
    path = str(make(tmp_path))
    measured, first = (open_evaluation_split(path, settings, per_class=count) for count in (None, 1))
    assert (measured.digest, measured.images_sha256, first.digest) == (ids_and_targets, images, first_of_each)
    data = load(path, settings, (4, 4))
    assert (data.sha256, digest_of(data.train)) == (trained_on, pixels)


@pytest.mark.parametrize("make", [folder, arrays])
def test_items_of_a_part_come_in_order_as_often_as_they_are_read(
    make: Callable[[Path], Path], tmp_path: Path, settings: Settings
) -> None:
    found = open_dataset(str(make(tmp_path)), settings)
    part = found.take(found.positions(test=True), name="part")
    for _ in range(2):
        assert [(item.id, item.target) for item in part.items()] == list(zip(part.ids, part.targets, strict=True))
    assert part.images([found.ids[found.positions(test=False)[0]], part.ids[1]]).keys() == {part.ids[1]}


def test_a_part_without_images_is_named(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(InputError, match="Expected labeled images in part"):
        open_dataset(str(folder(tmp_path)), settings).take([], name="part")


@pytest.mark.parametrize(
    ("pixels", "targets"),
    [(np.zeros((2, 4, 4)), np.zeros(2, int)), (np.zeros((2, 4, 4, 3), np.uint8), np.zeros(3, int))],
    ids=["no channels", "other count"],
)
def test_arrays_of_another_shape_are_refused(pixels: np.ndarray, targets: np.ndarray) -> None:
    with pytest.raises(InputError, match="Expected"):
        Images(pixels, targets)
