"""What a first visit transfers: the Compare page in a real browser with an empty cache, with and without compression.

    python -m bench.transferred_bytes          # 1 minute; needs Chromium

Bytes are those on the wire (`encodedDataLength` of the browser's network log), messages over the web socket included.
"""

import gzip
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit
from playwright.sync_api import Browser, sync_playwright

from bench import pairs
from bench.page import wait_until_ready
from imgrec.settings import ROOT

LEVELS = (1, 3, 6, 9)
VISITS = 3
STATIC = Path(streamlit.__file__).parent / "static"

# The launcher without its middleware.
PLAIN = """
import sys
sys.path.insert(0, {root!r})
import streamlit as st
from app import SCRIPT, lifespan, routes
app: st.App = st.App(SCRIPT, lifespan=lifespan, routes=routes)
"""


def main() -> None:
    results: dict[str, Any] = {"visits": VISITS}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        plain = Path(folder) / "plain.py"
        plain.write_text(PLAIN.format(root=str(ROOT)))
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, script in {"plain": plain, "compressed": ROOT / "app.py"}.items():
            with server(script) as (address, process):
                visits = [visit(browser, address, process) for _ in range(VISITS)]
            results[name] = {
                key: [found[key] for found in visits] for key in ("bytes", "script_bytes", "cpu_s", "shown_ms")
            }
            loaded = visits[0]["scripts"]
        browser.close()
    results["levels"] = {level: compress(loaded, level) for level in LEVELS}
    everything = [path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.suffix in {".js", ".css"}]
    results["everything"] = compress(everything, 6)
    pairs.save("transferred_bytes", results)


@contextmanager
def server(script: Path) -> Iterator[tuple[str, int]]:
    """Return the address of a warm server, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless=true", f"--server.port={port}"]
    environment = os.environ | {"IMGREC_HOME": str(pairs.settings().home), "IMGREC_OFFLINE": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait()


def visit(browser: Browser, address: str, process: int) -> dict[str, Any]:
    """One visit with an empty cache: bytes, which scripts, the server's processor time, and when the page stood."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    log = context.new_cdp_session(page)
    log.send("Network.enable")
    paths: dict[str, str] = {}
    sizes: dict[str, int] = {}
    messages: list[int] = []
    log.on("Network.responseReceived", lambda e: paths.update({e["requestId"]: e["response"]["url"]}))
    log.on("Network.loadingFinished", lambda e: sizes.update({e["requestId"]: int(e["encodedDataLength"])}))
    log.on("Network.webSocketFrameReceived", lambda e: messages.append(len(e["response"]["payloadData"]) * 3 // 4))
    before, start = processor_s(process), time.perf_counter()
    page.goto(address)
    page.locator(".st-key-result h3").first.wait_for()
    shown = time.perf_counter() - start
    page.wait_for_timeout(3000)
    scripts = {
        path.split(address)[1].lstrip("/"): sizes.get(request, 0)
        for request, path in paths.items()
        if path.startswith(address) and path.endswith((".js", ".css"))
    }
    context.close()
    return {
        "bytes": sum(sizes.values()) + sum(messages),
        "script_bytes": sum(scripts.values()),
        "scripts": list(scripts),
        "cpu_s": round(processor_s(process) - before, 2),
        "shown_ms": round(shown * 1e3),
    }


def compress(files: list[str], level: int) -> dict[str, float]:
    """Bytes before and after, and the seconds that it takes."""
    contents = [(STATIC / file).read_bytes() for file in files]
    start = time.perf_counter()
    packed = [gzip.compress(content, level) for content in contents]
    took = time.perf_counter() - start
    return {"from_bytes": sum(map(len, contents)), "bytes": sum(map(len, packed)), "seconds": round(took, 3)}


def processor_s(process: int) -> float:
    """Seconds of processor time that a process has taken so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
