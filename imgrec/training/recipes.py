"""Recipes: how each network of ours is trained, as data. A new one is one row in `RECIPES`."""

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from imgrec.errors import InputError, UnknownNameError
from imgrec.images.preprocessing import PREPROCESS
from imgrec.models.catalog import BUILT_IN
from imgrec.training.augmentation import Augmentation

# Enough for a validation accuracy to within a few points, and little taken from the training.
VALIDATION_FRACTION = 0.1

# More than anyone waits for, or than a first dense layer of these networks could hold.
MAX_EPOCHS = 1000
MAX_BATCH_SIZE = 4096

LOSSES = ("categorical_crossentropy", "binary_crossentropy")

NO_AUGMENTATION = Augmentation()


@dataclass(frozen=True, slots=True)
class Optimiser:
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
    network: str  # a key of networks.NETWORKS or transfers.NETWORKS
    input_size: tuple[int, int]
    dataset: str | None  # what it was made for: a key of datasets.DATASETS
    classes: int
    parameters: int
    epochs: int
    batch_size: int
    optimiser: Optimiser
    augmentation: Augmentation = NO_AUGMENTATION
    label_smoothing: float = 0.0
    precision: str = "float32"
    looks_twice: bool = False  # once trained, at the image and at its mirror image
    validation_fraction: float = VALIDATION_FRACTION
    preprocess: str = "unit"  # a key of preprocessing.PREPROCESS: what the network is fed
    loss: str = "categorical_crossentropy"  # or binary_crossentropy, which one of the printed networks had with softmax
    backbone: str | None = None  # the row of the catalog whose weights it starts from
    trainable_layers: int | None = None  # so many last layers of the backbone learn too; None: all
    arguments: tuple[tuple[str, Any], ...] = ()  # further keyword arguments of the network's function
    # The network begins by giving each channel the mean 0 and the deviation 1 over the training images.
    featurewise: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.epochs <= MAX_EPOCHS or not 1 <= self.batch_size <= MAX_BATCH_SIZE:
            raise InputError(
                f"Expected 1 to {MAX_EPOCHS} epochs of batches of 1 to {MAX_BATCH_SIZE}. "
                f"Received: {self.epochs} of {self.batch_size}."
            )
        if not 0 < self.validation_fraction < 1 or not 0 < self.optimiser.learning_rate < math.inf:
            raise InputError(
                f"Expected a validation share in (0, 1) and a finite learning rate above 0. "
                f"Received: {self.validation_fraction} and {self.optimiser.learning_rate}."
            )
        if self.preprocess not in PREPROCESS:
            raise UnknownNameError.of("preprocessing mode", self.preprocess, list(PREPROCESS))
        if self.loss not in LOSSES:
            raise UnknownNameError.of("loss", self.loss, list(LOSSES))
        if self.optimiser.one_cycle and self.optimiser.step_epochs:
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
    def for_two_classes(self) -> bool:
        """Whether the network ends in one sigmoid."""
        return self.network == "cats_dogs_cnn" or bool(dict(self.arguments).get("sigmoid"))

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; `from_dict` is the way back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Recipe":
        height, width = fields["input_size"]
        return cls(
            **fields
            | {
                "input_size": (height, width),
                "optimiser": Optimiser(**fields["optimiser"]),
                "augmentation": Augmentation(**fields["augmentation"]),
                "arguments": tuple(
                    # JSON has no tuples.
                    (name, tuple(value) if isinstance(value, list) else value)
                    for name, value in fields.get("arguments", ())
                ),
            }
        )

    def changed(
        self, *, epochs: int | None = None, batch_size: int | None = None, learning_rate: float | None = None
    ) -> "Recipe":
        """Return the same recipe with what a person asked for instead of what stands in it."""
        rate = self.optimiser.learning_rate if learning_rate is None else learning_rate
        optimiser = replace(self.optimiser, learning_rate=rate)
        return replace(
            self, epochs=epochs or self.epochs, batch_size=batch_size or self.batch_size, optimiser=optimiser
        )


