"""Measures again assets/benchmarks/corruptions.json: `python -m bench.corruptions DATA [SET …] [MODEL …]`.

DATA as of `bench.committed`. 41 inferences an image: of each set only the first images of each class are taken.
"""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from bench.committed import FOLDER, MEASUREMENTS
from imgrec.explanation.severity import measure_severity
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import Settings

# Images of each class: 493 and 500 photographs of as many classes, 400 cats and dogs, 1,000 small images of ten.
PER_CLASS = {"imagenet_val_a": 1, "imagenet_sample_even": 1, "catsdogs": 200, "cifar10": 100}

# For photographs: the usual ones, and small variants of one architecture. For CIFAR-10: those that come with imgrec.
PHOTOGRAPHS = (
    "mobilenet_a025_128",
    "mobilenet_a050_160",
    "mobilenet",
    "mobilenet_v2",
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
)
MODELS = {
    **dict.fromkeys(("imagenet_val_a", "imagenet_sample_even", "catsdogs"), PHOTOGRAPHS),
    "cifar10": tuple(spec.name for spec in BUILT_IN.values() if spec.bundled and spec.label_space == "cifar_10"),
}


def main(data: Path, names: list[str], models: list[str]) -> None:
    settings = Settings.from_env()
    os.chdir(data)  # sources in the file are names below it
    for name in names or PER_CLASS:
        wanted = replace(MEASUREMENTS[name], per_class=PER_CLASS[name])
        found = wanted.open(settings)
        for model in MODELS[name]:
            spec = BUILT_IN.get_spec(model)
            if (models and model not in models) or weights.locate(spec, settings) is None:
                continue
            start = time.perf_counter()
            command = f"python -m bench.corruptions DATA {name} {model}"
            row = measure_severity(spec, found, settings, FOLDER, framing=wanted.framing, command=command)
            means = " ".join(f"{row.accuracy(strength):.3f}" for strength in range(6))
            print(f"{name:16} {model:20} {row.images:5} {means}  {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    chosen = [name for name in sys.argv[2:] if name in PER_CLASS]
    main(Path(sys.argv[1]), chosen, [name for name in sys.argv[2:] if name not in PER_CLASS])
