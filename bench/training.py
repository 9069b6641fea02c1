"""Training throughput of `capstone_cnn`: our loop against the plain Keras script that a user would write.

    python -m bench.training            # 4 minutes

`keras`: the network compiled with Adam, `model.fit` on float32 arrays in [0, 1] with one-hot targets, batch 64, as in
every course. `imgrec`: the trainer's loop as a run uses it, uint8 images fed ahead, in the recipe's precision;
`imgrec_float32`: the same without bfloat16, to tell what comes from where. Each round is one epoch of `IMAGES`.
"""

import sys
import time
from collections.abc import Callable

import numpy as np

from bench import pairs

ROUNDS = 7
IMAGES = 6400


def data() -> tuple[np.ndarray, np.ndarray]:
    """Noise of the shape of CIFAR-10: throughput does not depend on what is on the images."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (IMAGES, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, IMAGES)


def plain() -> Callable[[], float]:
    """One epoch of `model.fit`, in images a second."""
    import keras

    from imgrec.training import networks

    pixels, targets = data()
    x, y = pixels.astype("float32") / 255, keras.utils.to_categorical(targets, 10)
    model = networks.capstone_cnn((32, 32), 10)
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])

    def epoch() -> float:
        start = time.perf_counter()
        model.fit(x, y, batch_size=64, epochs=1, verbose=0)
        return IMAGES / (time.perf_counter() - start)

    epoch()
    return epoch


def ours(precision: str) -> Callable[[], float]:
    """One epoch of the trainer's loop, in images a second."""
    from imgrec.data.dataset import Images
    from imgrec.training import trainer
    from imgrec.training.batches import batches
    from imgrec.training.recipes import get_recipe

    recipe = get_recipe("capstone_cnn")
    images = Images(*data())
    loop = trainer.Loop(recipe, images, 10, precision)

    def epoch() -> float:
        start = time.perf_counter()
        for pixels, targets in batches(images, recipe.augmentation, batch_size=recipe.batch_size, seed=0, epoch=0):
            loop.step(pixels, targets)
        loop.sums()  # waits for the last step
        return IMAGES / (time.perf_counter() - start)

    epoch()
    return epoch


SIDES: dict[str, Callable[[], Callable[[], float]]] = {
    "keras": plain,
    "imgrec": lambda: ours("bfloat16"),
    "imgrec_float32": lambda: ours("float32"),
}


def main() -> None:
    sides = {name: pairs.Side("bench.training", name) for name in SIDES}
    measured: dict[str, list[float]] = {name: [] for name in SIDES}
    for round_number in range(ROUNDS + 1):
        for name, side in sides.items():
            value = side.measure()
            if round_number:  # the first round starts the processes
                measured[name].append(value)
    for side in sides.values():
        side.end()
    pairs.save(
        "training",
        {
            "what": "images a second, one epoch of capstone_cnn with batches of 64",
            **{name: pairs.summary(values) for name, values in measured.items()},
            "ratio": pairs.ratio(measured["imgrec"], measured["keras"]),
            "ratio_float32": pairs.ratio(measured["imgrec_float32"], measured["keras"]),
        },
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        pairs.serve(SIDES[sys.argv[1]]())
    else:
        main()
