"""Recipes: how each network of ours is trained, as data. A new one is one row in `RECIPES`."""

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from imgrec import json_files
from imgrec.errors import ImgrecError, InputError, UnknownNameError, shortened
from imgrec.images.preprocessing import PREPROCESS
from imgrec.models.catalog import BUILT_IN
from imgrec.training.augmentation import Augmentation

# Enough for a validation accuracy to within a few points, and little taken from the training.
VALIDATION_FRACTION = 0.1

# More than anyone waits for, or than a first dense layer of these networks could hold.
MAX_EPOCHS = 1000
MAX_BATCH_SIZE = 4096

# Networks of `networks` that take `statistics`.
FEATUREWISE_NETWORKS = ("capstone_cnn", "simple_cnn", "tuned_cnn", "upsampled_transfer")

LOSSES = ("categorical_crossentropy", "binary_crossentropy")

NO_AUGMENTATION = Augmentation()


def check_plan(epochs: int, batch_size: int) -> None:
    """Raise `InputError` unless both numbers are in their ranges."""
    if not 1 <= epochs <= MAX_EPOCHS or not 1 <= batch_size <= MAX_BATCH_SIZE:
        raise InputError(
            f"Expected 1 to {MAX_EPOCHS} epochs of batches of 1 to {MAX_BATCH_SIZE}. "
            f"Received: {epochs} of {batch_size}."
        )


