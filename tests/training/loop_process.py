"""Short trainings that must share one process, because TensorFlow takes longer to start than they take.

python -m tests.training.loop_process all FOLDER JOB DATA
python -m tests.training.loop_process mistaken KERAS_HOME
"""

import json
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench import one_sided_normalization
from imgrec.data.dataset import Images
from imgrec.data.splits import split
from imgrec.data.training_arrays import load
from imgrec.errors import InputError
from imgrec.images.preprocessing import normalize
from imgrec.inference import keras_networks
from imgrec.metrics.classification import log_loss
from imgrec.models import cards
from imgrec.settings import Settings
from imgrec.training import trainer, training_worker
from imgrec.training.recipes import RECIPES, Recipe

# Of three epochs of six steps: in the middle of the second.
STOPPED_AT = 9


class StoppedError(Exception):
    pass


class Listener:
    """Hears nothing, and stops the run before a step."""

    def __init__(self, stop_at: int = 0) -> None:
        self._stop_at = stop_at
        self._steps = 0

    def tell(self, event: str, **fields: Any) -> None: ...

    def check(self) -> None:
        self._steps += 1
        if self._steps == self._stop_at:
            raise StoppedError


def resumed(folder: str) -> dict[str, float]:
    """Network → the largest difference between the weights of a run left alone and of one stopped and resumed."""
    rng = np.random.default_rng(0)
    images = Images(rng.integers(0, 256, (96, 32, 32, 3), dtype=np.uint8), np.arange(96) % 10)

    def run(recipe: Recipe, place: Path, stop_at: int = 0) -> Any:
        return trainer.train(
            recipe, images, images.take(np.arange(10)), 10, seed=1, folder=place, listener=Listener(stop_at)
        )

    found = {}
    # Dropout, augmentation, two optimizers, a schedule, batch normalization: all that has a state.
    for name in ("simple_cnn", "cifar_vgg"):
        recipe = RECIPES[name].changed(epochs=3, batch_size=16)
        whole, broken = (Path(folder) / name / kind for kind in ("whole", "broken"))
        for place in (whole, broken):
            place.mkdir(parents=True)
        expected = run(recipe, whole).get_weights()
        try:
            run(recipe, broken, STOPPED_AT)
        except StoppedError:
            weights = run(recipe, broken).get_weights()
        found[name] = max(float(np.abs(a - b).max()) for a, b in zip(expected, weights, strict=True))
    return found


def slowed(folder: str) -> float:
    """The largest change of a weight after a run was resumed with a learning rate that changes next to nothing."""
    rng = np.random.default_rng(0)
    images = Images(rng.integers(0, 256, (96, 32, 32, 3), dtype=np.uint8), np.arange(96) % 10)
    recipe = RECIPES["simple_cnn"].changed(epochs=3, batch_size=16)

    def run(recipe: Recipe, stop_at: int = 0) -> Any:
        return trainer.train(
            recipe, images, images.take(np.arange(10)), 10, seed=1, folder=Path(folder), listener=Listener(stop_at)
        )

    with suppress(StoppedError):
        run(recipe, STOPPED_AT)
    with np.load(Path(folder) / trainer.CHECKPOINT) as file:
        arrays = [file[f"variable_{i}"] for i in range(len(file.files) - 1)]
    kept = [array for array in arrays if array.dtype == np.float32]  # the network's come first
    weights = run(recipe.changed(learning_rate=1e-30)).get_weights()
    return max(float(np.abs(after - before).max()) for after, before in zip(weights, kept, strict=False))


def served(job: str, data: str) -> dict[str, float]:
    """What a server would say of the images that `job` held out, through `normalize` and the saved file."""
    folder = Path(job)
    configuration = json.loads((folder / "job.json").read_text())["configuration"]
    recipe, card = Recipe.from_dict(configuration["recipe"]), cards.read(folder / "my_simple_cnn.json")
    spec = card.spec(bundled=False)
    train = load(data, Settings.from_env({})).train
    _, held_out = split(train.targets, recipe.validation_fraction, configuration["seed"])
    network = keras_networks.load(spec, card.weights)
    probabilities = network.predict_on_batch(normalize(train.pixels[held_out], spec.preprocess))
    return {
        "accuracy": float((probabilities.argmax(axis=1) == train.targets[held_out]).mean()),
        "loss": log_loss(probabilities, train.targets[held_out]),
    }


def refused(data: str) -> str:
    """The sentence of a worker whose images have another size than its network takes."""
    configuration = {"data": data, "seed": 0}
    worker: Any = SimpleNamespace(job=SimpleNamespace(configuration=configuration))
    try:
        training_worker.open_data(worker, RECIPES["cats_dogs_cnn"], Settings.from_env({}))
    except InputError as error:
        return str(error)
    return ""


def every(folder: str, job: str, data: str) -> dict[str, Any]:
    """All of the above in one process."""
    (Path(folder) / "slowed").mkdir()
    return {
        "resumed": resumed(folder),
        "slowed": slowed(f"{folder}/slowed"),
        "served": served(job, data),
        "refused": refused(data),
    }


def mistaken(keras_home: str) -> dict[str, Any]:
    """Validation accuracies (alike, one-sided) of the last three of six epochs on a small slice of CIFAR-10."""
    data = load("cifar10", Settings.from_env({"KERAS_HOME": keras_home, "IMGREC_OFFLINE": "1"}))
    train, held_out = (data.train.take(indices) for indices in split(data.train.targets, 0.01, 0))
    train = train.take(np.arange(1000))
    recipe = one_sided_normalization.NETWORKS["with batch normalization"]
    rows = one_sided_normalization.measure(recipe, train, held_out, 10, epochs=6, batch_size=16)
    return {kind: [getattr(row, kind) for row in rows[-3:]] for kind in ("alike", "one_sided")}


if __name__ == "__main__":
    print(json.dumps({"all": every, "mistaken": mistaken}[sys.argv[1]](*sys.argv[2:])))
