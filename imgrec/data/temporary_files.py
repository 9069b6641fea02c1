"""Uploaded files on the disk for as long as they are used, so that hundreds of them take no memory.

Single images are put into one archive, under the names that they came with; archives stay as they came. The folder goes
with the object, or with the process; what a killed process has left goes the next day.
"""

import shutil
import tempfile
import time
import weakref
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from imgrec.data.image_paths import ARCHIVE_SUFFIXES
from imgrec.files import storage_errors
from imgrec.settings import Settings

# What is older was left by a process that was killed.
MAX_AGE_S = 24 * 3600


# What a name on the disk keeps of an uploaded one: the end, which has the suffix.
MAX_KEPT_BYTES = 100

# Of a name with folders, which tell classes: more are cut off at the front.
MAX_FOLDERS = 8


def plain_name(name: str) -> str:
    r"""Return a name for an uploaded file on the disk: what follows the last / or \, without control characters.

    >>> plain_name("../../my\0 cats.tar.gz"), plain_name("C:\\x\\.zip"), plain_name("..")
    ('my cats.tar.gz', 'zip', 'image')
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    printable = "".join(c for c in last if c.isprintable() and c != ":").encode(errors="replace")
    return printable[-MAX_KEPT_BYTES:].decode(errors="ignore").strip(". ") or "image"


class TemporaryFiles:
    """A folder with uploaded files; `add_all` them, then read them at `paths`. Raises `StorageError` on a full disk."""

    def __init__(self, settings: Settings) -> None:
        home = settings.home / "uploads"
        with storage_errors(home):
            home.mkdir(parents=True, exist_ok=True)
            _delete_old(home)
            self._folder = Path(tempfile.mkdtemp(dir=home))
        self.paths: list[Path] = []
        self._names: set[str] = set()
        self.close = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def add_all(self, uploads: Iterable[tuple[str, bytes | memoryview]]) -> None:
        """Store uploads as (name, content); of several with one name the others get a number."""
        images = self._folder / "images.zip"
        # Opened once: each opening reads the list of all that is in it.
        with storage_errors(images), zipfile.ZipFile(images, "a", zipfile.ZIP_STORED) as archive:
            for name, data in uploads:
                self._add(name, data, archive)
            is_empty = not archive.namelist()
        if is_empty:
            images.unlink()
        elif images not in self.paths:
            self.paths.append(images)

    def _add(self, name: str, data: bytes | memoryview, images: zipfile.ZipFile) -> None:
        # No part of the name leads out of the archive, and none is hidden in it.
        parts = [_part(part) for part in PurePosixPath(_whole(name).replace("\\", "/")).parts[-MAX_FOLDERS:]]
        plain = "/".join(part for part in parts if part.strip("/")) or "image"
        with storage_errors(self._folder, len(data)):
            if plain.lower().endswith(ARCHIVE_SUFFIXES):
                path = self._folder / f"{len(self.paths):05d}" / plain_name(plain)
                path.parent.mkdir()
                path.write_bytes(data)
                self.paths.append(path)
                return
            images.writestr(self._unused(plain), data)

    def _unused(self, name: str) -> str:
        path, number, found = PurePosixPath(name), 2, name
        while found in self._names:
            found, number = str(path.with_name(f"{path.stem} ({number}){path.suffix}")), number + 1
        self._names.add(found)
        return found


def _part(part: str) -> str:
    """Return the name of a folder or file as it stands in an archive: visible, and not too long."""
    return part.lstrip(".").replace("\0", "").rstrip(":")[-MAX_KEPT_BYTES:]


def _whole(name: str) -> str:
    """Return `name` without halves of characters, which no file can have."""
    return name.encode(errors="replace").decode()


def _delete_old(home: Path) -> None:
    for folder in home.iterdir():
        try:
            is_old = time.time() - folder.stat().st_mtime > MAX_AGE_S
        except FileNotFoundError:  # another process deletes it too
            continue
        if is_old:
            shutil.rmtree(folder, ignore_errors=True)
