"""Uploads that break off: 60 connections that hang up after 5 of 7 MiB.

    python -m tests.reliability.aborted_uploads [URL LOG]

Says how much memory they leave, and how many lines in the log.
"""

import asyncio
import json
import sys
import tempfile
import urllib.parse
from pathlib import Path

from imgrec.settings import MIB
from tests.reliability.attacked_server import attacked
from tests.reliability.server_memory import IDLE_S, Memory, body_of
from tests.reliability.tabs import Tab, tab

UPLOADS = 60
AT_ONCE = 5
SENT_MIB, DECLARED_MIB = 5, 7
AFTER_S = 30.0

MOST_MIB = 20


async def abort(host: str, port: int, opened: Tab, name: str) -> None:
    """Send a part of an upload and hang up."""
    body = body_of(b"x" * (DECLARED_MIB * MIB))
    _, writer = await asyncio.open_connection(host, port)
    head = opened.upload_head(name, len(body)) + f"Host: {host}:{port}\r\n\r\n"
    writer.write(head.encode() + body[: SENT_MIB * MIB])
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.close()


async def attack(host: str, port: int, log: Path, after_s: float = AFTER_S) -> dict[str, float]:
    """Return the figures."""
    memory = Memory(port)
    async with tab(host, port) as opened:
        idle = await memory.least_mib(IDLE_S)
        before = len(log.read_text().splitlines())
        async with memory.watched():
            for start in range(0, UPLOADS, AT_ONCE):
                await asyncio.gather(*(abort(host, port, opened, str(start + n)) for n in range(AT_ONCE)))
        await asyncio.sleep(after_s)
        return {
            "idle_mib": idle,
            "peak_mib": memory.peak_mib,
            "left_mib": await memory.least_mib(1.0) - idle,
            "log_lines_each": (len(log.read_text().splitlines()) - before) / UPLOADS,
        }


def main() -> int:
    """Attack a server; return 1 where more is left than may be."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder) / "log.txt"
        with attacked(sys.argv[1] if len(sys.argv) > 1 else None, log) as address:
            place = urllib.parse.urlsplit(address)
            found = asyncio.run(attack(place.hostname or "127.0.0.1", place.port or 80, log))
    print(json.dumps(found, indent=1))
    return int(found["left_mib"] > MOST_MIB or found["log_lines_each"] > 1)


if __name__ == "__main__":
    sys.exit(main())
