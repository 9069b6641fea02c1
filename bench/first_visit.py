"""How long a first visitor waits: from the address that a fresh server prints to the first answers in a browser.

    python -m bench.first_visit        # 2 minutes; needs Chromium and the installed models, no network

Each round starts a server twice: with an empty IMGREC_HOME, where the default models must be compiled first, and again
with what that left. A browser opens the address as soon as it is printed. `precomputed_s` ends when the page says what
is in the sample image, `live_s` when no answer on the page is a precomputed one any more. `printed_s` is what the
server takes until it prints the address. The files are in the page cache; browser and server share the cores.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from bench import pairs
from imgrec.settings import ROOT

ROUNDS = 3
PORT = 8599

# Headings are all that is asked of the page: `Ensemble: espresso 74.3 % · all 3 agree`.
VERDICT = "[data-testid=stMain] h3:has-text('Ensemble')"


def main() -> None:
    kinds = ("first start", "second start")
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        for _ in range(ROUNDS):
            home = Path(tempfile.mkdtemp(prefix="imgrec-first-visit-"))
            for kind in kinds:
                found[kind].append(visit(browser, home))
                print(kind, found[kind][-1], flush=True)
            shutil.rmtree(home)
        browser.close()
    pairs.save(
        "first_visit",
        {kind: {name: pairs.summary([row[name] for row in rows]) for name in rows[0]} for kind, rows in found.items()},
    )


def visit(browser: Browser, home: Path) -> dict[str, float]:
    """Start a server, visit it with a fresh profile, and stop it; seconds."""
    environment = os.environ | {"IMGREC_HOME": str(home), "KERAS_HOME": str(home / "keras"), "IMGREC_OFFLINE": "1"}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={PORT}"]
    start = time.perf_counter()
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert server.stdout is not None
        next(line for line in server.stdout if f":{PORT}".encode() in line)
        printed = time.perf_counter()
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.goto(f"http://127.0.0.1:{PORT}", wait_until="commit")
        page.locator(VERDICT).first.wait_for(timeout=60_000)
        precomputed = time.perf_counter()
        page.wait_for_function(
            "() => document.querySelectorAll('[data-testid=stVegaLiteChart]').length === 4"
            " && !document.querySelector('[data-testid=stMain]').innerText.includes('Precomputed')",
            timeout=120_000,
        )
        live = time.perf_counter()
        page.context.close()
    finally:
        server.terminate()
        server.wait()
    return {"printed_s": printed - start, "precomputed_s": precomputed - printed, "live_s": live - printed}


if __name__ == "__main__":
    main()
