"""The list of shards: the same everywhere, keyed by what answers depend on; each file counted once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imgrec.errors import InputError
from imgrec.evaluation import shards, stored_predictions
from imgrec.evaluation.shards import Shard, list_shards
from imgrec.evaluation.stored_predictions import Answers
from tests.evaluation.test_evaluate import colors

DEPENDS_ON = {"weights_sha256": "0" * 64, "framing": "crop", "versions": {"openvino": "1"}, "dataset": "toy"}


@pytest.fixture(autouse=True)
def _few_images_in_a_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_IMAGES", 10)


def answers(shard: Shard) -> Answers:
    ids = tuple(f"{i:03d}" for i in shard.positions)
    return Answers(ids, np.zeros(len(shard), np.int64), np.full((len(shard), 3), shard.number / 16, np.float16))


def test_every_image_is_in_one_shard() -> None:
    found = list_shards(colors(34), DEPENDS_ON)
    assert [position for shard in found for position in shard.positions] == list(range(34))
    assert [len(shard) for shard in found] == [10, 10, 10, 4]
    assert found == list_shards(colors(34), DEPENDS_ON)
    assert list_shards(colors(34), DEPENDS_ON, [0, 4, 9])[1].positions == range(4, 9)


@pytest.mark.parametrize(
    "changed",
    [{"weights_sha256": "1" * 64}, {"framing": "squash"}, {"versions": {"openvino": "2"}}],
    ids=["weights", "framing", "versions"],
)
def test_a_key_depends_on_what_answers_depend_on(changed: dict[str, object]) -> None:
    before, after = list_shards(colors(34), DEPENDS_ON), list_shards(colors(34), DEPENDS_ON | changed)
    assert not {shard.key for shard in before} & {shard.key for shard in after}


def test_a_key_depends_on_the_own_images_alone() -> None:
    before = list_shards(colors(34), DEPENDS_ON)
    assert not {shard.key for shard in before} & {shard.key for shard in list_shards(colors(34, shift=1), DEPENDS_ON)}
    damaged = list_shards(colors(34, broken=(12,)), DEPENDS_ON)
    assert [a.key == b.key for a, b in zip(before, damaged, strict=True)] == [True, False, True, True]
    renamed = list_shards(replace(colors(34), name="other"), DEPENDS_ON | {"dataset": "other"})
    assert renamed == before
    assert [a.key == b.key for a, b in zip(before, list_shards(colors(44), DEPENDS_ON), strict=False)] == [
        True,
        True,
        True,
        False,
    ]


def test_only_shards_without_a_whole_file_are_missing(tmp_path: Path) -> None:
    plan = list_shards(colors(34), DEPENDS_ON)
    assert shards.open_folder(tmp_path, plan) == list(plan)
    shards.put(tmp_path, plan[1], answers(plan[1]), [])
    shards.put(tmp_path, plan[2], answers(plan[2]), [])
    whole = (tmp_path / plan[2].file_name).read_bytes()
    (tmp_path / plan[2].file_name).write_bytes(whole[: len(whole) // 2])
    # Beside a rename that never came, and what another run has left.
    (tmp_path / f".{plan[0].file_name}.99-1").write_bytes(whole)
    (tmp_path / "00000-0123456789abcdef.parquet").write_bytes(whole)
    assert [shard.number for shard in shards.open_folder(tmp_path, plan)] == [0, 2, 3]
    assert not (tmp_path / "00000-0123456789abcdef.parquet").exists()
    with pytest.raises(InputError):
        shards.merge(tmp_path, tmp_path / "merged" / "m.parquet", {})
    assert not (tmp_path / "merged" / "m.parquet").exists()


def test_the_merged_file_has_each_image_once_in_order_whoever_computed_it(tmp_path: Path) -> None:
    plan = list_shards(colors(54), DEPENDS_ON)
    shards.open_folder(tmp_path, plan)
    failures = [{"id": "020", "reason": "No image."}]
    for shard in reversed(plan):
        found = answers(shard)
        shards.put(tmp_path, shard, found.take(np.arange(1, 10)) if shard.number == 2 else found,
                   failures if shard.number == 2 else [])  # fmt: skip
        shards.put(tmp_path, plan[-1], answers(plan[-1]), [])  # computed twice: counted once
    shards.merge(tmp_path, tmp_path / "m.parquet", {"model": "m"})
    stored = stored_predictions.read(tmp_path / "m.parquet")
    assert stored.ids == tuple(f"{i:03d}" for i in range(54) if i != 20)
    assert stored.probabilities[:, 0].tolist() == [i // 10 / 16 for i in range(54) if i != 20]
    assert stored_predictions.read_note(tmp_path / "m.parquet")["failures"] == failures
    import pyarrow.parquet

    groups = pyarrow.parquet.ParquetFile(tmp_path / "m.parquet").metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [39, 14]


def test_a_shard_that_lacks_an_image_is_refused(tmp_path: Path) -> None:
    plan = list_shards(colors(34), DEPENDS_ON)
    with pytest.raises(InputError, match=r"Expected 10 answers of shard 0\. Received: 9\."):
        shards.put(tmp_path, plan[0], answers(plan[0]).take(np.arange(9)), [])
