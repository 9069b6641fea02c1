"""Cross-validation of a head on a frozen MobileNet: imgrec against plain Keras, which computes all anew.

    KERAS_HOME=… python -m bench.cross_validation IMAGES        # 4 minutes; IMAGES: a folder of class folders

The protocol is that of PB3 (see `imgrec.evaluation.reference_tables`):
5 learning rates × 5 folds × 20 epochs in batches of 32, 4,800
images to train on and 1,200 to validate on in each fold, then one head on all 6,000, and 2,000 to test it on. Where
the folder has fewer, images come again under other names; that changes no time, and no accuracy is taken from them.

`imgrec`: the whole job as a user runs it, from the start of its process to the published model: decoding, features,
all 25 trials, the final head, the test. Only the conversion of the network, once for all runs, is timed apart.
`keras`: frozen MobileNet and a dense layer, `fit` on float32 arrays that are decoded, framed and normalized already.
A few steps of training and of validation are timed, before and after ours, and **extrapolated** to all that the
protocol has. Besides, both learn from the same few hundred images for some epochs, from the same first weights and
in the same order, and are compared on others: what Keras computes in each step, ours has computed beforehand.
"""

import itertools
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench import pairs
from imgrec.data.dataset import Images
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import Settings
from imgrec.training import transfer_config, transfer_job
from imgrec.training.transfer_config import TransferConfig

MODEL = "mobilenet"
CONFIG = TransferConfig(MODEL, learning_rates=(1e-2, 1e-3, 1e-4, 1e-5, 1e-6), folds=5, epochs=20, batch_size=32)
TRAIN, TEST = 6000, 2000

# Timed in each turn, after a warm-up.
STEPS, VALIDATION_STEPS, TURNS = 12, 12, 3

# The comparison of accuracy: enough steps to learn something, few enough to wait for.
SLICE_TRAIN, SLICE_TEST, SLICE_EPOCHS, SLICE_RATE = 480, 400, 2, 1e-2
SEED = 0


