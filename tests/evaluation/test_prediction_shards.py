"""Images classified in shards: the rows of one process, whatever was stopped, in a folder and in a store."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgrec.cli import sharded_predictions
from imgrec.data.stores import Store
from imgrec.data.unlabeled_images import open_images
from imgrec.errors import InputError
from imgrec.evaluation import prediction_shards, shards
from imgrec.evaluation.prediction_shards import Classification, classify_here, in_order, open_place, put
from imgrec.evaluation.shards import Shard, list_shards
from imgrec.inference.pool import EnginePool
from imgrec.inference.request import Options
from imgrec.reports.result import Result
from imgrec.settings import MIB, Settings
from tests.data.s3_server import S3, served, use_key
from tests.data.test_packed_images import png
from tests.fakes import FakeEngine, fake_spec

IMAGES = 11


@pytest.fixture
def pool() -> EnginePool:
    return EnginePool(64 * MIB, load=lambda spec: FakeEngine(winner=281), estimate=lambda spec: MIB)


@pytest.fixture
def work(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Classification:
    monkeypatch.setattr(shards, "SHARD_IMAGES", 3)
    for i in range(IMAGES):
        file = tmp_path / "images" / f"{i:02d}.png"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"no image" if i == 4 else png(i))
    images, _ = open_images([str(tmp_path / "images")], settings)
    options = Options((fake_spec("one"), fake_spec("two")), k=2)
    return Classification(options, images, settings, {}, {"one": "1" * 64, "two": "2" * 64})


def plan(work: Classification) -> tuple[Shard, ...]:
    return list_shards(work.images, work.depends_on())


def test_results_come_in_the_order_of_the_images_however_shards_do(work: Classification, pool: EnginePool) -> None:
    listed = plan(work)
    assert [len(shard) for shard in listed] == [3, 3, 3, 2]
    found = list(classify_here(pool)(work, listed))
    late_first = [found[at] for at in (2, 0, 3, 1)]
    results = list(in_order(iter(late_first), listed))
    assert [result.image for result in results] == list(work.images.ids)
    assert [result.image for result in results if result.error is not None] == [work.images.ids[4]]
    assert all(len(result.predictions) == 2 for result in results if result.error is None)


def files(place: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in place.iterdir()}


def test_a_stopped_run_goes_on_and_leaves_the_same_files(
    work: Classification, pool: EnginePool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert sharded_predictions.write(work, str(whole), pool, "local", None, None) == 1
    assert "11 images in 4 files at" in capsys.readouterr().out
    place, listed = Store.of(stopped), plan(work)
    missing = open_place(place, listed)
    assert missing == list(listed)
    for shard, results in list(classify_here(pool)(work, missing))[1:3]:
        put(place, shard, results, work.options.k)
    assert [shard.number for shard in open_place(place, listed)] == [0, 3]
    assert sharded_predictions.write(work, str(stopped), pool, "local", None, None) == 0
    assert files(stopped) == files(whole)
    assert [row["number"] for row in json.loads(files(whole)["manifest.json"])["shards"]] == [0, 1, 2, 3]
    # Nothing is left to do.
    never = EnginePool(MIB, load=lambda spec: pytest.fail("loaded"), estimate=lambda spec: MIB)
    assert sharded_predictions.write(work, str(whole), never, "local", None, None) == 0


def test_a_shard_is_another_one_with_other_images_weights_or_options(
    work: Classification, tmp_path: Path, settings: Settings
) -> None:
    from dataclasses import replace

    keys = [shard.key for shard in plan(work)]
    assert keys == [shard.key for shard in plan(work)]
    for changed in (
        replace(work, identities=work.identities | {"one": "3" * 64}),
        replace(work, options=replace(work.options, k=3)),
        replace(work, options=replace(work.options, framing="squash")),
    ):
        assert not set(keys) & {shard.key for shard in plan(changed)}
    (tmp_path / "images" / "00.png").write_bytes(png(99))
    images, _ = open_images([str(tmp_path / "images")], settings)
    assert [a == b for a, b in zip(keys, (s.key for s in plan(replace(work, images=images))), strict=True)] == [
        False, True, True, True,
    ]  # fmt: skip


def test_results_that_lack_an_image_are_not_written(work: Classification, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Expected 3 results of shard 0\. Received: 1\."):
        put(Store.of(tmp_path / "out"), plan(work)[0], [Result("a", None)], 2)
    assert not (tmp_path / "out").exists()


def test_an_image_that_has_gone_is_told(work: Classification, pool: EnginePool, tmp_path: Path) -> None:
    (tmp_path / "images" / "05.png").unlink()
    with pytest.raises(InputError, match=r"05\.png is no longer there"):
        list(classify_here(pool)(work, plan(work)))


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    use_key(monkeypatch)
    with served() as found:
        yield found


def test_images_and_rows_may_lie_in_a_store(
    work: Classification, pool: EnginePool, tmp_path: Path, settings: Settings, s3: S3
) -> None:
    from dataclasses import replace

    for id_ in work.images.ids:
        s3.objects[f"images/{Path(id_).name}"] = Path(id_).read_bytes()
    images, _ = open_images([s3.address("images")], settings)
    assert [id_.removeprefix("s3://bucket/images/") for id_ in images.ids] == [f"{i:02d}.png" for i in range(IMAGES)]
    there = replace(work, images=images)
    assert sharded_predictions.write(there, s3.address("rows"), pool, "local", None, None) == 1
    puts = [request.partition("?")[0] for request in s3.requests if request.startswith("PUT")]
    assert len(puts) == len(set(puts)) == 5, "one for each shard, and the manifest"
    assert sharded_predictions.write(there, s3.address("rows"), pool, "local", None, None) == 0
    here = list(prediction_shards.classify_items(work.images, work.options, pool, settings))
    stored = list(prediction_shards.classify_items(images, work.options, pool, settings))
    assert [result.sha256 for result in stored] == [result.sha256 for result in here]


@pytest.mark.parametrize(("name", "received"), [("-", "standard input"), ("https://a/b.jpg", "an address on the web")])
def test_what_comes_once_cannot_be_a_shard(name: str, received: str) -> None:
    with pytest.raises(InputError, match=f"for shards. Received: {received}"):
        sharded_predictions.check_names(["a.png", name])
