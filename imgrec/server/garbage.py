"""Garbage of the process, collected now and then instead of after each run of a page, and the memory given back.

A full collection looks at each object while no other thread runs. Modules and models, most of all objects, stay for as
long as the process does; what is there after the warm-up is left out from then on.
"""

import gc
import threading

import anyio
import anyio.to_thread

from imgrec.inference.process_info import give_back_memory

# A visitor that left is forgotten within a minute.
EVERY_S = 15.0


async def collect(is_warm: threading.Event, every_s: float = EVERY_S) -> None:
    """Collect garbage until the task ends; from `is_warm` on, only what came later."""
    is_frozen = False
    while True:
        await anyio.sleep(every_s)
        if is_warm.is_set() and not is_frozen:
            await anyio.to_thread.run_sync(_freeze)
            is_frozen = True
        else:
            await anyio.to_thread.run_sync(gc.collect)
        await anyio.to_thread.run_sync(give_back_memory)


def _freeze() -> None:
    gc.collect()
    gc.freeze()
