"""A cluster of two nodes, reached at its address: the second one gets the network from the driver."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgrec.data.dataset import Dataset
from imgrec.evaluation.shard_work import run_here
from imgrec.models.catalog import ModelSpec
from imgrec.scale import cluster
from imgrec.scale.ray_engine import RayEngine
from imgrec.settings import Settings
from tests.scale.test_ray_engine import folder, labeled, measured, network, ours, spec

__all__ = ["folder", "labeled", "network", "ours", "spec"]  # fixtures

pytestmark = pytest.mark.exhaustive


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The address of a cluster of two nodes, whose workers have an empty home."""
    pytest.importorskip("ray")
    monkeypatch.setenv("IMGREC_HOME", str(tmp_path / "home of workers"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray's own
        from ray.cluster_utils import Cluster

        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
        nodes.add_node(num_cpus=2)
        yield nodes.address
        nodes.shutdown()


def test_the_same_rows_from_two_nodes(
    ours: ModelSpec, labeled: Dataset, settings: Settings, tmp_path: Path, address: str
) -> None:
    here = measured(ours, labeled, settings, tmp_path / "here", run_here)
    told: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with cluster.opened(address, told.append) as nodes:
            assert len(nodes) == 2
            there = measured(ours, labeled, settings, tmp_path / "ray", RayEngine(nodes, tell=told.append))
    assert there == here
    assert not told
    assert list((tmp_path / "home of workers").rglob("model.xml"))
