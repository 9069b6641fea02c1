"""Images classified in shards: the results of each, and the files that they leave.

    OUT/
    ├── manifest.json                    the shards, in the order of the images
    └── 00003-9c1f5b0d2a47e8f1.parquet   the rows of shard 3, named by its key

The rows are those of `imgrec predict --format parquet` without times, so that they follow from the images, the models
and the options alone. A key is the sha256 of all that they depend on, so that a run that was stopped goes on, wherever
its files are: a folder, or a store.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from imgrec.data.dataset import Dataset, Item
from imgrec.data.reader import read_ahead
from imgrec.data.stores import Store
from imgrec.errors import ImgrecError, InputError
from imgrec.evaluation.shards import MANIFEST, VERSION, Shard
from imgrec.images.decoding import DecodedImage, decode
from imgrec.inference import conversion
from imgrec.inference.pool import EnginePool
from imgrec.inference.request import Options, classify_decoded
from imgrec.reports import flat_rows, result
from imgrec.reports.result import Result
from imgrec.settings import Settings


@dataclass(frozen=True, slots=True)
class Classification:
    """What all shards of a run share.

    `compiled` are the networks on this machine and `identities` the sha256 of weights, both by the names of models.
    """

    options: Options
    images: Dataset
    settings: Settings
    compiled: Mapping[str, Path]
    identities: Mapping[str, str]

    def depends_on(self) -> dict[str, Any]:
        """Return what rows depend on besides the images, as JSON values."""
        return {
            "arguments": self.options.to_arguments(),
            "weights": dict(self.identities),
            "runtime": [spec.precision for spec in self.options.specs],
            "versions": conversion.versions() | {"pillow": metadata.version("pillow")},
            "max_upload_bytes": self.settings.max_upload_bytes,
        }


# Classifies shards; yields each when it is finished, in any order.
Classifier = Callable[[Classification, Sequence[Shard]], Iterator[tuple[Shard, list[Result]]]]


def classify_items(
    images: Dataset, options: Options, pool: EnginePool, settings: Settings, threads: int | None = None
) -> Iterator[Result]:
    """Yield the result of each image of `images` in their order, as `imgrec predict` makes it.

    `threads` decode ahead, one for each core by default. Raises `InputError` where an image is no longer there.
    """
    rest = dict.fromkeys(images.ids)
    found: dict[str, Result] = {}

    def prepare(item: Item) -> tuple[str, DecodedImage | str]:
        try:
            if not isinstance(item.image, bytes):
                raise InputError(str(item.image))
            return item.id, decode(item.image, max_bytes=settings.max_upload_bytes, name=item.id)
        except ImgrecError as error:
            return item.id, str(error)

    for name, image in read_ahead(images.items(), prepare, threads):
        try:
            if isinstance(image, str):
                raise InputError(image)
            found[name] = classify_decoded(image, name, options, pool)
        except ImgrecError as error:
            found[name] = Result(image=name, sha256=None, error=str(error))
        # A reader has an order of its own.
        while rest and (first := next(iter(rest))) in found:
            del rest[first]
            yield found.pop(first)
    if rest:
        raise InputError(f"Expected {len(images):,} images. Received: fewer; {next(iter(rest))} is no longer there.")


def classify_here(pool: EnginePool) -> Classifier:
    """Return what classifies shards in this process."""

    def run(work: Classification, missing: Sequence[Shard]) -> Iterator[tuple[Shard, list[Result]]]:
        for shard in missing:
            part = work.images.slice(shard.positions)
            yield shard, list(classify_items(part, work.options, pool, work.settings))

    return run


def in_order(found: Iterator[tuple[Shard, list[Result]]], shards: Sequence[Shard]) -> Iterator[Result]:
    """Yield the results of all `shards` in the order of the images, those that come early are kept until then."""
    early: dict[int, list[Result]] = {}
    order = iter(shards)
    awaited = next(order, None)
    for shard, results in found:
        early[shard.number] = results
        while awaited is not None and awaited.number in early:
            yield from early.pop(awaited.number)
            awaited = next(order, None)


def open_place(place: Store, shards: Sequence[Shard]) -> list[Shard]:
    """Write the manifest, and return the shards that have no file yet; raises as `Store.put` and `Store.list`."""
    text = json.dumps({"version": VERSION, "shards": [asdict(shard) for shard in shards]}, indent=1)
    place.put(PurePosixPath(MANIFEST), f"{text}\n".encode())
    done = {str(file.name) for file in place.list()}
    return [shard for shard in shards if shard.file_name not in done]


def put(place: Store, shard: Shard, results: Sequence[Result], k: int) -> None:
    """Write the rows of a shard; raises `InputError` unless each image has a result, and as `Store.put`."""
    if len(results) != len(shard):
        raise InputError(f"Expected {len(shard)} results of shard {shard.number}. Received: {len(results)}.")
    rows = [row | {"milliseconds": None} for row in result.to_rows(results, k)]
    place.put(PurePosixPath(shard.file_name), flat_rows.to_parquet(rows, result.COLUMNS))
