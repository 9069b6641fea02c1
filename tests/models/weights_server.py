"""A real HTTP server on localhost that misbehaves on request, and a weights file for it to serve."""

import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from imgrec.models.catalog import ModelSpec, WeightsSource
from imgrec.models.weights import HDF5_SIGNATURE


def hdf5_bytes(size_bytes: int = 3_000_000, seed: int = 1) -> bytes:
    """Bytes with the superblock of an HDF5 file of just this length; incompressible and all different behind it."""
    head = HDF5_SIGNATURE + bytes(32) + struct.pack("<Q", size_bytes)
    body = b"".join(struct.pack("<I", (i * 2654435761 + seed) % 2**32) for i in range(size_bytes // 4))
    return (head + body)[:size_bytes]


def spec_of(filename: str = "tiny.h5", *, url: str = "", hash: str | None = None, size_bytes: int = 0) -> ModelSpec:
    """A row of a catalog whose weights are `filename`."""
    return ModelSpec(
        name=filename.removesuffix(".h5"),
        title="Tiny",
        architecture="MobileNet",
        arguments=(),
        input_size=(32, 32),
        preprocess="tf",
        crop_fraction=0.875,
        label_space="imagenet_1k",
        parameters=1,
        weights=WeightsSource(url, filename, hash, size_bytes),
        published=None,
        license="none",
    )


@dataclass
class WeightsServer:
    """Serves `files`; the other fields say how badly. `requests` has (path, Range header) of each GET."""

    files: dict[str, bytes]
    address: str = ""
    ranges: bool = True
    validators: bool = True
    chunk_delay_s: float = 0.0
    chunk_bytes: int = 64 * 1024
    cuts: list[int] = field(default_factory=list)  # close after so many bytes, one entry a request
    statuses: list[int] = field(default_factory=list)  # answer with these first, one a request
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"

    def etag(self, data: bytes) -> str:
        return f'"{hash(data):x}"'


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[WeightsServer]:
    """A running server on a free port; gone at the end of the block."""
    behavior = WeightsServer(files)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            with suppress(ConnectionError):
                answer(self, behavior)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    behavior.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield behavior
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(request: BaseHTTPRequestHandler, how: WeightsServer) -> None:
    name = request.path.lstrip("/")
    wanted = request.headers.get("Range")
    how.requests.append((name, wanted))
    if how.statuses:
        request.send_error(how.statuses.pop(0))
        return
    if name in how.redirects:
        request.send_response(302)
        request.send_header("Location", how.redirects[name])
        request.end_headers()
        return
    if name not in how.files:
        request.send_error(404)
        return
    data = how.files[name]
    start = 0
    same = request.headers.get("If-Range") in {None, how.etag(data)}
    if wanted and how.ranges and same:
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        if start >= len(data):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(data)}")
            request.end_headers()
            return
        request.send_response(206)
        request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
    else:
        request.send_response(200)
    if how.validators:
        request.send_header("ETag", how.etag(data))
    request.send_header("Content-Length", str(len(data) - start))
    request.end_headers()
    end = min(len(data), start + how.cuts.pop(0)) if how.cuts else len(data)
    for position in range(start, end, how.chunk_bytes):
        request.wfile.write(data[position : min(end, position + how.chunk_bytes)])
        time.sleep(how.chunk_delay_s)
    if end < len(data):
        request.close_connection = True
