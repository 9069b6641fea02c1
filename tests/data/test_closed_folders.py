"""Folders that may not be read, and links into them: named with the reason, and everything else is read."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imgrec.data import archives, sources
from imgrec.data.image_paths import find_images
from imgrec.errors import StorageError
from imgrec.settings import Settings

NOBODY = 65534


@contextmanager
def another_user() -> Iterator[None]:
    """Run the block as a user who is not root, for whom permissions count."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with an image, a closed folder, a closed file, and links into both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "images")
        for place in ("cats", "closed/inner"):
            (folder / place).mkdir(parents=True)
            (folder / place / "1.png").write_bytes(b"x")
        (folder / "cats" / "into.png").symlink_to(folder / "closed" / "inner" / "1.png")
        (folder / "cats" / "folder").symlink_to(folder / "closed" / "inner")
        (folder / "cats" / "secret.png").write_bytes(b"x")
        (folder / "cats" / "secret.png").chmod(0)
        Path(name).chmod(0o755)
        (folder / "closed").chmod(0)
        yield folder
        (folder / "closed").chmod(0o755)


def test_what_may_not_be_read_is_named(folder: Path) -> None:
    with another_user():
        found = archives.survey(folder)
        images = find_images([folder])
    assert [str(name) for name in found.names] == ["cats/1.png"]
    assert found.left_out == tuple(
        f"{name}: no permission to read it" for name in ("cats/folder", "cats/into.png", "cats/secret.png", "closed")
    )
    assert len(images) == 1


def test_a_path_into_a_closed_folder_is_a_sentence(folder: Path, settings: Settings) -> None:
    inside = folder / "closed" / "inner"
    with another_user():
        for read in (archives.survey, sources.path_of, lambda path: find_images([path])):
            with pytest.raises(StorageError, match="Permission denied"):
                read(inside)
            with pytest.raises(StorageError, match="Permission denied"):
                archives.survey(folder / "closed")
