"""Images in few large files: rows of Parquet, or tars as WebDataset writes them; on this machine or in a store.

Each kind has a module that lists its images and gives readers that workers open by themselves. Here is what they have
in common: how the kind is found out, which part an image belongs to, and what its class is called.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from imgrec.data import archives, folders
from imgrec.data.classes import own_space
from imgrec.data.dataset import Dataset, Read
from imgrec.data.folders import MAX_CLASSES
from imgrec.data.stores import Store, StoredFile
from imgrec.errors import InputError, StorageError
from imgrec.images.formats import is_image_name
from imgrec.settings import MIB, Settings

# What the classes are called where images have their numbers: a name in each line, in the order of the numbers.
NAMES_FILES = ("classnames.txt", "labels.txt", "classes.txt")
MAX_NAMES_BYTES = 1 * MIB

# Returns, by the id of an image, what changes with its content.
Versions = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Listed:
    """An image: its id, the file that it is in, and its class as the file has it, a word or a number; None for none."""

    id: str
    file: PurePosixPath
    label: str | int | None


class Kind(Protocol):
    """How images lie in a kind of file."""

    suffix: str

    def survey(self, store: Store, files: Sequence[StoredFile], max_bytes: int) -> "Survey":
        """List the images in `files` of `store`; raises `InputError` where these are of another form."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What files hold: the images, their reader, names of numbered classes, sentences on what is left out."""

    images: tuple[Listed, ...]
    read: Read
    names: tuple[str, ...] | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Packed:
    """Files of one kind in a store."""

    store: Store
    kind: Kind
    files: tuple[StoredFile, ...]


def find(place: archives.Place) -> Packed | None:
    """Return the Parquet files or WebDataset's tars at a place; None where it is something else.

    Raises:
        InputError: There is nothing at an address.
        StorageError: It cannot be reached, or read.
    """
    from imgrec.data.parquet_images import PARQUET
    from imgrec.data.webdataset import TARS, has_samples

    if isinstance(place, Path) and not _may_be_packed(place):
        return None
    store = place if isinstance(place, Store) else Store.of(place)
    files = store.list()
    if any(is_image_name(file.name.name) for file in files):
        return None  # a table or an archive beside images is none of them
    kinds: tuple[Kind, ...] = (PARQUET, TARS)
    for kind in kinds:
        fitting = tuple(file for file in files if file.name.suffix.lower() == kind.suffix and file.name.name[0] != "_")
        if fitting and (kind is PARQUET or has_samples(store, fitting[0])):
            return Packed(store, kind, fitting)
    return None


def open_labeled(packed: Packed, settings: Settings) -> tuple[Dataset, Versions]:
    """Return all labeled images in the files, with the version of each.

    Raises:
        InputError: The files are of another form, an image has no class, or numbered classes have no names.
        StorageError: They cannot be read.
    """
    found = packed.kind.survey(packed.store, packed.files, settings.max_upload_bytes)
    words = _words(packed.store, found)
    parts = {file: _part_of(file) for file in {image.file for image in found.images}}
    are_tests = _test_parts(parts.values())
    space = own_space(words)
    index = {label: i for i, label in enumerate(space.labels)}
    dataset = Dataset(
        name=_name_of(packed.store),
        label_space=space,
        ids=tuple(image.id for image in found.images),
        targets=tuple(index[word] for word in words),
        is_test=tuple(parts[image.file] in are_tests for image in found.images),
        read=found.read,
        source=str(packed.store),
        left_out=found.left_out,
    )
    return dataset, versions_of(packed, found)


def versions_of(packed: Packed, found: Survey) -> Versions:
    """Return what tells the version of an image: that of its file."""
    of_files = {file.name: file.version for file in packed.files}
    files = {image.id: image.file for image in found.images}
    return lambda id_: f"{of_files[files[id_]]} {id_}"


def damaged(name: PurePosixPath, error: Exception) -> InputError:
    """Return the sentence about a file that cannot be understood."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")[:200]
    return InputError(f"Expected {name} to be whole. Received: {reason}.")


def _may_be_packed(path: Path) -> bool:
    """Whether a look into the files is due: cheap, as every dataset of this machine is asked."""
    if path.suffix.lower() in (".parquet", ".tar"):
        return True
    try:
        return path.is_dir() and any(next(path.glob(f"*{suffix}"), None) for suffix in (".parquet", ".tar"))
    except OSError as error:
        raise StorageError(f"Expected access to {path}. Received: {error.strerror or error}.") from error


def _name_of(store: Store) -> str:
    return store.name.removesuffix(store.suffix) if store.suffix in (".parquet", ".tar") else store.name


def _part_of(file: PurePosixPath) -> str:
    """Return train, validation or test: a folder's name, or how the file's begins, as in test-00000.parquet."""
    names = [*(part.lower() for part in file.parts[:-1]), file.stem.lower().split("-")[0].split("_")[0]]
    return next((folders.PARTS[name] for name in reversed(names) if name in folders.PARTS), "train")


def _test_parts(parts: Iterable[str]) -> Collection[str]:
    there = set(parts)
    return {"test"} if "test" in there else {"validation"} if there > {"validation"} else set()


def _words(store: Store, found: Survey) -> list[str]:
    """Return what the class of each image is called."""
    without = next((image.id for image in found.images if image.label is None), None)
    if without is not None:
        raise InputError(f"Expected a class for each image. Received: none for {without}.")
    labels = [image.label for image in found.images]
    names: Mapping[int, str] = dict(enumerate(found.names or ()))
    if not names and any(isinstance(label, int) for label in labels):
        names = dict(enumerate(_names_in(store)))
    words = []
    for image in found.images:
        label = image.label
        if isinstance(label, int):
            if label not in names:
                raise InputError(
                    f"Expected a number of one of {len(names):,} classes for each image. "
                    f"Received: {label} for {image.id}."
                )
            label = names[label]
        words.append(folders.class_name(str(label)))
    if len(set(words)) > MAX_CLASSES:
        raise InputError(f"Expected at most {MAX_CLASSES:,} classes. Received: {len(set(words)):,}.")
    return words


def _names_in(store: Store) -> list[str]:
    """Return the names of numbered classes in a file beside the images."""
    there = {str(file.name) for file in store.list()}
    name = next((name for name in NAMES_FILES if name in there), None)
    if name is None:
        raise InputError(
            f"Expected {NAMES_FILES[0]} beside the images, with the name of a class in each line: their classes are "
            "numbers. Received: none."
        )
    try:
        lines = store.read(PurePosixPath(name), MAX_NAMES_BYTES).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise damaged(PurePosixPath(name), error) from error
    return [line.strip() for line in lines if line.strip()]
