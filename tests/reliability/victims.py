"""Processes to be killed: forked from one that has imported the runtimes, each in a session of its own."""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

# A child of a killed process that is still there after so long is an orphan.
ORPHAN_S = 5.0


@dataclass(frozen=True, slots=True)
class Victim:
    """A forked process; `output` is the file of its stdout and stderr."""

    pid: int
    output: Path

    def wait(self, timeout_s: float) -> int | None:
        """Return its exit code, negative for a signal; None if it still runs after `timeout_s`."""
        end = time.monotonic() + timeout_s
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > end:
                return None
            time.sleep(0.005)

    def kill(self, whom: str = "all") -> list[str]:
        """Kill the process itself, its children, or all of them; return what is wrong afterwards."""
        try:
            children = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            children = []
        for child in children if whom == "children" else []:
            child.kill()
        if whom == "itself":
            os.kill(self.pid, signal.SIGKILL)
        elif whom == "all":
            os.killpg(self.pid, signal.SIGKILL)
        if whom == "children":
            if self.wait(60) is None:
                return [f"still there a minute after its children were killed: {self.pid}"]
            return []
        self.wait(60)
        _, left = psutil.wait_procs(children, timeout=ORPHAN_S)
        for child in left:
            child.kill()
        return [f"an orphan {ORPHAN_S:.0f} s after its parent was killed: {child}" for child in left]


def fork(act: Callable[[], object], output: Path) -> Victim:
    """Return a process that runs `act`, once it has begun.

    It ends with 0; with 2 and the sentence in `output` after an `ImgrecError`; with 1 and a traceback on a bug.
    """
    from imgrec.errors import ImgrecError

    begun, begins = os.pipe()
    pid = os.fork()
    if pid:
        os.close(begins)
        os.read(begun, 1)
        os.close(begun)
        return Victim(pid, output)
    code = 1
    try:
        os.setsid()
        os.close(begun)
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(file, stream)
        os.write(begins, b".")
        os.close(begins)
        act()
        code = 0
    except ImgrecError as error:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}), flush=True)
        code = 2
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run(act: Callable[[], object], output: Path, timeout_s: float = 120) -> tuple[int, str, float]:
    """Run `act` in a fork to its end; return its exit code, what it printed, and the seconds that it took."""
    start = time.monotonic()
    victim = fork(act, output)
    code = victim.wait(timeout_s)
    if code is None:
        victim.kill()
        raise RuntimeError(f"Expected an end within {timeout_s} s. Received: none; {output.read_text()[-2000:]}")
    return code, output.read_text(errors="replace"), time.monotonic() - start
