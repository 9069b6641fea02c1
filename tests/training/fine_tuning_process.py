"""Fine-tunings that must share one process, because TensorFlow takes longer to start than they take.

    python -m tests.training.fine_tuning_process FOLDER

Not compiled, for the same reason: a graph takes longer to trace than these few steps to compute.
"""

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from imgrec.data.dataset import Images
from imgrec.models.catalog import BUILT_IN
from imgrec.training import fine_tuning
from imgrec.training.array_archives import Layers
from imgrec.training.backbones import Backbone
from imgrec.training.fine_tuning import Figures
from imgrec.training.train_step import network_input, predict
from imgrec.training.transfer_config import ALL_LAYERS, TransferConfig
from tests.training.loop_process import Listener, StoppedError

CONFIG = TransferConfig(
    "mobilenet_a025_128", fine_tune_layers=ALL_LAYERS, fine_tune_epochs=4, batch_size=8, input_size=(32, 32)
)
CLASSES = 3

# Of four epochs of four steps, in the middle of the third.
STOPPED_AT = 11

# At the first all that the network knew is lost in a step; at the second one that knows nothing learns.
RUINOUS, BOLD = 0.3, 1e-3


def images() -> Images:
    """Noise, more or less bright by class."""
    targets = np.arange(48) % CLASSES
    noise = np.random.default_rng(0).integers(0, 60, (48, 32, 32, 3))
    return Images((noise + 95 * targets[:, None, None, None]).astype(np.uint8), targets)


def head_of(backbone: Backbone, learned_from: Images) -> Layers:
    """The linear head that comes nearest to the classes, of what `backbone` sees in the images."""
    keras.utils.set_random_seed(0)
    maps = backbone(learned_from.pixels.shape[1:3])(network_input(learned_from.pixels, "tf"), training=False)
    features = np.asarray(maps, np.float64).mean(axis=(1, 2))
    columns = np.c_[features / features.std(), np.ones(len(features))]
    weights, *_ = np.linalg.lstsq(columns, np.eye(CLASSES)[learned_from.targets], rcond=1e-2)
    return [((weights[:-1] / features.std()).astype(np.float32), weights[-1].astype(np.float32))]


class Heard(Listener):
    """Keeps what was validated."""

    def __init__(self, stop_at: int = 0) -> None:
        super().__init__(stop_at)
        self.accuracies: list[float] = []

    def tell(self, event: str, **fields: Any) -> None:
        if event == "epoch":
            self.accuracies.append(fields["validation_accuracy"])


def run(
    place: Path, rate: float, *, epochs: int = 4, stop_at: int = 0, knows: bool = False
) -> tuple[Any, Figures, Figures, list[float]]:
    place.mkdir(parents=True, exist_ok=True)
    every = images()
    train, validation = every.take(np.arange(32)), every.take(np.arange(32, 48))
    backbone = Backbone(BUILT_IN.get_spec(CONFIG.backbone), None, CONFIG.trainable_layers)
    layers = head_of(backbone, train)
    if not knows:
        layers = [(np.zeros_like(kernel), np.zeros_like(bias)) for kernel, bias in layers]
    heard = Heard(stop_at)
    keras.utils.set_random_seed(0)
    recipe = fine_tuning.recipe_of(CONFIG, "tuned", CLASSES).changed(learning_rate=rate, epochs=epochs)
    found = fine_tuning.fine_tune(
        recipe, backbone, layers, train, validation, seed=1, folder=place, listener=heard, epochs_before=5
    )
    return *found, heard.accuracies


def accuracy(model: Any) -> float:
    validation = images().take(np.arange(32, 48))
    return float((predict(model, validation.pixels, "tf").argmax(axis=1) == validation.targets).mean())


def difference(one: Any, other: Any) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def statistics(model: Any) -> list[tuple[float, float]]:
    """What batch normalization takes for the mean and variance of its inputs: the values that occur, of each layer."""
    [backbone] = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    moving = [v for v in backbone.variables if "moving" in v.path]
    return sorted({(float(np.min(v)), float(np.max(v))) for v in moving})


def main(folder: Path) -> None:
    tf.config.run_functions_eagerly(True)
    ruined, kept, head, (last,) = run(folder / "ruined", RUINOUS, epochs=1, knows=True)
    whole, best, ignorant, _ = run(folder / "whole", BOLD)
    try:
        run(folder / "broken", BOLD, stop_at=STOPPED_AT)
    except StoppedError:
        resumed, again, *_ = run(folder / "broken", BOLD)
    found = {
        "ruined": {"kept": kept.epoch, "head": head.accuracy, "last": last, "published": accuracy(ruined)},
        "tuned": {"kept": best.epoch, "head": ignorant.accuracy, "figure": best.accuracy, "published": accuracy(whole)},
        "resumed": {"same": best == again, "moved": difference(whole, resumed)},
        "statistics": statistics(whole),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
