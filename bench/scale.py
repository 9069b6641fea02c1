"""How fast evaluations run on a Ray cluster of this machine, what a shard costs, and how flat memory is.

    python -m bench.scale DATA             # 10 minutes on two cores; DATA has at least 2,000 labeled images
    python -m bench.scale DATA 1 50 10000  # rounds, images, most rows: to see whether it runs

Throughput, in turns: the local engine, one worker with all cores, and a worker for each core, on the same images;
starting the cluster, the workers and loading the network are apart. A tenfold number of shards tells what a shard
costs. Memory: the peak of a process that takes in 10,000, 100,000 and 1,000,000 rows of simulated answers, with what
of it is the list of images. `bench/scale.md` is written from the results; `python -m bench.scale page` writes it anew.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from bench import pairs
from imgrec.data.dataset import Dataset, Raw
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.evaluation import evaluate, shards, stored_predictions
from imgrec.evaluation.shard_work import Answered, Runner, Work, run_here
from imgrec.evaluation.shards import Shard
from imgrec.evaluation.stored_predictions import Answers
from imgrec.inference.openvino_engine import open_queue
from imgrec.inference.preparation import Preparations
from imgrec.inference.process_info import usable_cores
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.labels import get_label_space
from imgrec.scale import cluster, ray_engine
from imgrec.scale.cluster import Node
from imgrec.scale.ray_engine import RayEngine
from imgrec.settings import MIB, ROOT, Settings

MODEL, IMAGES, ROUNDS = "mobilenet", 2_000, 3
ROWS = (10_000, 100_000, 1_000_000)

# What the page extrapolates to.
MANY, NODES, CORES_OF_A_NODE = 50_000_000, (1, 4, 16, 64), 16
PAGE = Path(__file__).with_name("scale.md")

Figures = dict[str, float]


def main(data: str, rounds: int = ROUNDS, images: int = IMAGES, most_rows: int = ROWS[-1]) -> None:
    """Measure and save everything."""
    settings, spec = Settings.from_env(), BUILT_IN.get_spec(MODEL)
    found = open_evaluation_split(data, settings)
    labeled = found.take(range(min(images, len(found))))
    work = Work(spec, labeled, settings, Preparations(settings).ensure(spec), "crop")
    start = time.perf_counter()
    assert len(found.contents) == 32 * len(found)
    hashed_per_s = len(found) / (time.perf_counter() - start)
    labeled = labeled.with_contents(found.contents[: 32 * len(labeled)])
    runs: dict[str, list[Figures]] = {}
    with ExitStack() as stack:
        start = time.perf_counter()
        nodes = stack.enter_context(cluster.opened(None, print))
        cluster_s = time.perf_counter() - start
        for _ in range(rounds):
            for name, run in _engines(nodes).items():
                runs.setdefault(name, []).append(_measure(work, run, shards.SHARD_IMAGES))
            runs.setdefault("small shards", []).append(_measure(work, _engines(nodes)["one worker"], 25))
    rates = {name: [figures["images_per_s"] for figures in found] for name, found in runs.items()}
    one, small = ([1 / rate for rate in rates[name]] for name in ("one worker", "small shards"))
    # Ten times as many shards took so much longer; each but the first ones is one more.
    more = 1 / 25 - 1 / shards.SHARD_IMAGES
    pairs.save(
        "scale",
        {
            "model": spec.name,
            "images": len(labeled),
            "shard_images": shards.SHARD_IMAGES,
            "images_per_s": {name: pairs.summary(values) for name, values in rates.items()},
            "one_worker_to_local": pairs.ratio(rates["one worker"], rates["local"]),
            "worker_for_each_core_to_local": pairs.ratio(rates["worker for each core"], rates["local"]),
            "shard_overhead_ms": pairs.summary([1e3 * (b - a) / more for a, b in zip(one, small, strict=True)]),
            "driver_cpu_ms_per_shard": pairs.summary([f["driver_cpu_ms_per_shard"] for f in runs["small shards"]]),
            "hashed_per_s": round(hashed_per_s),
            "cluster_start_s": round(cluster_s, 1),
            "workers_start_s": pairs.summary([f["start_s"] for f in runs["worker for each core"]]),
            "worker_peak_mib": max(f["worker_peak_mib"] for name in runs if name != "local" for f in runs[name]),
            "worker_given_mib": ray_engine.worker_bytes(work, 1) / MIB,
            "stored_bytes_per_image": round(runs["local"][0]["stored_bytes_per_image"]),
            "peak_mib_of_rows": {str(count): _peak_of(count) for count in ROWS if count <= most_rows},
        },
    )
    page()


def _engines(nodes: Sequence[Node]) -> dict[str, Runner]:
    return {
        "local": run_here,
        "one worker": RayEngine(nodes, actors=1, tell=print),
        "worker for each core": RayEngine(nodes, actors=usable_cores(), tell=print),
    }


def _measure(work: Work, run: Runner, size: int) -> Figures:
    """Run all images once, answers stored; the clock starts when every worker has its network."""
    begun = time.perf_counter()
    marks: list[tuple[float, float]] = []

    def mark() -> None:
        marks.append((time.perf_counter(), time.process_time()))

    plan = shards.list_shards(work.labeled, {}, range(0, len(work.labeled), size))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stack.callback(setattr, ray_engine, "_start", ray_engine._start)
        ray_engine._start = _waiting_start(ray_engine._start, mark)  # type: ignore[assignment]
        missing = shards.open_folder(Path(folder), plan)
        if run is run_here:
            queue = open_queue(work.compiled)
            mark()
            answered: Iterator[Answered] = run_here(work, missing, lambda done: None, queue=queue)
        else:
            answered = run(work, missing, lambda done: None)
        stored_bytes = 0
        for shard, answers, failures in answered:
            shards.put(Path(folder), shard, answers, failures)
            stored_bytes += (Path(folder) / shard.file_name).stat().st_size
        ended, cpu_s = time.perf_counter(), time.process_time()
    started, before_s = marks[0]
    peaks = getattr(run, "peaks", {}).values()
    return {
        "images_per_s": len(work.labeled) / (ended - started),
        "start_s": started - begun,
        "driver_cpu_ms_per_shard": 1e3 * (cpu_s - before_s) / len(plan),
        "stored_bytes_per_image": stored_bytes / len(work.labeled),
        "worker_peak_mib": max(peaks, default=0) / MIB,
    }


def _waiting_start(start: Callable[..., Any], mark: Callable[[], None]) -> Callable[..., Any]:
    """Return a start of workers that waits for all of them."""

    def started(ray: Any, *arguments: Any) -> Any:
        workers = start(ray, *arguments)
        ray.get([worker.ready for worker in workers])
        mark()
        return workers

    return started


def rows(count: int) -> None:
    """Print the peak of this process in MiB: with `count` images listed, all answers merged, the figures made."""
    space = get_label_space("cifar_10")
    classes = len(space.labels)
    targets = tuple(i % classes for i in range(count))
    ids = tuple(f"part-{i // 1000:05d}/{i:09d}.jpg" for i in range(count))

    def read(wanted: Collection[str]) -> Iterator[tuple[str, Raw]]:
        return ((id_, id_.encode()) for id_ in ids if id_ in wanted)

    labeled = Dataset("simulated", space, ids, targets, (True,) * count, read, "simulated").with_contents(
        bytes(32 * count)
    )
    listed = _peak_mib()

    def run(work: Work, missing: Sequence[Shard], on_images: Callable[[int], None]) -> Iterator[Answered]:
        generator = np.random.default_rng(0)
        for shard in missing:
            at = shard.positions
            probabilities = generator.dirichlet(np.ones(classes), len(shard)).astype(np.float32)
            answers = Answers(
                tuple(labeled.ids[i] for i in at),
                np.array([targets[i] for i in at]),
                stored_predictions.halved(probabilities),
            )
            yield shard, answers, []

    merged = 0.0
    make_row = evaluate.row_of

    def row_of(path: Path) -> dict[str, Any]:
        nonlocal merged
        merged = _peak_mib()
        return make_row(path)

    evaluate.row_of = row_of
    spec = BUILT_IN.get_spec("cifar_dense")
    with tempfile.TemporaryDirectory() as folder:
        timing = evaluate.Timing(0, 0, 0, 0, None, "none", "none")
        row = evaluate.evaluate(spec, labeled, Settings.from_env(), Path(folder), run=run, timing=timing)
    assert row["images"] == count
    print(json.dumps({"listed": listed, "merged": merged, "figures": _peak_mib()}))


def page() -> None:
    """Write `bench/scale.md` from the results."""
    found = json.loads((pairs.RESULTS / "scale.json").read_text())
    rates = {name: figures["median"] for name, figures in found["images_per_s"].items()}
    cores = found["hardware"]["cores"]
    per_core = rates["worker for each core"] / cores
    overhead_s, driver_s = (found[key]["median"] / 1e3 for key in ("shard_overhead_ms", "driver_cpu_ms_per_shard"))
    shard_count = MANY / found["shard_images"]
    read_h, driver_h = MANY / found["hashed_per_s"] / 3600, shard_count * driver_s / 3600
    ratios = {"one worker": "one_worker_to_local", "worker for each core": "worker_for_each_core_to_local"}
    beside = {name: found[ratios[name]] if name in ratios else rate / rates["local"] for name, rate in rates.items()}
    lines = [
        "# Evaluations on a cluster",
        "",
        f"Written by `python -m bench.scale DATA` from [results/scale.json](results/scale.json): {found['model']}, "
        f"{found['images']:,} images, {found['hardware']['processor']}, {cores} cores, load average at the end "
        f"{found['hardware']['load_average_at_end']}. Starting the cluster ({found['cluster_start_s']} s) "
        f"and its workers "
        f"({found['workers_start_s']['median']} s) is apart.",
        "",
        "| engine | images a second | beside local |",
        "|---|---:|---:|",
        *(f"| {name} | {rate:.1f} | {beside[name]:.0%} |" for name, rate in rates.items()),
        "",
        f"Small shards are one worker with 25 images a shard in place of {found['shard_images']}: each "
        f"further shard costs "
        f"{found['shard_overhead_ms']['median']} ms, and the driver {found['driver_cpu_ms_per_shard']['median']} ms of "
        f"computing. A worker held at most {found['worker_peak_mib']:.0f} MiB, files that it maps included; "
        f"it is given "
        f"{found['worker_given_mib']:.0f} MiB. An image takes {found['stored_bytes_per_image']:,} bytes of "
        f"stored answers.",
        "",
        "Memory of the driver, in MiB, with simulated answers of ten classes:",
        "",
        "| images | listed | all shards merged | figures made |",
        "|---:|---:|---:|---:|",
        *(
            f"| {int(count):,} | {peak['listed']} | {peak['merged']} | {peak['figures']} |"
            for count, peak in found["peak_mib_of_rows"].items()
        ),
        "",
        "Shards and their merging hold no more for more images than the list of their names does; the figures of a row "
        "hold a few numbers for each image, which the exact intervals need.",
        "",
        f"## {MANY:,} images, on paper",
        "",
        f"Nodes of {CORES_OF_A_NODE} cores as fast as these, one core of the cluster left free, images as "
        f"large as these. "
        f"The driver reads every image once for its sha256, at {found['hashed_per_s']:,} a second: {read_h:,.1f} h, "
        f"whatever the number of nodes; of a store (s3://…) it lists names and versions, and reads none. "
        f"Taking in {shard_count:,.0f} shards keeps it busy for "
        f"{driver_h:,.1f} h, beside "
        f"the workers. The answers take {MANY * found['stored_bytes_per_image'] / 1e9:,.0f} GB.",
        "",
        "| nodes | workers' hours | with reading | hours of nodes |",
        "|---:|---:|---:|---:|",
    ]
    for nodes in NODES:
        workers = nodes * CORES_OF_A_NODE - 1
        hours = max((MANY / per_core + shard_count * max(overhead_s, 0.0)) / workers / 3600, driver_h)
        lines.append(f"| {nodes} | {hours:,.1f} | {hours + read_h:,.1f} | {nodes * (hours + read_h):,.0f} |")
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _peak_mib() -> float:
    # The peak of `resource` is that of the parent where it was larger.
    status = Path("/proc/self/status").read_text()
    return round(int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) * 1024 / MIB, 1)


def _peak_of(count: int) -> Figures:
    command = [sys.executable, "-m", "bench.scale", "rows", str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: Figures = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    if sys.argv[1] == "page":
        page()
    elif sys.argv[1] == "rows":
        rows(int(sys.argv[2]))
    else:
        main(sys.argv[1], *map(int, sys.argv[2:]))
