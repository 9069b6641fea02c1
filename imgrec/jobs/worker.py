"""The worker's side of a job: what a worker process knows, tells and asks.

There is no scheduler. A worker that starts waits until what it needs fits beside the workers that had their turn,
first come, first served.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from imgrec.errors import ImgrecError
from imgrec.jobs import files
from imgrec.jobs.job import POLL_S, Job, Needs
from imgrec.settings import available_memory_bytes

# What other processes on the machine keep of its memory.
FREE_SHARE = 0.9


class CancelledJobError(Exception):
    """Raised inside a worker after somebody asked it to stop."""


class Worker:
    """What a worker process knows of its own job."""

    def __init__(self, folder: Path) -> None:
        self.job = Job(folder)
        self._log = (folder / "progress.jsonl").open("ab")
        # A worker killed in the middle of a line must not spoil the first line of the next.
        if self._log.tell():
            self._log.write(b"\n")

    def tell(self, event: str, **fields: Any) -> None:
        """Append one event; it is on its way to the disk when this returns."""
        line = {"event": event, "at": time.time(), **fields}
        self._log.write(json.dumps(line, allow_nan=False).encode() + b"\n")
        self._log.flush()

    def check(self) -> None:
        """Raise `CancelledJobError` once somebody asked the job to stop."""
        if (self.job.folder / "cancel").exists():
            raise CancelledJobError

    def wait_for_turn(self) -> None:
        """Return when memory and cores suffice beside the jobs that run; older jobs go first."""
        import filelock

        told = False
        queue = filelock.FileLock(self.job.folder.parent / "queue.lock")
        while True:
            self.check()
            with queue:
                others = [job for job in _siblings(self.job) if job.is_alive and not (job.folder / "end.json").exists()]
                running = [job for job in others if (job.folder / "turn.json").exists()]
                first = all(
                    (self.job.created_at, self.job.name) < (job.created_at, job.name)
                    for job in others
                    if job not in running
                )
                if first and _fits(self.job.needs, [job.needs for job in running]):
                    files.write(self.job.folder / "turn.json", {"at": files.now()})
                    return
            if not told:
                self.tell("queued", behind=[job.title for job in others])
                told = True
            time.sleep(POLL_S)


def work(folder: Path, do: Callable[[Worker], None]) -> int:
    """The main of a worker process: holds the lock, waits for its turn, calls `do`, writes how it ended.

    Returns the exit code: 0 finished or cancelled, 2 failed with a sentence. A bug is written down and raised.
    """
    import filelock

    lock = filelock.FileLock(folder / "worker.lock")
    try:
        lock.acquire(timeout=2)
    except filelock.Timeout:
        return 0  # another worker is at it
    with lock:
        worker = Worker(folder)
        try:
            worker.tell("started", pid=os.getpid())
            worker.wait_for_turn()
            do(worker)
        except CancelledJobError:
            _end(folder, "cancelled", None)
        except ImgrecError as error:
            _end(folder, "failed", str(error))
            return 2
        except BaseException as error:
            _end(folder, "failed", f"The worker stopped unexpectedly: {type(error).__name__}: {error}")
            raise
        else:
            _end(folder, "finished", None)
    return 0


def _end(folder: Path, state: str, error: str | None) -> None:
    files.write(folder / "end.json", {"state": state, "error": error, "at": files.now()})


def _fits(mine: Needs, running: list[Needs]) -> bool:
    if not running:
        return True
    memory = mine.memory_bytes + sum(needs.memory_bytes for needs in running)
    cores = mine.cores + sum(needs.cores for needs in running)
    return memory <= available_memory_bytes() * FREE_SHARE and cores <= (os.cpu_count() or 1)


def _siblings(job: Job) -> Iterator[Job]:
    for file in job.folder.parent.glob("*/job.json"):
        if file.parent != job.folder:
            yield Job(file.parent)
