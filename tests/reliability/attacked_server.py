"""The server that a driver attacks: one of its own as the hosted demo, or the one at a given address."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imgrec.settings import ROOT

START_S = 180


@contextmanager
def attacked(address: str | None = None, log: Path | None = None, **environment: str) -> Iterator[str]:
    """Yield `address`, or without one the address of a new demo server that ends with the block.

    The server is ready when this yields. `log` is the file for what it prints; `environment` is added to that of this
    process.
    """
    if address is not None:
        yield address.rstrip("/")
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-m", "streamlit", "run", "app.py", "--server.headless=true", "--server.fileWatcherType=none"]
    env = {"IMGREC_DEMO": "1", "IMGREC_OFFLINE": "1"} | os.environ | environment
    with (
        tempfile.TemporaryDirectory(prefix="imgrec-attacked-") as folder,
        (log or Path(folder) / "log.txt").open("w") as out,
    ):
        process = subprocess.Popen(
            [sys.executable, *command, f"--server.port={port}"], cwd=ROOT, env=env, stdout=out, stderr=out
        )
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/readyz", process, Path(out.name))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            finally:
                process.kill()


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    give_up_at = time.monotonic() + START_S
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"Expected a server that is ready within {START_S} s. Received: {log.read_text()}")
