"""A cluster of several processes on this machine: the rows of the local engine, whatever dies."""

import os
import signal
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imgrec.data.dataset import Dataset
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.data.unlabeled_images import open_images
from imgrec.errors import EngineError, InputError
from imgrec.evaluation import evaluate, shards, stored_predictions
from imgrec.evaluation.prediction_shards import Classification, classify_here, in_order
from imgrec.evaluation.shard_work import Runner, run_here
from imgrec.evaluation.shards import Shard
from imgrec.inference.openvino_engine import OpenVINOEngine
from imgrec.inference.pool import EnginePool
from imgrec.inference.request import Options
from imgrec.models.catalog import ModelSpec
from imgrec.reports.result import Result, to_rows
from imgrec.scale import cluster
from imgrec.scale.cluster import Node
from imgrec.scale.ray_engine import RayEngine
from imgrec.settings import MIB, Settings
from tests.evaluation.test_evaluate import COLORS, image, network, spec

__all__ = ["network", "spec"]  # fixtures

pytestmark = pytest.mark.slow

IMAGES = 120
TIMES = {"cold_ms", "latency_p50_ms", "latency_p95_ms", "throughput_per_s", "timed_at"}


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Node]]:
    pytest.importorskip("ray")
    refused: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray's own
        with cluster.opened(None, refused.append) as found:
            assert not refused
            yield found


