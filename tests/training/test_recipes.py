"""Recipes: what stands in them survives JSON, and nonsense is refused."""

import ast
import json
from dataclasses import replace
from typing import Any

import pytest

from imgrec.data.sources import DATASETS
from imgrec.errors import InputError, UnknownNameError
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import MIB, ROOT
from imgrec.training.augmentation import Augmentation
from imgrec.training.recipes import FEATUREWISE_NETWORKS, RECIPES, Optimizer, Recipe, get_recipe
from imgrec.training.training_job import needs_of


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_json(name: str) -> None:
    recipe = get_recipe(name)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert recipe.name == name
    assert recipe.dataset is None or recipe.dataset in DATASETS


@pytest.mark.parametrize(
    ("name", "epochs", "batch_size", "parameters"),
    [
        ("capstone_cnn", 30, 64, 1_250_858),
        ("simple_cnn", 30, 64, 94_890),
        ("cats_dogs_cnn", 25, 32, 3_937_409),
        ("mobilenet_frozen", 20, 32, 5_125 + 3_228_864),
        ("resnet50_last_layers", 20, 32, 4_207_621 + 22_532_992),
        ("resnet50_upsampled", 5, 20, 40_899_018),
        ("vgg16_upsampled", 5, 20, 19_049_866),
        ("inception_v3_upsampled", 5, 20, 31_544_682),
    ],
)
def test_the_recipes_of_the_systems_that_imgrec_stands_in_for(
    name: str, epochs: int, batch_size: int, parameters: int
) -> None:
    recipe = get_recipe(name)
    assert (recipe.epochs, recipe.batch_size, recipe.parameters) == (epochs, batch_size, parameters)


def test_the_upsampled_networks_are_trained_as_printed() -> None:
    for recipe in (get_recipe(f"{name}_upsampled") for name in ("resnet50", "vgg16", "inception_v3")):
        assert recipe.optimizer == Optimizer("rmsprop", 2e-5)
        assert (recipe.loss, recipe.validation_fraction) == ("binary_crossentropy", 0.2)
        assert (recipe.input_size, recipe.working_size) == ((32, 32), (256, 256))
        assert recipe.trainable_layers is None
        scaled = get_recipe("mobilenet_a025_upsampled")
        changes = {"name", "title", "about", "parameters", "backbone", "preprocess", "arguments"}
        assert {key for key, value in scaled.to_dict().items() if value != recipe.to_dict()[key]} <= changes
        assert scaled.working_size == (128, 128)


def test_the_augmentation_is_the_printed_one() -> None:
    recipe = get_recipe("simple_cnn")
    assert recipe.augmentation == Augmentation(mirror=True, rotation=20.0, shift=0.2, shear=0.2, zoom=0.2)
    assert recipe.featurewise_center
    assert recipe.featurewise_std_normalization


def test_a_backbone_that_learns_at_eight_times_the_size_needs_the_memory_that_was_measured() -> None:
    # Peak of one step, in MiB, with TensorFlow itself; ResNet50's then wrote a checkpoint of 330.
    for name, measured_mib in (
        ("resnet50_upsampled", 3713 + 330),
        ("vgg16_upsampled", 2946),
        ("mobilenet_frozen", 1013),
    ):
        needed = needs_of(get_recipe(name)).memory_bytes
        assert measured_mib * MIB < needed < 2 * measured_mib * MIB, name


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.backbone])
def test_a_backbone_is_fed_what_its_weights_expect(name: str) -> None:
    recipe = get_recipe(name)
    assert recipe.preprocess == BUILT_IN.get_spec(recipe.backbone or "").preprocess


def test_people_change_what_they_like() -> None:
    changed = get_recipe("capstone_cnn").changed(epochs=2, learning_rate=0.5)
    assert (changed.epochs, changed.batch_size, changed.optimizer.learning_rate) == (2, 64, 0.5)


@pytest.mark.parametrize(
    "change", [{"epochs": -1}, {"batch_size": 10_000}, {"learning_rate": -1.0}], ids=["epochs", "batch", "rate"]
)
def test_nonsense_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(InputError, match="Expected"):
        get_recipe("capstone_cnn").changed(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "hinge"},
        {"preprocess": "tensor"},
        {"trainable_layers": 4},
        {"backbone": "mobilenet", "trainable_layers": -1},
        {"optimizer": Optimizer("sgd", 0.1, one_cycle=True, step_epochs=5)},
    ],
    ids=["loss", "preprocess", "layers of no backbone", "fewer layers than none", "two schedules"],
)
def test_what_cannot_be_meant_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="Expected"):
        replace(get_recipe("capstone_cnn"), **change)


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="capstone_cnn"):
        get_recipe("capstone_cn")


def test_recipes_of_earlier_versions_had_both_featurewise_settings_in_one() -> None:
    recipe = get_recipe("simple_cnn")
    fields = recipe.to_dict()
    del fields["featurewise_center"], fields["featurewise_std_normalization"]
    assert Recipe.from_dict(fields | {"featurewise": True}) == recipe
    without = Recipe.from_dict(fields | {"featurewise": False})
    assert not without.featurewise_center
    assert not without.featurewise_std_normalization


def test_the_networks_for_featurewise_normalization_are_those_that_take_statistics() -> None:
    tree = ast.parse((ROOT / "imgrec" / "training" / "networks.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    taking = {node.name for node in functions if "statistics" in {each.arg for each in node.args.kwonlyargs}}
    assert set(FEATUREWISE_NETWORKS) == taking
    with pytest.raises(InputError, match="can begin with featurewise normalization"):
        get_recipe("cifar_vgg").changed(featurewise_center=True)


def test_a_network_of_any_length_is_named_in_a_short_sentence() -> None:
    with pytest.raises(InputError, match="featurewise") as caught:
        replace(get_recipe("simple_cnn"), featurewise_center=True, network="9" * 5_000)
    assert len(str(caught.value)) < 400
