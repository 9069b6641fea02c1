"""A bug of a published system, measured: normalization of the training images only.

    python -m bench.one_sided_normalization assets/protocols/one_sided_normalization.json

Its training images came from a generator with `featurewise_center` and `featurewise_std_normalization`, its
validation images from one without. The training accuracy rose, the validation accuracy stayed at chance, and the
report called it overfitting. Here one training is validated both ways, after each epoch: the same network, the same
weights, the same images; only what is fed to it differs. In imgrec's own trainings this cannot happen, because the
normalization is a layer of the network (see `input_normalization`); `_one_sided` has to undo that layer.
"""

import json
import sys
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from imgrec.data.dataset import Images
from imgrec.data.splits import split
from imgrec.data.training_arrays import load
from imgrec.metrics.classification import top_1
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import Settings
from imgrec.training.augmentation import Augmentation
from imgrec.training.input_normalization import channel_statistics
from imgrec.training.recipes import Optimizer, Recipe, get_recipe
from imgrec.training.train_step import MakeBackbone

# Enough images for a network to be far from chance after a few epochs, few enough for a minute or two.
IMAGES = 3000
EPOCHS = 10
BATCH_SIZE = 32
SEED = 0

# The settings of Springboard Capstone 2; its two `featurewise` ones are the recipe's.
AUGMENTATION = Augmentation(mirror=True, shift=0.2, rotation=20.0, shear=0.2, zoom=0.2)

# Batch normalization has learned how large its inputs are, and is at a loss with larger ones: so was that work's
# network, which was pretrained and full of it. Without it and with few biases to speak of, a network is nearly
# indifferent to scale, and loses less.
NETWORKS = {
    "pretrained": replace(
        get_recipe("inception_v3_upsampled"),
        backbone="mobilenet_a025_128",
        preprocess="tf",
        optimizer=Optimizer("rmsprop", 2e-4),
        loss="categorical_crossentropy",
        arguments=(("doublings", 2),),
    ),
    "with batch normalization": replace(
        get_recipe("tuned_cnn_6"),
        arguments=(
            ("conv_1_filter", 32),
            ("conv_1_kernel", 3),
            ("conv_2_filter", 32),
            ("conv_2_kernel", 3),
            ("dense_1_units", 64),
            ("blocks", 3),
        ),
    ),
    "without batch normalization": get_recipe("simple_cnn"),
}


@dataclass(frozen=True, slots=True)
class Epoch:
    """Accuracies in [0, 1] after so many epochs.

    `accuracy` is that of the training images, as they were augmented, while the network learned. `alike`: validation
    images normalized as the training images were. `one_sided`: not normalized, values 0 to 255.
    """

    epoch: int
    accuracy: float
    alike: float
    one_sided: float


def measure(
    recipe: Recipe,
    train: Images,
    validation: Images,
    classes: int,
    *,
    epochs: int = EPOCHS,
    batch_size: int = BATCH_SIZE,
    seed: int = SEED,
    backbone: MakeBackbone | None = None,
) -> list[Epoch]:
    """Train the network of `recipe` on `train`, normalized and augmented, and validate it both ways.

    Needs TensorFlow. The network must take `statistics`.
    """
    import keras

    from imgrec.training.batches import batches, steps_per_epoch
    from imgrec.training.train_step import Loop, Position

    keras.utils.set_random_seed(seed)
    recipe = replace(
        recipe,
        augmentation=AUGMENTATION,
        featurewise_center=True,
        featurewise_std_normalization=True,
        batch_size=batch_size,
        epochs=epochs,
    )
    loop = Loop(recipe, train, classes, "float32", backbone)
    mean, deviation = (np.array(values, np.float32) for values in channel_statistics(train.pixels, recipe.preprocess))
    rows = []
    for epoch in range(epochs):
        loop.reset(Position())
        for pixels, targets in batches(train, recipe.augmentation, batch_size=batch_size, seed=seed, epoch=epoch):
            loop.step(pixels, targets)
        seen = steps_per_epoch(len(train), batch_size) * min(batch_size, len(train))
        rows.append(
            Epoch(
                epoch=epoch + 1,
                accuracy=loop.sums()[1] / seen,
                alike=top_1(loop.predict(validation.pixels), validation.targets),
                one_sided=top_1(_one_sided(loop.model, validation.pixels, mean, deviation), validation.targets),
            )
        )
    return rows


def _one_sided(model: Any, pixels: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Probabilities for pixels that reach the network's convolutions as they are, 0 to 255."""
    # The first layer subtracts the mean and divides by the deviation; what it is given makes up for that.
    parts = [model(part * deviation + mean, training=False) for part in np.array_split(pixels, 8)]
    return np.concatenate([np.asarray(part) for part in parts])


def main(path: Path) -> None:
    """Measure on a slice of CIFAR-10, and write the result to `path`."""
    from imgrec.training.backbones import Backbone
    from imgrec.training.trained_model import machine, versions

    settings = Settings.from_env()
    data = load("cifar10", settings)
    # The same share of each class.
    _, some = split(data.train.targets, IMAGES / len(data.train), SEED)
    slice_ = data.train.take(some)
    kept, held_out = split(slice_.targets, 0.2, SEED)
    train, validation = slice_.take(kept), slice_.take(held_out)
    networks = []
    for kind, recipe in NETWORKS.items():
        backbone = None
        if recipe.backbone is not None:
            spec = BUILT_IN.get_spec(recipe.backbone)
            backbone = Backbone(spec, weights.fetch(spec, settings))
        rows = measure(recipe, train, validation, len(data.classes), backbone=backbone)
        networks.append(
            {
                "kind": kind,
                "network": recipe.network,
                "backbone": recipe.backbone,
                "arguments": dict(recipe.arguments),
                "optimiser": asdict(recipe.optimizer),
                "epochs": [asdict(row) for row in rows],
            }
        )
    found = {
        "what": "accuracy of a training, validated with images fed like the training images, and not so",
        "data": f"CIFAR-10, {len(train):,} training images to learn from and {len(validation)} to validate on, "
        "drawn at random, the same number of each class",
        "classes": len(data.classes),
        "augmentation": asdict(AUGMENTATION),
        "batch_size": BATCH_SIZE,
        "seed": SEED,
        "networks": networks,
        "machine": machine(),
        "versions": versions(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
