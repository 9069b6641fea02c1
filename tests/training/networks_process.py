"""Builds the network of every recipe, trains those with a backbone on a few images, prints what it found as JSON.

    python -m tests.training.networks_process FOLDER [KERAS_HOME]

With the path of a KERAS_HOME the backbones whose weights lie there have them, all others have random ones. One
process for all: TensorFlow takes longer to start than most of them to train. Not compiled, for the same reason: a
graph of 50 layers takes longer to trace than two steps of it to compute.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from imgrec.data.dataset import Images
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import Settings
from imgrec.training import trainer
from imgrec.training.backbones import Backbone
from imgrec.training.networks import NETWORKS
from imgrec.training.recipes import RECIPES, Recipe

# One step.
IMAGES = BATCH_SIZE = 4
VALIDATED = 2


class Events(list[dict[str, Any]]):
    """Listens, and asks for nothing."""

    def tell(self, event: str, **fields: Any) -> None:
        self.append({"event": event, **fields})

    def check(self) -> None: ...


def images(recipe: Recipe, count: int) -> Images:
    """Noise, the classes in turn."""
    rng = np.random.default_rng(count)
    pixels = rng.integers(0, 256, (count, *recipe.input_size, 3), dtype=np.uint8)
    return Images(pixels, np.arange(count) % recipe.classes)


def count(model: Any) -> dict[str, Any]:
    """Parameters that learn, and that do not."""
    trainable = sum(variable.value.shape.num_elements() for variable in model.trainable_variables)
    return {"parameters": (trainable, model.count_params() - trainable)}


def train(recipe: Recipe, settings: Settings | None, folder: Path) -> dict[str, Any]:
    """One epoch: its losses, the network's parameters, and which of the backbone's variables moved."""
    spec = BUILT_IN.get_spec(recipe.backbone or "")
    path = weights.find(spec, settings) if settings else None
    made = []

    def backbone(input_size: tuple[int, int]) -> Any:
        model = Backbone(spec, path, recipe.trainable_layers)(input_size)
        made.append((model, [variable.numpy() for variable in model.variables]))
        return model

    listener = Events()
    folder.mkdir()
    model = trainer.train(
        recipe.changed(epochs=1, batch_size=BATCH_SIZE),
        images(recipe, IMAGES),
        images(recipe, VALIDATED),
        recipe.classes,
        seed=0,
        folder=folder,
        listener=listener,
        backbone=backbone,
    )
    shutil.rmtree(folder)  # its checkpoint: hundreds of megabytes
    (used, before), *_ = made
    moved = [
        variable.path
        for variable, array in zip(used.variables, before, strict=True)
        if not np.array_equal(variable.numpy(), array)
    ]
    learnable = {variable.path for variable in used.trainable_variables}
    epoch = listener[-1]
    return count(model) | {
        "moved": len(moved),
        "moved_frozen": [name for name in moved if name not in learnable and "moving" not in name],
        "learnable": len(learnable),
        "loss": epoch["loss"],
        "validation_loss": epoch["validation_loss"],
    }


def main(folder: Path, keras_home: str | None = None) -> None:
    tf.config.run_functions_eagerly(True)
    settings = None
    if keras_home:
        settings = Settings.from_env({"IMGREC_HOME": str(folder), "KERAS_HOME": keras_home, "IMGREC_OFFLINE": "1"})
    found = {}
    for recipe in RECIPES.values():
        if recipe.backbone is None:
            build = NETWORKS[recipe.network]
            found[recipe.name] = count(build(recipe.input_size, recipe.classes, **dict(recipe.arguments)))
        else:
            found[recipe.name] = train(recipe, settings, folder / recipe.name)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
