"""Networks with a backbone: their parameters, and that each of them trains."""

import json
import os
import subprocess
import sys

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


@pytest.mark.slow
def test_every_network_has_the_parameters_that_its_recipe_says() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.counting_process"],
        cwd=ROOT,
        env=os.environ | TENSORFLOW,
        capture_output=True,
        text=True,
        check=True,
    )
    counted = json.loads(done.stdout.strip().splitlines()[-1])
    assert {name: total for name, (total, _) in counted.items()} == {r.name: r.parameters for r in RECIPES.values()}
    found = {name: (trainable, total - trainable) for name, (total, trainable) in counted.items() if name in PRINTED}
    assert found == PRINTED
