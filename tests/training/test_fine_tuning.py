"""Fine-tuning: the best epoch is kept, the head alone is one of them, and what was learned before is not lost."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgrec.errors import InputError
from imgrec.settings import ROOT
from imgrec.training import fine_tuning
from imgrec.training.events import EpochEnd, FineTuned, from_fields, to_fields
from imgrec.training.fine_tuning import Best, Figures
from imgrec.training.transfer_config import ALL_LAYERS, FINE_TUNING, TransferConfig
from imgrec.training.transfer_stages import describe_fine_tuning
from imgrec.training.trial_results import rank

HEAD = Figures(0, 0.8, 0.5)


class Variable:
    """One weight."""

    def __init__(self, value: float) -> None:
        self.value = np.array(value, np.float32)

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        return self.value

    def assign(self, value: np.ndarray) -> None:
        self.value = value


class Model:
    def __init__(self, value: float) -> None:
        self.trainable_variables = [Variable(value), Variable(-value)]

    @property
    def values(self) -> list[float]:
        return [float(each.value) for each in self.trainable_variables]


@pytest.mark.parametrize(
    ("epochs", "kept"),
    [
        ([(0.7, 0.6), (0.6, 0.9)], 0),
        ([(0.9, 0.6), (0.7, 0.3)], 1),
        ([(0.7, 0.6), (0.9, 0.6)], 2),
        ([(0.8, 0.5), (0.8, 0.5)], 0),
        ([(0.8, 0.4), (0.8, 0.3), (0.8, 0.3)], 2),
        ([(0.8, 0.6), (0.8, 0.7)], 0),
    ],
    ids=["the head alone", "not the last", "the last", "no better", "as many right, surer", "as many right, less sure"],
)
def test_the_best_epoch_is_kept_and_the_head_is_one_of_them(
    tmp_path: Path, epochs: list[tuple[float, float]], kept: int
) -> None:
    Best(tmp_path / "best.npz").begin(Model(0), HEAD)
    for number, figures in enumerate(epochs, 1):
        # As after a kill: what was kept is in the file alone. An epoch that is done again changes nothing.
        for _ in range(2):
            Best(tmp_path / "best.npz").offer(Model(number), Figures(number, *figures))
    best, first = Best(tmp_path / "best.npz").figures()
    assert (best.epoch, first) == (kept, HEAD)
    model = Model(99)
    Best(tmp_path / "best.npz").restore(model)
    assert model.values == [kept, -kept]


def test_a_file_that_was_cut_short_gets_a_sentence(tmp_path: Path) -> None:
    best = Best(tmp_path / "best.npz")
    best.begin(Model(0), HEAD)
    (tmp_path / "best.npz").write_bytes((tmp_path / "best.npz").read_bytes()[:100])
    with pytest.raises(InputError, match=r"Expected .*best\.npz to hold the best epoch so far"):
        best.figures()


def row(accuracy: float, loss: float) -> EpochEnd:
    return EpochEnd(1, validation_accuracy=accuracy, validation_loss=loss)


@pytest.mark.parametrize(
    ("kept", "rows", "sentence"),
    [
        (
            HEAD,
            [row(0.7, 0.6), row(0.75, 0.9)],
            "Fine-tuning did not help: 75.0 % after 2 epochs; the classifier alone (80.0 %) was kept.",
        ),
        (
            HEAD,
            [row(0.8, 0.6)],
            "Fine-tuning did not help: 80.0 % after 1 epoch at a loss of 0.600 instead of 0.500; "
            "the classifier alone (80.0 %) was kept.",
        ),
        (
            Figures(1, 0.9, 0.4),
            [row(0.9, 0.4), row(0.7, 0.3)],
            "Fine-tuning helped: 90.0 % instead of 80.0 % with the classifier alone; epoch 1 of 2 was kept.",
        ),
        (
            Figures(2, 0.8, 0.3),
            [row(0.8, 0.4), row(0.8, 0.3)],
            "Fine-tuning reduced the loss from 0.500 to 0.300 at the same accuracy (80.0 %); epoch 2 of 2 was kept.",
        ),
    ],
    ids=["worse", "no better", "better", "surer"],
)
def test_what_fine_tuning_did_is_said(kept: Figures, rows: list[EpochEnd], sentence: str) -> None:
    tuned = fine_tuning.conclude(kept, HEAD, rows)
    assert describe_fine_tuning(tuned).replace("\u202f", " ") == sentence
    counted = {"75.0 %": "15 of 20", "80.0 %": "16 of 20", "90.0 %": "18 of 20"}
    for share, count in counted.items():
        sentence = sentence.replace(share, count)
    assert describe_fine_tuning(tuned, 20) == sentence
    assert rank(tuned.kept_accuracy, tuned.kept_loss) >= rank(tuned.head_accuracy, tuned.head_loss)
    assert from_fields(FineTuned, json.loads(json.dumps(to_fields(tuned)))) == tuned


@pytest.mark.parametrize("pooling", ["avg", None])
def test_layers_learn_gently_whatever_rate_suited_the_head(pooling: Any) -> None:
    recipe = fine_tuning.recipe_of(TransferConfig("mobilenet", fine_tune_layers=ALL_LAYERS, pooling=pooling), "x", 5)
    assert recipe.optimizer == FINE_TUNING
    assert 1e-5 <= FINE_TUNING.learning_rate <= 1e-4
    assert dict(recipe.arguments)["fixed_norms"] is True


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a few fine-tunings came to: see `unfreezing_process`."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.fine_tuning_process", str(tmp_path_factory.mktemp("unfreezing"))],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.mark.slow
def test_tuning_never_publishes_less_than_its_heads_validation_accuracy(tuned: dict[str, Any]) -> None:
    ruined, better = tuned["ruined"], tuned["tuned"]
    assert ruined["last"] < ruined["head"], "else the last epoch would do"
    assert (ruined["kept"], ruined["published"]) == (0, ruined["head"])
    assert better["published"] == better["figure"] >= better["head"]


@pytest.mark.slow
def test_a_resumed_tuning_keeps_the_same_epoch_to_the_last_bit(tuned: dict[str, Any]) -> None:
    assert tuned["tuned"]["kept"] > 0, "else it is the head"
    assert tuned["resumed"] == {"same": True, "moved": 0}


@pytest.mark.slow
def test_batch_normalization_keeps_what_a_million_images_told_it(tuned: dict[str, Any]) -> None:
    # A network of random weights begins with means of 0 and variances of 1.
    assert tuned["statistics"] == [[0, 0], [1, 1]]
