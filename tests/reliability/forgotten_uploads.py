"""Uploads that no page asks for: files of 7 MiB, 60 from one tab and as many from each of several.

    python -m tests.reliability.forgotten_uploads [URL] [MiB of a file]

Says what is accepted, how much memory the server takes meanwhile, and a minute after the last one with all tabs open.
"""

import asyncio
import json
import sys
import urllib.parse
from collections import Counter
from contextlib import AsyncExitStack

from imgrec.settings import MIB
from tests.reliability.attacked_server import attacked
from tests.reliability.server_memory import IDLE_S, Memory, upload
from tests.reliability.tabs import Tab, tab

FILES = 60
FILE_MIB = 7
TABS = 4
CONNECTIONS = 6  # as many as a browser has
GONE_S = 60.0

# What a tab may have, and all together (imgrec.settings), and what may remain in MiB above an idle server.
ONE_TAB_MIB = 100
ALL_TABS_MIB = 500
MOST_AFTER_MIB = 30


async def attack(
    host: str, port: int, file_mib: int = FILE_MIB, files: int = FILES, gone_s: float = GONE_S
) -> dict[str, object]:
    """Return the figures."""
    memory = Memory(port)
    idle = await memory.least_mib(IDLE_S)
    file = b"x" * (file_mib * MIB)
    async with AsyncExitStack() as stack, memory.watched():
        tabs = [await stack.enter_async_context(tab(host, port)) for _ in range(TABS)]
        of_one = Counter([await upload(host, port, tabs[0], file) for _ in range(files)])
        after_one = await memory.least_mib(0.5)
        free = asyncio.Semaphore(CONNECTIONS)

        async def send(one: Tab) -> int:
            async with free:
                return await upload(host, port, one, file)

        of_all = Counter(await asyncio.gather(*map(send, tabs[1:] * files)))
        full = await memory.least_mib(0.5)
        await asyncio.sleep(gone_s)
        gone = await memory.least_mib(1.0)
    accepted = of_one[204] * file_mib, (of_one[204] + of_all[204]) * file_mib
    return {
        "accepted_of_one_tab_mib": accepted[0],
        "accepted_of_all_tabs_mib": accepted[1],
        "statuses": {str(status): number for status, number in (of_one + of_all).items()},
        "idle_mib": idle,
        "one_tab_mib": after_one,
        "all_tabs_mib": full,
        "peak_mib": memory.peak_mib,
        "a_minute_later_mib": gone,
        "is_kept": accepted[0] <= ONE_TAB_MIB and accepted[1] <= ALL_TABS_MIB and gone <= idle + MOST_AFTER_MIB,
    }


def main() -> int:
    """Attack a server; return 1 where it takes more than it may."""
    with attacked(sys.argv[1] if len(sys.argv) > 1 else None) as address:
        place = urllib.parse.urlsplit(address)
        file_mib = int(sys.argv[2]) if len(sys.argv) > 2 else FILE_MIB
        found = asyncio.run(attack(place.hostname or "127.0.0.1", place.port or 80, file_mib))
    print(json.dumps(found, indent=1))
    return int(not found["is_kept"])


if __name__ == "__main__":
    sys.exit(main())
