"""Engines that run shards on the workers of a Ray cluster: of an evaluation, and of images to classify.

An actor computes on its own cores, with networks that it loads once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType

from imgrec.evaluation.prediction_shards import Classification
from imgrec.evaluation.shard_work import Answered, Work
from imgrec.evaluation.shards import Shard
from imgrec.reports.result import Result
from imgrec.scale import cluster, workers
from imgrec.scale.classifying_actor import ClassifyingActor
from imgrec.scale.cluster import Node
from imgrec.scale.shard_actor import ShardActor
from imgrec.scale.workers import Networks, Worker


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
        crew = _start(ray, work, self.nodes, self.actors, len(missing))
        found = workers.run(
            ray,
            crew,
            missing,
            # Names of files, which the worker opens; of a dataset in arrays its pixels.
            lambda actor, shard: actor.run.remote(work.labeled.slice(shard.positions), shard),
            work.labeled.ids,
            self.peaks,
            self.tell,
        )
        for shard, (answers, failures) in found:
            on_images(len(shard))
            yield shard, answers, failures

    def classify(self, work: Classification, missing: Sequence[Shard]) -> Iterator[tuple[Shard, list[Result]]]:
        """Classify the images of `missing` as `prediction_shards.classify_here`; raises as a call."""
        ray = cluster.load()
        networks = Networks({spec.name: work.compiled[spec.name].parent for spec in work.options.specs})
        where = workers.places(self.nodes, self.actors, len(missing), networks.worker_bytes)
        crew = workers.start(
            ray,
            ClassifyingActor,
            networks,
            where,
            lambda remote, threads, sent: remote.remote(
                work.options, networks.folders, sent, work.identities, work.settings.max_upload_bytes, threads
            ),
        )
        yield from workers.run(
            ray,
            crew,
            missing,
            lambda actor, shard: actor.run.remote(work.images.slice(shard.positions)),
            work.images.ids,
            self.peaks,
            self.tell,
        )


def worker_bytes(work: Work, threads: int) -> int:
    """Return the memory that a worker of an evaluation is given."""
    return _networks(work).worker_bytes(threads)


def _networks(work: Work) -> Networks:
    return Networks({work.spec.name: work.compiled.parent})


def _start(ray: ModuleType, work: Work, nodes: Sequence[Node], actors: int | None, shards: int) -> list[Worker]:
    networks = _networks(work)
    where = workers.places(nodes, actors, shards, networks.worker_bytes)
    return workers.start(
        ray,
        ShardActor,
        networks,
        where,
        lambda remote, threads, sent: remote.remote(
            work.spec, work.compiled.parent, sent, work.framing, work.settings.max_upload_bytes, threads
        ),
    )
