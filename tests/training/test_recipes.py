"""Recipes: what stands in them survives JSON, and nonsense is refused."""

import json

import pytest

from imgrec.datasets import DATASETS
from imgrec.errors import InputError, UnknownNameError
from imgrec.training.recipes import RECIPES, Recipe, get_recipe


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
    ],
)
def test_the_recipes_of_the_systems_that_imgrec_stands_in_for(
    name: str, epochs: int, batch_size: int, parameters: int
) -> None:
    recipe = get_recipe(name)
    assert (recipe.epochs, recipe.batch_size, recipe.parameters) == (epochs, batch_size, parameters)


def test_people_change_what_they_like() -> None:
    changed = get_recipe("capstone_cnn").changed(epochs=2, learning_rate=0.5)
    assert (changed.epochs, changed.batch_size, changed.optimiser.learning_rate) == (2, 64, 0.5)


@pytest.mark.parametrize(
    "change", [{"epochs": -1}, {"batch_size": 10_000}, {"learning_rate": -1.0}], ids=["epochs", "batch", "rate"]
)
def test_nonsense_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(InputError, match="Expected"):
        get_recipe("capstone_cnn").changed(**change)  # type: ignore[arg-type]


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="capstone_cnn"):
        get_recipe("capstone_cn")
