"""Arrays in memory and on the disk."""

from pathlib import Path

import numpy as np
import pytest

from imgrec.data import array_files


def test_a_copy_is_what_indexing_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.arange(60, dtype=np.uint8).reshape(10, 6)
    indices = np.array([3, 3, 9, 0])
    in_memory = array_files.take(array, indices, tmp_path)
    monkeypatch.setattr(array_files, "IN_MEMORY_BYTES", 0)
    on_disk = array_files.take(array, indices, tmp_path)
    assert isinstance(on_disk, np.memmap)
    assert not on_disk.flags.writeable
    np.testing.assert_array_equal(on_disk, in_memory)
    np.testing.assert_array_equal(on_disk, array[indices])


def test_an_array_on_the_disk_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_files, "IN_MEMORY_BYTES", 0)
    array = array_files.empty(5, (4, 4, 3), tmp_path)
    array[3] = 7
    assert isinstance(array, np.memmap)
    assert (array[3] == 7).all()
    assert list(tmp_path.iterdir()) == []
