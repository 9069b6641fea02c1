"""Images at paths: files, folders and archives as one list, with the word for the class of each where there is one.

The word is the name of the folder that an image is in, or what a `labels.csv` says; whether it is a class of a model is
decided later. A list has a limit: of more images, as many as it has room for, evenly spread over all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath

from imgrec.data import archives, folders
from imgrec.data.folders import LABELS_FILE, SPLIT_FILE
from imgrec.data.sources import SUFFIXES
from imgrec.errors import ImgrecError, InputError, shortened
from imgrec.files import is_there, opened, storage_errors, typed_path
from imgrec.images import formats
from imgrec.predictions.labels import get_label_space

# A sheet of more cannot be looked through, and takes minutes to compute.
MAX_IMAGES = 500
# On a small public host each image makes others wait.
DEMO_MAX_IMAGES = 60

# Arrays in .npz have no files in them.
ARCHIVE_SUFFIXES = tuple(suffix for suffix in SUFFIXES if suffix != ".npz")

# Of the files that are no images, in a sentence.
MAX_NAMED = 3

_TABLES = {LABELS_FILE, SPLIT_FILE}


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file called `name` in `source`, a folder or an archive; without a name `source` is the file itself."""

    source: Path
    name: PurePosixPath | None
    title: str


@dataclass(frozen=True, slots=True)
class ImageList:
    """Files that may be images; `words` has what the class of a file is called, by its position.

    `remarks` are sentences on what is left out, and on tables that cannot be understood.
    """

    files: tuple[ImageFile, ...]
    words: Mapping[int, str]
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.files)

    def read(self, max_bytes: int, only: int | None = None) -> Iterator[tuple[int, bytes | str]]:
        """Yield (position, content) of each file, or of the one at position `only`; a sentence where there is none.

        A content longer than `max_bytes` is cut one byte above, so that a check of its length finds it.
        """
        wanted = [(i, file) for i, file in enumerate(self.files) if only is None or i == only]
        for source, group in groupby(wanted, key=lambda entry: (entry[1].source, entry[1].name is None)):
            yield from _read(source[0], list(group), max_bytes)


def find_images(paths: Sequence[str | Path], *, most: int = MAX_IMAGES) -> ImageList:
    """Return the files of `paths`, which are images, folders and archives: at most `most` of them.

    Raises:
        InputError: There is no file, or an archive is damaged.
        StorageError: A folder cannot be read.
    """
    found: list[tuple[ImageFile, str | None]] = []
    remarks: list[str] = []
    received = ""
    for given in dict.fromkeys(paths):
        path = typed_path(given)
        with storage_errors(path):
            is_folder = path.is_dir()
        if not (is_folder or path.name.lower().endswith(ARCHIVE_SUFFIXES)):
            found.append((ImageFile(path, None, str(given)), None))
            continue
        listing = archives.survey(path)
        remarks += listing.left_out
        names, others = _images(path, [name for name in listing.names if name.name not in _TABLES])
        if others:
            is_one = len(others) == 1
            counted = f"{len(others):,} other file{'' if is_one else 's'}"
            remarks.append(f"{counted} {'is' if is_one else 'are'} left out: {_named(others)}.")
            received = f"{counted}: {_named(others)}."
        words = _words(path, listing.names, remarks)
        before = f"{path.name}/" if len(paths) > 1 else ""
        found += [(ImageFile(path, name, f"{before}{name}"), words.get(name)) for name in names]
    if not found:
        named = ", ".join(Path(path).name for path in paths)
        raise InputError(
            f"Expected images in {named or 'the upload'}. Received: {received or f'no file.{_first(remarks)}'}"
        )
    if len(found) > most:
        left_out = len(found) - most
        spread = "the first ones" if most == 1 else "evenly spread over all"
        remarks.insert(
            0,
            f"Expected at most {most:,} images. Received: {len(found):,}; {left_out:,} "
            f"{'is' if left_out == 1 else 'are'} left out, and the {most:,} here are {spread}.",
        )
        found = [found[i * len(found) // most] for i in range(most)]
    known = {i: word for i, (_, word) in enumerate(found) if word}
    return ImageList(tuple(file for file, _ in found), known, tuple(remarks))


def _images(path: Path, names: Sequence[PurePosixPath]) -> tuple[list[PurePosixPath], list[PurePosixPath]]:
    """Return the images among `names`, and what is none by its name nor by its content."""
    unlike = {name for name in names if not formats.is_image_name(name.name)}
    if unlike:
        for name, head in archives.files(path, max_bytes=formats.HEAD_BYTES, only=unlike):
            # One that cannot be read may be an image: its sentence is shown in its place.
            if isinstance(head, str) or formats.identify(head):
                unlike.discard(name)
    return [name for name in names if name not in unlike], [name for name in names if name in unlike]


def _words(path: Path, names: Sequence[PurePosixPath], remarks: list[str]) -> dict[PurePosixPath, str]:
    """Return the word for the class of each file: of a `labels.csv`, or else its folder's."""
    table = next((name for name in names if name.name == LABELS_FILE), None)
    if table is None:
        return {name: place[1] for name in names if (place := folders.place_of(name)) is not None}
    try:
        column, words = folders.read_labels(path, table)
    except InputError as error:
        remarks.append(str(error))
        return {}
    if column != "index":
        return {name: folders.class_name(word) for name, word in words.items()}
    synsets = get_label_space("imagenet_1k").synsets
    by_index = {str(i): synset for i, synset in enumerate(synsets) if synset}
    return {name: by_index.get(word.lstrip("0") or "0", word) for name, word in words.items()}


def _read(source: Path, wanted: list[tuple[int, ImageFile]], max_bytes: int) -> Iterator[tuple[int, bytes | str]]:
    """Yield the content of files of one source; what ends the reading of an archive is said of all that remain."""
    positions = {file.name: position for position, file in wanted}
    sentence = "The file is no longer there."
    try:
        if None in positions:
            for position, _ in wanted:
                yield position, _head(source, max_bytes + 1)
            return
        only = {name for name in positions if name is not None}
        for name, data in archives.files(source, max_bytes=max_bytes, only=only):
            yield positions.pop(name), data
    except ImgrecError as error:
        sentence = str(error)
    for position in positions.values():
        yield position, sentence


def _head(path: Path, count: int) -> bytes:
    if not is_there(path):
        raise InputError(f"Expected an image file. Received: {path}, which is not there.")
    with opened(path) as file:
        return file.read(count)


def _named(names: Sequence[PurePosixPath]) -> str:
    more = len(names) - MAX_NAMED
    listed = ", ".join(shortened(str(name)) for name in names[:MAX_NAMED])
    return f"{listed} and {more:,} more" if more > 0 else listed


def _first(remarks: Sequence[str]) -> str:
    """Return the first of `remarks` as the end of a sentence."""
    return f" Left out: {remarks[0]}" if remarks else ""
