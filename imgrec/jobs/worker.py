"""The worker's side of a job: its log, its place in the queue, its end.

There is no scheduler. A worker waits until what it needs fits beside the running workers, first come, first served.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from imgrec.errors import ImgrecError, InputError, StorageError
from imgrec.files import storage_errors, typed_path
from imgrec.jobs import job_folder
from imgrec.jobs.job import POLL_S, SENTENCE_MARK, Job, Needs
from imgrec.settings import available_memory_bytes

# The share of the free memory that jobs may use.
FREE_SHARE = 0.9

# Reserved on the disk while a worker runs, so that its end can be written on a full disk.
RESERVE_BYTES = 64 * 1024

# In the folder of the jobs: a note for each job of the same queue whose own folder is elsewhere.
ELSEWHERE = ".elsewhere"


class CanceledJobError(Exception):
    """Raised inside a worker after a request to stop."""


class Worker:
    """The log and the queue of a job, for its own worker process."""

    def __init__(self, folder: Path) -> None:
        self.job = Job(folder)
        self._log = folder / "progress.jsonl"
        with storage_errors(self._log), self._log.open("ab") as file:
            # A worker killed in the middle of a line must not spoil the first line of the next.
            if file.tell():
                file.write(b"\n")

    def tell(self, event: str, **fields: Any) -> None:
        """Append one event to the log. Raises `StorageError`."""
        line = {"event": event, "at": time.time(), **fields}
        with storage_errors(self._log), self._log.open("ab") as file:
            file.write(json.dumps(line, allow_nan=False).encode() + b"\n")

    def check(self) -> None:
        """Raise `CanceledJobError` after a request to stop."""
        if (self.job.folder / "cancel").exists():
            raise CanceledJobError

    def wait_for_turn(self) -> None:
        """Wait until memory and cores suffice beside the running jobs; older jobs go first."""
        import filelock

        told = False
        room = _room(self.job)
        queue = filelock.FileLock(room / "queue.lock")
        while True:
            self.check()
            with storage_errors(room), queue:
                others = [job for job in _others(self.job, room) if not (job.folder / "end.json").exists()]
                running = [job for job in others if (job.folder / "turn.json").exists()]
                mine = (self.job.created_at, self.job.name)
                is_first = all(mine < (job.created_at, job.name) for job in others if job not in running)
                if is_first and _fits(self.job.needs, list(map(_needs_of, running))):
                    job_folder.write(self.job.folder / "turn.json", {"at": job_folder.now()})
                    return
            if not told:
                self.tell("queued", behind=[job.title for job in others])
                told = True
            time.sleep(POLL_S)


def work(folder: Path, do: Callable[[Worker], None]) -> int:
    """Run the main of a worker process: hold the lock, wait for the turn, call `do`, write how it ended.

    Returns the exit code: 0 finished or canceled, 2 failed with a sentence. A bug is written to `end.json` and raised.
    """
    import filelock

    lock = filelock.FileLock(folder / "worker.lock")
    try:
        lock.acquire(timeout=2)
    except filelock.Timeout:
        return 0  # another worker runs the job
    except OSError as error:
        _end(folder, "failed", f"Expected access to {folder}. Received: {error.strerror or type(error).__name__}.")
        return 2
    with lock:
        # What cannot be written now will fail below, with a sentence.
        with suppress(OSError):
            (folder / "reserve").write_bytes(os.urandom(RESERVE_BYTES))
        try:
            worker = Worker(folder)
            worker.tell("started", pid=os.getpid())
            worker.wait_for_turn()
            do(worker)
        except CanceledJobError:
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
    """Write how it ended; on a disk without any room, to the worker's output."""
    with suppress(OSError):
        (folder / "reserve").unlink(missing_ok=True)
    try:
        job_folder.write(folder / "end.json", {"state": state, "error": error, "at": job_folder.now()})
    except StorageError as full:
        with suppress(OSError):
            print(f"{SENTENCE_MARK}{error or full}", file=sys.stderr, flush=True)


def _needs_of(job: Job) -> Needs:
    """Return what another job reserves; nothing where its `job.json` is broken, which must not stop the queue."""
    try:
        return job.needs
    except InputError:
        return Needs(0, 0)


def _fits(mine: Needs, running: list[Needs]) -> bool:
    if not running:
        return True
    memory = mine.memory_bytes + sum(needs.memory_bytes for needs in running)
    cores = mine.cores + sum(needs.cores for needs in running)
    return memory <= available_memory_bytes() * FREE_SHARE and cores <= (os.cpu_count() or 1)


def _room(job: Job) -> Path:
    """Return the folder of the jobs in the same queue; a job whose own folder is elsewhere leaves a note there."""
    home = job.configuration.get("home")
    folder = job.folder.resolve()
    room = typed_path(home).resolve() / "runs" if isinstance(home, str) else folder.parent
    if folder.parent != room:
        note = room / ELSEWHERE / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}.json"
        with storage_errors(note):
            note.parent.mkdir(parents=True, exist_ok=True)
        job_folder.write(note, {"folder": str(folder)})
    return room


def _others(job: Job, room: Path) -> Iterator[Job]:
    """Return the living jobs of `room` but `job`; the caller holds the room's lock."""
    for file in room.glob("*/job.json"):
        if file.parent.resolve() != job.folder.resolve() and (other := Job(file.parent)).is_alive:
            yield other
    for note in (room / ELSEWHERE).glob("*.json"):
        other = Job(Path(str((job_folder.read(note) or {}).get("folder", ""))))
        if not other.is_alive:
            note.unlink(missing_ok=True)
        elif other.folder != job.folder.resolve():
            yield other
