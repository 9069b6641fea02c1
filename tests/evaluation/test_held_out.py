"""Held-out images of a model that a card names, in each way that a training leaves them; nothing is trained."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.data.training_arrays import load
from imgrec.errors import InputError
from imgrec.evaluation import evaluate, held_out, stored_predictions
from imgrec.evaluation.stored_predictions import Answers
from imgrec.inference import calibration_images
from imgrec.models import cards, training_images, weights
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.labels import LabelSpace
from imgrec.settings import Settings
from tests.fakes import fake_spec

SPACE = LabelSpace("pets", ("cats", "dogs"), (None, None))
SPEC = fake_spec("mine", input_size=(8, 8), crop_fraction=1.0, label_space="pets", own_label_space=SPACE)

# Of each class and part.
COUNT = 40


def folder(place: Path, *parts: str) -> Path:
    """Class folders of images that all differ; with `parts`, in a folder for each of them."""
    number = 0
    for part in parts or ("",):
        for label in SPACE.labels:
            target = place / "pets" / part / label
            target.mkdir(parents=True)
            for i in range(COUNT):
                file, number = io.BytesIO(), number + 1
                Image.new("RGB", (8, 8), (number, 0, 0)).save(file, "PNG")
                (target / f"{i:02d}.png").write_bytes(file.getvalue())
    return place / "pets"


def arrays(place: Path) -> Path:
    pixels = np.arange(2 * COUNT, dtype=np.uint8)[:, None, None, None] + np.zeros((2 * COUNT, 8, 8, 3), np.uint8)
    np.savez(place / "pets.npz", x_train=pixels, y_train=np.arange(2 * COUNT) // COUNT, class_names=SPACE.labels)
    return place / "pets.npz"


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Lets a card say that `SPEC` was trained on a dataset; its weights are a digest."""

    def on(place: Path) -> None:
        fields = {"data": {"name": "pets", "source": str(place)}, "model": {"name": SPEC.name}}
        monkeypatch.setattr(cards, "find", lambda name, settings: cards.Card(place, fields))
        monkeypatch.setattr(weights, "sha256", lambda spec, settings: "0" * 64)

    return on


def store(place: Path, chosen: list[int], settings: Settings) -> None:
    """Store answers of `SPEC` to a part that was held back, as after a training."""
    data = load(str(place), settings, (8, 8))
    whole = open_evaluation_split(str(place), settings)
    part = held_out.part_of(whole, data, np.array(chosen), SPACE, "validation", 7)
    own = stored_predictions.own_folder(settings)
    path = stored_predictions.predictions_path(own, SPEC.name, part.name)
    note: dict[str, Any] = {
        "model": SPEC.name,
        "dataset": part.name,
        "label_space": "pets",
        "weights_sha256": "0" * 64,
        "preprocess": "tf",
        "framing": "crop",
        "resampling": "bicubic",
        "input_size": [8, 8],
        "runtime": "made up",
        "versions": {},
        "parameters": 1,
        "measured_at": "2026-01-01T00:00:00+00:00",
        "failures": [],
    }
    probabilities = np.eye(2, dtype=np.float16)[list(part.targets)]
    stored_predictions.write_part(path, Answers(part.ids, np.array(part.targets), probabilities), note)
    timing = dict.fromkeys(("cold_ms", "latency_p50_ms", "latency_p95_ms", "throughput_per_s"), 1.0)
    stored_predictions.put_row(own, evaluate.row_of(path) | timing, evaluate.describe_dataset(part))


@pytest.mark.parametrize("make", [folder, arrays], ids=["folder", "arrays"])
def test_a_part_that_was_held_back_is_found_again_and_the_rest_was_trained_on(
    make: Callable[[Path], Path], tmp_path: Path, settings: Settings, trained: Callable[[Path], None]
) -> None:
    place = make(tmp_path)
    trained(place)
    store(place, [3, 5, COUNT + 1], settings)
    labeled, rest = held_out.find(SPEC.compact(), settings)
    assert labeled.name == "validation part of pets (seed 7, 3 images)"
    assert labeled.flaws[0] == held_out.FLAWS["validation"]
    assert labeled.targets == (0, 0, 1)
    summary = stored_predictions.read_summary(stored_predictions.own_folder(settings))
    assert labeled.digest == summary["datasets"][labeled.name]["digest"]
    assert len(rest) == 2 * COUNT - 3
    assert not set(rest.ids) & set(labeled.ids)


def test_a_dataset_with_a_test_part_is_measured_on_it(
    tmp_path: Path, settings: Settings, trained: Callable[[Path], None]
) -> None:
    place = folder(tmp_path, "train", "test")
    trained(place)
    labeled, rest = held_out.find(SPEC, settings)
    assert {name.split("/")[0] for name in labeled.ids} == {"test"}
    assert {name.split("/")[0] for name in rest.ids} == {"train"}


def test_images_that_are_gone_or_were_never_told_apart_are_a_sentence(
    tmp_path: Path, settings: Settings, trained: Callable[[Path], None]
) -> None:
    place = folder(tmp_path)
    trained(place)
    with pytest.raises(InputError, match=r"which say which of pets these are\. Received: none"):
        held_out.find(SPEC, settings)
    store(place, [0, 1, COUNT], settings)
    (place / "cats" / "01.png").unlink()
    with pytest.raises(InputError, match=r"Expected the 3 held-out images of MINE in .*pets\. Received: 2 of them"):
        held_out.find(SPEC, settings)
    trained(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="elsewhere', which is not there"):
        held_out.find(SPEC, settings)


@pytest.mark.parametrize("card", [None, cards.Card(Path("x"), {"imported": {}})], ids=["published", "added"])
def test_of_other_models_nothing_was_held_back(
    card: cards.Card | None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "find", lambda name, settings: card)
    with pytest.raises(InputError, match="Expected a model that imgrec has trained"):
        held_out.find(SPEC, settings)


def test_a_published_dataset_is_not_downloaded_for_it(settings: Settings) -> None:
    spec = cards.load_catalog(settings)["cifar_vgg"]
    with pytest.raises(InputError, match="none; imgrec evaluate --data cifar10 --models cifar_vgg downloads it"):
        held_out.find(spec, replace(settings, offline=False))


def test_some_training_images_are_kept_as_the_network_is_given_them(
    tmp_path: Path, settings: Settings, trained: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration_images, "COUNT", 50)
    place = folder(tmp_path)
    (place / "dogs" / "39.png").write_bytes(b"broken")
    whole = open_evaluation_split(str(place), settings)
    held_out.keep_training_images(SPEC.compact(), whole, settings)
    path = training_images.find(SPEC.name, settings)
    assert path is not None
    images = training_images.read(path, SPEC.input_size)
    assert 45 <= len(images) <= 50
    assert len(set(images[:, 0, 0, 0].tolist())) == len(images)
    assert min(sum(images[:, 0, 0, 0] <= COUNT), sum(images[:, 0, 0, 0] > COUNT)) > 15, "of both classes"


def test_of_few_training_images_none_is_kept(tmp_path: Path, settings: Settings) -> None:
    whole = open_evaluation_split(str(folder(tmp_path)), settings)
    few: ModelSpec = SPEC.compact()
    held_out.keep_training_images(few, whole.take(range(calibration_images.MIN_COUNT - 1)), settings)
    assert training_images.find(SPEC.name, settings) is None
    assert held_out.some_of(calibration_images.MIN_COUNT - 1) is None
    assert held_out.some_of(calibration_images.MIN_COUNT) == list(range(calibration_images.MIN_COUNT))
