"""Folders and archives as sequences of files: the same three ways, and nothing that an archive may try."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from imgrec.data import archives
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


@pytest.mark.parametrize("make", [folder, zipped, tarred])
def test_a_survey_names_what_files_give(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path)
    assert archives.survey(path) == archives.Listing(tuple(name for name, _ in WANTED), ())
    chosen = PurePosixPath("dogs/b.jpg")
    assert list(archives.files(path, max_bytes=100, only={chosen})) == WANTED[1:]


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_a_survey_names_folders_with_nothing_in_them(kind: str, tmp_path: Path) -> None:
    path = place = folder(tmp_path)
    for name in ("frogs", "deep/er", ".git", "clutter"):
        (place / name).mkdir(parents=True)
    (place / "clutter" / ".DS_Store").write_bytes(b"")
    if kind == "zip":
        path = tmp_path / "set.zip"
        with zipfile.ZipFile(path, "w") as zipped_set:
            for file in sorted(place.rglob("*")):
                zipped_set.write(file, file.relative_to(place))
    elif kind == "tar":
        path = tmp_path / "set.tar"
        with tarfile.open(path, "w") as tarred_set:
            tarred_set.add(place, ".")
    assert sorted(map(str, archives.survey(path).empty)) == ["clutter", "deep/er", "frogs"]


# ── What is left alone, each with a sentence ──────────────────────────────────────────────────────────────────────


def test_links_and_devices_of_a_tar_are_left_alone(tmp_path: Path) -> None:
    kinds = {"s": tarfile.SYMTYPE, "h": tarfile.LNKTYPE, "f": tarfile.FIFOTYPE, "c": tarfile.CHRTYPE}
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for name, kind in kinds.items():
            member = tarfile.TarInfo(f"cats/{name}.jpg")
            member.type = kind
            member.linkname = "/etc/passwd"
            archive.addfile(member)
    assert list(archives.files(tmp_path / "set.tar", max_bytes=10)) == []
    assert archives.survey(tmp_path / "set.tar").left_out == (
        "cats/s.jpg: a link, not a file",
        "cats/h.jpg: a link, not a file",
        "cats/f.jpg: a device, not a file",
        "cats/c.jpg: a device, not a file",
    )


def test_a_link_in_a_zip_is_left_alone(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        member = zipfile.ZipInfo("cats/a.jpg")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    assert archives.survey(tmp_path / "set.zip").left_out == ("cats/a.jpg: a link, not a file",)


def test_links_and_pipes_of_a_folder(tmp_path: Path) -> None:
    place = folder(tmp_path)
    (place / "cats" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (place / "round").symlink_to(place)
    os.mkfifo(place / "cats" / "pipe.jpg")
    (place / "dogs" / "linked.jpg").symlink_to(place / "cats" / "a.jpg")
    assert archives.survey(place) == archives.Listing(
        (PurePosixPath("cats/a.jpg"), PurePosixPath("dogs/b.jpg"), PurePosixPath("dogs/linked.jpg")),
        (
            "cats/gone.jpg: a link that leads nowhere",
            "cats/pipe.jpg: a pipe, not a file",
            "round: a link to a folder, which is not followed",
        ),
    )


@pytest.mark.parametrize("name", ["../../outside.jpg", "/outside.jpg", "cats/../../a.jpg", "C:\\cats\\a.jpg"])
def test_names_that_lead_out_write_nothing(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr(name, b"data")
    before = sorted(os.listdir(tmp_path.parent))
    assert list(archives.files(tmp_path / "set.zip", max_bytes=10)) == []
    (sentence,) = archives.survey(tmp_path / "set.zip").left_out
    assert sentence.endswith("leads out of the archive")
    assert sorted(os.listdir(tmp_path.parent)) == before


def test_of_two_files_with_one_name_the_first_is_taken(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile itself warns of what this test is about
        archive.writestr("cats/a.jpg", b"first")
        archive.writestr("cats/a.jpg", b"second")
    assert list(archives.files(tmp_path / "set.zip", max_bytes=10)) == [(PurePosixPath("cats/a.jpg"), b"first")]
    assert archives.survey(tmp_path / "set.zip").left_out == (
        "cats/a.jpg: a second file of this name; the first is used",
    )


def test_a_damaged_file_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    first, (name, sentence) = archives.files(damaged_zip(tmp_path), max_bytes=100)
    assert first == WANTED[0]
    assert name == PurePosixPath("dogs/b.jpg")
    assert isinstance(sentence, str)
    assert "Bad CRC-32" in sentence


@pytest.mark.parametrize(
    ("offset", "value", "sentence"),
    [
        (8, 1, "it has a password"),  # of the flags
        (10, 93, "packed in a way that cannot be unpacked here"),  # of the method: Zstandard
    ],
    ids=["a password", "a method of another program"],
)
def test_a_file_that_cannot_be_unpacked_is_left_alone(tmp_path: Path, offset: int, value: int, sentence: str) -> None:
    path = zipped(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + offset] = value  # of the first member
    path.write_bytes(data)
    assert list(archives.files(path, max_bytes=100)) == WANTED[1:]
    assert archives.survey(path).left_out == (f"cats/a.jpg: {sentence}",)


# ── What is refused as a whole ────────────────────────────────────────────────────────────────────────────────────


def zip_bomb(place: Path) -> Path:
    with zipfile.ZipFile(place / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(5):
            archive.writestr(f"cats/{i}.bmp", bytes(2_000_000))
    return place / "bomb.zip"


def tar_bomb(place: Path) -> Path:
    with tarfile.open(place / "bomb.tar.xz", "w:xz") as archive:
        member = tarfile.TarInfo("cats/a.bmp")
        member.size = 5_000_000
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    return place / "bomb.tar.xz"


def tar_of_folders(place: Path) -> Path:
    with tarfile.open(place / "bomb.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("cats")
        member.type = tarfile.DIRTYPE
        for _ in range(1_000):
            archive.addfile(member)
    return place / "bomb.tar.gz"


@pytest.mark.parametrize("make", [zip_bomb, tar_bomb, tar_of_folders])
def test_an_archive_that_unpacks_to_far_more_than_it_is(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path)
    assert path.stat().st_size < 50_000
    monkeypatch.setattr(archives, "HARMLESS_BYTES", 100_000)
    monkeypatch.setattr(archives, "MAX_RATIO", 40)
    with pytest.raises(InputError, match="when unpacked"):
        list(archives.files(path, max_bytes=1))


def test_a_name_as_long_as_the_memory_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_HEADER_BYTES", 10_000)
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("cats/" + "a" * 1_000_000))
    with pytest.raises(InputError, match="header of 1 MiB"):
        archives.survey(tmp_path / "set.tar.gz")


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


def damaged_xz(place: Path) -> Path:
    (place / "set.tar.xz").write_bytes(lzma.compress(tarred(place).read_bytes())[:-40])
    return place / "set.tar.xz"


def damaged_bz2(place: Path) -> Path:
    data = bytearray(bz2.compress(gzip.decompress(tarred(place).read_bytes())))
    data[60] ^= 255
    (place / "set.tar.bz2").write_bytes(data)
    return place / "set.tar.bz2"


def misplaced_zip(place: Path) -> Path:
    data = bytearray(zipped(place).read_bytes())
    data[data.index(b"PK\x01\x02") + 43] = 1  # says that the first member begins 16 MiB on
    (place / "set.zip").write_bytes(data)
    return place / "set.zip"


def misnamed_zip(place: Path) -> Path:
    data = bytearray(zipped(place).read_bytes())
    start = data.index(b"PK\x01\x02")
    data[start + 9] |= 8  # says that the first member's name is UTF-8
    data[start + 46] = 255
    (place / "set.zip").write_bytes(data)
    return place / "set.zip"


def empty(place: Path) -> Path:
    (place / "set.tar").write_bytes(b"")
    return place / "set.tar"


def no_archive(place: Path) -> Path:
    (place / "set.zip").write_bytes(b"no archive at all")
    return place / "set.zip"


@pytest.mark.parametrize(
    "make",
    [
        damaged_zip,
        damaged_tar,
        damaged_xz,
        damaged_bz2,
        misplaced_zip,
        misnamed_zip,
        empty,
        no_archive,
        lambda place: place / "none",
    ],
)
def test_what_is_no_whole_archive_gets_a_sentence(make: Callable[[Path], Path], tmp_path: Path) -> None:
    try:
        told = [data for _, data in archives.files(make(tmp_path), max_bytes=100) if isinstance(data, str)]
    except InputError as error:
        told = [str(error)]
    assert told
    assert all("Expected" in sentence for sentence in told)


def test_a_zip_without_its_end_is_damaged(tmp_path: Path) -> None:
    path = zipped(tmp_path)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(InputError, match=r"set\.zip, a zip that is damaged or cut off"):
        archives.survey(path)


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILES", 1)
    with pytest.raises(InputError, match="at most 1"):
        list(archives.files(zipped(tmp_path), max_bytes=100))


def small_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.png", b"x")
    return buffer.getvalue()


def test_a_member_without_a_name_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    data = bytearray(small_zip())
    entry = data.index(b"PK\1\2")
    data[entry + 28 : entry + 34] = b"\0\0\0\0\5\0"  # the name's five bytes are taken for a comment
    path.write_bytes(data)

    assert archives.survey(path) == archives.Listing((), (".: it has no name",))


def test_a_zip_without_its_first_byte_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(small_zip()[1:])

    ((name, content),) = archives.files(path, max_bytes=9)

    assert name == PurePosixPath("a.png")
    assert content == "Expected a.zip to be a whole archive. Received: [Errno 22] Invalid argument."
