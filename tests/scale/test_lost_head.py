"""A head that is killed under a server, and started again: the server lives, tells it, and finds the new one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from imgrec.errors import BusyError
from imgrec.inference.openvino_engine import OpenVINOEngine
from imgrec.scale.serving import ServedCluster
from tests.evaluation.test_evaluate import network
from tests.scale.test_deployments import SPEC, path

__all__ = ["network", "path"]  # fixtures

pytestmark = pytest.mark.exhaustive

PORT = 6397


class Head:
    """The head of a cluster on this machine, with its files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self) -> None:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", f"--port={PORT}", "--num-cpus=3"]
        command += ["--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={self._folder}"]
        subprocess.run([*command, "--object-store-memory=100000000"], check=True, capture_output=True, timeout=300)

    def kill(self) -> None:
        """Kill every process of it at once, workers with it."""
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                if any(str(self._folder) in word for word in process.cmdline()):
                    for one in [*process.children(recursive=True), process]:
                        os.kill(one.pid, signal.SIGKILL)


@pytest.fixture
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    pytest.importorskip("ray.serve")
    head = Head(Path(tmp_path_factory.mktemp("r")))
    head.start()
    try:
        yield head
    finally:
        head.kill()


def test_a_server_outlives_the_head_and_finds_the_next_one(head: Head, path: Path) -> None:
    told: list[str] = []
    lost: list[str] = []
    served = ServedCluster(f"127.0.0.1:{PORT}", told.append, lambda: lost.append("all"))
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    expected = OpenVINOEngine(path, 0).predict(images)
    try:
        engine = served.deploy(SPEC, path, lambda: lost.append("one"))
        assert (engine.predict(images) == expected).all()
        head.kill()
        with pytest.raises(BusyError, match="cannot be reached"):
            engine.predict(images)
        assert lost == ["all", "one"]
        with pytest.raises(BusyError, match="cannot be reached"):
            served.reach()
        assert [sentence.rpartition("Received: ")[2] for sentence in told][1] == "Connection refused."
        head.start()
        served._look_again_at = 0.0
        assert (served.deploy(SPEC, path, lambda: None).predict(images) == expected).all()
    finally:
        served.leave()
