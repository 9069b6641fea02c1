"""More tabs than a server has places: 200 at once.

    python -m tests.reliability.many_tabs [URL] [TABS]

Says how many are let in, what the others are told, and whether those inside go on.
"""

import asyncio
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from contextlib import AsyncExitStack

from websockets.exceptions import InvalidStatus

from tests.reliability.attacked_server import attacked
from tests.reliability.server_memory import IDLE_S, Memory
from tests.reliability.tabs import Tab, tab

TABS = 200
BUSY = 503


def look(address: str) -> tuple[int, str | None, bool]:
    """Return the status of the first page, its Retry-After, and whether it says that all places are taken."""
    request = urllib.request.Request(address, headers={"Accept": "text/html"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers["Retry-After"], b"All places" in answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Retry-After"], b"All places" in error.read()


async def attack(host: str, port: int, tabs: int = TABS) -> dict[str, object]:
    """Return the figures."""
    memory = Memory(port)
    idle = await memory.least_mib(IDLE_S)
    refused: list[int] = []
    inside: list[Tab] = []
    async with AsyncExitStack() as stack:
        for _ in range(tabs):
            try:
                inside.append(await stack.enter_async_context(tab(host, port)))
            except InvalidStatus as error:
                refused.append(error.response.status_code)
        full = await memory.least_mib(0.5)
        page = await asyncio.to_thread(look, f"http://{host}:{port}/")
        answered = [await one.rerun() > 0 for one in (inside[0], inside[-1])]
    await asyncio.sleep(1.0)
    return {
        "inside": len(inside),
        "refused": len(refused),
        "statuses": sorted(set(refused)),
        "page": page,
        "those_inside_go_on": all(answered),
        "page_when_they_have_gone": (await asyncio.to_thread(look, f"http://{host}:{port}/"))[0],
        "idle_mib": idle,
        "full_mib": full,
    }


def main() -> int:
    """Attack a server; return 1 where it lets all in, or does not say that it is full."""
    with attacked(sys.argv[1] if len(sys.argv) > 1 else None) as address:
        place = urllib.parse.urlsplit(address)
        tabs = int(sys.argv[2]) if len(sys.argv) > 2 else TABS
        found = asyncio.run(attack(place.hostname or "127.0.0.1", place.port or 80, tabs))
    print(json.dumps(found, indent=1))
    return int(found["statuses"] != [BUSY] or not found["those_inside_go_on"])


if __name__ == "__main__":
    sys.exit(main())
