"""Workers of a Ray cluster: where each has room, and shards run by them, of which any may die at any time.

Plain actors and `ray.wait`. Results come to the driver, which writes them: it is the one process that knows the place,
and writes each shard once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from imgrec.errors import EngineError, InputError
from imgrec.evaluation.shards import Shard
from imgrec.inference import conversion
from imgrec.scale.cluster import Node
from imgrec.scale.shard_queue import MAX_FAILURES, ShardQueue
from imgrec.settings import MIB

# Of a worker beside its networks: Python, Ray, OpenVINO, and the images that are being decoded (bench/scale.md).
WORKER_BYTES = 450 * MIB
THREAD_BYTES = 100 * MIB

# How often a killed worker is started again, and how long the driver looks elsewhere before it asks.
MAX_RESTARTS = 20
POLL_S = 1.0

# Of shards that were given up, named in the sentence.
MAX_NAMED = 5

# A worker's answer to a shard: what it found, its process id, the most bytes that it has held; or a sentence on why the
# shard as a whole failed.
Found = tuple[Any, int, int] | str


@dataclass(slots=True, eq=False)
class Worker:
    """An actor; `ready` is the answer that it is up, None when it has come."""

    actor: Any
    ready: Any


@dataclass(frozen=True, slots=True)
class Networks:
    """The folders of compiled networks on this machine, {model: folder}."""

    folders: dict[str, Path]

    def worker_bytes(self, threads: int) -> int:
        """Return the memory that a worker is given: more than it was measured to hold."""
        manifests = (conversion.read_manifest(folder / "model.xml") for folder in self.folders.values())
        loaded = sum(manifest.memory_bytes for manifest in manifests if manifest)
        return WORKER_BYTES + threads * THREAD_BYTES + loaded

    def content(self) -> dict[str, dict[str, bytes]]:
        """Return {model: {file: bytes}}, to be sent to machines that have none of it."""
        return {
            model: {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
            for model, folder in self.folders.items()
        }


def places(
    nodes: Sequence[Node], actors: int | None, shards: int, need: Callable[[int], int]
) -> list[tuple[Node, int]]:
    """Return the node and the cores of each worker.

    One CPU of the cluster stays free, as Ray may wait for ever where its actors have them all (ray#44687). Fewer
    workers than CPUs have several cores each. `need` tells the memory of a worker by its cores.

    Raises:
        InputError: There is no room for as many.
    """
    usable = max(1, sum(node.cpus for node in nodes) - 1)
    wanted = min(usable if actors is None else actors, shards)
    if not 1 <= wanted <= usable:
        raise InputError(f"Expected 1 to {usable} workers on this cluster. Received: {actors}.")
    for threads in range(max(1, usable // wanted), 0, -1):
        found: list[tuple[Node, int]] = []
        free = usable
        for node in nodes:
            fit = min(node.cpus // threads, node.memory_bytes // need(threads), free // threads)
            free -= fit * threads
            found += [(node, threads)] * fit
        if len(found) >= wanted:
            return found[:wanted]
        if threads == 1 and found and actors is None:
            return found
    need_mib = need(1) / MIB
    raise InputError(f"Expected room for {wanted} workers of {need_mib:,.0f} MiB. Received: less on this cluster.")


def start(
    ray: ModuleType,
    kind: type,
    networks: Networks,
    where: Sequence[tuple[Node, int]],
    make: Callable[[Any, int, Any], Any],
) -> list[Worker]:
    """Start a worker of `kind`, an actor's class, at each of the places `where`.

    `make` gets the class as Ray has it, the cores of the worker, and the content of the networks where it is on another
    machine, else None; it returns the actor.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    sent = None if all(node.is_here for node, _ in where) else ray.put(networks.content())
    workers = []
    for node, threads in where:
        remote = ray.remote(kind).options(
            num_cpus=threads,
            memory=networks.worker_bytes(threads),
            max_restarts=MAX_RESTARTS,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
        )
        actor = make(remote, threads, None if node.is_here else sent)
        workers.append(Worker(actor, actor.identify.remote()))
    return workers


def run(
    ray: ModuleType,
    workers: list[Worker],
    missing: Sequence[Shard],
    submit: Callable[[Any, Shard], Any],
    ids: Sequence[str],
    peaks: dict[int, int],
    tell: Callable[[str], None],
) -> Iterator[tuple[Shard, Any]]:
    """Yield each shard with what a worker found, as soon as it is there; the workers are ended at the end.

    Args:
        ray: The module.
        workers: As `start` returns them.
        missing: The shards.
        submit: Sends a shard to an actor; returns the reference to its `Found`.
        ids: Of all images, for sentences about shards.
        peaks: Gets the most bytes that each worker has held, by its process id; 0 until it has finished a shard.
        tell: Gets a sentence about each worker that is lost.

    Raises:
        EngineError: At the end, with a list, where shards were given up; at once where all workers have died for good.
    """
    queue = ShardQueue(missing)
    in_flight: dict[Any, tuple[Worker, Shard]] = {}
    try:
        while not queue.is_over:
            if not workers:
                raise EngineError("Expected a worker of the cluster to live. Received: all have died. "
                                  "What is finished is kept: run the command again.")  # fmt: skip
            for worker in workers:
                while worker.ready is None and (shard := queue.next_for(worker)) is not None:
                    in_flight[submit(worker.actor, shard)] = worker, shard
            starting = {worker.ready: worker for worker in workers if worker.ready is not None}
            done, _ = ray.wait([*in_flight, *starting], num_returns=1, timeout=POLL_S)
            for ref in done:
                if ref in starting:
                    _greet(ray, starting[ref], workers, peaks, tell)
                elif ref in in_flight:
                    worker, shard = in_flight.pop(ref)
                    try:
                        found: Found = ray.get(ref)
                    except ray.exceptions.RayActorError as error:
                        queue.lose(worker, _reason(error))
                        in_flight = {ref: entry for ref, entry in in_flight.items() if entry[0] is not worker}
                        worker.ready = worker.actor.identify.remote()
                        continue
                    except ray.exceptions.RayError as error:
                        found = _reason(error)
                    if isinstance(found, str):
                        queue.fail(worker, shard, found)
                        continue
                    value, pid, peak_bytes = found
                    peaks[pid] = peak_bytes
                    queue.finish(worker, shard)
                    yield shard, value
    finally:
        for worker in workers:
            ray.kill(worker.actor)
    if queue.given_up:
        raise EngineError(_given_up(ids, missing, queue.given_up))


def _greet(
    ray: ModuleType, worker: Worker, workers: list[Worker], peaks: dict[int, int], tell: Callable[[str], None]
) -> None:
    """Note that a worker is up, is still coming, or is dead for good."""
    try:
        peaks.setdefault(ray.get(worker.ready), 0)
    except ray.exceptions.ActorUnavailableError:
        worker.ready = worker.actor.identify.remote()
    except ray.exceptions.RayError as error:
        workers.remove(worker)
        tell(f"A worker is lost: {_reason(error)}")
    else:
        worker.ready = None


def _reason(error: BaseException) -> str:
    """Return the last line of an error, which in Ray's has the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]


def _given_up(ids: Sequence[str], missing: Sequence[Shard], given_up: dict[Shard, str]) -> str:
    named = [
        f"shard {shard.number} ({ids[shard.start]} to {ids[shard.stop - 1]}): {reason}"
        for shard, reason in sorted(given_up.items(), key=lambda entry: entry[0].number)[:MAX_NAMED]
    ]
    more = f" And {len(given_up) - MAX_NAMED:,} more." if len(given_up) > MAX_NAMED else ""
    return (
        f"Expected {len(missing):,} shards. Received: {len(missing) - len(given_up):,}, which are kept; the same "
        f"command tries the others again. Each of these failed {MAX_FAILURES} times: {' '.join(named)}{more}"
    )
