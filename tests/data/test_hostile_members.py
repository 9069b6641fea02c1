"""Archives whose members have hostile names: each is read or left out with a reason, and nothing lands elsewhere."""

import io
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from imgrec.data import archives, collections, sources
from imgrec.data.image_paths import find_images
from imgrec.data.temporary_files import TemporaryFiles, plain_name
from imgrec.errors import InputError
from imgrec.settings import MIB, Settings
from tests.inference.test_request import image
from tests.reliability.hostile_names import MARK, NAMES


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in NAMES.values():
            if name:
                archive.writestr(f"{name}/{name}.png", image())
                archive.writestr(f"cats/{name}", image())


def write_tar(path: Path, format: int) -> None:
    with tarfile.open(path, "w", format=format) as archive:
        for name in NAMES.values():
            for whole in (f"{name}/{name}.png", f"cats/{name}"):
                member = tarfile.TarInfo(whole)
                member.size = len(image())
                archive.addfile(member, io.BytesIO(image()))


def pax(path: Path) -> None:
    write_tar(path, tarfile.PAX_FORMAT)


def gnu(path: Path) -> None:
    write_tar(path, tarfile.GNU_FORMAT)


@pytest.mark.parametrize("write", [write_zip, pax, gnu])
def test_members_of_any_name_are_read_or_left_out(
    write: Callable[[Path], None], settings: Settings, tmp_path: Path
) -> None:
    settings = replace(settings, home=tmp_path / "home", max_upload_bytes=MIB)
    path = tmp_path / "archive.bin"
    write(path)
    before = {place for place in tmp_path.rglob("*") if "home" not in place.parts}
    found = archives.survey(path)
    assert len(found.names) > 40
    assert not any(".." in name.parts or name.is_absolute() for name in found.names)
    assert find_images([path.rename(tmp_path / "archive.zip")]).files
    path = tmp_path / "archive.zip"
    dataset = sources.from_files(path, settings)
    assert not any(unicodedata.category(c) == "Cc" for label in dataset.label_space.labels for c in label)
    made, refused, _ = collections.unpack(path, "red__fox", settings)
    assert len(made.labels) > 20
    assert all("Traceback" not in line for line in refused)
    after = {place for place in tmp_path.rglob("*") if "home" not in place.parts}
    assert after - {path} == before - {tmp_path / "archive.bin"}
    assert not any(place.name == MARK for place in (settings.home).rglob("*") if place.parent == settings.home)
    assert {place.parent for place in made.root.glob("*/*")} == {made.root / label for label in made.labels}


@pytest.mark.parametrize("suffix", ["", ".png", ".zip"])
def test_uploads_of_any_name_are_stored_in_their_folder(suffix: str, settings: Settings, tmp_path: Path) -> None:
    stored = TemporaryFiles(replace(settings, home=tmp_path))
    stored.add_all((name + suffix, image()) for name in (*NAMES.values(), "a" * 5000, "a/" * 5000))
    folder = stored.paths[0].parent if suffix != ".zip" else stored.paths[0].parent.parent
    assert all(path.resolve().is_relative_to(folder.resolve()) for path in stored.paths)
    assert [path.name for path in tmp_path.iterdir()] == ["uploads"]
    if suffix != ".zip":
        assert len(find_images(stored.paths)) == len(NAMES) + 2
    else:
        with pytest.raises(InputError, match="Expected"):
            find_images(stored.paths)
    stored.close()


def test_a_name_on_the_disk_is_one_visible_short_name() -> None:
    for name in (*NAMES.values(), "a" * 5000, ".", "..", "/", "a/.."):
        plain = plain_name(name)
        assert plain
        assert "/" not in plain
        assert plain not in (".", "..")
        assert plain.isprintable()
        assert len(plain.encode()) <= 100
