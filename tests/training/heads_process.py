"""What heads do, in a process with TensorFlow; prints what it found as JSON.

python -m tests.training.heads_process
"""

import json
import time
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from imgrec.errors import InputError
from imgrec.training import heads
from imgrec.training.heads import HeadTrainer, Schedule
from imgrec.training.transfer_config import HEADS
from imgrec.training.transfer_job import forward

IMAGES, FEATURES, CLASSES = 120, 16, 3
SCHEDULE = Schedule(0.01, 3, 16, step_epochs=1)


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    targets = rng.permutation(np.arange(IMAGES) % CLASSES)
    features = rng.normal(0, 1, (IMAGES, FEATURES)).astype(np.float32)
    features[np.arange(IMAGES), targets] += 2
    return features, targets


def difference(one: heads.Layers, other: heads.Layers) -> float:
    pairs = zip(one, other, strict=True)
    return max(float(np.abs(a - b).max()) for first, second in pairs for a, b in zip(first, second, strict=True))


def against_keras() -> dict[str, Any]:
    """The same batches through `train_on_batch` of a plain Keras model, without dropout."""
    features, targets = data()
    head = replace(HEADS["small"], hidden=(8,), dropout=0.0)
    trainer = HeadTrainer(head, features, targets, CLASSES, seed=5)
    start = trainer.layers()
    rows = np.arange(100)
    ours = trainer.train(SCHEDULE, rows, None)
    model = heads.network(head, FEATURES, CLASSES)
    model.set_weights([array for layer in start for array in layer])
    model.compile(keras.optimizers.Adam(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for epoch in range(SCHEDULE.epochs):
        model.optimizer.learning_rate.assign(SCHEDULE.rate(epoch))
        for batch in heads.batches(rows, SCHEDULE.batch_size, seed=5, epoch=epoch):
            model.train_on_batch(features[batch], targets[batch])
    weights = model.get_weights()
    theirs = list(zip(weights[::2], weights[1::2], strict=True))
    return {
        "weights": difference(ours.layers, theirs),
        "moved": difference(ours.layers, start),
        "losses": [epoch.train_loss for epoch in ours.epochs],
    }


def repeated() -> dict[str, Any]:
    """A head with dropout, trained twice, and once with another seed; its best epoch."""
    features, targets = data()
    kept, held_out = np.arange(90), np.arange(90, IMAGES)
    trainer = HeadTrainer(HEADS["small"], features, targets, CLASSES, seed=0)
    schedule = Schedule(0.01, 6, 16)
    first, again = (trainer.train(schedule, kept, held_out) for _ in range(2))
    other = HeadTrainer(HEADS["small"], features, targets, CLASSES, seed=1).train(schedule, kept, held_out)
    said = forward(first.layers, features[held_out])
    return {
        "same": difference(first.layers, again.layers),
        "other": difference(first.layers, other.layers),
        "best": first.best.epoch,
        "accuracies": [epoch.validation_accuracy for epoch in first.epochs],
        "losses": [epoch.validation_loss for epoch in first.epochs],
        "numpy": float(np.abs(said - first.probabilities).max()),
        "accuracy": float((said.argmax(axis=1) == targets[held_out]).mean()),
    }


def composed() -> float:
    """The largest difference of a composed model's answers from those of its parts."""
    inputs = keras.Input((8, 8, 3))
    backbone = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(5, 3)(inputs)))
    rng = np.random.default_rng(0)
    layers = [(rng.normal(0, 1, shape), rng.normal(0, 1, shape[1])) for shape in ((5, 1024), (1024, 1024), (1024, 4))]
    images = rng.normal(0, 1, (3, 8, 8, 3)).astype(np.float32)
    model = heads.compose(backbone, HEADS["hidden"], layers)
    return float(np.abs(np.asarray(model(images)) - forward(layers, np.asarray(backbone(images)))).max())


def diverged() -> str:
    features, targets = data()
    features[7] = np.inf
    try:
        HeadTrainer(HEADS["linear"], features, targets, CLASSES, seed=0).train(SCHEDULE, np.arange(IMAGES), None)
    except InputError as error:
        return str(error)
    return ""


def step_milliseconds() -> float:
    """Of a linear head on 1,024 features, 5 classes, batches of 32; the best of ten epochs."""
    rng = np.random.default_rng(0)
    features, targets = rng.normal(0, 1, (3200, 1024)).astype(np.float32), rng.integers(0, 5, 3200)
    trainer = HeadTrainer(HEADS["linear"], features, targets, 5, seed=0)
    epochs = trainer.train(Schedule(1e-3, 10, 32), np.arange(3200), None).epochs
    return min(epoch.seconds for epoch in epochs) / 100 * 1e3


if __name__ == "__main__":
    start = time.perf_counter()
    found = {
        "against_keras": against_keras(),
        "repeated": repeated(),
        "composed": composed(),
        "diverged": diverged(),
        "step_milliseconds": step_milliseconds(),
    }
    print(json.dumps(found | {"seconds": time.perf_counter() - start}))
