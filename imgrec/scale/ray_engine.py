"""Shards run by the workers of a Ray cluster: plain actors and `ray.wait`, of which any may die at any time.

An actor computes on its own cores, a network that it loads once. Results come to the driver, which writes them: it is
the one process that knows the folder, and writes each shard once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from imgrec.errors import EngineError, InputError
from imgrec.evaluation.shard_work import Answered, Work
from imgrec.evaluation.shards import Shard
from imgrec.inference import conversion
from imgrec.scale import cluster
from imgrec.scale.cluster import Node
from imgrec.scale.shard_actor import ShardActor
from imgrec.scale.shard_queue import MAX_FAILURES, ShardQueue
from imgrec.settings import MIB

# Of a worker beside its network: Python, Ray, OpenVINO, and the images that are being decoded (bench/scale.md).
WORKER_BYTES = 450 * MIB
THREAD_BYTES = 100 * MIB

# How often a killed worker is started again, and how long the driver looks elsewhere before it asks.
MAX_RESTARTS = 20
POLL_S = 1.0

# Until then nothing is said about workers that have not come up.
PATIENCE_S = 60.0

# Of shards that were given up, named in the sentence.
MAX_NAMED = 5


@dataclass(slots=True, eq=False)
class _Worker:
    """An actor; `ready` is the answer that it is up, None when it has come."""

    actor: Any
    ready: Any


@dataclass(frozen=True, slots=True)
class RayEngine:
    """A `Runner` on `nodes`; `actors` is the number of workers, as many as there is room for unless it is given.

    `peaks` gets the most bytes that each worker has held, by its process id; 0 until it has finished a shard.
    """

    nodes: Sequence[Node]
    actors: int | None = None
    tell: Callable[[str], None] = lambda sentence: None
    peaks: dict[int, int] = field(default_factory=dict)

    def __call__(self, work: Work, missing: Sequence[Shard], on_images: Callable[[int], None]) -> Iterator[Answered]:
        """Run `missing` as `Runner`; raises `EngineError` at the end, with a list, where shards were given up."""
        ray = cluster.load()
        queue = ShardQueue(missing)
        workers = _start(ray, work, self.nodes, self.actors, len(missing))
        in_flight: dict[Any, tuple[_Worker, Shard]] = {}
        try:
            while not queue.is_over:
                if not workers:
                    raise EngineError("Expected a worker of the cluster to live. Received: all have died. "
                                      "What is finished is kept: run the command again.")  # fmt: skip
                for worker in workers:
                    while worker.ready is None and (shard := queue.next_for(worker)) is not None:
                        in_flight[_submit(worker, work, shard)] = worker, shard
                starting = {worker.ready: worker for worker in workers if worker.ready is not None}
                done, _ = ray.wait([*in_flight, *starting], num_returns=1, timeout=POLL_S)
                for ref in done:
                    if ref in starting:
                        self._greet(ray, starting[ref], workers)
                    elif ref in in_flight:
                        worker, shard = in_flight.pop(ref)
                        try:
                            found = ray.get(ref)
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
                        answers, failures, pid, peak_bytes = found
                        self.peaks[pid] = peak_bytes
                        queue.finish(worker, shard)
                        on_images(len(shard))
                        yield shard, answers, failures
        finally:
            for worker in workers:
                ray.kill(worker.actor)
        if queue.given_up:
            raise EngineError(_given_up(work, missing, queue.given_up))

    def _greet(self, ray: ModuleType, worker: _Worker, workers: list[_Worker]) -> None:
        """Note that a worker is up, is still coming, or is dead for good."""
        try:
            self.peaks.setdefault(ray.get(worker.ready), 0)
        except ray.exceptions.ActorUnavailableError:
            worker.ready = worker.actor.identify.remote()
        except ray.exceptions.RayError as error:
            workers.remove(worker)
            self.tell(f"A worker is lost: {_reason(error)}")
        else:
            worker.ready = None


def worker_bytes(work: Work, threads: int) -> int:
    """Return the memory that a worker is given: more than it was measured to hold."""
    manifest = conversion.read_manifest(work.compiled)
    return WORKER_BYTES + threads * THREAD_BYTES + (manifest.memory_bytes if manifest else 0)


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


def _start(ray: ModuleType, work: Work, nodes: Sequence[Node], actors: int | None, shards: int) -> list[_Worker]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    folder = work.compiled.parent
    found = places(nodes, actors, shards, lambda threads: worker_bytes(work, threads))
    sent = None
    if not all(node.is_here for node, _ in found):
        sent = ray.put({file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()})
    workers = []
    for node, threads in found:
        actor = (
            ray.remote(ShardActor)
            .options(
                num_cpus=threads,
                memory=worker_bytes(work, threads),
                max_restarts=MAX_RESTARTS,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
            )
            .remote(
                work.spec,
                folder,
                None if node.is_here else sent,
                work.framing,
                work.settings.max_upload_bytes,
                threads,
            )
        )
        workers.append(_Worker(actor, actor.identify.remote()))
    return workers


def _submit(worker: _Worker, work: Work, shard: Shard) -> Any:
    """Send a shard: names of files, which the worker opens; the pixels of a dataset in arrays."""
    return worker.actor.run.remote(work.labeled.slice(shard.positions), shard)


def _reason(error: BaseException) -> str:
    """Return the last line of an error, which in Ray's has the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]


def _given_up(work: Work, missing: Sequence[Shard], given_up: dict[Shard, str]) -> str:
    ids = work.labeled.ids
    named = [
        f"shard {shard.number} ({ids[shard.start]} to {ids[shard.stop - 1]}): {reason}"
        for shard, reason in sorted(given_up.items(), key=lambda entry: entry[0].number)[:MAX_NAMED]
    ]
    more = f" And {len(given_up) - MAX_NAMED:,} more." if len(given_up) > MAX_NAMED else ""
    return (
        f"Expected {len(missing):,} shards. Received: {len(missing) - len(given_up):,}, which are kept; the same "
        f"command tries the others again. Each of these failed {MAX_FAILURES} times: {' '.join(named)}{more}"
    )
