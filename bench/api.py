"""Requests a second of the API for MobileNet, and what becomes of those that are too many.

    python -m bench.api            # 3 minutes; needs TensorFlow for the plain server and for the weights
    BENCH_SECONDS=1 python -m bench.api   # a try, in less than one

Side by side, in turns: `imgrec serve --api-only`; a bare loop of OpenVINO that decodes, too, and sends nothing; and a
plain server of Keras and FastAPI. Clients send photographs of 500 px over connections that stay open, each when its
last answer is there; they share the cores with the server. The overload comes at four times the measured capacity,
whether there are answers or not.
"""

import asyncio
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from bench import pairs
from imgrec.inference import conversion
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ASSETS, ROOT

MODEL = "mobilenet"
CLIENTS = (1, 4, 16)
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))  # of each load
TURNS = 3
OVERLOAD = 4
SIDE_PX = 500
START_S = 120


@dataclass(slots=True)
class Answers:
    """Seconds of each answer, by status, and by how many seconds requests were sent after they were due."""

    seconds: dict[int, list[float]] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)

    def add(self, status: int, seconds: float) -> None:
        self.seconds.setdefault(status, []).append(seconds)

    def count(self, status: int = 200) -> int:
        return len(self.seconds.get(status, ()))

    def percentile_ms(self, percent: float, status: int = 200) -> float | None:
        found = self.seconds.get(status)
        return None if not found else float(np.percentile(found, percent) * 1e3)


def photographs() -> list[bytes]:
    """Return the samples as JPEG of the size that photographs of ImageNet have."""
    found = []
    for path in sorted((ASSETS / "samples").glob("*.jpg")):
        with Image.open(path) as sample:
            image = sample.convert("RGB")
        image.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
        file = io.BytesIO()
        image.save(file, "JPEG", quality=90)
        found.append(file.getvalue())
    return found


def request_of(path: str, image: bytes) -> bytes:
    """Return a whole request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: {len(image)}\r\n\r\n"
    )
    return head.encode() + image


# No status: the connection ended before the answer.
BROKEN = 0


class Connection:
    """A connection that stays open, and is opened again where the server has closed it meanwhile."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> int:
        """Send a request and return the status, when the whole answer has come; `BROKEN` where none does."""
        if self._streams is not None and self._streams[0].at_eof():
            self.close()
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return BROKEN
        return int(head[9:12])

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def closed_loop(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Answers:
    """Let each client send one request after the other."""
    answers, end = Answers(), time.perf_counter() + seconds

    async def client(place: int) -> None:
        connection = Connection(port)
        while (start := time.perf_counter()) < end:
            status = await connection.ask(requests[place % len(requests)])
            answers.add(status, time.perf_counter() - start)
            place += 1
        connection.close()

    await asyncio.gather(*map(client, range(clients)))
    return answers


async def open_loop(port: int, requests: Sequence[bytes], rate: float, seconds: float) -> Answers:
    """Send `rate` requests a second, whatever is answered; a latency begins when its request was due."""
    answers = Answers()
    free: list[Connection] = []
    start = time.perf_counter()

    async def send(place: int, due: float) -> None:
        # The one that was used last: of too many connections the server closes those that wait longest.
        connection = free.pop() if free else Connection(port)
        answers.late.append(time.perf_counter() - due)
        status = await connection.ask(requests[place % len(requests)])
        answers.add(status, time.perf_counter() - due)
        free.append(connection)

    async with asyncio.TaskGroup() as tasks:
        for place in range(int(rate * seconds)):
            due = start + place / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            tasks.create_task(send(place, due))
    for connection in free:
        connection.close()
    return answers


def bare(images: Sequence[bytes], seconds: float, ahead: int) -> float:
    """Return the images a second of a loop that decodes and infers, decoding up to `ahead` images meanwhile."""
    import openvino

    from imgrec.inference.openvino_engine import configuration

    spec = BUILT_IN.get_spec(MODEL)
    digest = weights.sha256(spec, pairs.settings())
    path = conversion.compiled_path(spec, str(digest), pairs.settings())
    core = openvino.Core()
    request = core.compile_model(core.read_model(path), "CPU", configuration("LATENCY")).create_infer_request()

    def decode(data: bytes) -> np.ndarray:
        image = Image.open(io.BytesIO(data))
        image.draft("RGB", (256, 256))
        scale = 256 / min(image.size)
        image = image.convert("RGB").resize((round(image.width * scale), round(image.height * scale)))
        left, top = (image.width - 224) // 2, (image.height - 224) // 2
        return np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)[np.newaxis]

    def infer(batch: np.ndarray) -> None:
        request.infer([batch], share_inputs=True)
        request.get_output_tensor(0).data[0].argsort()[-5:]

    infer(decode(images[0]))
    done, start = 0, time.perf_counter()
    with ThreadPoolExecutor(1) as decoder:
        coming = deque(decoder.submit(decode, images[place % len(images)]) for place in range(ahead))
        while time.perf_counter() < start + seconds:
            place = done + ahead
            if ahead:
                coming.append(decoder.submit(decode, images[place % len(images)]))
                infer(coming.popleft().result())
            else:
                infer(decode(images[place % len(images)]))
            done += 1
        taken = time.perf_counter() - start
    return done / taken


