"""Albums: images by class that a person puts together here, kept as folders that every loader reads.

    IMGREC_HOME/sets/<album>/
    ├── .album.json          the order of its classes, as they were added
    ├── cat/  3f2a….jpg …    the bytes as they arrived, named by their sha256
    └── dog/

The folder is the whole truth, as with jobs: a page that is reloaded and a server that is killed lose nothing. What
people type becomes a folder's name in one place, `class_name`.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imgrec.data import archives, folders
from imgrec.data.folders import TEST_NAMES, TRAIN_NAMES
from imgrec.errors import ImageError, InputError
from imgrec.files import replacing, storage_errors
from imgrec.images import decoding
from imgrec.settings import Settings

_ORDER = ".album.json"

# Enough of the sha256 to tell any two images apart.
_DIGEST_CHARACTERS = 24

# The two folders of an album that came with a test set of its own.
TRAINING, TEST = "training_set", "test_set"


def class_name(text: str) -> str:
    """`text` as the name of a class and of its folder; raises `InputError` when nothing of it can be one.

    >>> class_name(" <b>cats</b> ")
    '＜b＞cats＜／b＞'
    """
    name = _folder_name(text)
    if name is None or name.lower() in TRAIN_NAMES | TEST_NAMES:
        raise InputError(
            f"Expected the name of a class, other than train, test or validation. "
            f"Received: {text[: folders.MAX_NAME_CHARACTERS]!r}."
        )
    return name


def album_name(text: str) -> str:
    """`text` as the name of an album and of its folder; raises `InputError` when nothing of it can be one."""
    name = _folder_name(text)
    if name is None:
        raise InputError(f"Expected a name for the set. Received: {text[: folders.MAX_NAME_CHARACTERS]!r}.")
    return name


@dataclass(frozen=True, slots=True)
class Album:
    """One folder of `sets/`. Nothing is kept in memory: two tabs that look at it see the same."""

    folder: Path

    @property
    def name(self) -> str:
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
        order = _read_order(self.folder)
        return [label for label in order if label in there] + [label for label in there if label not in order]

    def images(self, label: str) -> list[Path]:
        """The files of a class, oldest first."""
        with storage_errors(self.root):
            files = [path for path in (self.root / label).iterdir() if not path.name.startswith(".")]
            return sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))

    def counts(self) -> dict[str, int]:
        """Class → images to learn from."""
        return {label: len(self.images(label)) for label in self.labels}

    @property
    def test_images(self) -> int:
        """How many images a test set of its own has."""
        return sum(1 for path in (self.folder / TEST).glob("*/*") if path.is_file())

    def add_class(self, text: str) -> str:
        """A new, empty class; returns its name. Raises `InputError` when there is one of that name."""
        label = class_name(text)
        self._check_free(label)
        order = [*self.labels, label]
        with storage_errors(self.root):
            (self.root / label).mkdir()
        _write_order(self.folder, order)
        return label

    def rename_class(self, old: str, text: str) -> str:
        """Give the class `old` another name; its images stay. Raises `InputError` as `add_class` does."""
        new = class_name(text)
        if new == old:
            return old
        self._check_free(new, but=old)
        order = [new if label == old else label for label in self.labels]
        with storage_errors(self.root):
            for root in (self.root, self.folder / TEST):
                if (root / old).is_dir():
                    (root / old).rename(root / new)
        _write_order(self.folder, order)
        return new

    def remove_class(self, label: str) -> None:
        """Take a class away, with its images."""
        with storage_errors(self.root):
            for root in (self.root, self.folder / TEST):
                if label in self.labels and (root / label).is_dir():
                    shutil.rmtree(root / label)
        self._touch()

    def add(self, label: str, data: bytes, *, max_bytes: int, name: str | None = None, test: bool = False) -> bool:
        """Keep a image in class `label`; False when it is in that class already. Raises `ImageError` on others."""
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
        """Take one image away."""
        file = next((path for path in self.images(label) if path.name == file_name), None)
        if file is not None:
            with storage_errors(file):
                file.unlink(missing_ok=True)
            self._touch()

    def delete(self) -> None:
        """Take the album away, with everything in it."""
        with storage_errors(self.folder):
            shutil.rmtree(self.folder)

    def _touch(self) -> None:
        """Say that something changed where `all_albums` looks; a disk that will not take it loses an order alone."""
        with contextlib.suppress(OSError):
            os.utime(self.folder / _ORDER)

    def _check_free(self, label: str, but: str | None = None) -> None:
        taken = [other for other in self.labels if other != but and other.casefold() == label.casefold()]
        if taken:
            raise InputError(f"Expected another name: a class {taken[0]!r} is there already. Received: {label!r}.")


def home(settings: Settings) -> Path:
    """Where the albums of this user lie."""
    return settings.home / "sets"


def all_albums(settings: Settings) -> list[Album]:
    """Every album, the one that was changed last first."""
    folder = home(settings)
    changed_at: dict[Path, float] = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        # One look each, however many classes it has: a page asks with every click.
        with contextlib.suppress(OSError):
            changed_at[path] = (path / _ORDER).stat().st_mtime
    return [Album(path) for path in sorted(changed_at, key=changed_at.__getitem__, reverse=True)]


def create(text: str, settings: Settings, labels: tuple[str, ...] = ()) -> Album:
    """A new album with empty classes; `text`, or it with the first number that is free, becomes its name."""
    wanted = album_name(text)
    folder = home(settings)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            made = folder / (wanted if number == 1 else f"{wanted} {number}")
            with contextlib.suppress(FileExistsError):
                made.mkdir()
                break
    _write_order(made, [])
    album = Album(made)
    for label in labels:
        album.add_class(label)
    return album


def unpack(
    path: Path,
    text: str,
    settings: Settings,
    on_progress: Callable[[int], None] = lambda count: None,
) -> tuple[Album, list[str], list[str]]:
    """A new album of the images in a folder or archive, a line for each file that could not be used, and its copies.

    The copies are the names of files that their class had already. A test set of its own stays one. Raises `InputError`
    when nothing can be used or there are too many classes, and leaves nothing behind then; `StorageError` when there
    is no room.
    """
    listing = archives.survey(path)
    layout = folders.lay_out(path, listing.names)
    classes = len({label for _, label in layout.places.values()})
    if classes > folders.MAX_CLASSES:
        raise InputError(
            f"Expected at most {folders.MAX_CLASSES:,} classes in {path.name}. Received: {classes:,}; "
            "the folder that directly holds an image is taken for its class."
        )
    copies: list[str] = []
    refused = [*layout.remarks, *listing.left_out, *layout.left_out]
    album = create(text, settings)
    count = 0
    try:
        if any(part == "test" for part, _ in layout.places.values()):
            for part in (TRAINING, TEST):
                (album.folder / part).mkdir()
        found = archives.files(
            path,
            max_bytes=settings.max_upload_bytes,
            only=layout.places.keys(),
            on_damaged=lambda name, sentence: refused.append(f"{name}: {sentence}"),
        )
        for name, data in found:
            part, label = layout.places[name]
            try:
                is_new = album.add(
                    class_name(label), data, max_bytes=settings.max_upload_bytes, name=name.name, test=part == "test"
                )
            except (ImageError, InputError) as error:
                refused.append(f"{name}: {error}")
                continue
            if not is_new:
                copies.append(str(name))
                continue
            count += 1
            on_progress(count)
        if not count:
            hint = f" The first of {len(refused):,} files: {refused[0]}" if refused else ""
            raise InputError(f"Expected class folders with images in {path.name}. Received: none.{hint}")
    except BaseException:
        shutil.rmtree(album.folder, ignore_errors=True)
        raise
    return album, refused, copies


def _folder_name(text: str) -> str | None:
    """`text` as the name of one visible folder; None when nothing of it is left."""
    name = folders.class_name(folders.class_name(text).strip(" ."))
    return None if name == folders.class_name("") else name


def _read_order(folder: Path) -> list[str]:
    try:
        classes = json.loads((folder / _ORDER).read_text(encoding="utf-8"))["classes"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [str(label) for label in classes]


def _write_order(folder: Path, labels: list[str]) -> None:
    """Whole or not at all."""
    with replacing(folder / _ORDER) as beside:
        beside.write_text(json.dumps({"classes": labels}, ensure_ascii=False) + "\n", encoding="utf-8")
