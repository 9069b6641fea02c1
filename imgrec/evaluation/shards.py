"""An evaluation in shards: which images belong to each, the file that each leaves, and one file of them all.

    <model>.<dataset>.parts/
    ├── manifest.json                the shards of this run, in their order
    └── 00003-9c1f5b0d2a47e8f1.parquet   the answers of shard 3, named by its key

The list follows from the dataset alone, so that every engine runs the same shards. A shard's key is the sha256 of all
that its answers depend on: ids, targets and bytes of its images, weights, framing, versions. A file is written beside
and renamed, so it is there whole or not at all; a run that was killed, on whatever machine, goes on with those missing.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from imgrec import json_files
from imgrec.data.dataset import DIGEST_BYTES, Dataset
from imgrec.errors import InputError
from imgrec.evaluation import stored_predictions
from imgrec.evaluation.stored_predictions import Answers, joined
from imgrec.files import replacing, storage_errors

# At 100 images a second, 2.5 seconds of work to lose; a message of half a megabyte with a thousand classes.
SHARD_IMAGES = 250

# Shards in one row group of the merged file: a thousand images, however they were computed.
SHARDS_IN_GROUP = 4

MANIFEST = "manifest.json"
PARTS = ".parts"
VERSION = 1

# What belongs to the dataset as a whole. A shard has its own images instead.
_OF_DATASET = frozenset({"dataset", "dataset_digest", "pictures_sha256"})


@dataclass(frozen=True, slots=True)
class Shard:
    """The images of a dataset at positions `start` to `stop`, exclusive; `key` is the sha256 of what answers need."""

    number: int
    start: int
    stop: int
    key: str

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def positions(self) -> range:
        """The positions of its images in the dataset."""
        return range(self.start, self.stop)

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.number:05d}-{self.key[:16]}.parquet"


def list_shards(
    labeled: Dataset, depends_on: Mapping[str, Any], starts: Sequence[int] | None = None
) -> tuple[Shard, ...]:
    """Return the shards of `labeled`, the same in every process.

    Args:
        labeled: The images.
        depends_on: What answers depend on besides the images, as JSON values.
        starts: The positions at which shards begin, from 0; every `SHARD_IMAGES` by default.
    """
    count = len(labeled)
    bounds = [*(range(0, count, SHARD_IMAGES) if starts is None else starts), count]
    values = {key: value for key, value in depends_on.items() if key not in _OF_DATASET}
    common = json.dumps([values, labeled.label_space.labels], sort_keys=True).encode()
    contents = labeled.contents
    found = []
    for number, (start, stop) in enumerate(pairwise(bounds)):
        digest = hashlib.sha256(common)
        for position in range(start, stop):
            digest.update(repr((labeled.ids[position], labeled.targets[position])).encode())
        digest.update(contents[start * DIGEST_BYTES : stop * DIGEST_BYTES])
        found.append(Shard(number, start, stop, digest.hexdigest()))
    return tuple(found)


def open_folder(folder: Path, shards: Sequence[Shard]) -> list[Shard]:
    """Write the manifest, delete the files of other runs, and return the shards that have no file yet."""
    with storage_errors(folder / MANIFEST):
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {shard.file_name for shard in shards}
        for file in folder.glob("*.parquet"):
            if file.name not in wanted:
                file.unlink(missing_ok=True)
    with replacing(folder / MANIFEST) as beside:
        text = json.dumps({"version": VERSION, "shards": [asdict(shard) for shard in shards]}, indent=1)
        beside.write_text(text + "\n", encoding="utf-8")
    return [shard for shard in shards if not _is_done(folder / shard.file_name, shard)]


def listed_in(manifest: Mapping[str, Any]) -> list[Shard]:
    """Return the shards of a manifest that was read; raises `KeyError` or `TypeError` on another content."""
    return [Shard(*(row[key] for key in ("number", "start", "stop", "key"))) for row in manifest["shards"]]


def put(folder: Path, shard: Shard, answers: Answers, failures: Sequence[Mapping[str, str]]) -> None:
    """Write the answers of a shard and what could not be read of it; raises `InputError` unless each image is there."""
    if len(answers) + len(failures) != len(shard):
        raise InputError(
            f"Expected {len(shard)} answers of shard {shard.number}. Received: {len(answers) + len(failures)}."
        )
    stored_predictions.write_part(folder / shard.file_name, answers, {"key": shard.key, "failures": list(failures)})


def merge(folder: Path, path: Path, note: Mapping[str, Any]) -> None:
    """Write one file of all shards that the manifest lists, each once, in their order, with `note` and the failures.

    Raises `InputError` where the manifest or the file of a shard is missing or damaged, or no image could be read.
    """
    shards = listed_in(json_files.read(folder / MANIFEST))
    notes = [stored_predictions.read_note(folder / shard.file_name) for shard in shards]
    failures = [failure for found in notes for failure in found["failures"]]
    count = shards[-1].stop
    if len(failures) == count:
        raise InputError(f"Expected readable images. Received: none; {failures[0]['reason']}")
    stored_predictions.write(path, _groups(folder, shards), {**note, "failures": failures})


def _groups(folder: Path, shards: Sequence[Shard]) -> Iterator[Answers]:
    """Yield the answers of `SHARDS_IN_GROUP` shards at a time."""
    for first in range(0, len(shards), SHARDS_IN_GROUP):
        group = shards[first : first + SHARDS_IN_GROUP]
        chunks = [chunk for shard in group for chunk in stored_predictions.read_chunks(folder / shard.file_name)]
        if chunks:  # none where no image could be read
            yield joined(chunks)


def _is_done(file: Path, shard: Shard) -> bool:
    """Return whether the answers of `shard` are in `file`, whole."""
    return (
        file.is_file()
        and stored_predictions.is_whole(file)
        and stored_predictions.read_note(file).get("key") == shard.key
    )
