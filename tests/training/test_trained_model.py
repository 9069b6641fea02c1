"""The part of a set that was held back from a model: the same images, as they lie, under a name of its own."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgrec import jobs
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.data.training_arrays import load
from imgrec.errors import InputError
from imgrec.evaluation.held_out import FLAWS, part_of
from imgrec.jobs import job_folder
from imgrec.models import cards
from imgrec.predictions.labels import LabelSpace
from imgrec.settings import Settings
from imgrec.training.events import DataRead, EpochEnd, write
from imgrec.training.trained_model import publish

SPACE = LabelSpace("own", ("cats", "dogs"), (None, None))


def folder(place: Path) -> Path:
    """Two classes of three images, and one more, none of whose images can be read."""
    for label, value in (("cats", 0), ("dogs", 100), ("frogs", 200)):
        (place / "pets" / label).mkdir(parents=True)
        for i in range(3):
            file = io.BytesIO()
            Image.new("RGB", (20, 10), (value + i, 0, 0)).save(file, "PNG")
            (place / "pets" / label / f"{i}.png").write_bytes(b"" if label == "frogs" else file.getvalue())
    return place / "pets"


def arrays(place: Path) -> Path:
    pixels = np.arange(6, dtype=np.uint8)[:, None, None, None] + np.zeros((6, 8, 8, 3), np.uint8)
    np.savez(place / "pets.npz", x_train=pixels, y_train=np.array([0, 0, 0, 1, 1, 1]), class_names=SPACE.labels)
    return place / "pets.npz"


@pytest.mark.parametrize(
    ("make", "ids"),
    [(folder, ("cats/1.png", "dogs/0.png", "dogs/2.png")), (arrays, ("00001", "00003", "00005"))],
    ids=["folder", "arrays"],
)
def test_a_part_has_the_images_as_they_lie(
    make: Callable[[Path], Path], ids: tuple[str, ...], tmp_path: Path, settings: Settings
) -> None:
    path = str(make(tmp_path))
    data = load(path, settings, (8, 8))
    whole = open_evaluation_split(path, settings)
    part = part_of(whole, data, np.array([5, 1, 3]), SPACE, "validation", 7)
    assert part.name == "validation part of pets (seed 7, 3 images)"
    assert part.flaws[0] == FLAWS["validation"]
    assert (part.ids, part.targets) == (ids, (0, 1, 1))
    items = list(part.items())
    assert [(item.id, item.target) for item in items] == list(zip(part.ids, part.targets, strict=True))
    there = {item.id: item.image for item in whole.items()}
    assert all(np.array_equal(item.image, there[item.id]) for item in items)
    assert set(part.images(["cats/0.png", "00000", *ids[:1]])) == set(ids[:1])


def test_images_that_are_gone_are_no_part(tmp_path: Path, settings: Settings) -> None:
    path = folder(tmp_path)
    data = load(str(path), settings, (8, 8))
    for file in path.glob("cats/*"):
        file.rename(file.with_suffix(".moved"))
    whole = open_evaluation_split(str(path), settings)
    with pytest.raises(InputError, match=r"Expected labeled images in validation part of pets \(seed 0, 0 images\)"):
        part_of(whole, data, np.array([0, 1]), SPACE, "validation", 0)


def test_a_run_that_is_resumed_after_its_model_was_published_keeps_it(tmp_path: Path, settings: Settings) -> None:
    class Network:
        saved = 0

        def save(self, path: Path) -> None:
            Network.saved += 1
            path.write_bytes(f"weights {Network.saved}".encode())

        def count_params(self) -> int:
            return 6

    job_folder.write(
        tmp_path / "job.json", {"created_at": "2026-01-01", "configuration": {"name": "mine", "home": str(tmp_path)}}
    )
    worker, data = jobs.Worker(tmp_path), load(str(arrays(tmp_path)), settings, (8, 8))
    write(worker, DataRead("pets", "", ["cats", "dogs"], {}, 6, 0, "0", [], 0))
    write(worker, EpochEnd(1, 1.0, 0.1, 0.9, 1.0, 0.1, 0.9, [[3, 0], [0, 3]]))
    metrics = {"pictures": 6, "set": "test", "accuracy": 1.0, "confusion": [[3, 0], [0, 3]], "entropy_bits_95": 0.1}
    about = {"architecture": "", "input_size": [8, 8], "preprocess": "unit", "crop_fraction": 1.0, "licence": "yours"}

    def published() -> tuple[bytes, bytes]:
        card = publish(worker, Network(), data, metrics, settings, title="Mine", fields=about, more={})
        place = cards.home(settings)
        return (place / card.weights.name).read_bytes(), (place / card.path.name).read_bytes()

    first = published()
    assert published() == first
    assert Network.saved == 1
    (cards.home(settings) / "mine.keras").write_bytes(b"damaged")
    assert published()[0] == b"weights 2"