@pytest.fixture
def ours(spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """The model of colors, whose classes other processes know."""
    monkeypatch.setattr(shards, "SHARD_IMAGES", 20)
    monkeypatch.setattr(evaluate, "_now", lambda: "2026-01-01T00:00:00+00:00")
    return replace(spec, own_label_space=COLORS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("data") / "paints"
    for i in range(IMAGES):
        file = place / COLORS.labels[(i + (i % 7 == 0)) % 3] / f"{i:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        data = image(i % 3, i)
        assert isinstance(data, bytes)
        file.write_bytes(b"no image" if i == 50 else data)
    return place


@pytest.fixture
def labeled(folder: Path, settings: Settings) -> Dataset:
    return open_evaluation_split(str(folder), settings)


def measured(
    ours: ModelSpec, labeled: Dataset, settings: Settings, place: Path, run: Runner, **options: object
) -> tuple[dict[str, object], bytes]:
    """Return the row without its times, and the bytes of the stored answers."""
    row = evaluate.evaluate(ours, labeled, settings, place, run=run, **options)  # type: ignore[arg-type]
    path = stored_predictions.predictions_path(place, ours.name, labeled.name)
    return {key: value for key, value in row.items() if key not in TIMES}, path.read_bytes()


def test_the_same_rows_as_here_byte_for_byte_also_when_workers_are_killed(
    ours: ModelSpec, labeled: Dataset, settings: Settings, tmp_path: Path, nodes: list[Node]
) -> None:
    here = measured(ours, labeled, settings, tmp_path / "here", run_here)
    assert here[0]["images"] == IMAGES - 1
    assert [failure["id"] for failure in here[0]["failures"]] == ["blue/050.png"]  # type: ignore[attr-defined]
    engine = RayEngine(nodes)
    assert measured(ours, labeled, settings, tmp_path / "ray", engine) == here
    assert max(engine.peaks.values()) > 0  # a worker that comes up late may find nothing left to do

    killed: list[int] = []
    deadly = RayEngine(nodes)

    def kill(done: int, count: int) -> None:
        if len(killed) < 2:
            pid = next(pid for pid in deadly.peaks if pid not in killed)
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    found = measured(ours, labeled, settings, tmp_path / "killed", deadly, on_progress=kill)
    assert len(killed) == 2
    assert found == here


def test_a_driver_that_was_stopped_goes_on_where_it_was(
    ours: ModelSpec, labeled: Dataset, settings: Settings, tmp_path: Path, nodes: list[Node]
) -> None:
    here = measured(ours, labeled, settings, tmp_path / "here", run_here)

    def stop(done: int, count: int) -> None:
        if done >= 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(ours, labeled, settings, tmp_path / "stopped", RayEngine(nodes), on_progress=stop)
    kept = len(list((tmp_path / "stopped").rglob("*.parts/*.parquet")))
    assert kept >= 2
    seen: list[int] = []
    # What one engine has left, another one goes on with.
    again = measured(
        ours, labeled, settings, tmp_path / "stopped", run_here, on_progress=lambda done, _: seen.append(done)
    )
    assert len(seen) == IMAGES - 20 * kept
    assert again == here


@pytest.mark.exhaustive
def test_a_shard_that_always_fails_is_listed_and_the_others_are_kept(
    ours: ModelSpec, labeled: Dataset, settings: Settings, tmp_path: Path, nodes: list[Node], folder: Path
) -> None:
    assert len(labeled.contents) == 32 * IMAGES  # read while the file is there
    victim = min((folder / "red").iterdir())
    data = victim.read_bytes()
    victim.unlink()
    try:
        with pytest.raises(EngineError, match=r"Expected 6 shards\. Received: 5, .*failed 3 times: shard \d \("):
            measured(ours, labeled, settings, tmp_path, RayEngine(nodes, actors=1))
    finally:
        victim.write_bytes(data)
    assert len(list(tmp_path.rglob("*.parts/*.parquet"))) == 5
    assert measured(ours, labeled, settings, tmp_path, RayEngine(nodes, actors=1))[0]["images"] == IMAGES - 1


def test_images_are_classified_as_here_also_when_a_worker_is_killed(
    ours: ModelSpec, folder: Path, network: Path, settings: Settings, nodes: list[Node]
) -> None:
    images, _ = open_images([str(folder), f"file://{folder}"], settings)
    options = Options((ours,), k=3)
    pool = EnginePool(MIB, load=lambda spec: OpenVINOEngine(network, 0), estimate=lambda spec: 0)
    work = Classification(options, images, settings, {ours.name: network}, {ours.name: ""})
    listed = shards.list_shards(images, {})
    here = list(in_order(classify_here(pool)(work, listed), listed))
    engine = RayEngine(nodes)

    def deadly() -> Iterator[tuple[Shard, list[Result]]]:
        for number, found in enumerate(engine.classify(work, listed)):
            if number == 1:
                os.kill(next(iter(engine.peaks)), signal.SIGKILL)
            yield found

    there = list(in_order(deadly(), listed))
    rows = [[row | {"milliseconds": None} for row in to_rows(found, 3)] for found in (here, there)]
    assert rows[0] == rows[1]
    assert len(here) == 2 * IMAGES
    assert sum(found.error is not None for found in here) == 2


def test_nodes_with_other_versions_are_refused_by_name(nodes: list[Node], monkeypatch: pytest.MonkeyPatch) -> None:
    ours = cluster.versions()
    monkeypatch.setattr(cluster, "versions", lambda: ours | {"openvino": "1.0"})
    told: list[str] = []
    refused = rf"{nodes[0].name} has openvino {ours['openvino']} where 1\.0 is expected"
    with pytest.raises(InputError, match=refused), cluster.opened(None, told.append):
        pass
    assert told == [f"{nodes[0].name} is left out: openvino {ours['openvino']} where 1.0 is expected."]


@pytest.mark.exhaustive
def test_a_network_that_no_worker_can_load_is_told(
    ours: ModelSpec, labeled: Dataset, settings: Settings, tmp_path: Path, nodes: list[Node],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    told: list[str] = []
    broken = tmp_path / "network" / "model.xml"
    broken.parent.mkdir()
    broken.write_text("<net/>")
    monkeypatch.setattr(evaluate.Preparations, "ensure", lambda self, spec, on_progress=None: broken)
    with pytest.raises(EngineError, match="Received: all have died"):
        measured(ours, labeled, settings, tmp_path / "out", RayEngine(nodes, tell=told.append))
    assert told


def test_more_workers_than_cpus_are_refused(
    ours: ModelSpec, labeled: Dataset, settings: Settings, tmp_path: Path, nodes: list[Node]
) -> None:
    with pytest.raises(InputError, match=r"workers on this cluster\. Received: 500"):
        measured(ours, labeled, settings, tmp_path, RayEngine(nodes, actors=500))
