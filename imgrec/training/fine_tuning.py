"""Fine-tuning of the last layers of a backbone, after its head, with small steps.

The training loop is that of recipes (`trainer`), with its checkpoints; it starts from the head that is there. What
comes of it is never worse than that head on the images held out: the best epoch is kept, and the head as it was is
one of them. Runs in workers only.
"""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from imgrec.data.array_files import MEMORY_SHARE
from imgrec.data.dataset import Images
from imgrec.errors import InputError, MemoryBudgetError
from imgrec.images.preprocessing import frame
from imgrec.settings import MIB, available_memory_bytes
from imgrec.training import array_archives, heads, trainer
from imgrec.training.array_archives import Layers
from imgrec.training.backbones import Backbone
from imgrec.training.events import EpochEnd, FineTuned, Listener
from imgrec.training.recipes import Recipe
from imgrec.training.train_step import Loop, Position
from imgrec.training.transfer_config import FINE_TUNING, HEADS, TransferConfig
from imgrec.training.trial_results import rank

# In the folder of the run: the trained variables after the best epoch so far.
BEST = "best.npz"


@dataclass(frozen=True, slots=True)
class Figures:
    """What a network came to on the validation after `epoch`; 0: before the first."""

    epoch: int
    accuracy: float
    loss: float

    @classmethod
    def of(cls, end: EpochEnd) -> "Figures":
        """Return those of the validation after an epoch."""
        return cls(end.epoch, end.validation_accuracy, end.validation_loss)

    @property
    def rank(self) -> tuple[float, float]:
        """What is compared, the better the larger."""
        return rank(self.accuracy, self.loss)


class Best:
    """The best epoch of a fine-tuning, in the file at `path`: its figures, and all trained weights.

    It is written before the checkpoint of its epoch. A worker that is killed between the two does that epoch again, to
    the same figures, and finds here what it would have written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, model: Any, figures: Figures) -> None:
        """Return the network before its first epoch; it stays what the others are compared with."""
        self._write(model, figures, figures)

    def offer(self, model: Any, figures: Figures) -> None:
        """Keep the network as it is now if it is better than what is kept; of equal ones the first stays."""
        kept, first = self.figures()
        if figures.rank > kept.rank:
            self._write(model, figures, first)

    def figures(self) -> tuple[Figures, Figures]:
        """Those of the best epoch, and those from before the first. Raises `InputError`, as `restore` does."""
        note = json.loads(str(self._arrays()["note"]))
        return Figures(*note["kept"]), Figures(*note["first"])

    def restore(self, model: Any) -> None:
        """Make `model` what it was after the best epoch. Raises `InputError` on a file that is not of this network."""
        arrays = self._arrays()
        for number, variable in enumerate(model.trainable_variables):
            variable.assign(arrays[f"variable_{number}"])

    def _arrays(self) -> dict[str, np.ndarray]:
        try:
            return array_archives.read(self._path)
        except ValueError as error:
            raise InputError(f"Expected {self._path} to hold the best epoch so far. Received: {error}.") from error

    def _write(self, model: Any, kept: Figures, first: Figures) -> None:
        note = json.dumps({"kept": astuple(kept), "first": astuple(first)})
        arrays = {f"variable_{i}": np.asarray(each) for i, each in enumerate(model.trainable_variables)}
        array_archives.write(self._path, {"note": np.array(note)} | arrays)


class _Later:
    """Tells epochs as those after the head's, so that one curve shows both."""

    def __init__(self, listener: Listener, epochs: int) -> None:
        self._listener = listener
        self._epochs = epochs
        self.check = listener.check

    def tell(self, event: str, **fields: Any) -> None:
        counted = {name: fields[name] + self._epochs for name in ("epoch", "epochs") if name in fields}
        self._listener.tell(event, **fields | counted)


def recipe_of(config: TransferConfig, name: str, classes: int) -> Recipe:
    """Return the recipe of the fine-tuning: the network of `config` with its last layers trainable."""
    spec = config.backbone_spec()
    head = HEADS[config.head]
    pooled = config.pooling is not None
    arguments: tuple[tuple[str, Any], ...] = (("fixed_norms", True),)
    if pooled:
        arguments += (("dense", head.hidden), ("dropout", head.dropout))
    return Recipe(
        name=name,
        title=spec.title,
        about=f"{spec.architecture} with its last layers unfrozen.",
        network="pooled_transfer" if pooled else "flat_transfer",
        input_size=spec.input_size,
        dataset=None,
        classes=classes,
        parameters=spec.parameters,
        epochs=config.fine_tune_epochs,
        batch_size=config.batch_size,
        optimizer=FINE_TUNING,
        validation_fraction=config.validation_fraction,
        preprocess=spec.preprocess,
        backbone=config.backbone,
        trainable_layers=config.trainable_layers,
        arguments=arguments,
        augmentation=config.augmentation,
    )


def fine_tune(
    recipe: Recipe,
    backbone: Backbone,
    layers: Layers,
    train: Images,
    validation: Images,
    *,
    seed: int,
    folder: Path,
    listener: Listener,
    epochs_before: int,
) -> tuple[Any, Figures, Figures]:
    """Return the Keras model of the best epoch of `recipe`, its figures, and those of the head before the first epoch.

    The head alone is an epoch of its own: where none is better, it is what comes back. Goes on from the checkpoint in
    `folder`. Raises what `trainer.train` raises.
    """
    checkpoint, best = folder / trainer.CHECKPOINT, Best(folder / BEST)
    if not checkpoint.exists():
        loop = Loop(recipe, train, recipe.classes, "float32", backbone)
        heads.set_layers(loop.model, layers)
        before = EpochEnd(0, **trainer.validate(loop, validation, recipe.loss, Position()))
        best.begin(loop.model, Figures.of(before))
        loop.save(checkpoint, Position())
        del loop
    model = trainer.train(
        recipe,
        train,
        validation,
        recipe.classes,
        seed=seed,
        folder=folder,
        listener=_Later(listener, epochs_before),
        backbone=backbone,
        on_epoch=lambda model, end: best.offer(model, Figures.of(end)),
    )
    best.restore(model)
    return model, *best.figures()


def conclude(kept: Figures, head: Figures, rows: Sequence[EpochEnd]) -> FineTuned:
    """Return what came of it: `kept` and `head` are from `fine_tune`, `rows` from the log, one for each epoch."""
    reached = max(map(Figures.of, rows), key=lambda each: each.rank)
    return FineTuned(
        kept=kept.epoch,
        epochs=len(rows),
        head_accuracy=head.accuracy,
        head_loss=head.loss,
        kept_accuracy=kept.accuracy,
        kept_loss=kept.loss,
        reached_accuracy=reached.accuracy,
        reached_loss=reached.loss,
    )


def fitted(images: Images, input_size: tuple[int, int]) -> Images:
    """Return the images framed to `input_size`, all at once, as the trainer takes them; raises `MemoryBudgetError`."""
    if images.pixels.shape[1:3] == input_size:
        return images
    needed = len(images) * input_size[0] * input_size[1] * 3
    limit = int(available_memory_bytes() * MEMORY_SHARE / 2)
    if needed > limit:
        raise MemoryBudgetError(
            f"Expected images of at most {limit / MIB:,.0f} MiB to unfreeze layers. "
            f"Received: {needed / MIB:,.0f} MiB at {input_size[0]} × {input_size[1]} px; "
            "train the classifier only, or use fewer images."
        )
    pixels = np.empty((len(images), *input_size, 3), np.uint8)
    for i, image in enumerate(images.pixels):
        pixels[i] = frame(image, input_size, 1.0)
    return replace(images, pixels=pixels)
