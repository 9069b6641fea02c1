"""A cluster of two hosts, reached at its address: the second one gets the network from the driver."""

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
from tests.scale import two_hosts
from tests.scale.test_ray_engine import folder, labeled, measured, network, ours, spec

__all__ = ["folder", "labeled", "network", "ours", "spec"]  # fixtures

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(two_hosts.why_not()), reason=two_hosts.why_not() or "two hosts can be had"),
]


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "home of host 1", tmp_path / "home of host 2"


@pytest.fixture
def address(homes: tuple[Path, Path]) -> Iterator[str]:
    with two_hosts.opened(homes) as found:
        yield found


def test_the_same_rows_from_two_hosts(
    ours: ModelSpec,
    labeled: Dataset,
    settings: Settings,
    tmp_path: Path,
    homes: tuple[Path, Path],
    address: str,
) -> None:
    here = measured(ours, labeled, settings, tmp_path / "here", run_here)
    told: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray's own
        with cluster.opened(address, told.append) as nodes:
            assert [(node.name, node.is_here) for node in nodes] == [
                (two_hosts.NAMES[0], True),
                (two_hosts.NAMES[1], False),
            ]
            both = measured(ours, labeled, settings, tmp_path / "both", RayEngine(nodes, tell=told.append))
            # Of both, the first to be up may do it all.
            second = RayEngine(nodes[1:], tell=told.append)
            there = measured(ours, labeled, settings, tmp_path / "second", second)
    assert both == here
    assert there == here
    assert not told
    assert any(second.peaks.values())
    # Only the host that has not the driver's folder is sent the network.
    assert [bool(list(home.rglob("model.xml"))) for home in homes] == [False, True]
