"""A file is the old one or the new one, whole; nothing is left beside it; what the disk says is a sentence."""

import errno
import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imgrec.errors import StorageError
from imgrec.files import check_disk, replacing, sha256_of, sole_holder


def test_a_block_that_ends_well_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text("old")
    with replacing(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way(path, RuntimeError("half way"))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_a_sentence_with_what_is_needed(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(StorageError, match=r"Expected 3\.0 MiB of room in .*MiB free"):
        fail_half_way(tmp_path / "weights", full)
    assert not list(tmp_path.iterdir())


def fail_half_way(path: Path, error: Exception) -> None:
    with replacing(path, 3 << 20) as beside:
        beside.write_text("ne")
        raise error


def test_threads_that_write_the_same_file_leave_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "record"

    def write(number: int) -> None:
        with replacing(path) as beside:
            beside.write_text(f"{number}" * 10_000)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(10)))
    text = path.read_text()
    assert len(text) == 10_000
    assert len(set(text)) == 1


def test_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"imgrec")
    assert sha256_of(tmp_path / "file") == hashlib.sha256(b"imgrec").hexdigest()
    with pytest.raises(StorageError, match="Expected access to"):
        sha256_of(tmp_path / "none")


def test_of_many_threads_one_holds_the_lock_and_the_others_wait(tmp_path: Path) -> None:
    path, waits, log = tmp_path / "folder" / "x.lock", [], []

    def hold(number: int) -> None:
        with sole_holder(path, lambda: waits.append(number)):
            log.append(number)
            time.sleep(0.15)
            log.append(number)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(hold, range(3)))
    assert log[::2] == log[1::2]
    assert len(set(waits)) == 2


def test_an_error_ends_the_wait_for_a_lock(tmp_path: Path) -> None:
    def give_up() -> None:
        raise RuntimeError("too long")

    path = tmp_path / "x.lock"
    with sole_holder(path, give_up), pytest.raises(RuntimeError, match="too long"), sole_holder(path, give_up):
        pass


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(StorageError), sole_holder(tmp_path / "folder" / "x.lock", lambda: None):
        pass


def test_the_disk_is_checked_where_the_folder_will_be(tmp_path: Path) -> None:
    check_disk(tmp_path / "later" / "still later", 1)
    with pytest.raises(StorageError, match=rf"MiB of room in {tmp_path} for nothing\. Received: [\d,]+ MiB free"):
        check_disk(tmp_path / "later", 1 << 60, " for nothing")
