"""What the training loop says of a network that has diverged. The network is a fake."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from imgrec.data.dataset import Images
from imgrec.errors import InputError
from imgrec.training import trainer
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
