"""How processes end: with the right code and one sentence, on a busy machine too, and with no thread left inside."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from imgrec.settings import ASSETS, ROOT

TIMES = 5


def many(count: int, *words: str, home: Path) -> "list[subprocess.CompletedProcess[str]]":
    """Run a command `count` times, more at once than there are cores: that is the busy machine."""
    with ThreadPoolExecutor(2 * (os.cpu_count() or 2)) as threads:
        return list(threads.map(lambda _: imgrec(*words, home=home), range(count)))


def imgrec(*words: str, home: Path) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {
        "IMGREC_HOME": str(home / "imgrec"),
        "KERAS_HOME": str(home / "keras"),
        "IMGREC_OFFLINE": "1",
    }
    command = [sys.executable, "-m", "imgrec", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_a_model_that_cannot_be_had_always_ends_with_2(tmp_path: Path) -> None:
    words = ("predict", str(ASSETS / "samples" / "cat.jpg"), "--models", "vgg16")
    for done in many(TIMES, *words, home=tmp_path):
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def server(home: Path, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    environment = os.environ | {
        "IMGREC_HOME": str(home / "imgrec"),
        "KERAS_HOME": str(home / "keras"),
        "IMGREC_OFFLINE": "1",
    }
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def is_served(address: str, port: int) -> bool:
    with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
        return bool(urllib.request.urlopen(f"http://{address}:{port}/livez", timeout=5).status == 200)
    return False


def wait_until_served(port: int, process: "subprocess.Popen[bytes]") -> None:
    give_up_at = time.monotonic() + 60
    while not is_served("127.0.0.1", port):
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < give_up_at
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("seconds", [pytest.param(0.0, marks=pytest.mark.exhaustive), 2.0])
def test_a_server_that_is_stopped_while_it_warms_up_does_not_crash(tmp_path: Path, seconds: float) -> None:
    port = free_port()
    with server(tmp_path, "-m", "imgrec", "serve", "--port", str(port)) as process:
        wait_until_served(port, process)
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    # Streamlit's command line calls an interrupt "Aborted!" and ends with 1; a crash would be a signal.
    assert process.returncode in {0, 1}, said.decode()
    assert b"terminate called" not in said
