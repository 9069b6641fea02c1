"""What else could make the engine faster or smaller, each against what imgrec does, in turns.

    python -m bench.engine_ideas DATA [ROUNDS]     # 2 minutes; DATA is a folder with labeled images

- `sizes`: one network in three input sizes, compiled once for all of them against once for each.
- `streams`: images of a sheet two at a time, each on a core, against one after the other, each on all cores; there the
  network is compiled a second time.
- `decoders`: an evaluation whose images are decoded by one thread, against one for each core.
- `loading`: three networks that are not loaded answer one image, while another thread loads the next one, against one
  after the other.

A ratio below 1 is a gain: of milliseconds by the clock, and of the processor, which other processes disturb less.
"""

import itertools
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import pairs
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.data.reader import decode, framed_for, stream_predictions
from imgrec.inference.classify import classify, open_pool
from imgrec.inference.openvino_engine import OpenVINOEngine, configuration, open_queue, read_graph, runtime, stream
from imgrec.inference.preparation import Preparations
from imgrec.inference.process_info import anonymous_bytes, give_back_memory
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.prediction import Prediction
from imgrec.settings import MIB, Settings

MODEL, THREE = "mobilenet", ("mobilenet", "mobilenet_v2", "efficientnet_lite0")
SIZES = (224, 192, 160)
IMAGES, ROUNDS = 40, 9

Work = Callable[[], object]


def main(data: str, rounds: int) -> None:
    settings, spec = Settings.from_env(), BUILT_IN.get_spec(MODEL)
    preparations = Preparations(settings)
    path = preparations.ensure(spec)
    for name in THREE:
        preparations.ensure(BUILT_IN.get_spec(name))
    items = list(itertools.islice(open_evaluation_split(data, settings).items(), IMAGES))
    images = [framed_for(decode(item, settings), spec, "crop") for item in items]
    queue = open_queue(path)

    def evaluation(threads: int | None) -> Work:
        return lambda: list(stream_predictions(spec, enumerate(items), settings, path, "crop", queue, threads))

    results = {
        "sizes": sizes(path, rounds),
        "streams": streams(path, images, rounds),
        "decoders": compare(evaluation(1), evaluation(None), rounds),
        "loading": loading(decode(items[0], settings), settings, preparations, rounds),
    }
    pairs.save("engine_ideas", {"model": MODEL, "pictures": IMAGES, "rounds": rounds} | results)


def compare(idea: Work, today: Work, rounds: int) -> dict[str, Any]:
    """Return the milliseconds of both and their ratios; each begins as often."""
    works = (idea, today)
    clock: tuple[list[float], list[float]] = ([], [])
    processor: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for at in (0, 1) if turn % 2 else (1, 0):
            start, started = time.perf_counter(), time.process_time()
            works[at]()
            taken = time.perf_counter() - start, time.process_time() - started
            if turn:  # the first warms up
                clock[at].append(taken[0] * 1e3)
                processor[at].append(taken[1] * 1e3)
    return {
        "idea_ms": pairs.summary(clock[0]),
        "today_ms": pairs.summary(clock[1]),
        "ratio": pairs.ratio(*clock),
        "ratio_by_processor_time": pairs.ratio(*processor),
    }


def sizes(path: Path, rounds: int) -> dict[str, Any]:
    """Measure one network that takes any size against one for each."""
    inputs = [np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8) for side in SIZES]

    def requests(shapes: Sequence[Sequence[int]]) -> tuple[list[Any], float]:
        give_back_memory()
        before = anonymous_bytes() or 0
        made = []
        for shape in shapes:
            model = read_graph(path)
            model.reshape(list(shape))
            compiled = runtime().Core().compile_model(model, "CPU", configuration("LATENCY"))
            made.append(compiled.create_infer_request())
        for pixels, request in zip(inputs, itertools.cycle(made), strict=False):
            request.infer([pixels])
        give_back_memory()
        return made, ((anonymous_bytes() or 0) - before) / MIB

    apart, apart_mib = requests([one.shape for one in inputs])
    together, together_mib = requests([(1, -1, -1, 3)])

    def run(made: Sequence[Any]) -> list[np.ndarray]:
        pairs_of = zip(inputs, itertools.cycle(made), strict=False)
        # Many visitors, each with another size.
        return [np.array(request.infer([pixels])[0]) for pixels, request in itertools.islice(pairs_of, len(inputs))]

    same = all(np.array_equal(one, other) for one, other in zip(run(apart), run(together), strict=True))
    return compare(lambda: run(together), lambda: run(apart), 3 * rounds) | {
        "sizes_px": list(SIZES),
        "idea_mib": round(together_mib, 1),
        "today_mib": round(apart_mib, 1),
        "same_bits": same,
    }


def streams(path: Path, images: Sequence[np.ndarray], rounds: int) -> dict[str, Any]:
    """Measure the images of a sheet on streams against the engine that serves."""
    engine = OpenVINOEngine(path, 0)
    give_back_memory()
    before, started = anonymous_bytes() or 0, time.process_time()
    queue = open_queue(path)
    dict(stream(path, enumerate(images), queue))
    loading_s = time.process_time() - started
    give_back_memory()
    added_mib = ((anonymous_bytes() or 0) - before) / MIB

    def on_streams() -> dict[int, np.ndarray]:
        return dict(stream(path, enumerate(images), queue))

    def on_all_cores() -> dict[int, np.ndarray]:
        return {at: engine.predict(image[np.newaxis])[0] for at, image in enumerate(images)}

    ours, theirs = on_streams(), on_all_cores()
    return compare(on_streams, on_all_cores, rounds) | {
        "added_mib": round(added_mib, 1),
        "loading_and_first_block_processor_s": round(loading_s, 2),
        "same_bits": all(np.array_equal(ours[at], theirs[at]) for at in theirs),
    }


def loading(image: Any, settings: Settings, preparations: Preparations, rounds: int) -> dict[str, Any]:
    """Measure networks that are loaded ahead against those that are loaded when their turn comes."""
    specs = BUILT_IN.get_specs(THREE)
    inference_ms: dict[bool, list[float]] = {True: [], False: []}

    def answers(ahead: bool) -> None:
        pool = open_pool(settings, preparations)
        loader = threading.Thread(target=lambda: [pool.load(spec) for spec in specs])
        if ahead:
            loader.start()
        outcomes = list(classify(image, specs, pool))
        assert all(isinstance(outcome, Prediction) for outcome in outcomes)
        inference_ms[ahead].append(sum(one.milliseconds for one in outcomes if isinstance(one, Prediction)))
        if ahead:
            loader.join()
        for spec in specs:
            pool.unload(spec.name)

    return compare(lambda: answers(True), lambda: answers(False), rounds) | {
        "idea_inferences_ms": pairs.summary(inference_ms[True][1:]),
        "today_inferences_ms": pairs.summary(inference_ms[False][1:]),
    }


if __name__ == "__main__":
    folder = str(Path(sys.argv[1]).resolve())
    main(folder, int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS)
