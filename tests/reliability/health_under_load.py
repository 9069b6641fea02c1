"""The health checks while a hundred tabs and a hundred programs use the server.

    python -m tests.reliability.health_under_load [URL] [SECONDS]

The load has a process of its own, so that only the server delays what is measured.
"""

import asyncio
import contextlib
import json
import multiprocessing
import sys
import time
import urllib.parse

from tests.reliability.attacked_server import attacked
from tests.reliability.images import photograph
from tests.reliability.tabs import tab

TABS = 100
POSTS = 100
SECONDS = 30.0
PAUSE_S = 2.0
POLL_S = 0.1
MOST_S = 1.0


async def visit(host: str, port: int, number: int, counts: dict[str, int]) -> None:
    """Use the dashboard: choose a page and another image, look, choose again."""
    samples = ("cat.jpg", "espresso.jpg", "temple.jpg")
    await asyncio.sleep(number * 0.05)
    async with tab(host, port) as opened:
        for step in range(10_000):
            await opened.rerun(f"sample={samples[(number + step) % 3]}", "ensemble" if step % 2 else "")
            counts["reruns"] += 1
            await asyncio.sleep(PAUSE_S)


async def post(host: str, port: int, image: bytes, counts: dict[str, int]) -> None:
    """Classify an image again and again, after a pause where the server says that it is busy."""
    head = f"POST /api/v1/predict HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n"
    while True:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"{head}Content-Length: {len(image)}\r\n\r\n".encode() + image)
        answer = await reader.read()
        writer.close()
        counts[f"posts with {answer[9:12].decode()}"] = counts.get(f"posts with {answer[9:12].decode()}", 0) + 1
        await asyncio.sleep(PAUSE_S)


async def load(host: str, port: int, seconds: float) -> dict[str, int]:
    """Use the server for some seconds; return what was done."""
    counts = {"reruns": 0}
    image = photograph()
    users = [visit(host, port, number, counts) for number in range(TABS)]
    users += [post(host, port, image, counts) for _ in range(POSTS)]

    async def again(user: "asyncio.Future[None]") -> None:
        try:
            await user
        except Exception as error:
            counts[f"ended: {type(error).__name__}"] = counts.get(f"ended: {type(error).__name__}", 0) + 1

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(again(user) for user in users))  # type: ignore[arg-type]
    return counts


def _load(host: str, port: int, seconds: float, out: "multiprocessing.Queue[dict[str, int]]") -> None:
    out.put(asyncio.run(load(host, port, seconds)))


async def ask(host: str, port: int, path: str) -> float:
    """Return the seconds until a health check was answered with 200; the limit of a probe where it was not."""
    start = time.monotonic()
    status = b""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(30):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            status = (await reader.read())[9:12]
            writer.close()
    return time.monotonic() - start if status == b"200" else 30.0


async def watch(host: str, port: int, seconds: float) -> dict[str, list[float]]:
    """Return the latencies of both checks, in seconds."""
    found: dict[str, list[float]] = {"/livez": [], "/readyz": []}
    end = time.monotonic() + seconds

    async def poll(path: str) -> None:
        while time.monotonic() < end:
            found[path].append(await ask(host, port, path))
            await asyncio.sleep(POLL_S)

    await asyncio.gather(*(poll(path) for path in found))
    return found


def main() -> int:
    """Load the server at the given address, or a new one."""
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    with attacked(sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] else None) as address:
        parts = urllib.parse.urlsplit(address)
        host, port = parts.hostname or "127.0.0.1", parts.port or 80
        out: multiprocessing.Queue[dict[str, int]] = multiprocessing.Queue()
        users = multiprocessing.Process(target=_load, args=(host, port, seconds + 8, out))
        users.start()
        time.sleep(5)  # the tabs open
        found = asyncio.run(watch(host, port, seconds))
        counts = out.get(timeout=60)
        users.join()
    figures: dict[str, object] = {"load": counts}
    for path, latencies in found.items():
        ordered = sorted(latencies)
        figures[path] = {
            "asked": len(ordered),
            "p50 s": round(ordered[len(ordered) // 2], 3),
            "p99 s": round(ordered[int(len(ordered) * 0.99)], 3),
            "max s": round(ordered[-1], 3),
        }
    figures["broken"] = [path for path, s in found.items() if sorted(s)[int(len(s) * 0.99)] > MOST_S]
    print(json.dumps(figures, indent=2))
    return bool(figures["broken"])


if __name__ == "__main__":
    sys.exit(main())