@contextmanager
def server(*words: str, ready: str) -> Iterator[int]:
    """Yield the port of a server that has answered at the address `ready`: ours when its models are loaded."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    settings = pairs.settings()
    env = os.environ | {
        "IMGREC_HOME": str(settings.home),
        "KERAS_HOME": str(settings.keras_home),
        "IMGREC_OFFLINE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, "-m", *(word.format(port=port) for word in words)]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.DEVNULL)
    try:
        give_up_at = time.monotonic() + START_S
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=5):
                    break
            except OSError:
                if process.poll() is not None or time.monotonic() > give_up_at:
                    raise RuntimeError(f"Expected a server from {command}. Received: none.") from None
                time.sleep(0.2)
        yield port
    finally:
        process.kill()
        process.wait()


def measure() -> dict[str, object]:
    """Return all figures: medians of the turns."""
    images = photographs()
    ours = [request_of(f"/api/v1/predict?models={MODEL}", image) for image in images]
    plain = [request_of("/predict", image) for image in images]
    rates: dict[str, list[float]] = {}
    latencies: dict[str, list[float]] = {}

    def note(name: str, rate: float) -> None:
        rates.setdefault(name, []).append(rate)
        print(f"{name}: {rate:.1f}", file=sys.stderr, flush=True)

    with (
        server("imgrec", "serve", "--api-only", "--port={port}", ready="/readyz") as port,
        server("bench.keras_api", "{port}", ready="/livez") as other,
    ):
        for requests, where in ((ours, port), (plain, other)):
            asyncio.run(closed_loop(where, requests, 1, 3.0))
        for _ in range(TURNS):
            note("bare_sequential", bare(images, SECONDS, 0))
            note("bare_ahead", bare(images, SECONDS, 2))
            for clients in CLIENTS:
                answers = asyncio.run(closed_loop(port, ours, clients, SECONDS))
                note(f"imgrec_{clients}", answers.count() / SECONDS)
                latencies.setdefault(f"imgrec_{clients}_p99_ms", []).append(answers.percentile_ms(99) or np.nan)
                note(f"keras_{clients}", asyncio.run(closed_loop(other, plain, clients, SECONDS)).count() / SECONDS)
        capacity = float(np.median(rates[f"imgrec_{CLIENTS[-1]}"]))
        answers = asyncio.run(open_loop(port, ours, OVERLOAD * capacity, 2 * SECONDS))
    middle = {name: round(float(np.median(found)), 1) for name, found in rates.items()}
    faster = max("bare_sequential", "bare_ahead", key=lambda name: middle[name])
    ratios = {
        f"of_bare_{one}": pairs.ratio(rates[f"imgrec_{one}"], rates["bare_sequential" if one == 1 else faster])
        for one in CLIENTS
    }
    ratios |= {f"of_keras_{one}": pairs.ratio(rates[f"imgrec_{one}"], rates[f"keras_{one}"]) for one in CLIENTS}
    overload = {
        "sent_per_s": OVERLOAD * capacity,
        "answered_per_s": answers.count() / (2 * SECONDS),
        "answered_p50_ms": answers.percentile_ms(50),
        "answered_p99_ms": answers.percentile_ms(99),
        "refused": answers.count(429),
        "refused_p50_ms": answers.percentile_ms(50, 429),
        "refused_p99_ms": answers.percentile_ms(99, 429),
        "refused_most_ms": answers.percentile_ms(100, 429),
        # Of the clients themselves, which share the cores: it is in all times above.
        "sent_late_p99_ms": float(np.percentile(answers.late, 99) * 1e3),
        # Statuses, or `BROKEN`.
        "others": {status: len(found) for status, found in answers.seconds.items() if status not in (200, 429)},
    }
    return {
        "images_per_s": middle,
        "ratios": ratios,
        "latencies": {name: round(float(np.median(found)), 1) for name, found in latencies.items()},
        "overload": overload,
    }


def document() -> str:
    """Return the page of the saved results."""
    found = json.loads((pairs.RESULTS / "api.json").read_text(encoding="utf-8"))
    rates, ratios, overload = found["images_per_s"], found["ratios"], found["overload"]
    rows = [
        f"| {one} | {rates[f'imgrec_{one}']:.1f} | {ratios[f'of_bare_{one}']:.2f} | {rates[f'keras_{one}']:.1f} | "
        f"{ratios[f'of_keras_{one}']:.1f} | {found['latencies'][f'imgrec_{one}_p99_ms']:.0f} ms |"
        for one in CLIENTS
    ]
    refused = (
        f"{overload['refused']:,} were refused with 429: half of them within {overload['refused_p50_ms']:.0f} ms, "
        f"99 % within {overload['refused_p99_ms']:.0f} ms. "
        if overload["refused"]
        else "None was refused. "
    )
    hardware = found["hardware"]
    return f"""# Requests of the API

`POST /api/v1/predict` with MobileNet and photographs of {SIDE_PX} px, bytes in to five classes out, over connections
that stay open; clients and server share the cores. `python -m bench.api` measures it and writes this page; figures are
medians of {TURNS} turns. Taken on {found["measured_at"]} on {hardware["cores"]} cores of {hardware["processor"]}.

| clients | requests a second | of a bare loop (goal 0.80) | Keras + FastAPI | times that (goal 4) | 99 % within |
|---|---|---|---|---|---|
{chr(10).join(rows)}

The bare loop decodes, frames and infers with OpenVINO alone and sends nothing: {rates["bare_sequential"]:.1f} images
a second one after the other, which one client is compared with, and {rates["bare_ahead"]:.1f} with the next images
decoded meanwhile.

Under {OVERLOAD} times the load that it can answer ({overload["sent_per_s"]:.0f} requests a second, sent whether there
are answers or not), it answers {overload["answered_per_s"]:.1f} a second, 99 % of them within
{overload["answered_p99_ms"]:.0f} ms. {refused}The clients themselves, which wait for the same
cores, sent their requests up to {overload["sent_late_p99_ms"]:.0f} ms late (99 %); that is part of these times.
"""


def main() -> None:
    """Prepare what is read, measure, and save."""
    pairs.prepare((MODEL,))
    pairs.save("api", measure())
    (pairs.RESULTS.parent / "api.md").write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
