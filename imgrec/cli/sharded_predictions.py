"""`imgrec predict` in shards: on a cluster, or into files that a stopped run goes on with."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from imgrec.cli.engines import open_classifier
from imgrec.cli.named_images import STDIN, expand
from imgrec.cli.terminal import complain, count_line, say
from imgrec.errors import InputError
from imgrec.files import typed_path
from imgrec.settings import Settings

if TYPE_CHECKING:
    from imgrec.evaluation.prediction_shards import Classification
    from imgrec.inference.pool import EnginePool
    from imgrec.inference.preparation import Preparations
    from imgrec.inference.request import Options
    from imgrec.reports.result import Result


def check_names(names: Sequence[str]) -> None:
    """Raise `InputError` on what a worker elsewhere cannot open, or is fetched only once."""
    from imgrec.images import remote

    for name in names:
        if name == STDIN or remote.is_address(name):
            raise InputError(
                "Expected files, folders, archives, Parquet files or addresses such as s3://bucket/folder for shards. "
                f"Received: {'standard input' if name == STDIN else 'an address on the web'}."
            )


def open_work(
    names: Sequence[str], options: "Options", preparations: "Preparations", settings: Settings
) -> "Classification":
    """Return the images of all `names`, and the networks of `options` on this machine, which are prepared."""
    from imgrec.data.unlabeled_images import open_images
    from imgrec.evaluation.prediction_shards import Classification
    from imgrec.models import weights

    images, remarks = open_images(expand(names), settings)
    for remark in remarks:
        complain(remark)
    compiled = {spec.name: preparations.ensure(spec) for spec in options.specs}
    identities = {spec.name: weights.identity(spec, settings) or "" for spec in options.specs}
    return Classification(options, images, settings, compiled, identities)


def classify(
    work: "Classification", pool: "EnginePool", engine: str, address: str | None, actors: int | None
) -> "Iterator[Result]":
    """Yield the result of each image in their order."""
    from imgrec.evaluation.prediction_shards import in_order
    from imgrec.evaluation.shards import list_shards

    shards = list_shards(work.images, work.depends_on())
    with open_classifier(engine, address, actors, pool) as run:
        for found in in_order(run(work, shards), shards):
            if found.error is not None:
                complain(f"{found.image}: {found.error}")
            yield found


def write(
    work: "Classification", out: str, pool: "EnginePool", engine: str, address: str | None, actors: int | None
) -> int:
    """Write a Parquet file for each shard that has none yet, tell where, and return how many images have no result.

    Only images of the shards that were run now are counted.
    """
    from imgrec.data.stores import Store, is_address
    from imgrec.evaluation import prediction_shards
    from imgrec.evaluation.shards import list_shards

    place = Store.of(out if is_address(out) else typed_path(out).absolute())
    shards = list_shards(work.images, work.depends_on())
    missing = prediction_shards.open_place(place, shards)
    done, failed = len(work.images) - sum(map(len, missing)), 0
    if missing:
        with open_classifier(engine, address, actors, pool) as run, count_line("images") as show:
            for shard, results in run(work, missing):
                prediction_shards.put(place, shard, results, work.options.k)
                done += len(shard)
                show(done, len(work.images))
                failed += sum(found.error is not None for found in results)
    more = f"; {failed:,} could not be used, see the column error" if failed else ""
    say(f"{len(work.images):,} images in {len(shards):,} files at {place}{more}")
    return failed
