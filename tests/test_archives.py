"""Folders and archives as sequences of files: the same three ways, and nothing that an archive may try."""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from imgrec import archives
from imgrec.errors import InputError

CONTENT = {
    "cats/a.jpg": b"one",
    "dogs/b.jpg": b"two two",
    ".hidden/c.jpg": b"no",
    "__MACOSX/d": b"no",
    "cats/.DS": b"no",
}
WANTED = [(PurePosixPath("cats/a.jpg"), b"one"), (PurePosixPath("dogs/b.jpg"), b"two two")]


def folder(place: Path) -> Path:
    for name, data in CONTENT.items():
        file = place / "set" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return place / "set"


def zipped(place: Path) -> Path:
    with zipfile.ZipFile(place / "set.zip", "w") as archive:
        for name, data in CONTENT.items():
            archive.writestr(name, data)
    return place / "set.zip"


def tarred(place: Path) -> Path:
    with tarfile.open(place / "set.tar.gz", "w:gz") as archive:
        for name, data in CONTENT.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return place / "set.tar.gz"


@pytest.mark.parametrize("make", [folder, zipped, tarred])
def test_files_come_with_their_names(make: Callable[[Path], Path], tmp_path: Path) -> None:
    assert list(archives.files(make(tmp_path), max_bytes=100)) == WANTED


@pytest.mark.parametrize("make", [folder, zipped, tarred])
def test_no_more_is_read_than_what_shows_that_it_is_too_much(make: Callable[[Path], Path], tmp_path: Path) -> None:
    found = dict(archives.files(make(tmp_path), max_bytes=4))
    assert found[PurePosixPath("dogs/b.jpg")] == b"two t"


def test_links_and_devices_of_a_tar_are_left_alone(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            member = tarfile.TarInfo("cats/a.jpg")
            member.type = kind
            member.linkname = "/etc/passwd"
            archive.addfile(member)
    assert list(archives.files(tmp_path / "set.tar", max_bytes=10)) == []


def test_names_that_lead_out_write_nothing(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("../../outside.jpg", b"data")
    before = sorted(os.listdir(tmp_path.parent))
    assert len(list(archives.files(tmp_path / "set.zip", max_bytes=10))) == 1
    assert sorted(os.listdir(tmp_path.parent)) == before


def damaged_zip(place: Path) -> Path:
    path = zipped(place)
    data = bytearray(path.read_bytes())
    data[data.index(b"two two")] ^= 1
    path.write_bytes(data)
    return path


def damaged_tar(place: Path) -> Path:
    path = tarred(place)
    path.write_bytes(path.read_bytes()[:-30])
    return path


def no_archive(place: Path) -> Path:
    (place / "set.zip").write_bytes(b"no archive at all")
    return place / "set.zip"


@pytest.mark.parametrize("make", [damaged_zip, damaged_tar, no_archive, lambda place: place / "none"])
def test_what_is_no_whole_archive_gets_a_sentence(make: Callable[[Path], Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Expected"):
        list(archives.files(make(tmp_path), max_bytes=100))


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILES", 1)
    with pytest.raises(InputError, match="at most 1"):
        list(archives.files(zipped(tmp_path), max_bytes=100))
