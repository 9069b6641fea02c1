"""How fast and how flat an evaluation is, beside a bare OpenVINO asynchronous loop over tensors that are ready.

    python -m bench.evaluation DATA      # 3 minutes; DATA is a folder or archive with labeled images

The images are gone through again and again until there are enough. Throughput, in turns: MobileNet on 1,000 images,
from encoded bytes to answers, against 1,000 ready tensors; both load their network first. Memory: the peak of a process
that evaluates 1,000 images, of one for 2,000 and of one for 10,000, with the smallest network, answers stored and
summarized.
"""

import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench import pairs
from imgrec.data.dataset import Dataset, Item
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.evaluation import evaluate
from imgrec.images.decoding import decode
from imgrec.images.preprocessing import frame
from imgrec.inference.openvino_engine import open_queue
from imgrec.inference.preparation import Preparations
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.settings import MIB, ROOT, Settings

IMAGES, ROUNDS = 1_000, 5
THROUGHPUT_MODEL, MEMORY_MODEL = "mobilenet", "mobilenet_a025_128"
MEMORY_COUNTS = (1_000, 2_000, 10_000)
FRAMING = "squash"

# Tensors that are ready: more than fit in the processor's caches.
TENSORS = 100


def main(data: str) -> None:
    settings, spec = Settings.from_env(), BUILT_IN.get_spec(THROUGHPUT_MODEL)
    found = open_evaluation_split(data, settings)
    path = Preparations(settings).ensure(spec)
    tensors = [_tensor(item, spec) for item in itertools.islice(found.items(), TENSORS)]
    bare, whole = [], []
    for _ in range(ROUNDS):
        bare.append(bare_loop(tensors, path))
        whole.append(evaluation_loop(spec, found, settings, path))
    peaks = {str(count): _peak_of(data, count) for count in MEMORY_COUNTS}
    pairs.save(
        "evaluation",
        {
            "model": spec.name,
            "pictures": IMAGES,
            "bare_per_s": pairs.summary(bare),
            "evaluation_per_s": pairs.summary(whole),
            "ratio": pairs.ratio(whole, bare),
            "memory_model": MEMORY_MODEL,
            "peak_mib": peaks,
        },
    )


def bare_loop(tensors: list[np.ndarray], path: Path) -> float:
    """Measure images a second of nothing but inference."""
    start = time.perf_counter()
    _, queue = open_queue(path)
    queue.set_callback(lambda request, _: request.get_output_tensor(0).data[0].argmax())
    for i in range(IMAGES):
        queue.start_async([tensors[i % len(tensors)]], None, share_inputs=True)
    queue.wait_all()
    return IMAGES / (time.perf_counter() - start)


def evaluation_loop(spec: ModelSpec, found: Dataset, settings: Settings, path: Path) -> float:
    """Measure images a second from bytes to answers."""
    start = time.perf_counter()
    images = enumerate(repeated(found, IMAGES))
    answers = [answer for _, answer in evaluate.stream_predictions(spec, images, settings, path, FRAMING)]
    assert not any(isinstance(answer, str) for answer in answers)
    return len(answers) / (time.perf_counter() - start)


def repeated(found: Dataset, count: int) -> Iterator[Item]:
    """`count` images, the set over and over."""
    return itertools.islice(itertools.chain.from_iterable(found.items() for _ in itertools.count()), count)


def peak(data: str, count: int) -> None:
    """Print the peak memory in MiB of this process after it evaluated `count` images."""
    settings = Settings.from_env()
    found = open_evaluation_split(data, settings)
    many = replace(
        found,
        ids=tuple(f"{i:06d}" for i in range(count)),
        targets=tuple(found.targets[i % len(found)] for i in range(count)),
        is_test=(True,) * count,
        read=lambda _: ((f"{i:06d}", item.image) for i, item in enumerate(repeated(found, count))),
    )
    with tempfile.TemporaryDirectory() as folder:
        evaluate.evaluate(BUILT_IN.get_spec(MEMORY_MODEL), many, settings, Path(folder), framing=FRAMING)
    print(json.dumps(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB, 1)))


def _tensor(item: Item, spec: ModelSpec) -> np.ndarray:
    """Return what the network is given, uint8 (1, H, W, 3)."""
    pixels = decode(item.image, max_bytes=20 * MIB).pixels if isinstance(item.image, bytes) else item.image
    return frame(pixels, spec.input_size, spec.crop_fraction, FRAMING)[np.newaxis]


def _peak_of(data: str, count: int) -> float:
    command = [sys.executable, "-m", "bench.evaluation", data, str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        peak(sys.argv[1], int(sys.argv[2]))
    else:
        main(str(Path(sys.argv[1]).resolve()))
