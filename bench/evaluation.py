"""How fast and how flat an evaluation is: `python -m bench.evaluation DATA [MODEL]`.

DATA is a folder or archive with labelled pictures; it is gone through again and again until there are enough. Pairs,
in turn: the evaluation of 1,000 pictures, from encoded bytes to answers, and a bare OpenVINO asynchronous loop over
1,000 tensors that are ready. Then the growth of memory from 1,000 to 10,000 pictures, in a process of its own each.
"""

import itertools
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from imgrec import evaluation, labelled
from imgrec.catalogue import ModelSpec, get_spec
from imgrec.labelled import Item
from imgrec.preparation import Preparations
from imgrec.preprocessing import frame
from imgrec.settings import MIB, Settings

PICTURES = 1_000
ROUNDS = 5


def items_of(found: labelled.LabelledSet, count: int) -> Iterator[tuple[int, Item]]:
    """`count` pictures, the set over and over."""
    return enumerate(itertools.islice(itertools.chain.from_iterable(found.items() for _ in itertools.count()), count))


def bare_loop(spec: ModelSpec, tensors: list[np.ndarray], path: object) -> float:
    """Pictures a second of nothing but inference."""
    from imgrec.engines.streaming import open_queue

    _, queue = open_queue(path)  # type: ignore[arg-type]
    queue.set_callback(lambda request, _: request.get_output_tensor(0).data[0].argmax())
    start = time.perf_counter()
    for i in range(PICTURES):
        queue.start_async([tensors[i % len(tensors)]], None, share_inputs=True)
    queue.wait_all()
    return PICTURES / (time.perf_counter() - start)


def evaluation_loop(
    spec: ModelSpec, found: labelled.LabelledSet, settings: Settings, path: object, count: int
) -> float:
    """Pictures a second from bytes to answers."""
    start = time.perf_counter()
    answered = sum(
        not isinstance(answer, str)
        for _, answer in evaluation.flow(spec, items_of(found, count), settings, path, "squash")  # type: ignore[arg-type]
    )
    return answered / (time.perf_counter() - start)


def main(data: str, model: str) -> None:
    settings, spec = Settings.from_env(), get_spec(model)
    found = labelled.open_set(data, settings)
    path = Preparations(settings).ensure(spec)
    first = [item for _, item in items_of(found, 50)]
    from imgrec.images import decode

    pixels = [decode(i.picture, max_bytes=10**8).pixels if isinstance(i.picture, bytes) else i.picture for i in first]
    tensors = [frame(one, spec.input_size, spec.crop_fraction, "squash")[np.newaxis] for one in pixels]
    bare, whole = [], []
    for _ in range(ROUNDS):
        bare.append(bare_loop(spec, tensors, path))
        whole.append(evaluation_loop(spec, found, settings, path, PICTURES))
    shares = [w / b for w, b in zip(whole, bare, strict=True)]
    memory = {count: _memory(data, model, count) for count in (1_000, 10_000)}
    print(
        json.dumps(
            {
                "model": model,
                "bare_per_s": round(statistics.median(bare), 1),
                "evaluation_per_s": round(statistics.median(whole), 1),
                "share": round(statistics.median(shares), 3),
                "shares": [round(share, 3) for share in shares],
                "peak_mib": memory,
                "hardware": evaluation.hardware(),
            },
            indent=1,
        )
    )


def _memory(data: str, model: str, count: int) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "bench.evaluation", data, model, str(count)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def peak(data: str, model: str, count: int) -> None:
    """Print the peak memory in MiB of evaluating `count` pictures, answers stored and summarised."""
    import tempfile
    from dataclasses import replace
    from pathlib import Path

    settings = Settings.from_env()
    found = labelled.open_set(data, settings)
    many = replace(
        found,
        ids=tuple(f"{i:06d}" for i in range(count)),
        targets=tuple(found.targets[i % len(found)] for i in range(count)),
        items=lambda: (item for _, item in items_of(found, count)),
    )
    with tempfile.TemporaryDirectory() as folder:
        evaluation.evaluate(get_spec(model), many, settings, Path(folder), framing="squash")
    print(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB, 1))


if __name__ == "__main__":
    chosen = sys.argv[2] if len(sys.argv) > 2 else "mobilenet"
    if len(sys.argv) > 3:
        peak(sys.argv[1], chosen, int(sys.argv[3]))
    else:
        main(sys.argv[1], chosen)
