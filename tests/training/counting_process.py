"""Builds the network of every recipe, with random weights, and prints {recipe: [total, trainable]} as JSON."""

import json

from imgrec.catalogue import get_spec
from imgrec.training.backbones import Backbone
from imgrec.training.loop import BUILDERS
from imgrec.training.recipes import RECIPES, Recipe


def count(recipe: Recipe) -> tuple[int, int]:
    arguments = dict(recipe.arguments)
    if recipe.backbone is not None:
        arguments["backbone"] = Backbone(get_spec(recipe.backbone), None, recipe.trainable_layers)
    model = BUILDERS[recipe.network](recipe.input_size, recipe.classes, **arguments)
    return model.count_params(), sum(variable.value.shape.num_elements() for variable in model.trainable_variables)


if __name__ == "__main__":
    print(json.dumps({recipe.name: count(recipe) for recipe in RECIPES.values()}))
