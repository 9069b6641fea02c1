"""How fast a contact sheet is, beside an evaluation of the same images with the same models, and what memory it takes.

    python -m bench.contact_sheet DATA [ROUNDS]     # 3 minutes; DATA is a folder of 500 labeled images

Throughput, in turns: `imgrec evaluate` decodes and classifies all images for one model after the other; a sheet decodes
each image once for all of them. Both read from the disk. Besides the time of the clock, which other processes disturb,
there is the time of the processor. Memory: of a process with its models loaded, how much more it takes at its peak
while it computes a sheet of all images (500, if there are as many), and how much more when it is finished.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench import pairs
from bench.memory import resident
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.data.image_paths import find_images
from imgrec.data.reader import stream_predictions
from imgrec.evaluation.contact_sheet import classify_images
from imgrec.inference.classify import open_pool
from imgrec.inference.preparation import Preparations
from imgrec.inference.process_info import give_back_memory
from imgrec.inference.request import Options
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ROOT, Settings

ONE, THREE = ("mobilenet",), ("mobilenet", "mobilenet_v2", "efficientnet_lite0")
IMAGES, ROUNDS = 120, 5


def main(data: str, rounds: int) -> None:
    results: dict[str, object] = {"pictures": IMAGES, "rounds": rounds}
    for names in (ONE, THREE):
        results[f"{len(names)}_models" if len(names) > 1 else "1_model"] = throughput(data, names, rounds)
    command = [sys.executable, "-m", "bench.contact_sheet", data, "memory"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    pairs.save("contact_sheet", results | {"memory": json.loads(done.stdout)})


def throughput(data: str, names: tuple[str, ...], rounds: int) -> dict[str, object]:
    """Measure images a second of both, through all models; the models of the sheet are loaded as on a server."""
    settings, specs = Settings.from_env(), BUILT_IN.get_specs(names)
    images = replace(find_images([data], most=IMAGES), words={})
    labeled = open_evaluation_split(data, settings)
    names_of_images = {str(file.name) for file in images.files}
    labeled = labeled.take([i for i, id_ in enumerate(labeled.ids) if id_ in names_of_images])
    assert len(labeled) == len(images), "DATA has images without a class"
    preparations = Preparations(settings)
    paths = {spec.name: preparations.ensure(spec) for spec in specs}
    pool = open_pool(settings, preparations)
    for spec in specs:
        pool.load(spec)
    options = Options.parse(specs)

    def evaluation() -> int:
        counts = [
            sum(1 for _ in stream_predictions(spec, enumerate(labeled.items()), settings, paths[spec.name], "crop"))
            for spec in specs
        ]
        return counts[0]

    def sheet() -> int:
        return sum(row.answer is not None for row in classify_images(images, options, pool, settings))

    turns = [(_timed(evaluation), _timed(sheet)) for _ in range(rounds + 1)][1:]  # the first warms up
    theirs, ours = zip(*turns, strict=True)
    return {
        "models": names,
        "evaluate_per_s": pairs.summary([wall for wall, _ in theirs]),
        "sheet_per_s": pairs.summary([wall for wall, _ in ours]),
        "ratio": pairs.ratio([wall for wall, _ in ours], [wall for wall, _ in theirs]),
        "ratio_by_processor_time": pairs.ratio([cpu for _, cpu in ours], [cpu for _, cpu in theirs]),
    }


def memory(data: str) -> dict[str, int]:
    """Measure MiB of anonymous memory that a whole sheet adds to a process with its models loaded."""
    settings, specs = Settings.from_env(), BUILT_IN.get_specs(THREE)
    pool, options = open_pool(settings), Options.parse(specs)
    few = find_images([data], most=8)
    list(classify_images(few, options, pool, settings))
    many = find_images([data])
    give_back_memory()
    before = peak = resident()["anonymous_mib"]
    rows = []
    for row in classify_images(many, options, pool, settings):
        rows.append(row)
        peak = max(peak, resident()["anonymous_mib"])
    give_back_memory()
    after = resident()["anonymous_mib"]
    return {"pictures": len(rows), "before_mib": before, "peak_added_mib": peak - before, "kept_mib": after - before}


def _timed(work: Callable[[], int]) -> tuple[float, float]:
    """Return images a second by the clock and by the processor."""
    start, started = time.perf_counter(), time.process_time()
    count = work()
    return count / (time.perf_counter() - start), count / (time.process_time() - started)


if __name__ == "__main__":
    folder = str(Path(sys.argv[1]).resolve())
    if sys.argv[2:] == ["memory"]:
        print(json.dumps(memory(folder)))
    else:
        main(folder, int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS)
