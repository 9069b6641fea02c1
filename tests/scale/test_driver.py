"""The process that has Ray for a server: what it raises comes over, and its end is told."""

import os
import signal
from pathlib import Path

import pytest

from imgrec.errors import InputError
from imgrec.scale.driver import ClusterLostError, DriverProcess


def test_a_sentence_of_the_process_comes_over_and_its_death_is_one() -> None:
    pytest.importorskip("ray.serve")
    driver = DriverProcess.start()
    folder = Path(driver.address).parent
    try:
        with pytest.raises(InputError, match=r"Expected a Ray cluster at 127\.0\.0\.1:1\. Received: Conn"):
            driver.reach("127.0.0.1:1")
        os.kill(driver.process.pid, signal.SIGKILL)
        driver.process.wait(20)
        for _ in range(2):
            with pytest.raises(ClusterLostError, match="Received: none; the process that asks it has ended"):
                driver.reach("127.0.0.1:1")
    finally:
        driver.leave()
    assert driver.process.poll() == -signal.SIGKILL
    assert not folder.exists()


def test_the_process_ends_with_its_parent() -> None:
    driver = DriverProcess.start()
    driver.end()  # closes its standard input, as the end of the parent does
    assert driver.process.returncode == 0
    assert not Path(driver.address).parent.exists()
