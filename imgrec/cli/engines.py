"""Where the work of a command is done: in this process, or on a Ray cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from imgrec.cli.terminal import complain
from imgrec.errors import InputError
from imgrec.settings import ENGINES, LOCAL

if TYPE_CHECKING:
    from imgrec.evaluation.prediction_shards import Classifier
    from imgrec.evaluation.shard_work import Runner
    from imgrec.inference.pool import EnginePool


Engine = Annotated[
    str, typer.Option(help="local, or ray: on a cluster; without --address on one of processes of this machine.")
]
Address = Annotated[str | None, typer.Option(help="Of the cluster, such as head.example.org:6379, or auto.")]
Actors = Annotated[int | None, typer.Option(min=1, help="Workers on the cluster; by default one for each CPU but one.")]


def check_engine(engine: str, address: str | None, actors: int | None) -> None:
    """Raise `InputError` on an engine that there is not, or options of a cluster without one."""
    if engine not in ENGINES:
        raise InputError(f"Expected the engine {' or '.join(ENGINES)}. Received: {engine!r}.")
    if engine == LOCAL and (address is not None or actors is not None):
        given = "--address" if address is not None else "--actors"
        raise InputError(f"Expected {given} with --engine ray. Received: it with --engine local.")


@contextmanager
def open_engine(engine: str, address: str | None, actors: int | None) -> "Iterator[Runner]":
    """Yield what runs shards; a cluster is reached, or started, for the block. Raises as `scale.cluster.opened`."""
    from imgrec.evaluation.shard_work import run_here

    if engine == LOCAL:
        yield run_here
        return
    from imgrec.scale import cluster
    from imgrec.scale.ray_engine import RayEngine

    with cluster.opened(address, complain) as nodes:
        yield RayEngine(nodes, actors, complain)


@contextmanager
def open_classifier(engine: str, address: str | None, actors: int | None, pool: "EnginePool") -> "Iterator[Classifier]":
    """Yield what classifies shards of images, as `open_engine`; `pool` has the networks of this process."""
    from imgrec.evaluation.prediction_shards import classify_here

    if engine == "local":
        yield classify_here(pool)
        return
    from imgrec.scale import cluster
    from imgrec.scale.ray_engine import RayEngine

    with cluster.opened(address, complain) as nodes:
        yield RayEngine(nodes, actors, complain).classify
