"""A service on this machine that answers as Google Cloud Vision does, with what its documentation shows."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgrec.images.decoding import DecodedImage
from imgrec.images.raster import Raster
from imgrec.remote.cloud_vision import RETRIES, CloudVision
from imgrec.remote.monthly_budget import MonthlyBudget

# The printed example of labels for a cat (systems 2: Cat 99, Skin 92, … Tail 51).
CAT = {
    "labelAnnotations": [
        {"mid": "/m/01yrx", "description": "Cat", "score": 0.99, "topicality": 0.99},
        {"mid": "/m/06z04", "description": "Skin", "score": 0.92, "topicality": 0.92},
        {"mid": "/m/0307l", "description": "Felidae", "score": 0.91, "topicality": 0.91},
        {"mid": "/m/083mg", "description": "Tail", "score": 0.51, "topicality": 0.51},
    ]
}
DOG = {"labelAnnotations": [{"description": "Dog breed", "score": 0.97}, {"description": "Dog", "score": 0.93}]}

BAD_KEY = {
    "error": {
        "code": 400,
        "message": "API key not valid. Please pass a valid API key.",
        "status": "INVALID_ARGUMENT",
    }
}
EXHAUSTED = {"error": {"code": 429, "message": "Quota exceeded for quota metric 'Requests'.", "status": "…"}}

# Status, content, further headers.
Answer = tuple[int, bytes, dict[str, str]]


class Service:
    """Answers each request with what `respond` makes of it; keeps what it was sent."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.respond: Callable[[int, dict[str, Any]], Answer] = lambda count, body: answered(
            *[CAT for _ in body["requests"]]
        )


def answered(*responses: dict[str, Any]) -> Answer:
    return 200, json.dumps({"responses": responses}).encode(), {"Server-Timing": "gfet4t7; dur=5"}


def refused(status: int, content: dict[str, Any]) -> Answer:
    return status, json.dumps(content).encode(), {}


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def address(service: Service) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            service.requests.append(body)
            service.keys.append(self.headers["X-Goog-Api-Key"])
            status, content, headers = service.respond(len(service.requests), body)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/images:annotate"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def vision(address: str, tmp_path: Path) -> CloudVision:
    budget = MonthlyBudget(tmp_path / "services" / "google_cloud_vision.json", 1000)
    retries = RETRIES.new(backoff_factor=0, backoff_jitter=0)
    return CloudVision("secret", budget, address, retries)


@pytest.fixture
def images() -> list[DecodedImage]:
    """17 images of different gray."""
    grays = [np.full((24, 32, 3), 10 * value, np.uint8) for value in range(17)]
    return [DecodedImage(Raster(pixels), "PNG", f"{place:064}", (), (24, 32)) for place, pixels in enumerate(grays)]
