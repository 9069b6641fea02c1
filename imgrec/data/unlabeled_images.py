"""Images to be classified, from any number of places as one dataset without classes.

Its ids are what a result calls each image: the place as it was typed, and the name there. What is read is what
`image_paths` reads, or lies in a store, in Parquet files or in tars.
"""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from imgrec.data import packed_images
from imgrec.data.archives import survey
from imgrec.data.dataset import Dataset, Indexed, Raw, Read, digest_of
from imgrec.data.image_paths import ARCHIVE_SUFFIXES, find_images
from imgrec.data.packed_images import Versions
from imgrec.data.sources import read_files
from imgrec.data.stores import Store, is_address
from imgrec.errors import ImgrecError, InputError
from imgrec.files import typed_path
from imgrec.images import opening
from imgrec.images.formats import is_image_name
from imgrec.predictions.labels import LabelSpace
from imgrec.settings import Settings

# The class of all images whose class is not known.
SPACE = LabelSpace("unlabeled", ("not known",), (None,))


@dataclass(frozen=True, slots=True)
class Found:
    """The images at a place that has many: their names there, their reader, and what tells their versions, if known."""

    names: tuple[str, ...]
    read: Read
    versions: Versions | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """A `Read` of several places, each with its reader; `positions` has the place and the name there of each image."""

    reads: tuple[Read, ...]
    positions: Mapping[str, tuple[int, str]]

    def only(self, ids: Collection[str]) -> "Joined":
        """See `dataset.Indexed`."""
        kept = {id_: self.positions[id_] for id_ in ids}
        names: dict[int, list[str]] = {}
        for number, name in kept.values():
            names.setdefault(number, []).append(name)
        reads = tuple(
            read.only(names[number]) if isinstance(read, Indexed) and number in names else read
            for number, read in enumerate(self.reads)
        )
        return Joined(reads, kept)

    def __call__(self, ids: Collection[str]) -> Iterator[tuple[str, Raw]]:
        """Yield (id, image), place after place."""
        wanted: dict[int, dict[str, str]] = {}
        for id_, (number, name) in self.positions.items():
            if id_ in ids:
                wanted.setdefault(number, {})[name] = id_
        for number, titles in wanted.items():
            yield from ((titles[name], image) for name, image in self.reads[number](titles.keys()))


def find(name: str, settings: Settings) -> Found | None:
    """Return the images of a folder, an archive, Parquet files, tars or a store; None where `name` has one at most.

    Raises:
        InputError: There is none, or what is there is damaged.
        StorageError: It cannot be read.
    """
    place: Path | Store
    if is_address(name):
        place = Store.of(name)
    else:
        place = typed_path(name).absolute()
        is_packed = place.suffix.lower() == ".parquet" and place.is_file()
        if not (is_packed or place.is_dir() or place.name.lower().endswith(ARCHIVE_SUFFIXES)):
            return None
    limit = settings.max_upload_bytes
    if (packed := packed_images.find(place)) is not None:
        found = packed.kind.survey(packed.store, packed.files, limit)
        ids = tuple(image.id for image in found.images)
        return Found(ids, found.read, packed_images.versions_of(packed, found), found.left_out)
    if isinstance(place, Store):
        files = {str(file.name): file.version for file in place.list()}
        names = tuple(str(name) for name in survey(place).names if is_image_name(name.name))
        if not names:
            raise InputError(f"Expected images at {place}. Received: {len(files):,} other files.")
        return Found(names, partial(read_files, place, limit), files.__getitem__)
    listed = find_images([name], most=sys.maxsize)
    names = tuple(str(file.name) for file in listed.files)
    return Found(names, partial(read_files, typed_path(name).absolute(), limit), None, listed.remarks)


def title(place: str, name: str) -> str:
    """Return what the result of an image calls it; an address without its options.

    >>> title("s3://bucket/cats/?region=eu-1", "1.jpg")
    's3://bucket/cats/1.jpg'
    """
    shown = place.partition("?")[0] if is_address(place) else place
    return f"{shown.rstrip('/')}/{name}"


def open_images(names: Sequence[str], settings: Settings) -> tuple[Dataset, tuple[str, ...]]:
    """Return the images of all places in their order, with sentences on what is left out.

    Args:
        names: Files, and places as `find` takes them.
        settings: The largest image.

    Raises:
        InputError: An image is named twice, or a place has none.
        StorageError: A place cannot be read.
    """
    reads: list[Read] = []
    positions: dict[str, tuple[int, str]] = {}
    contents: list[bytes] = []
    remarks: list[str] = []
    for number, name in enumerate(names):
        found = find(name, settings) or Found((name,), partial(_read_each, settings.max_upload_bytes))
        remarks += found.remarks
        reads.append(found.read)
        for one in found.names:
            id_ = name if found.names == (name,) else title(name, one)
            if id_ in positions:
                raise InputError(f"Expected each image once. Received: {id_} again.")
            positions[id_] = number, one
        contents.append(_contents(found))
    count = len(positions)
    ids = tuple(positions)
    read = Joined(tuple(reads), positions)
    images = Dataset("images", SPACE, ids, (0,) * count, (True,) * count, read, ", ".join(names))
    return images.with_contents(b"".join(contents)), tuple(remarks)


def _contents(found: Found) -> bytes:
    """Return `Dataset.contents`: images of this machine are read for it, of others the versions are known."""
    if found.versions is not None:
        return b"".join(digest_of(found.versions(name)) for name in found.names)
    digests = {name: digest_of(image) for name, image in found.read(found.names)}
    return b"".join(digests.get(name, digest_of(b"")) for name in found.names)


def _read_each(max_bytes: int, names: Collection[str]) -> Iterator[tuple[str, Raw]]:
    """Yield (path, content) of single files; a sentence for one that cannot be read."""
    for name in names:
        try:
            yield name, opening.read(name, max_bytes)
        except ImgrecError as error:
            yield name, str(error)