def get_recipe(name: str) -> Recipe:
    """Return the recipe called `name`; raises `UnknownNameError` with the nearest names."""
    try:
        return RECIPES[name]
    except KeyError:
        raise UnknownNameError.of("recipe", name, list(RECIPES)) from None


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in a file, as a search leaves it; raises `InputError` when the file holds none."""
    try:
        return Recipe.from_dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"Expected {path} to be a recipe as JSON. Received: {error}.") from error


def _modern(name: str, title: str, about: str, *, parameters: int, epochs: int, cutout_px: int) -> Recipe:
    """Whitened input, one cycle of fast SGD, light label smoothing: Keller Jordan's, for smaller networks."""
    return Recipe(
        name=name,
        title=title,
        about=about,
        network=name,
        input_size=(32, 32),
        dataset="cifar10",
        classes=10,
        parameters=parameters,
        epochs=epochs,
        batch_size=512,
        optimiser=Optimiser("sgd", 0.5, momentum=0.9, weight_decay=0.01, one_cycle=True, shift_rate=64.0),
        augmentation=Augmentation(mirror=True, shift_px=3, cutout_px=cutout_px),
        label_smoothing=0.1,
        precision="bfloat16",
        looks_twice=True,
        validation_fraction=0.02,
    )


def _transfer(name: str, title: str, about: str, *, network: str, backbone: str, **fields: Any) -> Recipe:
    """Return a head on a backbone of the catalog, which is fed as its own weights expect."""
    return Recipe(
        name=name,
        title=title,
        about=about,
        network=network,
        backbone=backbone,
        preprocess=BUILT_IN.get_spec(backbone).preprocess,
        **{"dataset": None} | fields,
    )


def _upsampled(backbone: str, title: str, *, parameters: int) -> Recipe:
    """Springboard Capstone 2's: CIFAR-10 at eight times its size, everything learns, one sigmoid's loss per class."""
    return _transfer(
        f"{backbone}_upsampled",
        f"{title}, upsampled",
        "Images of 32 px are upsampled 8 times; all layers are trainable, with three dense layers on top.",
        network="upsampled_transfer",
        backbone=backbone,
        input_size=(32, 32),
        dataset="cifar10",
        classes=10,
        parameters=parameters,
        epochs=5,
        batch_size=20,
        optimiser=Optimiser("rmsprop", 2e-5),
        loss="binary_crossentropy",
        validation_fraction=0.2,
        arguments=(("doublings", 3),),
    )


def _flat(backbone: str, title: str, *, parameters: int) -> Recipe:
    """Return the transfer of Capstone #3: 64 images, a frozen backbone, one dense layer over all that it sees."""
    return _transfer(
        f"{backbone}_flat",
        f"{title}, one dense layer",
        "A frozen backbone and one dense layer on its feature maps; for two classes and at least 64 images.",
        network="flat_transfer",
        backbone=backbone,
        trainable_layers=0,
        input_size=(224, 224),
        classes=2,
        parameters=parameters,
        epochs=10,
        batch_size=16,
        optimiser=Optimiser("adam", 0.001),
        arguments=(("sigmoid", True),),
    )


