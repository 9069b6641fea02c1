"""The settings of a transfer learning run: the backbone, the head on it, and how both are trained."""

import itertools
from dataclasses import asdict, dataclass
from typing import Any

from imgrec import json_files
from imgrec.data.features import Pooling, backbone_spec
from imgrec.errors import InputError, UnknownNameError
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.training.augmentation import Augmentation
from imgrec.training.recipes import MAX_EPOCHS, NO_AUGMENTATION, Optimizer, check_plan

# Heads are cheap, and which rate suits depends on the number of images.
DEFAULT_LEARNING_RATES = (1e-2, 1e-3, 1e-4)

# Each further rate or fold multiplies the work.
MAX_LEARNING_RATES = 12
MAX_FOLDS = 20

# Each copy of the images takes as long as they do, and as much memory.
MAX_COPIES = 10

# Above this Adam does not converge.
LARGEST_LEARNING_RATE = 1.0

# All layers of the backbone are fine-tuned.
ALL_LAYERS = -1

# How the backbone's last layers are fine-tuned, independent of the head's learning rate: with larger steps a few
# hundred images overwrite in an epoch what was learned from a million. Of 1e-5, 3e-5 and 1e-4 this one helped most
# often, on 92 to 600 images of flowers.
FINE_TUNING = Optimizer("adam", 3e-5)


@dataclass(frozen=True, slots=True)
class Head:
    """What is put on a backbone's features: dense layers with `dropout` after each, then one output for each class."""

    title: str
    about: str
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0

    def parameters(self, features: int, classes: int) -> int:
        """Weights and biases of a head for so many features and classes.

        >>> HEADS["linear"].parameters(1024, 5)
        5125
        """
        widths = (features, *self.hidden, classes)
        return sum((before + 1) * after for before, after in itertools.pairwise(widths))


HEADS: dict[str, Head] = {
    "linear": Head("Linear", "One dense layer with softmax. Fast, and least prone to overfitting."),
    "small": Head("Small", "One hidden layer of 128 units.", (128,), 0.2),
    "wide": Head("Wide", "One hidden layer of 1,024 units.", (1024,), 0.05),
    "hidden": Head("Two hidden layers", "Two hidden layers of 1,024 units.", (1024, 1024), 0.05),
}


