"""Collections: images by class that are put together on a page, in folders that every reader of datasets accepts.

    IMGREC_HOME/sets/<collection>/
    ├── ".album.json"        the order of its classes, as they were added
    ├── cat/  3f2a….jpg …    the bytes as they arrived, named by their sha256
    └── dog/

Nothing is kept in memory, so a reloaded page and a stopped server lose nothing, and two tabs show the same.
"""

import hashlib
import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imgrec import json_files
from imgrec.data import folders, sources
from imgrec.errors import ImageError, ImgrecError, InputError
from imgrec.files import replacing, storage_errors
from imgrec.images import decoding
from imgrec.settings import Settings

# The names on disk of version 0.1.
_HOME, _ORDER = "sets", ".album.json"

# Enough of the sha256 to tell any two images apart.
_DIGEST_CHARACTERS = 24

# The two folders of a collection that came with a test part of its own.
TRAINING, TEST = "training_set", "test_set"


def class_name(text: str) -> str:
    """Return `text` as the name of a class and of its folder; raises `InputError` when nothing of it can be one.

    >>> class_name(" <b>cats</b> ")
    '＜b＞cats＜／b＞'
    """
    name = _folder_name(text)
    if name is None or name.lower() in folders.PARTS:
        raise InputError(
            f"Expected the name of a class, other than train, test or validation. "
            f"Received: {text[: folders.MAX_NAME_CHARACTERS]!r}."
        )
    return name


@dataclass(frozen=True, slots=True)
class Collection:
    """A folder of images by class."""

    folder: Path

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @property
    def root(self) -> Path:
        """The folder of the class folders."""
        inner = self.folder / TRAINING
        return inner if inner.is_dir() else self.folder

    @property
    def labels(self) -> list[str]:
        """The classes in the order in which they were added."""
        with storage_errors(self.root):
            there = sorted(path.name for path in self.root.iterdir() if path.is_dir() and path.name != TEST)
        order: list[str] = []
        with suppress(ImgrecError):  # without a readable order: by name
            found = json_files.read(self.folder / _ORDER)
            order = found["classes"] if json_files.fits(found, dict[str, list[str]]) and "classes" in found else []
        return [label for label in dict.fromkeys([*order, *there]) if label in there]

    def images(self, label: str) -> list[Path]:
        """Return the files of a class, oldest first."""
        with storage_errors(self.root):
            files = [path for path in (self.root / label).iterdir() if not path.name.startswith(".")]
            return sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))

    def counts(self) -> dict[str, int]:
        """Return class → training images."""
        return {label: len(self.images(label)) for label in self.labels}

    @property
    def test_images(self) -> int:
        """The number of images in its own test part."""
        return sum(path.is_file() for path in (self.folder / TEST).glob("*/*"))

    def add_class(self, text: str) -> str:
        """Add an empty class and return its name; raises `InputError` when there is one of that name."""
        label = self._free_name(text)
        order = [*self.labels, label]
        with storage_errors(self.root):
            (self.root / label).mkdir()
        self._write_order(order)
        return label

    def rename_class(self, old: str, text: str) -> str:
        """Give the class `old` another name and return that; raises `InputError` as `add_class` does."""
        if class_name(text) == old:
            return old
        new = self._free_name(text, but=old)
        order = [new if label == old else label for label in self.labels]
        with storage_errors(self.root):
            for folder in self._folders(old):
                folder.rename(folder.with_name(new))
        self._write_order(order)
        return new

    def remove_class(self, label: str) -> None:
        """Delete a class with its images."""
        with storage_errors(self.root):
            for folder in self._folders(label):
                shutil.rmtree(folder)
        self._touch()

    def add(self, label: str, data: bytes, *, max_bytes: int, name: str | None = None, test: bool = False) -> bool:
        """Keep an image in class `label`; False when it is in that class already.

        Raises `ImageError` for what is no image or has more than `max_bytes`.
        """
        image = decoding.decode(data, max_bytes=max_bytes, name=name)
        folder = (self.folder / TEST if test else self.root) / label
        suffix = re.sub("[^a-z0-9]", "", image.format.lower().replace("jpeg", "jpg")) or "bin"
        file = folder / f"{hashlib.sha256(data).hexdigest()[:_DIGEST_CHARACTERS]}.{suffix}"
        if file.exists():
            return False
        with replacing(file, len(data)) as beside:
            folder.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(data)
        self._touch()
        return True

    def remove(self, label: str, file_name: str) -> None:
        """Delete one image."""
        for file in self.images(label):
            if file.name == file_name:
                with storage_errors(file):
                    file.unlink(missing_ok=True)
                self._touch()

    def delete(self) -> None:
        """Delete the collection with all its images."""
        with storage_errors(self.folder):
            shutil.rmtree(self.folder)

    def _folders(self, label: str) -> list[Path]:
        """Return the folders of a class: to train on, and to test on."""
        roots = (self.root, self.folder / TEST)
        return [root / label for root in roots if label in self.labels and (root / label).is_dir()]

    def _touch(self) -> None:
        """Move the collection to the front of `all_collections`."""
        with suppress(OSError):  # at worst an order is lost
            os.utime(self.folder / _ORDER)

    def _write_order(self, labels: list[str]) -> None:
        with replacing(self.folder / _ORDER) as beside:
            beside.write_text(json.dumps({"classes": labels}, ensure_ascii=False) + "\n", encoding="utf-8")

    def _free_name(self, text: str, but: str | None = None) -> str:
        label = class_name(text)
        for other in self.labels:
            if other != but and other.casefold() == label.casefold():
                raise InputError(f"Expected another name: a class {other!r} is there already. Received: {label!r}.")
        return label


