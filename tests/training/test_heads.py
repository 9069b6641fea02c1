"""Heads learn what Keras' own loop would have them learn, repeat themselves, and are quick."""

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from imgrec.settings import ROOT
from imgrec.training.heads import Schedule

pytestmark = pytest.mark.slow

# A step takes 0.1 ms, through `Model.fit` 1 ms or more; with room for a machine that is busy.
SLOWEST_STEP_MS = 1.5


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.heads_process"],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def test_a_head_learns_what_keras_would_have_it_learn(found: dict[str, Any]) -> None:
    compared = found["against_keras"]
    assert compared["moved"] > 0.05
    assert compared["weights"] < 1e-5
    assert compared["losses"] == sorted(compared["losses"], reverse=True)


def test_the_same_seed_gives_the_same_head(found: dict[str, Any]) -> None:
    assert found["repeated"]["same"] == 0
    assert found["repeated"]["other"] > 0.01


def test_the_best_epoch_is_kept(found: dict[str, Any]) -> None:
    repeated = found["repeated"]
    ranked = [(-accuracy, loss) for accuracy, loss in zip(repeated["accuracies"], repeated["losses"], strict=True)]
    assert repeated["best"] == 1 + int(np.lexsort(np.array(ranked).T[::-1])[0])
    assert repeated["accuracy"] == pytest.approx(max(repeated["accuracies"]))
    assert repeated["numpy"] < 1e-5


def test_a_composed_model_says_what_its_parts_say(found: dict[str, Any]) -> None:
    assert found["composed"] < 1e-5


def test_a_loss_that_is_no_number_has_a_sentence(found: dict[str, Any]) -> None:
    assert "Received: nan in epoch 1 at the learning rate 0.01" in found["diverged"]


def test_a_step_takes_a_fraction_of_what_fit_takes(found: dict[str, Any]) -> None:
    assert found["step_milliseconds"] < SLOWEST_STEP_MS


@pytest.mark.parametrize(
    ("step_epochs", "rates"),
    [(5, [1e-3, 1e-3, 1e-4, 1e-5, 1e-6]), (0, [1e-3] * 5)],
    ids=["PB3's ResNet50", "constant"],
)
def test_rates_fall_in_steps(step_epochs: int, rates: list[float]) -> None:
    schedule = Schedule(1e-3, 20, 32, step_epochs)
    assert [schedule.rate(epoch) for epoch in (0, 4, 5, 10, 19)] == rates
