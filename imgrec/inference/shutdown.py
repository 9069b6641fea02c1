"""The end of the process waits for calls of a library in C++.

The interpreter waits for ordinary threads. A daemon thread (Streamlit runs each page in one) it stops as soon as that
wants to run Python again, and one that comes back from C++ then ends the process with SIGABRT, "terminate called
without an active exception", whatever its exit code was to be.
"""

import atexit
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from imgrec.errors import EngineError

# How long the end waits at most: compiling the largest networks takes some seconds.
LONGEST_CALL_S = 60.0

_changed = threading.Condition()
_calls = 0
_is_ending = False


@contextmanager
def foreign_call() -> Iterator[None]:
    """Return a block in C++ that the end of the process waits for; raises `EngineError` when the end has begun."""
    global _calls
    if not threading.current_thread().daemon:
        yield
        return
    with _changed:
        check_going_on()
        _calls += 1
    try:
        yield
    finally:
        with _changed:
            _calls -= 1
            _changed.notify_all()


def check_going_on() -> None:
    """Raise `EngineError` in a daemon thread when the process is ending: between the steps of a long call."""
    if _is_ending and threading.current_thread().daemon:
        raise EngineError("Expected a running program. Received: its end.")


def _end() -> None:
    global _is_ending
    # A signal during the wait ends the process at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with _changed:
        _is_ending = True
        _changed.wait_for(lambda: _calls == 0, LONGEST_CALL_S)


# Runs when ordinary threads have ended, and before daemon threads are stopped.
atexit.register(_end)
