"""What closed tabs and forgotten uploads have left is freed beside all requests, without waiting for another visitor.

`garbage` then returns their memory to the operating system.
"""

import logging
from collections.abc import Callable, Mapping

import anyio

from imgrec.server.sessions import KEEP_S, DisconnectedSessions, Runtime, State
from imgrec.server.upload_quota import UploadQuota

EVERY_S = 5.0

log = logging.getLogger(__name__)


async def keep_house(
    runtime: Runtime,
    get_sessions: Callable[[], Mapping[str, State]],
    quota: UploadQuota,
    *,
    keep_s: float = KEEP_S,
    every_s: float = EVERY_S,
) -> None:
    """Close sessions without a tab and delete unclaimed uploads until the task ends.

    To be run on the thread of the event loop. `get_sessions` gives what each session of `runtime` holds by its id,
    those without a tab included.
    """
    disconnected = DisconnectedSessions(keep_s)
    while True:
        await anyio.sleep(every_s)
        try:
            disconnected.close(runtime, get_sessions())
            quota.drop_unclaimed()
        except Exception:
            # The next try may succeed; without one the server would fill up.
            log.exception("Closed tabs could not be freed")
