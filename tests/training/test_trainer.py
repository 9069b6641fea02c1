"""The training loop: where a resumed run goes on, and what is said of a network that has diverged.

The network is a fake.
"""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from imgrec.data.dataset import Images
from imgrec.errors import InputError
from imgrec.training import trainer
from imgrec.training.batches import batches
from imgrec.training.recipes import get_recipe
from imgrec.training.train_step import Position

IMAGES = Images(np.zeros((4, 2, 2, 3), np.uint8), np.array([0, 1, 0, 1]))


def answering(probabilities: Any) -> Any:
    return SimpleNamespace(predict=lambda pixels: np.full((len(pixels), 2), probabilities), learning_rate=300.0)


@pytest.mark.parametrize("answer", [float("nan"), float("inf")])
def test_answers_that_are_no_numbers_are_a_divergence(answer: float) -> None:
    with pytest.raises(
        InputError, match=r"probabilities that are numbers.* in epoch 6, step 9\..* after epoch 5 is kept"
    ) as e:
        trainer.validate(answering(answer), IMAGES, "categorical_crossentropy", Position(epoch=5, step=9))
    assert "a smaller learning rate than 300" in str(e.value)


def test_the_figures_of_a_validation() -> None:
    figures = trainer.validate(answering(0.5), IMAGES, "categorical_crossentropy", Position())
    assert figures["validation_accuracy"] == 0.5
    assert figures["validation_loss"] == pytest.approx(np.log(2))
    assert figures["confusion"] == [[2, 0], [2, 0]]


class FakeLoop:
    """A network that learns nothing; the checkpoint has two epochs and one step of the third."""

    learning_rate = 0.1
    model = SimpleNamespace(count_params=lambda: 7, trainable_variables=[])

    def __init__(self, *_: Any) -> None:
        self.seen: list[list[int]] = []
        self.saved: list[tuple[int, int]] = []

    def restore(self, _: Path) -> Position:
        return Position(epoch=2, step=1, loss_sum=1.0, right_sum=2.0)

    def step(self, _: np.ndarray, targets: np.ndarray) -> None:
        self.seen.append(targets.tolist())

    def sums(self) -> tuple[float, float]:
        return 1.0 + len(self.seen), 2.0

    def predict(self, pixels: np.ndarray) -> np.ndarray:
        return np.full((len(pixels), 2), 0.5)

    def is_finite(self) -> bool:
        return True

    def reset(self, _: Position) -> None: ...

    def save(self, _: Path, at: Position) -> None:
        self.saved.append((at.epoch, at.step))

    def finished(self) -> "FakeLoop":
        return self


def test_a_resumed_run_goes_on_at_the_step_of_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    listener = SimpleNamespace(tell=lambda event, **fields: told.append((event, fields)), check=lambda: None)
    keras = SimpleNamespace(utils=SimpleNamespace(set_random_seed=lambda seed: None))
    monkeypatch.setitem(sys.modules, "keras", keras)
    monkeypatch.setattr(trainer, "Loop", FakeLoop)
    images = Images(np.zeros((8, 2, 2, 3), np.uint8), np.arange(8))
    recipe = replace(get_recipe("simple_cnn"), epochs=4, batch_size=2, precision="float32")
    loop = trainer.train(recipe, images, IMAGES, 2, seed=5, folder=tmp_path, listener=listener)
    whole = [
        targets.tolist()
        for epoch, first in ((2, 1), (3, 0))
        for _, targets in batches(images, recipe.augmentation, batch_size=2, seed=5, epoch=epoch, first=first)
    ]
    assert loop.seen == whole
    assert len(whole) == 3 + 4
    assert [fields["resumed_at"] for event, fields in told if event == "training"] == [[2, 1]]
    assert [fields["epoch"] for event, fields in told if event == "epoch"] == [3, 4]
    assert loop.saved == [(3, 0), (4, 0)]
