"""A folder that grows: images in the order in which they came, and shards that stay as they are.

    predictions/<dataset>.arrivals.json     the ids of each shard, for all models

Images that have come since are shards of their own, so that only they are computed. An image that changes or goes makes
its own shard anew, and no other.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from imgrec import json_files
from imgrec.data.dataset import DIGEST_BYTES, Dataset, digest_of
from imgrec.errors import ImgrecError
from imgrec.evaluation import shards, stored_predictions
from imgrec.files import replacing, storage_errors

Stamp = tuple[int, int]

# Size and time of an image that is not there.
_GONE: Stamp = (-1, 0)


class Arrivals:
    """The images of a folder, which are looked at again and again.

    `open_labeled` reads the names in the folder anew. An image counts once two looks have found it the same: it may
    still be being written. Bytes are read once, and again when size or time of the file change.
    """

    def __init__(self, open_labeled: Callable[[], Dataset], folder: Path) -> None:
        self._open = open_labeled
        self._folder = folder
        self._seen: dict[str, Stamp] = {}
        self._digests: dict[str, tuple[Stamp, bytes]] = {}
        self._latest: dict[str, Stamp] = {}

    def look(self) -> tuple[Dataset, list[int]] | None:
        """Return the images in the order in which they came, and where shards begin; None where nothing has changed.

        Raises what `open_labeled` raises; `StorageError` where the order cannot be written.
        """
        labeled = self._open()
        root = Path(labeled.source)
        found = {id_: _stamp(root / id_) for id_ in labeled.ids}
        settled = {id_: stamp for id_, stamp in found.items() if self._seen.get(id_) == stamp != _GONE}
        self._seen = found
        if not settled or settled == self._latest:
            return None
        order = self._order(labeled, settled)
        positions = {id_: position for position, id_ in enumerate(labeled.ids)}
        arranged = labeled.take([positions[id_] for ids in order for id_ in ids])
        arranged = arranged.with_contents(self._contents(arranged, settled))
        self._latest = settled
        starts = [0]
        for ids in order[:-1]:
            starts.append(starts[-1] + len(ids))
        return arranged, starts

    def _order(self, labeled: Dataset, settled: dict[str, Stamp]) -> list[list[str]]:
        """Return the ids of each shard, the new ones last, and write them."""
        path = arrivals_path(self._folder, labeled.name)
        order = [kept for ids in read(path) if (kept := [id_ for id_ in ids if id_ in settled])]
        known = {id_ for ids in order for id_ in ids}
        new = [id_ for id_ in labeled.ids if id_ in settled and id_ not in known]
        order += [new[i : i + shards.SHARD_IMAGES] for i in range(0, len(new), shards.SHARD_IMAGES)]
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as beside:
            beside.write_text(json.dumps(order, ensure_ascii=False) + "\n", encoding="utf-8")
        return order

    def _contents(self, labeled: Dataset, stamps: dict[str, Stamp]) -> bytes:
        """Return `Dataset.contents`; only images that are new or have changed are read."""
        unread = [id_ for id_ in labeled.ids if self._digests.get(id_, (_GONE, b""))[0] != stamps[id_]]
        digests = {item.id: digest_of(item.image) for item in labeled.items(unread)} if unread else {}
        for id_ in unread:
            self._digests[id_] = stamps[id_], digests.get(id_, digest_of(b""))
        contents = b"".join(self._digests[id_][1] for id_ in labeled.ids)
        if len(contents) != DIGEST_BYTES * len(labeled):
            raise ValueError(f"Expected {DIGEST_BYTES} bytes for each image. Received: {len(contents)}.")
        return contents


def arrivals_path(folder: Path, dataset: str) -> Path:
    """Return the file with the order in which the images of `dataset` came."""
    return stored_predictions.predictions_path(folder, "x", dataset).with_name(f"{dataset}.arrivals.json")


def read(path: Path) -> list[list[str]]:
    """Return the ids of each shard; none where the file cannot be used, which costs their work but no result."""
    try:
        order = json_files.read(path)
    except ImgrecError:
        return []
    if not (isinstance(order, list) and all(isinstance(ids, list) for ids in order)):
        return []
    first = dict.fromkeys(id_ for ids in order for id_ in ids if isinstance(id_, str))
    return [[id_ for id_ in ids if isinstance(id_, str) and first.pop(id_, ...) is None] for ids in order]


def count_new(before: Sequence[str], after: Sequence[str]) -> int:
    """Return how many ids of `after` are not in `before`."""
    return len(set(after) - set(before))


def _stamp(file: Path) -> Stamp:
    try:
        status = file.stat()
    except OSError:
        return _GONE
    return status.st_size, status.st_mtime_ns
