"""The images that a command names: files, patterns, folders, archives, stores, addresses, standard input."""

import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from imgrec.cli.terminal import complain
from imgrec.errors import ImgrecError, InputError
from imgrec.files import opened, storage_errors, typed_path
from imgrec.settings import Settings

if TYPE_CHECKING:
    from imgrec.data.image_paths import ImageList
    from imgrec.data.unlabeled_images import Found

# What `glob` understands: for shells that hand patterns on, and for patterns in quotes.
PATTERN = "*?["

STDIN = "-"


def expand(names: Sequence[str]) -> list[str]:
    """Return the names with the files that match in place of each pattern; raise `InputError` where none does."""
    found: list[str] = []
    for name in names:
        found += _matching(name) if is_pattern(name) else [name]
    return found


def is_pattern(name: str) -> bool:
    """Whether `name` stands for files that match it, and is no file itself."""
    from imgrec.data.stores import is_address
    from imgrec.images import remote

    has_marks = any(mark in name for mark in PATTERN) and not (remote.is_address(name) or is_address(name))
    return has_marks and not os.path.lexists(os.path.expanduser(name))


def _matching(pattern: str) -> list[str]:
    found = sorted(glob.glob(str(typed_path(pattern)), recursive=True))
    if not found:
        raise InputError(f"Expected files that match {pattern}. Received: none.")
    return found


def find(names: Sequence[str], context: typer.Context) -> "ImageList":
    """Return the images of files, patterns, folders and archives; `-` is an image or an archive on standard input."""
    from imgrec.data.image_paths import find_images

    expanded, folder = expand(names), ""
    if STDIN in expanded:
        stored = store_input(context)
        folder = f"{stored.parent}{os.sep}"
        expanded = [str(stored) if name == STDIN else name for name in expanded]
    try:
        found = find_images(expanded)
    except ImgrecError as error:
        raise InputError(str(error).replace(folder, "")) from error
    files = [replace(file, title=file.title.removeprefix(folder)) for file in found.files]
    return replace(found, files=tuple(files))


def store_input(context: typer.Context) -> Path:
    """Return a file with what comes on standard input, which goes when the command ends; raise where nothing comes.

    Its suffix tells what it is, as that of a typed name does: none an image, .npz arrays, .zip any archive.
    """
    from imgrec.images import formats

    path = Path(context.with_resource(tempfile.TemporaryDirectory(prefix="imgrec-"))) / "standard input"
    with storage_errors(path), path.open("w+b") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.seek(0)
        head = file.read(max(formats.HEAD_BYTES, 1024))
    if not head:
        raise InputError("Expected an image or an archive on standard input. Received: nothing.")
    if formats.identify(head) is not None:
        return path
    # The name of a zip's first file: .npz is a zip of arrays.
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    suffix = ".npz" if head.startswith(b"PK") and first.endswith(b".npy") else ".zip"
    return path.rename(path.with_name(path.name + suffix))


def has_many(name: str) -> bool:
    """Whether `name` is a folder, an archive, a Parquet file, or an address of a store."""
    from imgrec.data.image_paths import ARCHIVE_SUFFIXES
    from imgrec.data.stores import is_address

    try:
        path = typed_path(name)
        is_packed = path.is_file() and path.name.lower().endswith((*ARCHIVE_SUFFIXES, ".parquet"))
        return is_address(name) or is_packed or path.is_dir()
    except (ImgrecError, OSError):
        return False


def may_be_image(name: str) -> bool:
    """Whether there may be images: a file begins like one, or can be read only once (standard input, addresses)."""
    from imgrec.images import formats, remote

    if name == STDIN or remote.is_address(name) or is_pattern(name) or has_many(name):
        return True
    try:
        with opened(typed_path(name)) as file:
            return formats.identify(file.read(formats.HEAD_BYTES)) is not None
    except ImgrecError:
        return False


def read_all(names: Sequence[str], settings: Settings) -> Iterator[tuple[str, str | bytes | ImgrecError]]:
    """Yield each image as its name for people, and what `images.opening.open_image` takes, or why there is none.

    Args:
        names: As typed; folders and archives stand for all images in them, a pattern for the files that match.
        settings: The largest image.
    """
    from imgrec.data import unlabeled_images

    for given in names:
        try:
            expanded = expand([given])
        except InputError as error:
            yield given, error
            continue
        for name in expanded:
            if name == STDIN:
                yield "standard input", sys.stdin.buffer.read(settings.max_upload_bytes + 1)
            elif not has_many(name):
                yield name, name
            else:
                try:
                    found = unlabeled_images.find(name, settings)
                    if found is None:
                        raise InputError(f"Expected images at {name}. Received: none.")
                except ImgrecError as error:
                    yield name, error
                    continue
                for remark in found.remarks:
                    complain(remark)
                yield from _read(name, found, settings)


def _read(place: str, found: "Found", settings: Settings) -> Iterator[tuple[str, bytes | ImgrecError]]:
    """Yield each image of a place in its order; of one that has gone since, a sentence."""
    from imgrec.data.unlabeled_images import title

    waiting = dict.fromkeys(found.names)
    sentence = "The file is no longer there."
    try:
        for name, data in found.read(found.names):
            waiting.pop(name, None)
            yield title(place, name), data if isinstance(data, bytes) else InputError(str(data))
    except ImgrecError as error:
        sentence = str(error)
    for name in waiting:
        yield title(place, name), InputError(sentence)
