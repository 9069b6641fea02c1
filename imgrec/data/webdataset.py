"""Tars as WebDataset writes them: the files of a sample lie one after the other, and have one name but for the end.

    shard-000000.tar      000017.jpg  000017.cls  000017.json

What a tar holds is listed once, with the place of each image, so that a reader takes any image without the others.
"""

import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from imgrec.data import archives
from imgrec.data.dataset import Raw
from imgrec.data.packed_images import Listed, Survey
from imgrec.data.reader import read_ahead
from imgrec.data.stores import READERS, Store, StoredFile
from imgrec.errors import InputError
from imgrec.images.formats import is_image_name
from imgrec.settings import MIB

# The files of a sample that have its class, and the keys of the second; a class has a short name.
LABELS, JSON = "cls", "json"
JSON_KEYS = ("label", "cls", "class", "wnid")
MAX_LABEL_BYTES = 1 * MIB

# Looked at to tell these tars from others.
FIRST_FILES = 20

# Where an image is: the name of its tar, its offset there and its bytes.
Position = tuple[str, int, int]


class TarKind:
    """See `packed_images.Kind`."""

    suffix = ".tar"

    def survey(self, store: Store, files: Sequence[StoredFile], max_bytes: int) -> Survey:
        """List the samples of all tars, with their classes; of a tar with a damaged end, those before it."""
        found: list[Listed] = []
        positions: dict[str, Position] = {}
        left_out: list[str] = []
        for file in files:
            with store.opened(file.name) as tar:
                members = archives.index_tar(tar, file.name.name)
                for key, sample in itertools.groupby(members, key=lambda member: _key(member[0])):
                    parts = {_end(name): (name, offset, size) for name, offset, size in sample}
                    images = [name for name, _, _ in parts.values() if is_image_name(name.name)]
                    id_ = f"{file.name}/{images[0]}" if images else ""
                    if len(images) != 1 or id_ in positions:
                        received = "it again" if id_ in positions else len(images) or "none"
                        left_out.append(f"{file.name}/{key}: Expected one image in a sample. Received: {received}.")
                        continue
                    label = None
                    for end in (LABELS, JSON):
                        if label is None and end in parts:
                            _, offset, size = parts[end]
                            label = _label(end, _content(tar, offset, min(size, MAX_LABEL_BYTES)))
                    _, offset, size = parts[_end(images[0])]
                    positions[id_] = str(file.name), offset, size
                    found.append(Listed(id_, file.name, label))
        return Survey(tuple(found), TarImages(store, positions, max_bytes), None, tuple(left_out))


@dataclass(frozen=True, slots=True)
class TarImages:
    """A `Read` of images by their places."""

    store: Store
    positions: Mapping[str, Position]
    max_bytes: int

    def only(self, ids: Collection[str]) -> "TarImages":
        """See `dataset.Indexed`."""
        return TarImages(self.store, {id_: self.positions[id_] for id_ in ids}, self.max_bytes)

    def __call__(self, ids: Collection[str]) -> Iterator[tuple[str, Raw]]:
        """Yield (id, bytes) in the order of the tars; several are fetched at once."""
        wanted = [(id_, position) for id_, position in self.positions.items() if id_ in ids]
        for name, group in itertools.groupby(wanted, key=lambda entry: entry[1][0]):
            with self.store.opened(PurePosixPath(name)) as tar:

                def fetch(entry: tuple[str, Position], tar: Any = tar) -> tuple[str, Raw]:
                    id_, (_, offset, size) = entry
                    data = tar.read_at(min(size, self.max_bytes + 1), offset)
                    return id_, bytes(data) if len(data) == min(size, self.max_bytes + 1) else "The tar is cut off."

                yield from read_ahead(group, fetch, READERS)


def has_samples(store: Store, file: StoredFile) -> bool:
    """Whether the first files of a tar are samples with classes; a tar of class folders is another kind."""
    try:
        with store.opened(file.name) as tar:
            names = [name for name, _, _ in itertools.islice(archives.index_tar(tar, file.name.name), FIRST_FILES)]
    except InputError:
        return False
    keys = {_key(name) for name in names if is_image_name(name.name)}
    return any(_end(name) in (LABELS, JSON) and _key(name) in keys for name in names)


def _key(name: PurePosixPath) -> str:
    """Return what the files of a sample have in common: the path, up to the first point in its last part."""
    return str(name.with_name(name.name.partition(".")[0] or name.name))


def _end(name: PurePosixPath) -> str:
    return name.name.partition(".")[2].lower()


def _content(tar: Any, offset: int, size: int) -> bytes:
    return bytes(tar.read_at(size, offset))


def _label(end: str, data: bytes) -> str | int | None:
    """Return the class in a file of a sample; None where there is none in it."""
    try:
        value = data.decode("utf-8").strip() if end == LABELS else json.loads(data)
    except ValueError:
        return None
    if end == JSON:
        value = next((value[key] for key in JSON_KEYS if key in value), None) if isinstance(value, dict) else None
    if isinstance(value, str) and value.isdecimal() and value.isascii():
        return int(value)
    is_label = isinstance(value, str | int) and not isinstance(value, bool) and value != ""
    return value if is_label else None


TARS = TarKind()
