"""After the head, the last layers of its backbone: they learn too, gently, so that they keep what they know.

The training loop is that of recipes (`trainer`), with its checkpoints; it starts from the head that is there. Runs in
workers only.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from imgrec import datasets
from imgrec.datasets import Pictures
from imgrec.errors import MemoryBudgetError
from imgrec.preprocessing import frame
from imgrec.settings import MIB, available_memory_bytes
from imgrec.training import trainer
from imgrec.training.backbones import Backbone, Listener
from imgrec.training.heads import Layers
from imgrec.training.lessons import HEADS, Lesson
from imgrec.training.loop import Loop, Position
from imgrec.training.recipes import Optimiser, Recipe

# Of the head's learning rate: larger steps would throw away what the backbone learned from a million pictures.
RATE_SHARE = 0.1


class _Later:
    """Tells epochs as those after the head's, so that one curve shows both."""

    def __init__(self, listener: Listener, epochs: int) -> None:
        self._listener = listener
        self._epochs = epochs

    def tell(self, event: str, **fields: Any) -> None:
        counted = {name: fields[name] + self._epochs for name in ("epoch", "epochs") if name in fields}
        self._listener.tell(event, **fields | counted)

    def check(self) -> None:
        self._listener.check()


def recipe_of(lesson: Lesson, name: str, learning_rate: float, classes: int) -> Recipe:
    """What the trainer is to do: the lesson's network, its last layers free, for `tuning_epochs`."""
    spec = lesson.backbone_row()
    head = HEADS[lesson.head]
    pooled = lesson.pooling is not None
    return Recipe(
        name=name,
        title=spec.title,
        about=f"{spec.architecture} with its last layers unfrozen.",
        network="pooled_transfer" if pooled else "flat_transfer",
        input_size=spec.input_size,
        dataset=None,
        classes=classes,
        parameters=spec.parameters,
        epochs=lesson.tuning_epochs,
        batch_size=lesson.batch_size,
        optimiser=Optimiser("adam", learning_rate * RATE_SHARE),
        validation_fraction=lesson.validation_fraction,
        preprocess=spec.preprocess,
        backbone=lesson.backbone,
        trainable_layers=lesson.trainable_layers,
        arguments=(("dense", head.hidden), ("dropout", head.dropout)) if pooled else (),
    )


def unfreeze(
    recipe: Recipe,
    backbone: Backbone,
    layers: Layers,
    train: Pictures,
    validation: Pictures,
    *,
    seed: int,
    folder: Path,
    listener: Listener,
    epochs_before: int,
) -> Any:
    """The Keras model after `recipe`, begun with the head of `layers`; goes on from the checkpoint in `folder`.

    Raises what `trainer.train` raises.
    """
    checkpoint = folder / trainer.CHECKPOINT
    if not checkpoint.exists():
        loop = Loop(recipe, train, recipe.classes, "float32", backbone)
        _set_head(loop.model, layers)
        loop.save(checkpoint, Position())
        del loop
    return trainer.train(
        recipe,
        train,
        validation,
        recipe.classes,
        seed=seed,
        folder=folder,
        listener=_Later(listener, epochs_before),
        backbone=backbone,
    )


def fitted(pictures: Pictures, input_size: tuple[int, int]) -> Pictures:
    """The pictures framed to `input_size`, all at once, as the trainer takes them; raises `MemoryBudgetError`."""
    if pictures.pixels.shape[1:3] == input_size:
        return pictures
    needed = len(pictures) * input_size[0] * input_size[1] * 3
    limit = int(available_memory_bytes() * datasets.MEMORY_SHARE / 2)
    if needed > limit:
        raise MemoryBudgetError(
            f"Expected pictures of at most {limit / MIB:,.0f} MiB to unfreeze layers. "
            f"Received: {needed / MIB:,.0f} MiB at {input_size[0]} × {input_size[1]} px; "
            "teach with the backbone frozen, or with fewer pictures."
        )
    pixels = np.empty((len(pictures), *input_size, 3), np.uint8)
    for i, picture in enumerate(pictures.pixels):
        pixels[i] = frame(picture, input_size, 1.0)
    return replace(pictures, pixels=pixels)


def _set_head(model: Any, layers: Layers) -> None:
    """Give the dense layers behind the backbone the weights that the head has learned."""
    import keras

    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    for layer, (kernel, bias) in zip(dense, layers, strict=True):
        layer.set_weights([kernel, bias])
