"""What a visitor of the Benchmarks page waits for, with 10 models × 10,000 pictures × 10 classes, in a real browser.

    python -m bench.benchmarks_page      # 2 minutes; needs Chromium

From the click until the script has run and every chart is drawn; opening, from the request on. The answers are made
up, and no model runs.
"""

import os
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
from imgrec.catalogue import CATALOGUE
from imgrec.settings import ROOT

MODELS, PICTURES, ROUNDS = 10, 10_000, 5

# The server reads the measurements of this folder instead of the project's own.
SERVE = """
import sys
from pathlib import Path
from streamlit.web import cli
from imgrec.ui import benchmark_answers
benchmark_answers.FOLDER = Path(sys.argv[1])
cli.main(["run", "app.py", "--server.headless=true", f"--server.port={sys.argv[2]}", "--server.fileWatcherType=none"])
"""

# Done: the script rests, nothing on the page is from the run before, and every chart is drawn.
READY = """() => {
  const app = document.querySelector("[data-testid=stApp]")
  const charts = [...document.querySelectorAll("[data-testid=stVegaLiteChart]")]
  return app?.dataset.testScriptState === "notRunning"
    && document.querySelector(".st-key-bench_panel") !== null
    && document.querySelector("[data-stale=true]") === null
    && charts.every((chart) => chart.querySelector("canvas, svg"))
}"""

# Click the element at the selector, or at a place of it, and take the time until the page is ready again.
CLICK = f"""async ([selector, text, across, down]) => {{
  const ready = {READY}
  const found = [...document.querySelectorAll(selector)].filter((one) => !text || one.innerText.trim() === text)
  const target = found[0]
  const app = document.querySelector("[data-testid=stApp]")
  let ran = false
  const watch = new MutationObserver(() => {{ ran ||= app.dataset.testScriptState !== "notRunning" }})
  watch.observe(app, {{ attributes: true }})
  const box = target.getBoundingClientRect()
  const where = {{ clientX: box.x + across * box.width, clientY: box.y + down * box.height, bubbles: true }}
  const start = performance.now()
  for (const kind of ["pointerdown", "mousedown", "pointerup", "mouseup", "click"])
    target.dispatchEvent(new (kind.startsWith("pointer") ? PointerEvent : MouseEvent)(kind, where))
  while (!(ran && ready())) {{
    if (performance.now() - start > 30000) throw new Error(`nothing came of the click on ${{text || selector}}`)
    await new Promise((next) => setTimeout(next, 4))
  }}
  watch.disconnect()
  return performance.now() - start
}}"""

PILL = "[data-testid=stPills] button, [data-testid=stButtonGroup] button"

VIEWS = (
    "Leaderboard",
    "Speed",
    "Pairs",
    "Confusion",
    "A against B",
    "Classes",
    "Curves",
    "Errors",
    "Ensembles",
    "Published",
    "Provenance",
)


def main() -> None:
    from tests.measured import measure

    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), tuple(list(CATALOGUE)[:MODELS]), PICTURES)
        with served(Path(folder)) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(address)  # the browser keeps scripts and fonts, as a visitor's does after the first page
            page.wait_for_timeout(3000)
            opened = [open_page(page, address) for _ in range(ROUNDS + 1)]
            clicks: dict[str, list[float]] = {view: [] for view in VIEWS}
            for _ in range(ROUNDS + 1):
                for view in (*VIEWS[1:], VIEWS[0]):
                    clicks[view].append(click(page, PILL, view))
            clicks["a cell of the matrix"] = cells(page)
            clicks["Find them (3 of 10)"] = best(page)
            browser.close()
    pairs.save(
        "benchmarks_page",
        {
            "models": MODELS,
            "pictures": PICTURES,
            "first_open_ms": round(opened[0], 1),
            "open_ms": pairs.summary(opened[1:]),
            "click_ms": {name: pairs.summary(times[1:]) for name, times in clicks.items()},
            "first_click_ms": {name: round(times[0], 1) for name, times in clicks.items()},
            "slowest_click_ms": max(pairs.summary(times[1:])["median"] for times in clicks.values()),
        },
    )


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server that shows the measurements in `folder`."""
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
    page.wait_for_function(READY, polling=5, timeout=60_000)
    return float(page.evaluate("performance.now()"))


def click(page: Page, selector: str, text: str = "", across: float = 0.5, down: float = 0.5) -> float:
    """Milliseconds from the click until the page is ready again."""
    took: float = page.evaluate(CLICK, [selector, text, across, down])
    page.wait_for_timeout(100)
    return took


def cells(page: Page) -> list[float]:
    """Clicks on cells of the confusion matrix: from above to below, off the diagonal."""
    click(page, PILL, "Confusion")
    chart = "[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg"
    return [click(page, chart, across=0.5, down=0.1 + 0.1 * i) for i in range(ROUNDS + 1)]


def best(page: Page) -> list[float]:
    click(page, PILL, "Ensembles")
    return [click(page, ".st-key-bench_find button") for _ in range(ROUNDS + 1)]


if __name__ == "__main__":
    main()
