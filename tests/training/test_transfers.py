"""Networks with a backbone: their parameters, and that each of them trains."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imgrec.settings import ROOT
from imgrec.training.recipes import RECIPES

TENSORFLOW = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}

# Recipe → (trainable, not trainable), as the systems print them or as they follow from what is printed.
PRINTED = {
    "capstone_cnn": (1_250_858, 0),
    "simple_cnn": (94_890, 0),
    "cats_dogs_cnn": (3_937_409, 0),
    "tuned_cnn_6": (940_074, 384),
    "tuned_cnn_5": (2_379_434, 384),
    "mobilenet_frozen": (5_125, 3_228_864),
    "resnet50_last_layers": (4_207_621, 22_532_992),
    "resnet50_sigmoid": (2_049, 23_587_712),
    "resnet50_upsampled": (40_583_370, 315_648),
    "vgg16_upsampled": (18_983_946, 65_920),
    "inception_v3_upsampled": (31_362_410, 182_272),
    # One weight for each value of 7 × 7 × 512 or 1,024 features, and a bias.
    "vgg16_flat": (25_089, 14_714_688),
    "mobilenet_flat": (50_177, 3_228_864),
}


def run(module: str, *arguments: str) -> dict[str, Any]:
    """What a process of its own prints last, as JSON: TensorFlow stays out of this one."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.training.{module}", *arguments],
        cwd=ROOT,
        env=os.environ | TENSORFLOW,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.mark.slow
def test_every_network_has_the_parameters_that_its_recipe_says() -> None:
    counted = run("counting_process")
    assert {name: total for name, (total, _) in counted.items()} == {r.name: r.parameters for r in RECIPES.values()}
    found = {name: (trainable, total - trainable) for name, (total, trainable) in counted.items() if name in PRINTED}
    assert found == PRINTED


@pytest.mark.slow
def test_every_network_with_a_backbone_trains_and_moves_only_what_may_move(tmp_path: Path) -> None:
    """With the real weights of those that lie in KERAS_HOME, random ones for the others."""
    found = run("transfers_process", str(tmp_path), *filter(None, [os.environ.get("KERAS_HOME")]))
    assert found.keys() == {name for name, recipe in RECIPES.items() if recipe.backbone}
    for name, result in found.items():
        recipe = RECIPES[name]
        assert math.isfinite(result["loss"]), name
        assert math.isfinite(result["validation_loss"]), name
        assert result["moved_frozen"] == [], name
        # Moving averages of batch normalisation move where its layer may learn, and only there.
        if recipe.trainable_layers == 0:
            assert (result["moved"], result["learnable"]) == (0, 0), name
        else:
            assert result["moved"] >= result["learnable"] > 0, name