def _tuned(blocks: int, about: str, *, parameters: int, **arguments: int) -> Recipe:
    """Springboard Capstone 2's tuned networks; epochs, batch size and learning rate were not printed."""
    return Recipe(
        name=f"tuned_cnn_{blocks + 2}",
        title=f"Tuned CNN, {blocks + 2} layers",
        about=about,
        network="tuned_cnn",
        input_size=(32, 32),
        dataset="cifar10",
        classes=10,
        parameters=parameters,
        epochs=20,
        batch_size=64,
        optimiser=Optimiser("adam", 0.001),
        arguments=(*arguments.items(), ("blocks", blocks)),
    )


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _modern(
            "cifar_vgg",
            "Small VGG",
            "A plain stack of 3×3 convolutions, as in VGG, with a whitened input.",
            parameters=1_161_504,
            epochs=28,
            cutout_px=6,
        ),
        _modern(
            "cifar_resnet",
            "Small ResNet",
            "Convolutions with shortcuts around them, as in ResNet.",
            parameters=1_036_400,
            epochs=16,
            cutout_px=6,
        ),
        _modern(
            "cifar_dense",
            "Small DenseNet",
            "Each convolution sees the outputs of all before it, as in DenseNet.",
            parameters=803_744,
            epochs=24,
            cutout_px=6,
        ),
        Recipe(
            name="capstone_cnn",
            title="Capstone CNN",
            about="Two pairs of convolutions, dropout and a wide dense layer; no augmentation.",
            network="capstone_cnn",
            input_size=(32, 32),
            dataset="cifar10",
            classes=10,
            parameters=1_250_858,
            epochs=30,
            batch_size=64,
            optimiser=Optimiser("adam", 0.001),
            precision="bfloat16",
            validation_fraction=0.02,
        ),
        Recipe(
            name="simple_cnn",
            title="Simple CNN",
            about="Three convolutions and 64 dense units, with standard augmentation.",
            network="simple_cnn",
            input_size=(32, 32),
            dataset="cifar10",
            classes=10,
            parameters=94_890,
            epochs=30,
            batch_size=64,
            optimiser=Optimiser("rmsprop", 0.001),
            # Keras' generator counts shear in degrees: 0.2 of one, next to nothing, which is what that work asked for.
            augmentation=Augmentation(mirror=True, shift=0.2, rotation=20.0, shear=0.2, zoom=0.2),
            featurewise=True,
        ),
        Recipe(
            name="cats_dogs_cnn",
            title="Cats-and-dogs CNN",
            about="One convolution and a dense layer at 64×64, with shear, zoom and flip; for two classes.",
            network="cats_dogs_cnn",
            input_size=(64, 64),
            dataset=None,
            classes=2,
            parameters=3_937_409,
            epochs=25,
            batch_size=32,
            optimiser=Optimiser("adam", 0.001),
            augmentation=Augmentation(mirror=True, shear=0.2, zoom=0.2),
        ),
        _tuned(
            4,
            "Five convolutions of 5×5 with dropout and batch normalization, no pooling; found by a search.",
            parameters=940_458,
            conv_1_filter=80,
            conv_1_kernel=5,
            conv_2_filter=48,
            conv_2_kernel=5,
            dense_1_units=96,
        ),
        _tuned(
            3,
            "Four wider convolutions with dropout and batch normalization, no pooling; found by a search.",
            parameters=2_379_818,
            conv_1_filter=112,
            conv_1_kernel=3,
            conv_2_filter=64,
            conv_2_kernel=5,
            dense_1_units=96,
        ),
        _transfer(
            "mobilenet_frozen",
            "MobileNet, frozen",
            "A frozen MobileNet and one dense layer on its pooled features.",
            network="pooled_transfer",
            backbone="mobilenet",
            trainable_layers=0,
            input_size=(224, 224),
            classes=5,
            parameters=3_233_989,
            epochs=20,
            batch_size=32,
            optimiser=Optimiser("adam", 1e-4),
            validation_fraction=0.2,
        ),
        _transfer(
            "resnet50_last_layers",
            "ResNet50, last layers",
            "A ResNet50 with its last convolution fine-tuned, and two wide dense layers.",
            network="pooled_transfer",
            backbone="resnet50",
            trainable_layers=4,
            input_size=(256, 256),
            classes=5,
            parameters=26_740_613,
            epochs=20,
            batch_size=32,
            optimiser=Optimiser("adam", 1e-3, step_epochs=5),
            validation_fraction=0.2,
            arguments=(("dense", (1024, 1024)), ("dropout", 0.05)),
        ),
        _transfer(
            "resnet50_sigmoid",
            "ResNet50, one sigmoid",
            "A frozen ResNet50 and one sigmoid on its pooled features; for two classes.",
            network="pooled_transfer",
            backbone="resnet50",
            trainable_layers=0,
            input_size=(224, 224),
            classes=2,
            parameters=23_589_761,
            epochs=5,
            batch_size=32,
            optimiser=Optimiser("adam", 0.001),
            arguments=(("sigmoid", True),),
        ),
        _upsampled("resnet50", "ResNet50", parameters=40_899_018),
        _upsampled("vgg16", "VGG16", parameters=19_049_866),
        _upsampled("inception_v3", "InceptionV3", parameters=31_544_682),
        _flat("vgg16", "VGG16", parameters=14_739_777),
        _flat("mobilenet", "MobileNet", parameters=3_279_041),
    )
}
