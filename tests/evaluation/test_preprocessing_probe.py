"""The right preprocessing is found where the images show it, and left open where they do not."""

from pathlib import Path

import numpy as np
import pytest

from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.errors import LabelSpaceError
from imgrec.evaluation import preprocessing_probe
from imgrec.evaluation.preprocessing_probe import MIN_IMAGES, PHOTOGRAPHS, photographs, probe, probe_photographs
from imgrec.images.encoding import to_png
from imgrec.images.preprocessing import PREPROCESS, normalize
from imgrec.inference.own_model import Examined
from imgrec.models.model_formats import ModelFile
from imgrec.predictions.labels import LabelSpace, get_label_space
from imgrec.settings import Settings

SIDE = 8
COLORS = {"blue": (30, 30, 200), "red": (200, 30, 30)}
SPACE = LabelSpace("colors", ("blue", "red"), (None, None))


def examined(classes: int = 2) -> Examined:
    file = ModelFile(Path("net.onnx"), "onnx", (Path("net.onnx"),))
    return Examined(
        file, Path("nowhere"), (SIDE, SIDE), "NHWC", "float32", classes, "logits", tuple(PREPROCESS), 10, True
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images that are more blue than red, or more red than blue, by chance very little."""
    random = np.random.default_rng(0)
    for name, color in COLORS.items():
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(30):
            pixels = np.clip(random.normal(color, 60, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
            (tmp_path / "images" / name / f"{number}.png").write_bytes(to_png(pixels))
    return tmp_path / "images"


def network(monkeypatch: pytest.MonkeyPatch, mode: str, *, sharpness: float = 1.0, sees_color: bool = True) -> None:
    """Have every network answer as one that was trained with `mode`, which is less sure of what looks unlike it."""

    def predict(model: Examined, images: np.ndarray, trials: object, on_progress: object) -> np.ndarray:
        found = []
        for tried, is_reversed in trials:  # type: ignore[attr-defined]
            values = normalize(images, tried)
            values = values[..., ::-1] if is_reversed else values
            usual = normalize(images, mode)
            unlike = float(np.abs(values.mean() - usual.mean()) + np.abs(values.std() - usual.std()))
            redness = (values[..., 0] - values[..., 2]).mean(axis=(1, 2)) / values.std() if sees_color else 0.0
            logit = sharpness * np.asarray(redness) / (1 + 3 * unlike) + np.zeros(len(images))
            red = 1 / (1 + np.exp(-logit))
            found.append(np.stack([1 - red, red], axis=1))
        return np.array(found, np.float32)

    monkeypatch.setattr(preprocessing_probe, "predict", predict)


@pytest.mark.parametrize("mode", ["tf", "torch", "identity", "unit"])
def test_the_preprocessing_of_the_training_is_proposed(
    mode: str, folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    network(monkeypatch, mode, sharpness=4)
    found = probe(examined(), SPACE, open_evaluation_split(str(folder), settings), settings)
    assert found.images == 60
    assert len(found.tried) == 2 * len(PREPROCESS)
    assert found.proposed is not None
    assert (found.proposed.mode, found.proposed.channels) == (mode, "rgb")
    assert "beyond chance" in found.sentence()
    assert all(one.behind is not None and one.behind.low > 0 for one in found.tried[1:])


def test_what_the_images_do_not_show_is_left_open(
    folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    network(monkeypatch, "tf", sees_color=False)
    found = probe(examined(), SPACE, open_evaluation_split(str(folder), settings), settings)
    assert found.proposed is None
    assert "guessing" in found.doubt


def test_labels_in_another_order_are_noticed(folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    network(monkeypatch, "tf", sharpness=-4)
    found = probe(examined(), SPACE, open_evaluation_split(str(folder), settings), settings)
    # The other order of the channels turns the answers round: with two classes it looks right.
    assert found.tried[0].channels == "bgr"


def test_few_images_are_not_enough(folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    network(monkeypatch, "tf", sharpness=4)
    few = open_evaluation_split(str(folder), settings).take(range(20, 39))
    found = probe(examined(), SPACE, few, settings)
    assert found.images == MIN_IMAGES - 1
    assert found.tried[0].title == "tf"
    assert found.proposed is None
    assert "19" in found.doubt


def test_classes_that_do_not_fit(folder: Path, settings: Settings) -> None:
    other = LabelSpace("pets", ("cat", "dog"), (None, None))
    with pytest.raises(LabelSpaceError, match="classes of the model"):
        probe(examined(), other, open_evaluation_split(str(folder), settings), settings)


def test_imagenet_networks_are_tried_on_photographs(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    imagenet = get_label_space("imagenet_1k")
    known = photographs()
    assert len(known) >= MIN_IMAGES
    assert {file.name for file in PHOTOGRAPHS.glob("*.jpg")} == known.keys()
    assert all(synset in imagenet.synsets for synsets in known.values() for synset in synsets)

    def predict(model: Examined, images: np.ndarray, trials: list[object], on_progress: object) -> np.ndarray:
        found = np.full((len(trials), len(images), 1000), 1e-4, np.float32)
        views = len(images) // len(known)
        for row, synsets in enumerate(known.values()):
            found[2, row * views : (row + 1) * views, imagenet.synsets.index(synsets[-1])] = 0.9
        return found

    monkeypatch.setattr(preprocessing_probe, "predict", predict)
    found = probe_photographs(examined(1000), imagenet, settings)
    assert (found.tried[0].title, found.tried[0].right) == ("tf", len(known))
    assert found.proposed is found.tried[0]
    assert f"{len(known)} of {len(known)} images of imgrec's photographs right" in found.sentence()


def test_answers_that_are_no_numbers_are_as_wrong_as_can_be(
    folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predict(model: Examined, images: np.ndarray, trials: list[object], on_progress: object) -> np.ndarray:
        return np.full((len(trials), len(images), 2), np.nan, np.float32)

    monkeypatch.setattr(preprocessing_probe, "predict", predict)
    found = probe(examined(), SPACE, open_evaluation_split(str(folder), settings), settings)
    assert found.tried[0].log_loss == pytest.approx(-np.log(preprocessing_probe.SMALLEST_PROBABILITY))
