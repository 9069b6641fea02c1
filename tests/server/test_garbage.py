"""Garbage of the process: collected in time, and what stays is left out."""

import gc
import threading
import weakref

import anyio
import pytest

from imgrec.server import garbage


class Node:
    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize("is_warm", [False, True])
def test_cycles_are_collected(is_warm: bool) -> None:
    warm = threading.Event()
    if is_warm:
        warm.set()

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(garbage.collect, warm, 0.01)
            with anyio.fail_after(10):
                while is_warm and not gc.get_freeze_count():
                    await anyio.sleep(0.01)
                node = weakref.ref(Node())
                while node() is not None:
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()

    gc.disable()
    try:
        anyio.run(run)
        assert (gc.get_freeze_count() > 0) == is_warm
    finally:
        gc.unfreeze()
        gc.enable()