def home(settings: Settings) -> Path:
    """Return the folder of the collections."""
    return settings.home / _HOME


def all_collections(settings: Settings) -> list[Collection]:
    """Return every collection, the one that was changed last first."""
    folder = home(settings)
    changed_at: dict[Path, float] = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        # One look each, however many classes it has: a page does this with every click.
        with suppress(OSError):
            changed_at[path] = (path / _ORDER).stat().st_mtime
    return [Collection(path) for path in sorted(changed_at, key=changed_at.__getitem__, reverse=True)]


def create(text: str, settings: Settings, labels: tuple[str, ...] = ()) -> Collection:
    """Create a collection with empty classes, called `text`, or that with the first number that is free."""
    wanted = _folder_name(text)
    if wanted is None:
        raise InputError(f"Expected a name for the dataset. Received: {text[: folders.MAX_NAME_CHARACTERS]!r}.")
    folder = home(settings)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            made = Collection(folder / (wanted if number == 1 else f"{wanted} {number}"))
            with suppress(FileExistsError):
                made.folder.mkdir()
                break
    made._write_order([])
    for label in labels:
        made.add_class(label)
    return made


def unpack(path: Path, text: str, settings: Settings) -> tuple[Collection, list[str], list[str]]:
    """Create a collection of the images in a folder or archive; a test part stays one.

    Returns:
        The collection, a line for each file that cannot be used, and the files that their class had already.

    Raises:
        InputError: Nothing can be used, or there are too many classes; nothing is left behind then.
        StorageError: There is no room.
    """
    found = sources.from_files(path, settings)
    labels = found.label_space.labels
    if len(labels) > folders.MAX_CLASSES:
        raise InputError(
            f"Expected at most {folders.MAX_CLASSES:,} classes in {path.name}. Received: {len(labels):,}; "
            "the folder that directly holds an image is taken for its class."
        )
    refused, copies, count = [*found.remarks, *found.left_out], [], 0
    is_test = dict(zip(found.ids, found.is_test, strict=True))
    made = create(text, settings)
    try:
        for part in (TRAINING, TEST) if any(found.is_test) else ():
            (made.folder / part).mkdir()
        for item in found.items():
            try:
                if isinstance(item.image, str):
                    raise ImageError(item.image)
                is_new = made.add(
                    class_name(labels[item.target]),
                    bytes(item.image),
                    max_bytes=settings.max_upload_bytes,
                    name=Path(item.id).name,
                    test=is_test[item.id],
                )
            except InputError as error:
                refused.append(f"{item.id}: {error}")
                continue
            count += is_new
            if not is_new:
                copies.append(item.id)
        if not count:
            hint = f" The first of {len(refused):,} files: {refused[0]}" if refused else ""
            raise InputError(f"Expected class folders with images in {path.name}. Received: none.{hint}")
    except BaseException:
        shutil.rmtree(made.folder, ignore_errors=True)
        raise
    return made, refused, copies


def _folder_name(text: str) -> str | None:
    """Return `text` as the name of one visible folder; None when nothing of it is left."""
    name = folders.class_name(folders.class_name(text).strip(" ."))
    return None if name == folders.class_name("") else name
