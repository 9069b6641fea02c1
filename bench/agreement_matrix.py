"""Ten models in a matrix against the same ten on cards: `python -m bench.agreement_matrix`.

Two processes of this checkout rerun the Compare page in turns, one in each layout, with all predictions in the cache:
that is the page's own code. Then two tabs of a real browser get another sample in turns, whose predictions are in the
cache too: from the click until every chart shows it.

Needs Chromium, and the models below on this machine.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from bench import pairs
from bench.compare_page import Side
from bench.page import wait_until_ready
from imgrec.settings import ASSETS, ROOT

MODELS = (
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "mobilenet",
    "mobilenet_v2",
    "mobilenet_a075_224",
    "mobilenet_a075_192",
    "mobilenet_a050_160",
    "mobilenet_a025_224",
    "mobilenet_a025_128",
)

# Layout → the charts of the page.
LAYOUTS = {"matrix": 1, "cards": len(MODELS) + 1}

WARM_UP = 3
ROUNDS = 30

# Images that differ in every figure.
SAMPLES = [ASSETS / "samples" / name for name in ("cat.jpg", "espresso.jpg", "temple.jpg")]

# Milliseconds from the next click on the page until each of so many charts is drawn anew.
WATCH = """(charts) => {
  const drawn = () => [...document.querySelectorAll("[data-testid=stVegaLiteChart] svg")].map((c) => c.textContent)
  const before = drawn()
  window.took = null
  document.addEventListener("click", () => {
    const start = performance.now()
    const look = () => {
      const now = drawn()
      if (now.length === charts && now.every((text, i) => text && text !== before[i]))
        window.took = performance.now() - start
      else setTimeout(look, 2)
    }
    look()
  }, { once: true, capture: true })
}"""


def main() -> None:
    """Measure both layouts in turns, and save the medians and their ratios."""
    scripts = _scripts_ms()
    browser = _browser_ms()
    pairs.save(
        "agreement_matrix",
        {
            "models": len(MODELS),
            **{f"script_{layout}_ms": pairs.summary(values) for layout, values in scripts.items()},
            "script_ratio": pairs.ratio(scripts["matrix"], scripts["cards"]),
            **{f"browser_{layout}_ms": pairs.summary(values) for layout, values in browser.items()},
            "browser_ratio": pairs.ratio(browser["matrix"], browser["cards"]),
        },
    )


def _scripts_ms() -> dict[str, list[float]]:
    sides = {layout: Side(ROOT, MODELS, charts, {"layout": layout}) for layout, charts in LAYOUTS.items()}
    times: dict[str, list[float]] = {layout: [] for layout in LAYOUTS}
    for number in range(WARM_UP + ROUNDS):
        for layout, side in sides.items():
            took = side.rerun_ms()
            if number >= WARM_UP:
                times[layout].append(took)
    for side in sides.values():
        side.close()
    return times


def _browser_ms() -> dict[str, list[float]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"]
    server = subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    times: dict[str, list[float]] = {layout: [] for layout in LAYOUTS}
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(address)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            pages = {layout: browser.new_page(viewport={"width": 1440, "height": 900}) for layout in LAYOUTS}
            for layout, page in pages.items():
                page.goto(f"{address}/?layout={layout}&models={','.join(MODELS)}")
                page.locator("input[type=file]").first.set_input_files(SAMPLES)
                for sample in SAMPLES:
                    _choose(page, sample)
                    page.wait_for_timeout(5_000)  # predictions, the first time
            for number in range(ROUNDS):
                for layout, page in pages.items():
                    page.bring_to_front()
                    page.evaluate(WATCH, LAYOUTS[layout])
                    _choose(page, SAMPLES[number % len(SAMPLES)])
                    page.wait_for_function("window.took !== null", timeout=60_000)
                    times[layout].append(page.evaluate("window.took"))
                    page.wait_for_timeout(500)
            browser.close()
    finally:
        server.terminate()
        server.wait()
    return times


def _choose(page: Page, image: Path) -> None:
    page.get_by_role("button", name=image.name, exact=True).click()


if __name__ == "__main__":
    main()
