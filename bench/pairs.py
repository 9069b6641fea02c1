"""What the benchmarks share: two processes that take turns, the six models, and where results go."""

import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from imgrec.inference.process_info import processor, processor_flags, usable_cores
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.settings import ASSETS, ROOT, Settings

SIX = ("vgg16", "vgg19", "resnet50", "inception_v3", "densenet121", "mobilenet")

# Random weights and what was compiled from them: 3 GB, kept between runs.
HOME = Path(os.environ.get("IMGREC_BENCH_HOME", Path(tempfile.gettempdir()) / "imgrec-bench"))

PACKAGES = ("keras", "tensorflow-cpu", "openvino", "numpy", "pillow")

PHOTO_SIZE = (4000, 3000)

RESULTS = ROOT / "bench" / "results"


def settings() -> Settings:
    """Those of a server that has room for all."""
    return Settings.from_env(
        {
            "IMGREC_HOME": str(HOME / "imgrec"),
            "KERAS_HOME": str(HOME / "keras"),
            "IMGREC_OFFLINE": "1",
            "IMGREC_MEMORY_MIB": "4096",
        }
    )


def weights_path(spec: ModelSpec) -> Path:
    """Random weights of `spec`, where Keras looks for the published ones; made when they are missing."""
    path = settings().keras_home / "models" / spec.weights.filename
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "bench.random_weights", spec.name, path], cwd=ROOT, check=True)
    return path


def photo() -> Path:
    """Return a 12-megapixel JPEG of 2-4 MB with the noise of a real one, made from a sample."""
    path = HOME / "photo.jpg"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(ASSETS / "samples" / "cat.jpg") as sample:
            large = np.asarray(sample.convert("RGB").resize(PHOTO_SIZE, Image.Resampling.BICUBIC)).astype(np.float32)
        noise = np.random.default_rng(0).normal(0, 6, large.shape)
        Image.fromarray((large + noise).clip(0, 255).astype(np.uint8)).save(path, quality=90)
    return path


def prepare(names: Sequence[str] = SIX) -> None:
    """Everything that the two sides read: photo, weights, compiled networks."""
    from imgrec.inference.conversion import convert

    photo()
    for name in names:
        spec = BUILT_IN.get_spec(name)
        convert(spec, weights_path(spec), settings())


class Side:
    """One of the two processes; runs `measure` of its module when it is asked, and sleeps in between.

    It finds random weights, or those in `keras_home`.
    """

    def __init__(self, module: str, side: str, keras_home: Path | None = None) -> None:
        home = keras_home or settings().keras_home
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_HOME": str(home)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, side],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def measure(self) -> Any:
        """Return what the process answers to one request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("one side died; run its module with the side's name to see why")
        return json.loads(answer)

    def end(self) -> None:
        self._process.communicate()


def serve(measure: Callable[[], Any]) -> None:
    """Return the other end of `Side`: answer each line with what `measure` returns."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Keras prints
    for _ in sys.stdin:
        answers.write(json.dumps(measure()) + "\n")
        answers.flush()


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most, rounded to 0.1."""
    return {
        "median": round(statistics.median(values), 1),
        "least": round(min(values), 1),
        "most": round(max(values), 1),
    }


def ratio(values: Sequence[float], others: Sequence[float]) -> float:
    """Return the median of the ratios of values that were measured one after the other."""
    return round(statistics.median(value / other for value, other in zip(values, others, strict=True)), 3)


def save(name: str, results: dict[str, Any]) -> None:
    """Write bench/results/<name>.json, with what it was measured on, and print it."""
    load, _, _ = os.getloadavg()
    whole = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "hardware": {"processor": _processor(), "cores": usable_cores(), "load_average_at_end": round(load, 1)},
        "versions": {"python": platform.python_version()}
        | {
            name: importlib.metadata.version(name)
            for name in ("keras", "tensorflow-cpu", "openvino", "numpy", "pillow")
        },
        **results,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(whole, indent=2) + "\n")
    print(json.dumps(whole, indent=2))


def _processor() -> str:
    """Return the model, and the widest vectors that it computes with."""
    flags = processor_flags()
    widest = next((flag for flag in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if flag in flags), "")
    return f"{processor()}, {widest}"
