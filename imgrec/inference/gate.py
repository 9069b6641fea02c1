"""A gate that lets one thread through at a time, in the order in which they came."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

Found = TypeVar("Found")


class Gate:
    """A lock for `with` that a thread cannot take again before those that wait for it.

    With `threading.Lock`, a thread that gives it back and asks for it at once has it again: a contact sheet of five
    hundred images would hold up every visitor with one image.

    What waits in `run` is computed by one thread of the gate's own. It goes from one call to the next without giving
    Python to another thread in between, which would let the cores idle for a tenth of the time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_taken = False
        # Threads that wait to be let through, and calls that wait to be computed.
        self._waiting: deque[threading.Lock | _Call[Any]] = deque()
        self._calls: SimpleQueue[_Call[Any]] = SimpleQueue()
        self._runner: threading.Thread | None = None

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

    def run(self, compute: Callable[[], Found]) -> Found:
        """Return what `compute` returns, or raise what it raises: computed behind the gate, when it is its turn."""
        with self._lock:
            is_free = not self._is_taken
            self._is_taken = True
            if not is_free:
                waiting = _Call(compute)
                self._waiting.append(waiting)
        if is_free:
            try:
                return compute()
            finally:
                self.__exit__()
        try:
            return waiting.found.result()
        except BaseException:
            with self._lock:
                if waiting in self._waiting:  # Ctrl-C
                    self._waiting.remove(waiting)
            raise

    @property
    def waiting(self) -> int:
        """The number of threads that wait."""
        return len(self._waiting)

    def _pass_on(self) -> None:
        """Let the next thread through, or have the next call computed; the caller holds `_lock`."""
        if not self._waiting:
            self._is_taken = False
        elif isinstance(first := self._waiting.popleft(), _Call):
            if self._runner is None:
                self._runner = threading.Thread(target=self._run, name="inference", daemon=True)
                self._runner.start()
            self._calls.put(first)
        else:
            first.release()

    def _run(self) -> None:
        """Compute one call after the other, in the thread of the gate's own."""
        while True:
            self._calls.get().run()
            with self._lock:
                self._pass_on()


class _Call(Generic[Found]):
    """A call that waits, and what it returned or raised."""

    def __init__(self, compute: Callable[[], Found]) -> None:
        self._compute = compute
        self.found: Future[Found] = Future()

    def run(self) -> None:
        try:
            found = self._compute()
        except BaseException as error:  # raised where it waits
            self.found.set_exception(error)
        else:
            self.found.set_result(found)
