"""Clusters that cannot be used are told in a sentence, and Ray is imported only for a cluster."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from imgrec.errors import BusyError, InputError, MissingExtraError
from imgrec.scale import cluster
from imgrec.scale.cluster import Node
from imgrec.scale.workers import places
from imgrec.settings import MIB, ROOT


def test_ray_is_not_imported_without_a_cluster() -> None:
    code = "import sys, imgrec.scale.ray_engine, imgrec.cli; print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_without_ray_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'imgrec\[ray\]'"), cluster.opened(None, print):
        pass


@pytest.mark.parametrize("address", ["", "somewhere", "somewhere:port", ":6379", "somewhere:99999"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(InputError, match=r"such as head\.example\.org:6379\. Received"):
        cluster._check_reachable(address)


def test_an_address_where_nothing_listens_is_told_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        with pytest.raises(
            InputError, match=r"Expected a Ray cluster at 127\.0\.0\.1:\d+\. Received: Connection refused"
        ):
            cluster._check_reachable(f"127.0.0.1:{taken.getsockname()[1]}")


def test_versions_that_differ_are_named() -> None:
    ours = cluster.versions()
    assert cluster.difference(ours, ours) == ""
    theirs = {name: version for name, version in ours.items() if name != "openvino"} | {"numpy": "1.0"}
    told = cluster.difference(theirs, ours)
    assert f"openvino missing where {ours['openvino']} is expected" in told
    assert f"numpy 1.0 where {ours['numpy']} is expected" in told


def nodes(*cpus: int) -> list[Node]:
    return [Node(str(i), f"host{i}", count, 4096 * MIB, i == 0) for i, count in enumerate(cpus)]


@pytest.mark.parametrize(
    ("cpus", "actors", "expected"),
    [
        ((3,), None, [(0, 1), (0, 1)]),
        ((3,), 1, [(0, 2)]),
        ((1,), None, [(0, 1)]),
        ((4, 4), None, [(0, 1)] * 4 + [(1, 1)] * 3),
        ((4, 4), 2, [(0, 3), (1, 3)]),
        ((2, 8), 1, [(1, 8)]),
    ],
)
def test_one_cpu_stays_free_and_fewer_workers_have_more_cores(
    cpus: tuple[int, ...], actors: int | None, expected: list[tuple[int, int]]
) -> None:
    found = places(nodes(*cpus), actors, 100, lambda threads: 500 * MIB)
    assert [(int(node.id), threads) for node, threads in found] == expected
    assert sum(threads for _, threads in found) <= max(1, sum(cpus) - 1)


def test_no_more_workers_than_memory_or_shards() -> None:
    assert len(places(nodes(16), None, 100, lambda threads: 1500 * MIB)) == 2
    assert len(places(nodes(16), None, 3, lambda threads: 500 * MIB)) == 3
    with pytest.raises(InputError, match=r"Expected room for 8 workers of 1,500 MiB"):
        places(nodes(16), 8, 100, lambda threads: 1500 * MIB)
    for count in (0, 16):
        with pytest.raises(InputError, match="Expected 1 to 15 workers"):
            places(nodes(16), count, 100, lambda threads: 500 * MIB)


class StandInForRay:
    """Ray whose cluster comes up at the `good`th start, and which has another token."""

    def __init__(self, good: int) -> None:
        self.good, self.starts = good, 0

    def init(self, **_: object) -> None:
        self.starts += 1
        if self.starts < self.good:
            raise Exception("The current node timed out during startup.\nMore.")

    def shutdown(self) -> None:
        """As Ray's."""


def test_a_cluster_that_does_not_come_up_is_started_once_more() -> None:
    slow, never = StandInForRay(2), StandInForRay(9)
    cluster._start(slow, {})  # type: ignore[arg-type]
    assert slow.starts == 2
    with pytest.raises(BusyError, match=r"Received: The current node timed out during startup\."):
        cluster._start(never, {})  # type: ignore[arg-type]
    assert never.starts == 2


def test_a_cluster_that_wants_a_token_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_check_reachable", lambda address: None)
    with pytest.raises(InputError, match=r"Expected a Ray cluster at head:1 that this process can use\. Received: The"):
        cluster._connect(StandInForRay(9), "head:1")  # type: ignore[arg-type]


def test_a_cluster_that_answers_no_call_is_told_with_the_way_in(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(StandInForRay):
        def init(self, **_: object) -> None:
            raise ConnectionError("Failed to connect to Ray cluster at 10.0.0.1:6379")

    monkeypatch.setattr(cluster, "_check_reachable", lambda address: None)
    with pytest.raises(InputError, match=r"a refusal, as without its token: RAY_AUTH_MODE=token and the token in RAY_"):
        cluster._connect(Refusing(1), "head:1")  # type: ignore[arg-type]


def test_a_token_is_used_where_ray_has_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cluster.Path, "home", lambda: tmp_path)
    assert not cluster._has_token()
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("0" * 64)
    assert cluster._has_token()
    monkeypatch.setattr(cluster.Path, "home", lambda: tmp_path / "elsewhere")
    assert not cluster._has_token()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    assert cluster._has_token()
