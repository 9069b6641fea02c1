"""A gate that lets one thread through at a time, in the order in which they came."""

import threading
from collections import deque


class Gate:
    """A lock for `with` that a thread cannot take again before those that wait for it.

    With `threading.Lock`, a thread that gives it back and asks for it at once has it again: a contact sheet of five
    hundred images would hold up every visitor with one image.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        try:
            turn.acquire()  # returns when `__exit__` of another thread releases it
        except BaseException:  # Ctrl-C: the turn that is coming must go to the next one
            with self._lock:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                else:
                    self._pass_on()
            raise

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._pass_on()

    @property
    def waiting(self) -> int:
        """The number of threads that wait."""
        return len(self._waiting)

    def _pass_on(self) -> None:
        """Let the next thread through; the caller holds `_lock`."""
        if self._waiting:
            self._waiting.popleft().release()
        else:
            self._is_taken = False
