"""A command that uses a Ray cluster is run in a child process: Ray ends its driver without a word where the head dies.

The parent waits, and says how to go on where the child has ended so.
"""

import atexit
import os
import signal
import sys
from collections.abc import Sequence
from itertools import pairwise

from imgrec.cli.terminal import BAD_INPUT, complain
from imgrec.settings import RAY

GONE = (
    "Expected the Ray cluster until the end of the work. Received: it has gone, or its process on this machine. "
    "What is finished is kept: give the same command again once the cluster is back."
)
KEEPS = ("evaluate", "predict")


def uses_cluster(words: Sequence[str]) -> bool:
    """Return whether a command line is one of shards on a cluster."""
    is_ray = f"--engine={RAY}" in words or ("--engine", RAY) in pairwise(words)
    return bool(words) and words[0] in KEEPS and is_ray and hasattr(os, "fork")


def leave_to_child() -> None:
    """Return in a child process; in this one wait for it, and exit as it does, with a sentence where Ray ended it."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        # Only Python's own end comes here: neither Ray's exit nor a signal.
        atexit.register(os.write, writing, b".")
        return
    os.close(writing)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Ctrl-C reaches the child too, which then ends by itself; other signals are handed on.
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else lambda got, _: os.kill(child, got))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os.set_blocking(reading, False)
    ended_itself = _read(reading) == b"."
    if not ended_itself and code not in (0, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT, -signal.SIGKILL):
        complain(GONE)
        code = BAD_INPUT
    os._exit(code if code >= 0 else 128 - code)


def _read(pipe: int) -> bytes:
    try:
        return os.read(pipe, 1)
    except BlockingIOError:  # processes that Ray has left hold its other end
        return b""
