"""A real server on a port of its own, and a headless Chromium beside it."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from imgrec.inference.request import get_default_specs
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ROOT, Settings
from tests.conftest import with_compiled
from tests.reliability.attacked_server import wait_until_ready

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
# Nothing of these tests leaves the machine.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

# A camera that shows moving colors, where a test allows the page to use it.
ARGUMENTS += ["--use-fake-device-for-media-stream"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> Iterator[str]:
    """The address of the dashboard with the small models of KERAS_HOME, or with the bundled ones."""
    # Keras writes a file there.
    keras_home = Path(os.environ.get("KERAS_HOME") or tmp_path_factory.mktemp("keras"))
    if not list((keras_home / "models").glob("mobilenet*.h5")) and not any(s.bundled for s in BUILT_IN.values()):
        pytest.skip("KERAS_HOME names no folder with MobileNets under models/, and no model is bundled")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    home, log = with_compiled(folder / "imgrec", compiled), folder / "log.txt"
    command = ["-m", "streamlit", "run", "app.py", "--server.headless=true", "--server.fileWatcherType=none"]
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, *command, "--server.address=127.0.0.1", f"--server.port={port}"],
            cwd=ROOT,
            env={**os.environ, "IMGREC_HOME": str(home), "IMGREC_OFFLINE": "1"},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(f"{address}/readyz", process, log)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:  # a server that does not end is a failure, and is not left behind
            process.kill()
            process.wait()
    said = log.read_text()
    assert "Traceback" not in said, said


@pytest.fixture(scope="session")
def charts(server: str) -> int:
    """How many charts stand on the Compare page when no models are chosen: one a model, and the ensemble's."""
    models = len(get_default_specs(BUILT_IN, Settings.from_env()))
    return models + (models > 1)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
