"""What the page costs beside the models: a photo is dropped in a real browser, until every chart shows it.

    python -m bench.page          # 1 minute; needs Chromium, and a model on this machine

Two small models answer and a third card averages them. What is subtracted is the inference that the cards themselves
say. The samples are dropped one after another, twice; the first few warm up.
"""

import base64
import os
import re
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

from playwright.sync_api import Page, sync_playwright

from bench import pairs
from imgrec.images import gallery
from imgrec.settings import ROOT

MODELS = ("mobilenet", "mobilenet_v2")
WARM_UP = 3

DROP = """([name, data]) => {
  const labels = () => [...document.querySelectorAll("[data-testid=stVegaLiteChart]")].map((c) => c.ariaLabel)
  const zone = document.querySelector("[data-testid=stFileUploaderDropzone]")
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0))
  const dataTransfer = new DataTransfer()
  dataTransfer.items.add(new File([bytes], name, { type: "image/jpeg" }))
  const before = labels()
  const start = performance.now()
  window.took = null
  for (const kind of ["dragenter", "dragover", "drop"])
    zone.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer }))
  const look = () => {
    const now = labels()
    const isNew = now.every((label, i) => label && label !== before[i])
    if (now.length === 3 && isNew) window.took = performance.now() - start
    else setTimeout(look, 5)
  }
  look()
}"""


def main() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "IMGREC_HOME": str(pairs.settings().home),
        "KERAS_HOME": str(pairs.settings().keras_home),
        "IMGREC_OFFLINE": "1",
    }
    pairs.prepare(MODELS)
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(address)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"{address}/?models={','.join(MODELS)}")
            page.locator(".st-key-result h3").first.wait_for()
            page.wait_for_timeout(2000)
            # Random weights say nearly the same of every image; their figures differ all the same.
            rows = [_drop(page, sample) for _ in range(2) for sample in gallery.get_samples()][WARM_UP:]
            browser.close()
    finally:
        server.terminate()
        server.wait()
    pairs.save(
        "page",
        {
            "pictures": len(rows),
            "charts_ms": pairs.summary([took for took, _ in rows]),
            "inference_ms": pairs.summary([inference for _, inference in rows]),
            "overhead_ms": round(statistics.median(took - inference for took, inference in rows), 1),
        },
    )


def wait_until_ready(address: str) -> None:
    """Return when the server at `address` serves."""
    while True:
        try:
            urllib.request.urlopen(f"{address}/readyz").close()
            return
        except OSError:
            time.sleep(0.1)


def _drop(page: Page, sample: gallery.Sample) -> tuple[float, float]:
    """Milliseconds from the drop to the last chart, and of these inference."""
    page.evaluate(DROP, [sample.file, base64.b64encode(sample.path.read_bytes()).decode()])
    page.wait_for_function("window.took !== null", timeout=60_000)
    took: float = page.evaluate("window.took")
    page.wait_for_timeout(500)
    said = re.findall(r"([\d.]+) ms this run", page.locator("[data-testid=stMain]").inner_text())
    return took, sum(map(float, said))


if __name__ == "__main__":
    main()
