"""Images that are small as files and large as pixels: 24 PNGs of one color and 1279 × 20900 px in one tab.

    python -m tests.reliability.tall_images [URL]

Says how much memory the server takes before, meanwhile, and a minute after the tab was closed.
"""

import asyncio
import json
import sys
import urllib.parse

from tests.reliability.attacked_server import attacked
from tests.reliability.server_memory import IDLE_S, Memory, drop, tall_png
from tests.reliability.tabs import tab

IMAGES = 24
CLOSED_S = 60.0

# MiB above an idle server: while the images are there, and after the tab was closed.
MOST_MIB = 150
MOST_AFTER_MIB = 60


async def attack(host: str, port: int, images: int = IMAGES, closed_s: float = CLOSED_S) -> dict[str, float]:
    """Return the figures, in MiB."""
    memory = Memory(port)
    idle = await memory.least_mib(IDLE_S)
    files = [tall_png(number) for number in range(images)]
    async with memory.watched():
        async with tab(host, port) as opened:
            statuses = await drop(host, port, opened, files)
            open_mib = await memory.least_mib(1.0)
        await asyncio.sleep(closed_s)
    return {
        "files_mib": sum(map(len, files)) / 2**20,
        "accepted": statuses.count(204),
        "idle_mib": idle,
        "peak_mib": memory.peak_mib,
        "open_mib": open_mib,
        "closed_mib": await memory.least_mib(1.0),
    }


def main() -> int:
    """Attack a server; return 1 where it takes more than it may."""
    with attacked(sys.argv[1] if len(sys.argv) > 1 else None) as address:
        place = urllib.parse.urlsplit(address)
        found = asyncio.run(attack(place.hostname or "127.0.0.1", place.port or 80))
    limits = {"limit_mib": found["idle_mib"] + MOST_MIB, "limit_closed_mib": found["idle_mib"] + MOST_AFTER_MIB}
    print(json.dumps(found | limits, indent=1))
    return int(found["peak_mib"] > limits["limit_mib"] or found["closed_mib"] > limits["limit_closed_mib"])


if __name__ == "__main__":
    sys.exit(main())
