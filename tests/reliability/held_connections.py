"""Connections that are held open: half headers, silence, and bodies that come a byte at a time.

    python -m tests.reliability.held_connections [URL]

Opens them all, and says how many are still open after 35 s, and how an ordinary request fares meanwhile.
"""

import asyncio
import itertools
import json
import sys
import time
import urllib.parse

from tests.reliability.attacked_server import attacked
from tests.reliability.images import photograph
from tests.reliability.tabs import Tab, tab

HALF_HEADERS = 100
SILENT = 100
SLOW_UPLOADS = 200
DRIBBLING = 8

WATCHED_S = 45.0
MUST_BE_GONE_S = 35.0
BYTE_EVERY_S = 2.0
CALLS = 5


async def hold(host: str, port: int, head: bytes, *, dribbles: bool) -> float | None:
    """Return after how many seconds the server closed or answered a connection, None if it did not."""
    start = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return time.monotonic() - start
    dribble = None

    async def send_slowly() -> None:
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(BYTE_EVERY_S)

    try:
        writer.write(head)
        await writer.drain()
        if dribbles:
            dribble = asyncio.create_task(send_slowly())
        async with asyncio.timeout(WATCHED_S):
            while await reader.read(65536):  # an answer may come first; what counts is the end of the connection
                pass
    except TimeoutError:
        return None
    except OSError:
        pass
    finally:
        if dribble is not None:
            dribble.cancel()
            await asyncio.gather(dribble, return_exceptions=True)
        writer.close()
    return time.monotonic() - start


async def predict(host: str, port: int, image: bytes) -> tuple[int, float]:
    """Return the status and the seconds of an ordinary request."""
    start = time.monotonic()
    reader, writer = await asyncio.open_connection(host, port)
    head = f"POST /api/v1/predict HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(image)}\r\n\r\n"
    writer.write(head.encode() + image)
    try:
        async with asyncio.timeout(WATCHED_S):
            line = await reader.readline()
    except TimeoutError:
        line = b"HTTP/1.1 0"
    writer.close()
    return int(line.split()[1]), time.monotonic() - start


async def attack(host: str, port: int) -> dict[str, object]:
    """Return the figures."""
    async with tab(host, port) as visitor:
        return await _attack(host, port, visitor)


async def _attack(host: str, port: int, visitor: Tab) -> dict[str, object]:
    name = f"Host: {host}:{port}\r\n"
    uploads = [f"{visitor.upload_head(str(n), 5_000_000)}{name}\r\n--frontier\r\n" for n in range(SLOW_UPLOADS // 2)]
    post = f"POST /api/v1/predict HTTP/1.1\r\n{name}Content-Length: 5000000\r\n\r\n"
    sheet = f"POST /api/v1/sheet HTTP/1.1\r\n{name}Content-Length: 5000000\r\n\r\n"
    posts = itertools.cycle((post, sheet))
    held = {
        "half headers": [
            hold(host, port, f"GET / HTTP/1.1\r\n{name}X-".encode(), dribbles=True) for _ in range(HALF_HEADERS)
        ],
        "silent": [hold(host, port, b"", dribbles=False) for _ in range(SILENT)],
        "slow uploads": [hold(host, port, upload.encode(), dribbles=True) for upload in uploads]
        + [hold(host, port, next(posts).encode(), dribbles=True) for _ in range(SLOW_UPLOADS // 2)],
        "dribbling bodies": [hold(host, port, post.encode(), dribbles=True) for _ in range(DRIBBLING)],
    }
    image = photograph()

    async def ordinary() -> list[tuple[int, float]]:
        answers = []
        for _ in range(CALLS):
            await asyncio.sleep(2)
            answers.append(await predict(host, port, image))
        return answers

    groups = [asyncio.gather(*some) for some in held.values()]
    answers = await ordinary()
    figures: dict[str, object] = {}
    for kind, ended in zip(held, await asyncio.gather(*groups), strict=True):
        seconds = [one for one in ended if one is not None]
        figures[kind] = {
            "opened": len(ended),
            f"open after {MUST_BE_GONE_S:.0f} s": sum(one is None or one > MUST_BE_GONE_S for one in ended),
            "last closed after s": round(max(seconds), 1) if seconds else None,
        }
    figures["ordinary requests"] = [{"status": status, "seconds": round(s, 2)} for status, s in answers]
    figures["broken"] = [
        kind
        for kind in held
        if figures[kind][f"open after {MUST_BE_GONE_S:.0f} s"]  # type: ignore[index]
    ] + ["ordinary requests"] * any(status != 200 for status, _ in answers)
    return figures


def main() -> int:
    """Attack the server at the given address, or a new one."""
    with attacked(sys.argv[1] if len(sys.argv) > 1 else None) as address:
        parts = urllib.parse.urlsplit(address)
        figures = asyncio.run(attack(parts.hostname or "127.0.0.1", parts.port or 80))
    print(json.dumps(figures, indent=2))
    return bool(figures["broken"])


if __name__ == "__main__":
    sys.exit(main())
