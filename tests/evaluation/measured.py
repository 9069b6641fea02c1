"""Made-up measurements: artifacts as `imgrec evaluate` leaves them, of models that were never run."""

import functools
import tempfile
from pathlib import Path

import numpy as np

from imgrec.evaluation import evaluate, stored_predictions
from imgrec.evaluation.stored_predictions import Answers, halved
from imgrec.predictions.labels import CIFAR_10

MACHINE = "A processor, 2 cores, 4 GiB"


def measure(
    folder: Path,
    models: tuple[str, ...] = ("mobilenet", "mobilenet_v2", "mobilenet_a025_128"),
    count: int = 200,
    *,
    rest_of: tuple[str, ...] = (),
    name: str = "cifar10",
) -> None:
    """Write the answers of `models`, each better than the one before, to `count` images of ten classes.

    Those in `rest_of` know "something else" as an eleventh class.
    """
    for path, content in _measured(models, count, rest_of, name).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


@functools.cache
def _measured(models: tuple[str, ...], count: int, rest_of: tuple[str, ...], name: str) -> dict[str, bytes]:
    """The files that `measure` writes, made once: their bootstraps take a second."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _make(folder, models, count, rest_of, name)
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.suffix in {".json", ".parquet"}
        }


def _make(folder: Path, models: tuple[str, ...], count: int, rest_of: tuple[str, ...], name: str) -> None:
    target = np.arange(count) % 10
    ids = tuple(f"{i:05d}" for i in range(count))
    common = np.random.default_rng(0).normal(size=(count, 10))
    for place, model in enumerate(models):
        classes = 11 if model in rest_of else 10
        generator = np.random.default_rng(place + 1)
        logits = generator.normal(size=(count, classes))
        logits[:, :10] += common
        logits[np.arange(count), target] += 1.5 + 0.5 * place
        powers = np.exp(2 * logits)
        answers = Answers(ids, target, halved(powers / powers.sum(1, keepdims=True)))
        note = {
            "model": model,
            "dataset": name,
            "title": model,
            "key": "k",
            "label_space": "cifar_10",
            "weights_sha256": f"{place:064d}",
            "preprocess": "tf",
            "framing": "crop",
            "resampling": "bicubic",
            "input_size": [32, 32],
            "crop_fraction": 1.0,
            "runtime": "OpenVINO on CPU, float32",
            "versions": {"openvino": "1"},
            "parameters": 10 ** (place % 4 + 4),
            "measured_at": "2026-01-01T00:00:00+00:00",
            "failures": [{"id": "broken.png", "reason": "This is a text file."}] if place == 0 else [],
        }
        path = stored_predictions.predictions_path(folder, model, name)
        stored_predictions.write_part(path, answers, note)
        timing = {
            "cold_ms": 100.0,
            "latency_p50_ms": 2.0 + (place * 7) % 5,
            "latency_p95_ms": 4.0 + place,
            "throughput_per_s": 100.0,
            "memory_bytes": 2**24,
            "hardware": MACHINE,
            "timed_at": "2026-01-01T00:00:00+00:00",
            "note": "Restored." if place == 0 else "",
            "command": f"imgrec evaluate --data {name} --models {model}",
        }
        about = {
            "name": name,
            "label_space": "cifar_10",
            "labels": list(CIFAR_10.labels),
            "images": count,
            "classes": 10,
            "source": "made up",
            "flaws": ["Nothing in it is real."],
            "digest": "d" * 64,
            "unreachable": ["deer"] if rest_of else [],
        }
        stored_predictions.put_row(folder, evaluate.row_of(path) | timing, about)
