"""A training that goes on while all around it stops: the server is killed, the browser closed, the machine sleeps.

    python -m tests.reliability.reconnects [--sleep 15]

The run must be found again by a new server within `RESTART_S`, and end as if nothing had happened. A sleeping machine
is one whose processes are all stopped (SIGSTOP) and then go on. A page that was open when the server was killed shows
the run again by itself, and so does a new browser, and a page that slept.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, Error, Page, sync_playwright

from imgrec.jobs import Job, all_jobs
from imgrec.settings import ROOT, Settings
from imgrec.training import training_job
from imgrec.training.recipes import get_recipe
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.reliability.steps import make_stripes

RESTART_S = 5.0
PATIENCE_S = 300.0
EPOCHS = 200

# From the moment that the server answers to the run on a page: the page asks for the server again, less and less often.
SHOWN_S = 30.0


class Server:
    """The dashboard in a process of its own."""

    def __init__(self, environment: dict[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._environment = os.environ | environment | {"PYTHONPATH": str(ROOT)}

    def start(self) -> float:
        """Start it, and return the seconds until it answers."""
        begun = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "imgrec", "serve", "--port", str(self.port)],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.wait()
        return round(time.monotonic() - begun, 2)

    def wait(self) -> float:
        """Return the seconds until it answers."""
        begun = time.monotonic()
        while time.monotonic() - begun < PATIENCE_S:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_stcore/health", timeout=2) as answer:
                    if answer.status == 200:
                        return round(time.monotonic() - begun, 2)
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("Expected an answer of the server. Received: none.")

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def sleep(processes: list[psutil.Process], seconds: float) -> None:
    """Stop all processes with their children for a while."""
    family = [one for process in processes for one in (process, *process.children(recursive=True))]
    for process in family:
        process.suspend()
    time.sleep(seconds)
    for process in family:
        process.resume()


def epochs(job: Job) -> int:
    """Return how many epochs are in the log."""
    return len(training_job.read_curves(job).epochs)


def until_epoch(job: Job, wanted: int) -> None:
    """Wait for the next epochs."""
    begun = time.monotonic()
    while epochs(job) < wanted and job.state in {"queued", "running"} and time.monotonic() - begun < PATIENCE_S:
        time.sleep(0.1)


def open_page(browser: Browser, server: Server) -> Page:
    """Return the Train page in a browser context of its own."""
    page = browser.new_context().new_page()
    page.goto(f"http://127.0.0.1:{server.port}/train")
    return page


def shown_after_s(page: Page, job: Job) -> float | str:
    """Return the seconds until the page shows an epoch that comes from now on, or what it shows instead."""
    begun, epoch = time.monotonic(), epochs(job)
    while time.monotonic() - begun < SHOWN_S:
        try:
            text = page.locator(".st-key-run_panel").inner_text(timeout=1_000)
        except Error:  # not there yet
            continue
        if any(f"After epoch {number}" in text.splitlines() for number in range(epoch + 1, EPOCHS + 1)):
            return round(time.monotonic() - begun, 2)
        page.wait_for_timeout(100)
    return page.locator("body").inner_text()[:300]


def main() -> int:
    """Print what happened as one JSON object; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sleep", type=float, default=15.0)
    arguments = parser.parse_args()
    wrong: list[str] = []
    found: dict[str, Any] = {"wrong": wrong}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        environment = {"IMGREC_HOME": f"{folder}/home", "KERAS_HOME": f"{folder}/keras", "IMGREC_OFFLINE": "1"}
        settings = Settings.from_env(environment)
        server = Server(environment)
        found["first_start_s"] = server.start()
        recipe = get_recipe("simple_cnn").changed(epochs=EPOCHS, batch_size=16)
        job = training_job.start(recipe, str(make_stripes(Path(folder))), settings)
        try:
            until_epoch(job, 2)
            page = open_page(browser, server)
            shown: dict[str, float | str] = {"at first": shown_after_s(page, job)}
            server.kill()
            found["restart_s"] = server.start()
            if [one.state for one in all_jobs(settings)] != ["running"]:
                wrong.append(f"after the server was killed the run is {[one.state for one in all_jobs(settings)]}")
            shown["the same page, after the server was killed"] = shown_after_s(page, job)
            browser.close()
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            page = open_page(browser, server)
            shown["a new browser"] = shown_after_s(page, job)
            worker = psutil.Process(json.loads((job.folder / "started.json").read_text())["pid"])
            before = epochs(job)
            sleep([psutil.Process(server.process.pid), worker], arguments.sleep)
            found["awake_s"] = server.wait()
            shown["the same page, after the sleep"] = shown_after_s(page, job)
            found["shown_s"] = shown
            wrong += [f"{when} the page shows {what}" for when, what in shown.items() if isinstance(what, str)]
            if (state := job.state) != "running":
                wrong.append(f"after the sleep the run is {state}: {job.stopped_because()}")
            until_epoch(job, before + 2)
            if epochs(job) < before + 2:
                wrong.append("the run did not go on after the sleep")
            if (state := job.wait(PATIENCE_S)) != "finished" or epochs(job) != EPOCHS:
                wrong.append(f"at last the run is {state} after {epochs(job)} epochs: {job.error}")
        finally:
            job.cancel()
            server.kill()
            browser.close()
    print(json.dumps(found, indent=1))
    return int(bool(wrong) or max(found["restart_s"], found["awake_s"]) > RESTART_S)


if __name__ == "__main__":
    sys.exit(main())