@dataclass(frozen=True, slots=True)
class TransferConfig:
    """All settings of a transfer learning run.

    With `folds` of 2 or more each learning rate is tried on each fold, and the final head is trained on all training
    images; with 0 there is one split, of which `validation_fraction` is held out. With `step_epochs` the rate falls
    to a tenth after each so many epochs. The last `fine_tune_layers` of the backbone (`ALL_LAYERS`: all) are
    fine-tuned for `fine_tune_epochs` after the head (`FINE_TUNING`); the better of both results is kept. Without
    `pooling` the head is on the whole feature map. Of images without a test set `test_fraction` of each class are
    held out as one.

    The head also learns from `copies` of each training image that `augmentation` has changed; what is fine-tuned sees
    each image changed anew in every epoch. Validation and test images stay as they are.

    Raises `InputError` on values out of range, `UnknownNameError` on an unknown backbone or head.
    """

    backbone: str
    head: str = "linear"
    fine_tune_layers: int = 0
    epochs: int = 20
    batch_size: int = 32
    learning_rates: tuple[float, ...] = DEFAULT_LEARNING_RATES
    step_epochs: int = 0
    folds: int = 0
    validation_fraction: float = 0.2
    seed: int = 0
    pooling: Pooling = "avg"
    input_size: tuple[int, int] | None = None
    fine_tune_epochs: int = 5
    test_fraction: float = 0.0
    augmentation: Augmentation = NO_AUGMENTATION
    copies: int = 0

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise UnknownNameError.of("head", self.head, list(HEADS))
        self.backbone_spec()
        check_plan(self.epochs, self.batch_size)
        rates, architecture = self.learning_rates, BUILT_IN.get_spec(self.backbone).architecture
        given = ", ".join(map(str, rates))
        rules = (
            (
                1 <= len(set(rates)) == len(rates) <= MAX_LEARNING_RATES,
                f"Expected 1 to {MAX_LEARNING_RATES} different learning rates. Received: {given}.",
            ),
            (
                all(0 < rate <= LARGEST_LEARNING_RATE for rate in rates),
                f"Expected learning rates above 0, at most {LARGEST_LEARNING_RATE:g}. Received: {given}.",
            ),
            (
                self.folds == 0 or 2 <= self.folds <= MAX_FOLDS,
                f"Expected 2 to {MAX_FOLDS} folds, or 0 for one split. Received: {self.folds}.",
            ),
            (
                self.pooling is not None or not HEADS[self.head].hidden,
                "Expected the head linear without pooling, whose map has too many features for a hidden layer. "
                f"Received: {self.head}.",
            ),
            (
                not self.fine_tune_layers or not architecture.startswith("ConvNeXt"),
                "Expected a backbone whose features are the average of its map, to unfreeze it. "
                f"Received: {self.backbone}, which normalizes them once more; train the classifier only.",
            ),
            (
                0 < self.validation_fraction < 1 and 0 <= self.test_fraction < 1,
                "Expected a validation share in (0, 1) and a test share in [0, 1). "
                f"Received: {self.validation_fraction} and {self.test_fraction}.",
            ),
            (
                self.fine_tune_layers >= ALL_LAYERS
                and self.step_epochs >= 0
                and 1 <= self.fine_tune_epochs <= MAX_EPOCHS,
                f"Expected {ALL_LAYERS} (all) or more layers to unfreeze, steps of 0 epochs or more and 1 to "
                f"{MAX_EPOCHS} epochs of tuning. "
                f"Received: {self.fine_tune_layers}, {self.step_epochs} and {self.fine_tune_epochs}.",
            ),
            (
                0 <= self.copies <= MAX_COPIES and (not self.copies or self.augmentation.changes_anything),
                f"Expected 0 to {MAX_COPIES} augmented copies, and an augmentation that changes something. "
                f"Received: {self.copies} copies of {self.augmentation}.",
            ),
        )
        for holds, sentence in rules:
            if not holds:
                raise InputError(sentence)

    def backbone_spec(self) -> ModelSpec:
        """Return the backbone without its top, as the engine pool and `features.extract` take it."""
        return backbone_spec(BUILT_IN.get_spec(self.backbone), pooling=self.pooling, input_size=self.input_size)

    @property
    def trainable_layers(self) -> int | None:
        """The number of fine-tuned layers, as `Backbone` and `Recipe` take it: None for all."""
        return None if self.fine_tune_layers == ALL_LAYERS else self.fine_tune_layers

    @property
    def trials(self) -> int:
        """The number of heads that are tried."""
        return len(self.learning_rates) * max(1, self.folds)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields under the names that they have in files; `from_dict` is the way back."""
        return {_IN_FILES.get(name, name): value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "TransferConfig":
        """Return the settings that a `job.json` or a card holds; raises `InputError` on others."""
        if not isinstance(fields, dict):
            raise InputError(f"Expected the settings of a transfer learning run. Received: {fields!r:.60}.")
        names = {in_files: name for name, in_files in _IN_FILES.items()}
        values: dict[str, Any] = {
            names.get(key, key): tuple(value) if isinstance(value, list) else value for key, value in fields.items()
        }
        values["augmentation"] = json_files.to_row(
            Augmentation, values.get("augmentation", {}), "the augmentation of a transfer learning run"
        )
        return json_files.to_row(cls, values, "the settings of a transfer learning run")


_IN_FILES = {"fine_tune_layers": "unfreeze", "fine_tune_epochs": "tuning_epochs"}
