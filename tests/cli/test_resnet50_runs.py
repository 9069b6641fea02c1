"""What a published comparison asked of ResNet50, end to end with random weights: rolled up to cat and dog, and trained.

Only the weights are missing here: each command runs to its end, and leaves a row or a model.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imgrec.evaluation import stored_predictions
from imgrec.files import sha256_of
from imgrec.models import cards
from imgrec.models import weights as found
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ROOT, Settings
from tests.data.quality.test_doctor import make

pytestmark = pytest.mark.exhaustive

IMAGES = 6


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random weights of ResNet50, a home, and cats and dogs as the publication had them."""
    folder = tmp_path_factory.mktemp("resnet50")
    weights = folder / "keras" / "models" / BUILT_IN.get_spec("resnet50").weights.filename
    weights.parent.mkdir(parents=True)
    code = f"from tests.inference.keras_process import randomize; randomize('resnet50', {str(weights)!r})"
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    # As if it had been examined: its md5 is not the publisher's.
    found._remember(weights, BUILT_IN.get_spec("resnet50"), settings_of(folder), sha256_of(weights))
    for part in ("training_set", "test_set"):
        make(folder / "catsdogs" / part, {"cats": IMAGES, "dogs": IMAGES})
    return folder


def imgrec(here: Path, *words: str) -> str:
    """Run a command to its end; returns what it prints."""
    environment = os.environ | {
        "IMGREC_HOME": str(here / "home"),
        "KERAS_HOME": str(here / "keras"),
        "IMGREC_OFFLINE": "1",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "imgrec", *words]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def settings_of(here: Path) -> Settings:
    return Settings.from_env({"IMGREC_HOME": str(here / "home"), "KERAS_HOME": str(here / "keras")})


def test_its_classes_are_rolled_up_to_cat_and_dog(here: Path) -> None:
    out = imgrec(here, "evaluate", "--data", "catsdogs", "--models", "resnet50", "--classes", "cats:cat;dogs:dog")
    assert "resnet50" in out
    [row] = stored_predictions.read_summary(stored_predictions.own_folder(settings_of(here)))["rows"]
    assert (row["model"], row["images"]) == ("resnet50", 2 * IMAGES)
    assert row["closed"] is not None, "cat or dog only is a second reading"


def test_a_dense_layer_on_its_frozen_features_is_trained_and_tested(here: Path) -> None:
    words = ("--epochs", "2", "--learning-rates", "1e-2", "--batch-size", "4", "--name", "frozen")
    imgrec(here, "train", "resnet50", "--data", "catsdogs", *words)
    card = cards.read(cards.home(settings_of(here)) / "frozen.json")
    assert (card.metrics["set"], card.metrics["pictures"]) == ("test", 2 * IMAGES)
    assert card.fields["trained_parameters"] == 2 * 2049


def test_one_sigmoid_on_it_has_the_printed_parameters(here: Path) -> None:
    imgrec(here, "train", "resnet50_sigmoid", "--data", "catsdogs", "--epochs", "1", "--name", "sigmoid")
    card = cards.read(cards.home(settings_of(here)) / "sigmoid.json")
    assert (card.fields["trained_parameters"], card.fields["model"]["parameters"]) == (2049, 23_589_761)
    assert json.loads(card.path.read_text())["metrics"]["set"] == "test"