@dataclass(frozen=True, slots=True)
class Optimizer:
    """How weights move. `kind` is sgd (Nesterov's), adam or rmsprop.

    `learning_rate` is the peak. With `one_cycle` it rises from a fifth of that over the first fifth of all steps and
    then falls to zero; with `step_epochs` it falls to a tenth after each so many epochs; otherwise it stays.
    `shift_rate` multiplies it for the shifts of batch normalization, which move slowly otherwise (Keller Jordan,
    2024, §3.4). `weight_decay` is the share of a weight that a step at learning rate 1 would take away.
    """

    kind: str
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    one_cycle: bool = False
    shift_rate: float = 1.0
    step_epochs: int = 0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what comes out of a training, besides the data and the seed.

    `precision` is that of the arithmetic: float32, or bfloat16 where the processor has it (the weights themselves
    are float32 in both). `parameters` is the count with `classes` classes. Raises `InputError` on what cannot be
    meant.
    """

    name: str
    title: str
    about: str
    network: str  # a key of networks.NETWORKS
    input_size: tuple[int, int]
    dataset: str | None  # what it was made for: a key of datasets.DATASETS
    classes: int
    parameters: int
    epochs: int
    batch_size: int
    optimizer: Optimizer
    augmentation: Augmentation = NO_AUGMENTATION
    label_smoothing: float = 0.0
    precision: str = "float32"
    looks_twice: bool = False  # once trained, at the image and at its mirror image
    validation_fraction: float = VALIDATION_FRACTION
    preprocess: str = "unit"  # a key of preprocessing.PREPROCESS: what the network is fed
    loss: str = "categorical_crossentropy"  # or binary_crossentropy, which one of the printed networks had with softmax
    backbone: str | None = None  # the row of the catalog whose weights it starts from
    trainable_layers: int | None = None  # so many last layers of the backbone are trained too; None: all
    arguments: tuple[tuple[str, Any], ...] = ()  # further keyword arguments of the network's function
    # The network begins by giving each channel the mean 0, or the deviation 1, over the training images.
    featurewise_center: bool = False
    featurewise_std_normalization: bool = False

    def __post_init__(self) -> None:
        check_plan(self.epochs, self.batch_size)
        if not 0 < self.validation_fraction < 1 or not 0 < self.optimizer.learning_rate < math.inf:
            raise InputError(
                f"Expected a validation share in (0, 1) and a finite learning rate above 0. "
                f"Received: {self.validation_fraction} and {self.optimizer.learning_rate}."
            )
        if self.preprocess not in PREPROCESS:
            raise UnknownNameError.of("preprocessing mode", self.preprocess, list(PREPROCESS))
        if (self.featurewise_center or self.featurewise_std_normalization) and not self.takes_statistics:
            raise InputError(
                f"Expected a network that can begin with featurewise normalization: {', '.join(FEATUREWISE_NETWORKS)}. "
                f"Received: {shortened(self.network)}."
            )
        if self.loss not in LOSSES:
            raise UnknownNameError.of("loss", self.loss, list(LOSSES))
        if self.optimizer.one_cycle and self.optimizer.step_epochs:
            raise InputError("Expected one cycle or a stepped learning rate. Received: both.")
        if self.trainable_layers is not None and (self.backbone is None or self.trainable_layers < 0):
            raise InputError(
                f"Expected a backbone and 0 or more of its layers to learn. "
                f"Received: {self.backbone} and {self.trainable_layers}."
            )

    @property
    def working_size(self) -> tuple[int, int]:
        """(height, width) px at which most of the network works: larger than its input where it enlarges that."""
        doublings = dict(self.arguments).get("doublings", 0)
        return self.input_size[0] << doublings, self.input_size[1] << doublings

    @property
    def takes_statistics(self) -> bool:
        """Whether the network can begin with featurewise normalization."""
        return self.network in FEATUREWISE_NETWORKS

    @property
    def for_two_classes(self) -> bool:
        """Whether the network ends in one sigmoid."""
        return self.network == "cats_dogs_cnn" or bool(dict(self.arguments).get("sigmoid"))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields under the names that they have in files; `from_dict` is the way back."""
        return {_IN_FILES.get(name, name): value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Recipe":
        """Return the recipe that a `job.json`, a card or a recipe's file holds; raises `InputError` on others."""
        if not isinstance(fields, dict):
            raise InputError(f"Expected a recipe. Received: {type(fields).__name__}.")
        known = dict(fields)
        if known.pop("featurewise", False):  # what earlier versions wrote for both
            known |= {"featurewise_center": True, "featurewise_std_normalization": True}
        values = {name: _with_tuples(value) for name, value in known.items() if name != "optimiser"} | {
            "optimizer": json_files.to_row(Optimizer, fields.get("optimiser"), "the optimizer of a recipe"),
            "augmentation": json_files.to_row(Augmentation, fields.get("augmentation"), "the augmentation of a recipe"),
        }
        return json_files.to_row(cls, values, "a recipe")

    def changed(
        self,
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        augmentation: Augmentation | None = None,
        featurewise_center: bool | None = None,
        featurewise_std_normalization: bool | None = None,
    ) -> "Recipe":
        """Return the recipe with those of the fields replaced that are given."""
        rate = self.optimizer.learning_rate if learning_rate is None else learning_rate
        given = {
            "epochs": epochs or None,
            "batch_size": batch_size or None,
            "optimizer": replace(self.optimizer, learning_rate=rate),
            "augmentation": augmentation,
            "featurewise_center": featurewise_center,
            "featurewise_std_normalization": featurewise_std_normalization,
        }
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return replace(self, **changes)


_IN_FILES = {"optimizer": "optimiser"}


def _with_tuples(value: Any) -> Any:
    """Return a value from JSON, which has lists only, as it was."""
    return tuple(map(_with_tuples, value)) if isinstance(value, list | tuple) else value


def get_recipe(name: str) -> Recipe:
    """Return the recipe called `name`; raises `UnknownNameError` with the nearest names."""
    try:
        return RECIPES[name]
    except KeyError:
        raise UnknownNameError.of("recipe", name, list(RECIPES)) from None


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in a file, as a search leaves it; raises `InputError` when the file holds none."""
    try:
        return Recipe.from_dict(json_files.read(path))
    except ImgrecError as error:
        raise InputError(f"Expected {path} to be a recipe as JSON. Received: {error}") from error


_CIFAR = {"input_size": (32, 32), "dataset": "cifar10", "classes": 10}
_OWN = {"input_size": (224, 224), "dataset": None, "trainable_layers": 0}  # classes are those of one's own images
_SIGMOID = (("sigmoid", True),)
_ADAM = Optimizer("adam", 0.001)

# Whitened input, one cycle of fast SGD and light label smoothing: Keller Jordan's, for smaller networks.
_MODERN = _CIFAR | {
    "batch_size": 512,
    "optimizer": Optimizer("sgd", 0.5, momentum=0.9, weight_decay=0.01, one_cycle=True, shift_rate=64.0),
    "augmentation": Augmentation(mirror=True, shift_px=3, cutout_px=6),
    "label_smoothing": 0.1,
    "precision": "bfloat16",
    "looks_twice": True,
    "validation_fraction": 0.02,
}

# (name, title, parameters, epochs, about)
_MODERN_ROWS = (
    ("cifar_vgg", "Small VGG", 1_161_504, 28, "A plain stack of 3×3 convolutions, as in VGG, with a whitened input."),
    ("cifar_resnet", "Small ResNet", 1_036_400, 16, "Convolutions with shortcuts around them, as in ResNet."),
    (
        "cifar_dense",
        "Small DenseNet",
        803_744,
        24,
        "Each convolution sees the outputs of all before it, as in DenseNet.",
    ),
)

# Springboard Capstone 2's tuned networks; epochs, batch size and learning rate were not printed.
_TUNED = _CIFAR | {"network": "tuned_cnn", "epochs": 20, "batch_size": 64, "optimizer": _ADAM}

# Springboard Capstone 2's: CIFAR-10 at eight times its size, all layers trained, one sigmoid's loss for each class.
_UPSAMPLED = _CIFAR | {
    "about": "Images of 32 px are upsampled 8 times; all layers are trainable, with three dense layers on top.",
    "network": "upsampled_transfer",
    "epochs": 5,
    "batch_size": 20,
    "optimizer": Optimizer("rmsprop", 2e-5),
    "loss": "binary_crossentropy",
    "validation_fraction": 0.2,
    "arguments": (("doublings", 3),),
}

# A head on the pooled features of a backbone.
_POOLED = _OWN | {"network": "pooled_transfer", "batch_size": 32}

# The transfer of Capstone #3: 64 images, a frozen backbone, one dense layer on all its features.
_FLAT = _OWN | {
    "about": "A frozen backbone and one dense layer on its feature maps; for two classes and at least 64 images.",
    "network": "flat_transfer",
    "classes": 2,
    "epochs": 10,
    "batch_size": 16,
    "optimizer": _ADAM,
    "arguments": _SIGMOID,
}


def _recipe(family: dict[str, Any], name: str, title: str, parameters: int, **own: Any) -> Recipe:
    """Return a recipe with the fields of its family and its own; a backbone gets what its weights expect."""
    fields: dict[str, Any] = {"network": name} | family | own
    if (backbone := fields.get("backbone")) is not None:
        fields["preprocess"] = BUILT_IN.get_spec(backbone).preprocess
    return Recipe(name=name, title=title, parameters=parameters, **fields)


def _filters(first: int, kernel: int, second: int, blocks: int) -> tuple[tuple[str, Any], ...]:
    """Return the arguments of a tuned network."""
    names = ("conv_1_filter", "conv_1_kernel", "conv_2_filter", "conv_2_kernel", "dense_1_units", "blocks")
    return tuple(zip(names, (first, kernel, second, 5, 96, blocks), strict=True))


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *(
            _recipe(_MODERN, name, title, parameters, epochs=epochs, about=about)
            for name, title, parameters, epochs, about in _MODERN_ROWS
        ),
        _recipe(
            _CIFAR,
            "capstone_cnn",
            "Capstone CNN",
            1_250_858,
            about="Two pairs of convolutions, dropout and a wide dense layer; no augmentation.",
            epochs=30,
            batch_size=64,
            optimizer=_ADAM,
            precision="bfloat16",
            validation_fraction=0.02,
        ),
        _recipe(
            _CIFAR,
            "simple_cnn",
            "Simple CNN",
            94_890,
            about="Three convolutions and 64 dense units, with standard augmentation.",
            epochs=30,
            batch_size=64,
            optimizer=Optimizer("rmsprop", 0.001),
            # Keras' generator counts shear in degrees: 0.2 of one, next to nothing, as in the published code.
            augmentation=Augmentation(mirror=True, shift=0.2, rotation=20.0, shear=0.2, zoom=0.2),
            featurewise_center=True,
            featurewise_std_normalization=True,
        ),
        _recipe(
            {"input_size": (64, 64), "dataset": None, "classes": 2},
            "cats_dogs_cnn",
            "Cats-and-dogs CNN",
            3_937_409,
            about="One convolution and a dense layer at 64×64, with shear, zoom and flip; for two classes.",
            epochs=25,
            batch_size=32,
            optimizer=_ADAM,
            augmentation=Augmentation(mirror=True, shear=0.2, zoom=0.2),
        ),
        _recipe(
            _TUNED,
            "tuned_cnn_6",
            "Tuned CNN, 6 layers",
            940_458,
            about="Five convolutions of 5×5 with dropout and batch normalization, no pooling; found by a search.",
            arguments=_filters(80, 5, 48, blocks=4),
        ),
        _recipe(
            _TUNED,
            "tuned_cnn_5",
            "Tuned CNN, 5 layers",
            2_379_818,
            about="Four wider convolutions with dropout and batch normalization, no pooling; found by a search.",
            precision="bfloat16",
            arguments=_filters(112, 3, 64, blocks=3),
        ),
        _recipe(
            _POOLED,
            "mobilenet_frozen",
            "MobileNet, frozen",
            3_233_989,
            about="A frozen MobileNet and one dense layer on its pooled features.",
            backbone="mobilenet",
            classes=5,
            epochs=20,
            optimizer=Optimizer("adam", 1e-4),
            validation_fraction=0.2,
        ),
        _recipe(
            _POOLED,
            "resnet50_last_layers",
            "ResNet50, last layers",
            26_740_613,
            about="A ResNet50 with its last convolution fine-tuned, and two wide dense layers.",
            backbone="resnet50",
            trainable_layers=4,
            input_size=(256, 256),
            classes=5,
            epochs=20,
            optimizer=Optimizer("adam", 1e-3, step_epochs=5),
            validation_fraction=0.2,
            arguments=(("dense", (1024, 1024)), ("dropout", 0.05)),
        ),
        _recipe(
            _POOLED,
            "resnet50_sigmoid",
            "ResNet50, one sigmoid",
            23_589_761,
            about="A frozen ResNet50 and one sigmoid on its pooled features; for two classes.",
            backbone="resnet50",
            classes=2,
            epochs=5,
            optimizer=_ADAM,
            arguments=_SIGMOID,
        ),
        _recipe(_UPSAMPLED, "resnet50_upsampled", "ResNet50, upsampled", 40_899_018, backbone="resnet50"),
        _recipe(_UPSAMPLED, "vgg16_upsampled", "VGG16, upsampled", 19_049_866, backbone="vgg16"),
        _recipe(_UPSAMPLED, "inception_v3_upsampled", "InceptionV3, upsampled", 31_544_682, backbone="inception_v3"),
        # The same on a scale that a laptop can do: a quarter of MobileNet's filters, and a quarter of the pixels.
        _recipe(
            _UPSAMPLED,
            "mobilenet_a025_upsampled",
            "MobileNet 0.25, upsampled",
            769_018,
            about="Images of 32 px are upsampled 4 times; all layers are trainable, with three dense layers on top.",
            backbone="mobilenet_a025_128",
            arguments=(("doublings", 2),),
        ),
        _recipe(_FLAT, "vgg16_flat", "VGG16, one dense layer", 14_739_777, backbone="vgg16"),
        _recipe(_FLAT, "mobilenet_flat", "MobileNet, one dense layer", 3_279_041, backbone="mobilenet"),
    )
}