def steps(images: int) -> int:
    """Batches of an epoch, the last one smaller, as `fit` counts them."""
    return -(-images // CONFIG.batch_size)


def protocol_steps() -> tuple[int, int]:
    """(training, inference) steps of the whole protocol, the final head for as many epochs as the trials."""
    folds = CONFIG.folds
    epochs = CONFIG.trials * CONFIG.epochs
    training = epochs * steps(TRAIN * (folds - 1) // folds) + CONFIG.epochs * steps(TRAIN)
    return training, epochs * steps(TRAIN // folds) + steps(TEST)


def link(images: Path, folder: Path) -> None:
    """`TRAIN` and `TEST` images of `images` under `folder`, each class in its share, some more than once."""
    files = sorted(file for file in images.rglob("*") if file.suffix.lower() in {".jpg", ".jpeg", ".png"})
    if not files:
        raise SystemExit(f"Expected a folder of class folders with images. Received: {images}.")
    order = np.random.default_rng(0).permutation(len(files))
    for number, i in enumerate(itertools.islice(itertools.cycle(order), TRAIN + TEST)):
        part = "train" if number < TRAIN else "test"
        place = folder / part / files[i].parent.name / f"{number:05d}{files[i].suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(files[i].resolve())


def ours(data: Path, settings: Settings) -> dict[str, Any]:
    """Return the seconds of a whole run, and what they went into."""
    start = time.perf_counter()
    job = transfer_job.start(CONFIG, str(data), settings)
    while job.state in {"queued", "running"}:
        time.sleep(0.1)
    seconds = time.perf_counter() - start
    if job.state != "finished":
        raise SystemExit(f"{job.error} {job.last_words()}")
    progress = transfer_job.read_progress(job)
    assert len(progress.trials) == CONFIG.trials
    trial_seconds = sum(trial.seconds for trial in progress.trials)
    return {
        "seconds": seconds,
        "features_seconds": sum(part.seconds for part in progress.features),
        "trials_seconds": trial_seconds,
        "trial_epoch_milliseconds": 1e3 * trial_seconds / (CONFIG.trials * CONFIG.epochs),
    }


# ── The other side: Keras, in a process of its own ────────────────────────────────────────────────────────────────


def plain() -> Any:
    """Frozen MobileNet and a dense layer, as in every course."""
    import keras

    base = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(224, 224, 3), pooling="avg")
    from imgrec.inference import keras_networks
    from imgrec.models import weights

    spec, settings = BUILT_IN.get_spec(MODEL), Settings.from_env()
    # The same published weights, without the network that `weights="imagenet"` would ask for them.
    base.set_weights(keras_networks.load(CONFIG.backbone_spec(), weights.fetch(spec, settings)).get_weights())
    base.trainable = False
    model = keras.Sequential([base, keras.layers.Dense(5, activation="softmax")])
    model.compile(keras.optimizers.Adam(SLICE_RATE), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def keras_side(data: Path) -> Any:
    """Answer `pairs.serve` with milliseconds of a training and of a validation step; the first time accuracies too."""
    import keras

    from imgrec.images.preprocessing import normalize

    model = plain()
    noise = np.random.default_rng(0).integers(0, 256, (STEPS * CONFIG.batch_size, 224, 224, 3), dtype=np.uint8)
    x, y = normalize(noise, "tf"), np.arange(len(noise)) % 5
    few = slice(0, 2 * CONFIG.batch_size)
    told = False

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
            self.start = time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            self.seconds.append(time.perf_counter() - self.start)

        on_test_batch_begin, on_test_batch_end = on_train_batch_begin, on_train_batch_end

    def measure() -> dict[str, Any]:
        nonlocal told
        found: dict[str, Any] = {}
        if not told:
            found, told = compare(data), True
        model.fit(x[few], y[few], batch_size=CONFIG.batch_size, verbose=0)
        model.evaluate(x[few], y[few], batch_size=CONFIG.batch_size, verbose=0)
        training, validation = Clock(), Clock()
        model.fit(x, y, batch_size=CONFIG.batch_size, verbose=0, callbacks=[training])
        model.evaluate(x, y, batch_size=CONFIG.batch_size, verbose=0, callbacks=[validation])
        found["step_ms"] = 1e3 * statistics.fmean(training.seconds)
        found["validation_step_ms"] = 1e3 * statistics.fmean(validation.seconds)
        return found

    return measure


def compare(data: Path) -> dict[str, Any]:
    """Accuracy on the same images after the same epochs on the same others, by both."""
    from imgrec.data import features
    from imgrec.images import decoding
    from imgrec.images.preprocessing import frame, normalize
    from imgrec.training import heads

    classes = sorted(folder.name for folder in (data / "train").iterdir())
    # The first files are all different images: they repeat only after all have come.
    files = sorted((data / "train").rglob("*.*"), key=lambda file: file.name)[: SLICE_TRAIN + SLICE_TEST]
    decoded = (decoding.decode(file.read_bytes(), max_bytes=1 << 25) for file in files)
    pixels = np.stack([frame(image, (224, 224), features.CROP_FRACTION) for image in decoded])
    targets = np.array([classes.index(file.parent.name) for file in files])
    rows, others = np.arange(SLICE_TRAIN), np.arange(SLICE_TRAIN, len(files))
    found = features.extract(CONFIG.backbone_spec(), Images(pixels, targets), Settings.from_env())
    trainer = heads.HeadTrainer(transfer_config.HEADS["linear"], found.rows, targets, len(classes), seed=SEED)
    model = plain()
    model.layers[-1].set_weights(trainer.layers()[0])
    schedule = heads.Schedule(SLICE_RATE, SLICE_EPOCHS, CONFIG.batch_size)
    head = trainer.train(schedule, rows, None)
    mine = transfer_job.forward(head.layers, np.asarray(found.rows[others]))
    fed = normalize(pixels, "tf")
    for epoch in range(SLICE_EPOCHS):
        order = heads.batches(rows, CONFIG.batch_size, seed=SEED, epoch=epoch).reshape(-1)
        model.fit(fed[order], targets[order], batch_size=CONFIG.batch_size, shuffle=False, verbose=0)
    theirs = np.asarray(model.predict(fed[others], batch_size=CONFIG.batch_size, verbose=0))
    right = {name: said.argmax(axis=1) == targets[others] for name, said in (("keras", theirs), ("imgrec", mine))}
    return {
        "accuracy": {name: round(float(mask.mean()), 4) for name, mask in right.items()},
        "same_answer": round(float((theirs.argmax(axis=1) == mine.argmax(axis=1)).mean()), 4),
        "largest_difference": float(f"{np.abs(theirs - mine).max():.2g}"),
    }


def main(images: Path) -> None:
    from imgrec.inference.preparation import Preparations

    home = Path(tempfile.mkdtemp(prefix="imgrec-cross-validation-"))
    os.environ["IMGREC_HOME"] = str(home / "imgrec")
    settings = Settings.from_env()
    try:
        link(images, home / "data")
        start = time.perf_counter()
        Preparations(settings).ensure(CONFIG.backbone_spec())
        conversion_seconds = time.perf_counter() - start
        side = pairs.Side("bench.cross_validation", f"--keras={home / 'data'}", keras_home=settings.keras_home)
        turns = [side.measure()]
        whole = ours(home / "data", settings)
        turns += [side.measure() for _ in range(TURNS - 1)]
        side.end()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    training, inference = protocol_steps()
    seconds = [(turn["step_ms"] * training + turn["validation_step_ms"] * inference) / 1e3 for turn in turns]
    keras_seconds = statistics.median(seconds)
    pairs.save(
        "cross_validation",
        {
            "what": "PB3's protocol: 5 learning rates × 5 folds × 20 epochs of a head on a frozen MobileNet",
            "imgrec": {name: round(value, 1) for name, value in whole.items()},
            "conversion_once_seconds": round(conversion_seconds, 1),
            "keras_extrapolated": {
                "seconds": round(keras_seconds),
                "training_steps": training,
                "inference_steps": inference,
                "step_ms": pairs.summary([turn["step_ms"] for turn in turns]),
                "validation_step_ms": pairs.summary([turn["validation_step_ms"] for turn in turns]),
            },
            "ratio": round(whole["seconds"] / keras_seconds, 5),
            "times_as_fast": round(keras_seconds / whole["seconds"]),
            "same_slice": {
                "trained_on": SLICE_TRAIN,
                "tested_on": SLICE_TEST,
                "epochs": SLICE_EPOCHS,
                "learning_rate": SLICE_RATE,
                "accuracy": turns[0]["accuracy"],
                "same_answer": turns[0]["same_answer"],
                "largest_difference_of_a_probability": turns[0]["largest_difference"],
            },
        },
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Usage: KERAS_HOME=… python -m bench.cross_validation IMAGES (a folder of class folders)")
    if sys.argv[1].startswith("--keras="):
        os.environ["KERAS_BACKEND"] = "tensorflow"
        pairs.serve(keras_side(Path(sys.argv[1].removeprefix("--keras="))))
    else:
        main(Path(sys.argv[1]))
