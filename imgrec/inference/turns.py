"""Turns of the threads that run pages: a few compute in Python at once, the others wait without taking time.

Only one thread of a process runs Python at a time, and each that wants to is given it in no order. With a hundred of
them, the thread that answers health checks and sends what pages show would wait for seconds. A thread gives its turn
up while a model is fetched, converted or loaded.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# One that computes, and one that reads files or encodes meanwhile.
MOST = 2

# After this time a thread goes on without a turn, so that a page that hangs does not stop the others.
PATIENCE_S = 30.0

_free = threading.Semaphore(MOST)
_of_thread = threading.local()


@contextmanager
def taken() -> Iterator[None]:
    """Compute within the block, when it is this thread's turn."""
    _take()
    try:
        yield
    finally:
        _give_up()


@contextmanager
def left() -> Iterator[None]:
    """Give up the turn of this thread, if it has one, for the time of the block."""
    had = _give_up()
    try:
        yield
    finally:
        if had:
            _take()


def _take() -> None:
    _of_thread.has_turn = _free.acquire(timeout=PATIENCE_S)


def _give_up() -> bool:
    had = getattr(_of_thread, "has_turn", False)
    if had:
        _of_thread.has_turn = False
        _free.release()
    return had
