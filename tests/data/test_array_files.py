"""Arrays in memory and on the disk: what was written comes back, in order, without what was not."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from imgrec.data import array_files


@pytest.mark.parametrize("limit", [0, 10**9], ids=["on the disk", "in memory"])
@given(written=st.lists(st.booleans(), min_size=1, max_size=40), wanted=st.integers(0, 2**40), chunk=st.integers(1, 9))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_written_rows_come_back_in_order(
    limit: int, written: list[bool], wanted: int, chunk: int, tmp_path: Path
) -> None:
    count = len(written)
    values = np.random.default_rng(0).integers(0, 256, (count, 2, 3), dtype=np.uint8)
    kept = np.array([bool(wanted >> i & 1) for i in range(count)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(array_files, "IN_MEMORY_BYTES", limit)
        patch.setattr(array_files, "CHUNK_BYTES", chunk * 6)
        with array_files.Rows(count, (2, 3), tmp_path) as store:
            for row in reversed(range(count)):  # any order will do
                if written[row]:
                    store.write(row, values[row])
            assert store.written.tolist() == written
            found = store.finish(kept)
    np.testing.assert_array_equal(found, values[np.array(written) & kept])
    assert list(tmp_path.iterdir()) == []


def test_a_copy_is_what_indexing_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.arange(60, dtype=np.uint8).reshape(10, 6)
    indices = np.array([3, 3, 9, 0])
    in_memory = array_files.copy(array, indices, tmp_path)
    monkeypatch.setattr(array_files, "IN_MEMORY_BYTES", 0)
    on_disk = array_files.copy(array, indices, tmp_path)
    assert isinstance(on_disk, np.memmap)
    assert not on_disk.flags.writeable
    np.testing.assert_array_equal(on_disk, in_memory)
    np.testing.assert_array_equal(on_disk, array[indices])
