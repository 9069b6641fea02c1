"""Models behind Ray Serve, on a cluster of several processes on this machine: the bits of the engine here."""

import asyncio
import dataclasses
import json
import os
import signal
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from imgrec.errors import EngineError, ImgrecError
from imgrec.inference import conversion
from imgrec.inference.conversion import Manifest
from imgrec.inference.openvino_engine import OpenVINOEngine
from imgrec.inference.pool import EnginePool
from imgrec.scale import cluster, deployments
from imgrec.scale.cluster import Node
from imgrec.scale.serve_engine import MAX_QUEUED, ServeEngine, side_by_side
from imgrec.settings import MIB
from tests.evaluation.test_evaluate import network
from tests.fakes import fake_spec

__all__ = ["network"]  # a fixture

pytestmark = pytest.mark.slow

SPEC = fake_spec("colors", input_size=(16, 16))
CALLS = 4 * MAX_QUEUED


@pytest.fixture(autouse=True)
def no_event_loop() -> Iterator[None]:
    """Browser tests before these leave theirs running in this thread, in which Ray then refuses to wait."""
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(loop)


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Node]]:
    pytest.importorskip("ray.serve")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray's own
        with cluster.opened(None, print) as found:
            yield found


@pytest.fixture(scope="module")
def path(network: Path) -> Path:
    """The network with the manifest of one that was converted."""
    manifest = Manifest("colors", "0" * 64, {}, MIB, conversion._describe(network.parent))
    (network.parent / "manifest.json").write_text(json.dumps(dataclasses.asdict(manifest)))
    return network


def serve(path: Path, nodes: list[Node]) -> ServeEngine:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return deployments.deploy(SPEC, path, nodes, (), lambda: None)


def test_the_same_bits_as_here_under_load_and_when_the_replica_is_killed(path: Path, nodes: list[Node]) -> None:
    here, there = OpenVINOEngine(path, 0), serve(path, nodes)
    images = np.random.default_rng(0).integers(0, 256, (CALLS, 16, 16, 3), np.uint8)
    expected = here.predict(images)
    assert (there.predict(images[:3]) == expected[:3]).all()
    values = images[:1] * np.float32(1.5) - 3
    assert (there.predict_values(values) == here.predict_values(values)).all()
    assert (there.observe(images[0]).probabilities == expected[0]).all()
    with pytest.raises(EngineError, match="Expected a batch of type uint8"):
        there.predict(images[:, :8])

    # A second dashboard finds what the first one has started.
    assert (serve(path, nodes).predict(images[:1]) == expected[:1]).all()

    pool = EnginePool(MIB, lambda spec: there, lambda spec: 0, compute=side_by_side)
    outcomes: Counter[str] = Counter()

    def ask(at: int) -> None:
        try:
            found, milliseconds = pool.predict(SPEC, images[at : at + 1])
            outcomes["right" if (found == expected[at]).all() and milliseconds > 0 else "wrong"] += 1
        except ImgrecError as error:
            outcomes[type(error).__name__] += 1

    def ask_all(count: int) -> None:
        threads = [threading.Thread(target=ask, args=(at,)) for at in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    ask_all(CALLS)
    assert set(outcomes) <= {"right", "TooManyRequestsError"}
    assert outcomes["right"] >= MAX_QUEUED

    outcomes.clear()
    pid = there.handle.identify.remote().result(timeout_s=60)
    killer = threading.Timer(0.05, os.kill, (pid, signal.SIGKILL))
    killer.start()
    for _ in range(4):
        ask_all(10)
    killer.join()
    assert outcomes == {"right": 40}
    assert there.handle.identify.remote().result(timeout_s=60) != pid


@pytest.mark.exhaustive
def test_nodes_with_other_versions_start_no_replica(
    path: Path, nodes: list[Node], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours = cluster.versions()
    monkeypatch.setattr(cluster, "versions", lambda: ours | {"openvino": "1.0"})
    other = Manifest("other", "0" * 64, {}, MIB, conversion._describe(path.parent))
    (tmp_path / "manifest.json").write_text(json.dumps(dataclasses.asdict(other)))
    with pytest.raises(EngineError, match=rf"{nodes[0].name} has openvino {ours['openvino']} where 1\.0 is expected"):
        serve(tmp_path / "model.xml", nodes)
