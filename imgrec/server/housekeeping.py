"""What runs beside all requests: closed tabs and forgotten uploads are freed, and freed memory is given back.

Nothing of it waits for another visitor.
"""

import gc
import logging
from collections.abc import Callable, Mapping

import anyio
import anyio.to_thread

from imgrec.inference import process_info
from imgrec.server.sessions import DisconnectedSessions, Runtime, State
from imgrec.server.upload_quota import UploadQuota
from imgrec.settings import MIB

EVERY_S = 5.0

# Freed memory is looked for after the process has grown by this much.
GROWTH_BYTES = 16 * MIB

log = logging.getLogger(__name__)


class Housekeeping:
    """Frees what nothing needs any longer; `run` it on the thread of the event loop.

    `get_sessions` gives what each session of `runtime` holds by its id, those without a tab included.
    """

    def __init__(self, runtime: Runtime, get_sessions: Callable[[], Mapping[str, State]], quota: UploadQuota) -> None:
        self._runtime = runtime
        self._get_sessions = get_sessions
        self._quota = quota
        self._disconnected = DisconnectedSessions()
        self._grown_from_bytes = process_info.anonymous_bytes() or 0

    async def run(self) -> None:
        """Look every few seconds, without end."""
        while True:
            await anyio.sleep(EVERY_S)
            try:
                await self.look()
            except Exception:
                # The next look may succeed; without it the server would fill up.
                log.exception("Closed tabs could not be freed")

    async def look(self) -> None:
        """Close sessions without a tab, delete unclaimed uploads, and give freed memory back."""
        closed = self._disconnected.close(self._runtime, self._get_sessions())
        dropped = self._quota.drop_unclaimed()
        if closed or dropped:
            await anyio.to_thread.run_sync(_collect)
        size = process_info.anonymous_bytes() or 0
        self._grown_from_bytes = min(self._grown_from_bytes, size)
        if closed or dropped or size - self._grown_from_bytes > GROWTH_BYTES:
            await anyio.to_thread.run_sync(process_info.give_back_memory)
            self._grown_from_bytes = process_info.anonymous_bytes() or 0


def _collect() -> None:
    """Free what closed sessions have left: their objects refer to each other."""
    gc.collect()
