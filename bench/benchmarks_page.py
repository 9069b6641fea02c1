"""What a visitor of the Benchmarks page waits for, with 10 models × 10,000 images × 10 classes, in a real browser.

    python -m bench.benchmarks_page      # 2 minutes; needs Chromium

From the click until the script has run and every chart is drawn; opening, from the request on. The answers are made
up, and no model runs.
"""

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from bench import pairs
from bench.page import wait_until_ready
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ROOT

MODELS, IMAGES, ROUNDS = 10, 10_000, 5

# The server reads the measurements of this folder instead of the project's own.
SERVE = """
import sys
from pathlib import Path
from streamlit.web import cli
from imgrec.ui.benchmarks import measurements
measurements.FOLDER = Path(sys.argv[1])
cli.main(["run", "app.py", "--server.headless=true", f"--server.port={sys.argv[2]}", "--server.fileWatcherType=none"])
"""

# Done: the script rests, nothing on the page is from the run before, and what the view consists of is drawn.
READY = """(expected) => {
  const app = document.querySelector("[data-testid=stApp]")
  const charts = [...document.querySelectorAll("[data-testid=stVegaLiteChart]")]
  return app?.dataset.testScriptState === "notRunning"
    && document.querySelector("[data-stale=true], [data-testid=stSkeleton]") === null
    && document.querySelector(`.st-key-bench_panel ${expected}`) !== null
    && charts.every((chart) => chart.querySelector("canvas, svg"))
}"""

# From the next click on, take the time until the page is ready again, into `window.took`.
WATCH = f"""(expected) => {{
  const ready = {READY}
  const app = document.querySelector("[data-testid=stApp]")
  let start = null, ran = false
  window.took = null
  // A short run may never be seen as running: then what it changed is.
  const changed = (record) => record.type === "childList" && record.target.closest(".st-key-bench_panel")
  const watch = new MutationObserver((records) => {{
    ran ||= start !== null && (app.dataset.testScriptState !== "notRunning" || records.some(changed))
  }})
  watch.observe(app, {{ attributes: true, childList: true, subtree: true }})
  addEventListener("pointerup", () => {{ start = performance.now() }}, {{ capture: true, once: true }})
  const look = () => {{
    if (!(ran && ready(expected))) return setTimeout(look, 4)
    window.took = performance.now() - start
    watch.disconnect()
  }}
  look()
}}"""

PILL = "[data-testid=stPills] button, [data-testid=stButtonGroup] button"

DRAWN = "[data-testid=stVegaLiteChart] :is(canvas, svg)"
TABLE = "[data-testid=stDataFrame] canvas"

# What each view consists of.
VIEWS = {
    "Leaderboard": TABLE,
    "Speed": DRAWN,
    "Pairs": DRAWN,
    "Confusion": DRAWN,
    "A against B": DRAWN,
    "Classes": DRAWN,
    "Curves": DRAWN,
    "Errors": "strong",
    "Ensembles": ".st-key-bench_find",
    "Published": "[data-testid=stTable]",
    "Provenance": "[data-testid=stExpander]",
}


def main() -> None:
    from tests.evaluation.measured import measure

    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), tuple(list(BUILT_IN)[:MODELS]), IMAGES)
        with served(Path(folder)) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(address)  # the browser keeps scripts and fonts, as a visitor's does after the first page
            page.wait_for_timeout(3000)
            opened = [open_page(page, address) for _ in range(ROUNDS + 1)]
            clicks: dict[str, list[float]] = {view: [] for view in VIEWS}
            for _ in range(ROUNDS + 1):
                for view in [*list(VIEWS)[1:], "Leaderboard"]:
                    clicks[view].append(click(page, PILL, VIEWS[view], view))
            clicks["a cell of the matrix"] = cells(page)
            clicks["Find them (3 of 10)"] = best(page)
            browser.close()
    pairs.save(
        "benchmarks_page",
        {
            "models": MODELS,
            "pictures": IMAGES,
            "first_open_ms": round(opened[0], 1),
            "open_ms": pairs.summary(opened[1:]),
            "click_ms": {name: pairs.summary(times[1:]) for name, times in clicks.items()},
            "first_click_ms": {name: round(times[0], 1) for name, times in clicks.items()},
            "slowest_click_ms": max(pairs.summary(times[1:])["median"] for times in clicks.values()),
        },
    )


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Return the address of a server that shows the measurements in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(folder), str(port)],
            cwd=ROOT,
            env=os.environ | {"IMGREC_HOME": home, "KERAS_HOME": home, "IMGREC_OFFLINE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until_ready(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def open_page(page: Page, address: str) -> float:
    """Milliseconds from the request for the page until it is ready."""
    page.goto(f"{address}/benchmarks", wait_until="commit")
    page.wait_for_function(READY, arg=TABLE, polling=5, timeout=60_000)
    return float(page.evaluate("performance.now()"))


def click(page: Page, selector: str, expected: str, text: str = "", across: float = 0.5, down: float = 0.5) -> float:
    """Milliseconds from a click of the mouse until `expected` is there and the page rests."""
    target = page.locator(selector).filter(has_text=re.compile(f"^{text}$" if text else "")).first
    box = target.bounding_box()
    assert box is not None
    page.evaluate(WATCH, expected)
    page.mouse.click(box["x"] + across * box["width"], box["y"] + down * box["height"])
    page.wait_for_function("window.took !== null", polling=20)
    took: float = page.evaluate("window.took")
    page.wait_for_timeout(100)
    return took


def cells(page: Page) -> list[float]:
    """Clicks on cells of the confusion matrix: from above to below, off the diagonal."""
    click(page, PILL, DRAWN, "Confusion")
    return [click(page, DRAWN, DRAWN, across=0.5, down=0.1 + 0.1 * i) for i in range(ROUNDS + 1)]


def best(page: Page) -> list[float]:
    click(page, PILL, VIEWS["Ensembles"], "Ensembles")
    return [click(page, ".st-key-bench_find button", ".st-key-bench_find") for _ in range(ROUNDS + 1)]


if __name__ == "__main__":
    main()
