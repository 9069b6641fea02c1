"""How many images a second `imgrec evaluate` and a contact sheet classify, beside a bare loop that decodes too.

    python -m bench.many_images DATA [ROUNDS]     # 2 minutes; DATA is a folder with labeled images

The bare loop is what OpenVINO's documentation shows, and no more: Pillow decodes, resizes and crops in the main thread,
an asynchronous queue of requests computes, an image on each core. With several models it decodes each image once, keeps
what the networks are given, and runs one model after the other. All sides have their networks loaded, read from the
disk, take turns, and each begins as often. An evaluation also scores; a sheet also combines the models and makes a
thumbnail of each image, so there is its ratio to a bare loop that makes such thumbnails too. Besides images a second by
the clock there is the ratio by the time of the processor, which other processes disturb less.
"""

import io
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench import pairs
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.data.image_paths import find_images
from imgrec.evaluation import shards
from imgrec.evaluation.contact_sheet import THUMBNAIL_PX, classify_images
from imgrec.evaluation.shard_work import Work, run_here
from imgrec.images.decoding import THUMBNAIL_QUALITY
from imgrec.images.preprocessing import find_box
from imgrec.inference.classify import open_pool
from imgrec.inference.openvino_engine import open_queue
from imgrec.inference.preparation import Preparations
from imgrec.inference.request import Options
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.settings import Settings

ONE, THREE = ("mobilenet",), ("mobilenet", "mobilenet_v2", "efficientnet_lite0")
IMAGES, ROUNDS = 120, 9

Side = Callable[[], int]


def main(data: str, rounds: int) -> None:
    results = {f"models_{len(names)}": measure(data, names, rounds) for names in (ONE, THREE)}
    pairs.save("many_images", {"pictures": IMAGES, "rounds": rounds} | results)


def measure(data: str, names: Sequence[str], rounds: int) -> dict[str, Any]:
    """Measure images a second of all sides, through all models."""
    times = take_turns(sides(data, names), rounds)
    results: dict[str, Any] = {"models": list(names)}
    for side, taken in times.items():
        results[f"{side}_per_s"] = pairs.summary([wall for wall, _ in taken])
    for side, other in (("evaluate", "bare"), ("sheet", "bare"), ("sheet", "bare_with_thumbnails")):
        for way, place in (("", 0), ("_by_processor_time", 1)):
            ours, theirs = ([taken[place] for taken in times[one]] for one in (side, other))
            results[f"{side}_to_{other}{way}"] = pairs.ratio(ours, theirs)
    return results


def take_turns(sides: dict[str, Side], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return images a second by the clock and by the processor, of each side in each round."""
    names = list(sides)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            start, started = time.perf_counter(), time.process_time()
            count = sides[name]()
            taken = count / (time.perf_counter() - start), count / (time.process_time() - started)
            if turn:  # the first warms up
                times[name].append(taken)
    return times


def sides(data: str, names: Sequence[str]) -> dict[str, Side]:
    """Return what is measured; the networks are loaded."""
    settings, specs = Settings.from_env(), BUILT_IN.get_specs(names)
    images = replace(find_images([data], most=IMAGES), words={})
    labeled = open_evaluation_split(data, settings)
    names_of_images = {str(file.name) for file in images.files}
    labeled = labeled.take([i for i, id_ in enumerate(labeled.ids) if id_ in names_of_images])
    assert len(labeled) == len(images), "DATA has images without a class"
    preparations = Preparations(settings)
    paths = [preparations.ensure(spec) for spec in specs]
    pool = open_pool(settings, preparations)
    for spec in specs:
        pool.load(spec)
    queues = [open_queue(path) for path in paths]
    options = Options.parse(specs)
    files = [Path(labeled.source, id_) for id_ in labeled.ids]

    def evaluation() -> int:
        for spec, path, queue in zip(specs, paths, queues, strict=True):
            work = Work(spec, labeled, settings, path, "crop")
            plan = shards.list_shards(labeled, {"model": spec.name}, None)
            answers = run_here(work, plan, lambda finished: None, queue=queue)
            assert sum(len(found.ids) for _, found, _ in answers) == len(labeled)
        return len(labeled)

    def sheet() -> int:
        return sum(row.answer is not None for row in classify_images(images, options, pool, settings))

    return {
        "bare": lambda: bare_loop(files, specs, queues),
        "evaluate": evaluation,
        "sheet": sheet,
        "bare_with_thumbnails": lambda: bare_loop(files, specs, queues, thumbnail),
    }


def bare_loop(
    files: Sequence[Path],
    specs: Sequence[ModelSpec],
    queues: Sequence[tuple[Any, Any]],
    work: Callable[[Image.Image], object] = lambda image: None,
) -> int:
    """Run the loop, and do `work` with each decoded image."""
    kept: list[dict[tuple[tuple[int, int], float], np.ndarray]] = []
    answers: list[list[np.ndarray]] = [[] for _ in specs]
    for spec, (_, queue), found in zip(specs, queues, answers, strict=True):
        queue.set_callback(lambda request, _, found=found: found.append(request.get_output_tensor(0).data[0].copy()))
        for at, file in enumerate(files):
            if spec is specs[0]:
                image = Image.open(file).convert("RGB")
                kept.append({(one.input_size, one.crop_fraction): _framed(image, one) for one in specs})
                work(image)
            queue.start_async([kept[at][spec.input_size, spec.crop_fraction]], None, share_inputs=True)
        queue.wait_all()
    assert all(len(found) == len(files) for found in answers)
    return len(files)


def thumbnail(image: Image.Image) -> bytes:
    """Return what a sheet keeps of an image."""
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=THUMBNAIL_QUALITY)
    return buffer.getvalue()


def _framed(image: Image.Image, spec: ModelSpec) -> np.ndarray:
    """Return what the network is given, uint8 (1, H, W, 3)."""
    box = find_box(image.size[::-1], spec.input_size, spec.crop_fraction)
    resized = image.resize(spec.input_size[::-1], Image.Resampling.BICUBIC, box)
    return np.asarray(resized)[np.newaxis]


if __name__ == "__main__":
    folder = str(Path(sys.argv[1]).resolve())
    main(folder, int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS)
