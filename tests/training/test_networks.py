"""Networks with a backbone: their parameters, and that each of them trains."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgrec.data.splits import split
from imgrec.inference import classify
from imgrec.metrics.classification import log_loss
from imgrec.models import cards, weights
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ROOT, Settings
from imgrec.training import training_job
from imgrec.training.recipes import RECIPES, get_recipe

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
    "mobilenet_a025_upsampled": (754_970, 14_048),
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


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Recipe → its parameters, and where it has a backbone what a short training did (see `networks_process`)."""
    folder = tmp_path_factory.mktemp("networks")
    return run("networks_process", str(folder), *filter(None, [os.environ.get("KERAS_HOME")]))


@pytest.mark.slow
def test_every_network_has_the_parameters_that_its_recipe_says(built: dict[str, Any]) -> None:
    counted = {name: tuple(result["parameters"]) for name, result in built.items()}
    assert {name: sum(pair) for name, pair in counted.items()} == {r.name: r.parameters for r in RECIPES.values()}
    assert {name: counted[name] for name in PRINTED} == PRINTED


@pytest.mark.slow
def test_every_network_with_a_backbone_trains_and_moves_only_what_may_move(built: dict[str, Any]) -> None:
    trained = {name: result for name, result in built.items() if "loss" in result}
    assert trained.keys() == {name for name, recipe in RECIPES.items() if recipe.backbone}
    for name, result in trained.items():
        recipe = RECIPES[name]
        assert math.isfinite(result["loss"]), name
        assert math.isfinite(result["validation_loss"]), name
        assert result["moved_frozen"] == [], name
        # Moving averages of batch normalization move where its layer may learn, and only there.
        if recipe.trainable_layers == 0:
            assert (result["moved"], result["learnable"]) == (0, 0), name
        else:
            assert result["moved"] >= result["learnable"] > 0, name


@pytest.mark.slow
def test_a_fine_tuned_mobilenet_joins_the_catalog_and_is_served_as_it_was_tested(
    keras_home: Path, tmp_path: Path
) -> None:
    settings = Settings.from_env(
        {"IMGREC_HOME": str(tmp_path / "home"), "KERAS_HOME": str(keras_home), "IMGREC_OFFLINE": "1"}
    )
    recipe = get_recipe("mobilenet_frozen").changed(epochs=3, batch_size=4, learning_rate=1e-3)
    spec = BUILT_IN.get_spec("mobilenet")
    if weights.locate(spec, settings) is None:
        pytest.skip("KERAS_HOME has no weights of mobilenet")
    # Stripes one way or the other, under noise.
    rng = np.random.default_rng(0)
    targets = np.arange(24) % 2
    pixels = rng.integers(0, 120, (24, 224, 224, 3), dtype=np.uint8)
    pixels[targets == 0] += (np.arange(224) // 8 % 2 * 120).astype(np.uint8)[:, None, None]
    pixels[targets == 1] += (np.arange(224) // 8 % 2 * 120).astype(np.uint8)[None, :, None]
    np.savez(tmp_path / "stripes.npz", x_train=pixels, y_train=targets, class_names=np.array(["level", "upright"]))

    job = training_job.start(recipe, str(tmp_path / "stripes.npz"), settings, name="stripes")
    assert job.wait(300) == "finished", f"{job.error}\n{(job.folder / 'worker.log').read_text()}"
    [card] = [card for card in cards.all_cards(settings) if card.name == "stripes"]
    assert card.metrics["accuracy"] == 1.0
    assert card.fields["backbone"] == {"model": "mobilenet", "sha256": weights.sha256(spec, settings)}
    assert card.fields["model"]["preprocess"] == "tf"
    assert card.fields["model"]["parameters"] == 2 * (1024 + 1) + 3_228_864

    _, held_out = split(targets, recipe.validation_fraction, 0)
    answers, _ = classify.open_pool(settings).predict(card.spec(bundled=False), pixels[held_out])
    assert log_loss(answers, targets[held_out]) == pytest.approx(card.metrics["loss"], rel=1e-3)
