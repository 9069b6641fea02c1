"""Uploads on the disk: read back under their names, harmless whatever these are, and gone with the object."""

import os
import time
import zipfile
from pathlib import Path

import pytest

from imgrec.data.image_paths import find_images
from imgrec.data.temporary_files import MAX_AGE_S, TemporaryFiles
from imgrec.settings import Settings


def contents(stored: TemporaryFiles) -> dict[str, bytes | str]:
    found = find_images(stored.paths)
    return {found.files[i].title: data for i, data in found.read(1000)}


def test_images_are_read_back_under_their_names(settings: Settings) -> None:
    stored = TemporaryFiles(settings)
    stored.add_all([("cats/a.jpg", b"1"), ("a.jpg", b"2"), ("a.jpg", b"3"), ("a.jpg", b"4")])
    assert contents(stored) == {"cats/a.jpg": b"1", "a.jpg": b"2", "a (2).jpg": b"3", "a (3).jpg": b"4"}


def test_archives_stay_archives(settings: Settings, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("dogs/b.jpg", b"dog")
    stored = TemporaryFiles(settings)
    stored.add_all([("x.ZIP", (tmp_path / "x.zip").read_bytes()), ("a.jpg", memoryview(b"cat"))])
    assert contents(stored) == {"x.ZIP/dogs/b.jpg": b"dog", "images.zip/a.jpg": b"cat"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("C:\\photos\\a.jpg", "C/photos/a.jpg"),
        (".hidden.jpg", "hidden.jpg"),
        ("..", "image"),
        ("", "image"),
        ("half \udcff of a character.jpg", "half ? of a character.jpg"),
    ],
)
def test_no_name_leads_anywhere(settings: Settings, name: str, expected: str) -> None:
    stored = TemporaryFiles(settings)
    stored.add_all([(name, b"x")])
    with zipfile.ZipFile(stored.paths[0]) as archive:
        assert archive.namelist() == [expected]
    assert {path.parent.parent for path in stored.paths} == {settings.home / "uploads"}


def test_the_files_go_with_the_object(settings: Settings) -> None:
    stored = TemporaryFiles(settings)
    stored.add_all([("a.jpg", b"x")])
    path = stored.paths[0]
    assert path.exists()
    del stored
    assert not path.parent.exists()


def test_what_a_killed_process_left_goes_the_next_day(settings: Settings) -> None:
    old, new = (settings.home / "uploads" / name for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (time.time() - MAX_AGE_S - 60,) * 2)
    TemporaryFiles(settings)
    assert not old.exists()
    assert new.exists()
