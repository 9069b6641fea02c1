"""Jobs that cannot be lost: each a detached worker process with a folder of its own, and nothing else.

    IMGREC_HOME/runs/20261121-031500-cifar_vgg/
    ├── job.json         what to do: the worker module, its configuration, what it needs
    ├── progress.jsonl   one JSON object a line, appended as things happen
    ├── worker.lock      held by the living worker; the kernel frees it however the worker ends
    ├── worker.log       its stdout and stderr
    ├── turn.json        it had its turn: memory and cores are its own while it lives
    ├── cancel           somebody asked it to stop
    └── end.json         how it ended: finished, failed, cancelled

The folder is the whole truth: a page that is reloaded, a browser that is closed and a server that is killed lose
nothing, and whoever looks next reads the same. A worker that was killed leaves no `end.json`: it is "interrupted",
and `resume` starts another one on the same folder.

There is no scheduler either. A worker that starts waits until what it needs fits beside the workers that had their
turn, first come, first served.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imgrec.downloads import storage_errors
from imgrec.errors import BusyError, ImgrecError, InputError, StorageError
from imgrec.settings import MIB, ROOT, Settings, available_memory_bytes

# How often a waiting worker looks whether it is its turn, and how often whoever waits for a worker looks.
POLL_S = 0.5

# A worker writes its lock within this time after its start; until then it counts as living.
STARTING_S = 30.0

# A cancelled worker stops at its next step; one that does not is killed after this time.
CANCEL_GRACE_S = 20.0

# What other processes on the machine keep of its memory.
FREE_SHARE = 0.9

# Shown when a worker ended without a word of its own.
LAST_WORDS_CHARACTERS = 600

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,80}")


@dataclass(frozen=True, slots=True)
class Needs:
    """What a job takes while it runs. A job that needs more than there is runs alone."""

    memory_bytes: int
    cores: int


class CancelledJobError(Exception):
    """Raised inside a worker after somebody asked it to stop."""


class Job:
    """One folder of `runs/`, seen from outside the worker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def _fields(self) -> dict[str, Any]:
        return _read(self.folder / "job.json") or {}

    @property
    def module(self) -> str:
        return str(self._fields.get("module", ""))

    @property
    def title(self) -> str:
        return str(self._fields.get("title", self.name))

    @property
    def created_at(self) -> str:
        """UTC, ISO 8601."""
        return str(self._fields.get("created_at", ""))

    @property
    def configuration(self) -> dict[str, Any]:
        return dict(self._fields.get("configuration", {}))

    @property
    def needs(self) -> Needs:
        return Needs(**self._fields["needs"])

    @property
    def is_alive(self) -> bool:
        """Whether a worker lives: it holds its lock, or was started a moment ago."""
        if _is_held(self.folder / "worker.lock"):
            return True
        started = _read(self.folder / "started.json")
        return (
            started is not None
            and time.time() - float(started["at"]) < STARTING_S
            and not (self.folder / "worker.lock").exists()
            and _exists(int(started["pid"]))
        )

    @property
    def state(self) -> str:
        """queued, running, finished, failed, cancelled or interrupted."""
        if (end := _read(self.folder / "end.json")) is not None:
            return str(end["state"])
        if self.is_alive:
            return "running" if (self.folder / "turn.json").exists() else "queued"
        # It may have ended between the two looks.
        end = _read(self.folder / "end.json")
        return str(end["state"]) if end is not None else "interrupted"

    @property
    def error(self) -> str | None:
        """Why it failed, in a sentence; None unless it did."""
        end = _read(self.folder / "end.json")
        return None if end is None else end.get("error")

    def progress(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The events after byte `offset` of the log, and the offset to go on from. A half-written line waits."""
        try:
            with (self.folder / "progress.jsonl").open("rb") as file:
                file.seek(offset)
                data = file.read()
        except OSError:
            return [], offset
        whole = data[: data.rfind(b"\n") + 1]
        events = []
        for line in whole.splitlines():
            # A worker that was killed while it wrote leaves half a line, and the next goes on behind it.
            with contextlib.suppress(ValueError):
                events.append(json.loads(line))
        return events, offset + len(whole)

    def last_words(self) -> str:
        """The end of the worker's own output."""
        with contextlib.suppress(OSError):
            text = (self.folder / "worker.log").read_text(errors="replace").strip()
            return text[-LAST_WORDS_CHARACTERS:]
        return ""

    def cancel(self) -> None:
        """Ask the worker to stop at its next step; what it has saved stays. Nothing to do for one that has ended."""
        if self.state not in {"queued", "running", "interrupted"}:
            return
        with storage_errors(self.folder):
            (self.folder / "cancel").touch()
        if not self.is_alive:
            _write(self.folder / "end.json", {"state": "cancelled", "error": None, "at": _now()})

    def resume(self) -> None:
        """Start another worker on the folder of one that was interrupted, cancelled or failed.

        Raises `BusyError` while one lives, `InputError` when the job is finished.
        """
        if self.is_alive:
            raise BusyError(f"{self.name} is {self.state} already.")
        if self.state == "finished":
            raise InputError(f"Expected a run that was stopped. Received: {self.name}, which is finished.")
        for file in ("end.json", "cancel", "turn.json", "started.json", "worker.lock"):
            (self.folder / file).unlink(missing_ok=True)
        _spawn(self.folder, self.module)

    def wait(self, timeout_s: float) -> str:
        """The state once the worker has ended, or after `timeout_s`."""
        end = time.monotonic() + timeout_s
        while self.state in {"queued", "running"} and time.monotonic() < end:
            time.sleep(POLL_S / 5)
        return self.state


def start(
    module: str,
    configuration: dict[str, Any],
    settings: Settings,
    *,
    title: str,
    needs: Needs,
    folder: Path | None = None,
) -> Job:
    """Start `python -m module FOLDER`, detached, on a new folder: `folder`, or one under `IMGREC_HOME/runs/`.

    `configuration` must be JSON. Raises `InputError` when the folder is there already, and `StorageError`.
    """
    if folder is None:
        moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
        folder = settings.home / "runs" / f"{moment}-{re.sub('[^A-Za-z0-9_]+', '-', title).strip('-').lower()[:40]}"
    if not _NAME.fullmatch(folder.name):
        raise InputError(f"Expected a folder name of letters, digits, _, . and -. Received: {folder.name!r}.")
    with storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir()
        except FileExistsError:
            raise InputError(
                f"Expected a folder that is not there yet. Received: {folder}. "
                "Resume that run, or choose another folder."
            ) from None
        _write(
            folder / "job.json",
            {
                "module": module,
                "title": title,
                "created_at": _now(),
                "needs": asdict(needs),
                "configuration": configuration,
            },
        )
    _spawn(folder, module)
    return Job(folder)


def all_jobs(settings: Settings, module: str | None = None) -> list[Job]:
    """Every job under `IMGREC_HOME/runs/`, newest first; those of one worker module if named."""
    _reap()
    folder = settings.home / "runs"
    jobs = [Job(path.parent) for path in folder.glob("*/job.json")]
    jobs.sort(key=lambda job: (job.created_at, job.name), reverse=True)
    return [job for job in jobs if module is None or job.module == module]


def get_job(name: str, settings: Settings) -> Job:
    """The job called `name`; raises `InputError` when there is none."""
    if not _NAME.fullmatch(name) or not (settings.home / "runs" / name / "job.json").is_file():
        raise InputError(f"Expected the name of a run. Received: {name!r}.")
    return Job(settings.home / "runs" / name)


# ── The worker's side ─────────────────────────────────────────────────────────────────────────────────────────────


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
                    _write(self.job.folder / "turn.json", {"at": _now()})
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
    _write(folder / "end.json", {"state": state, "error": error, "at": _now()})


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


# ── Processes and files ───────────────────────────────────────────────────────────────────────────────────────────

# Workers that this process started: asked now and then whether they have ended, or they would stay as zombies.
_CHILDREN: list["subprocess.Popen[bytes]"] = []


def _spawn(folder: Path, module: str) -> None:
    """Start a worker that lives on when this process ends: its own session, no pipe, no terminal."""
    _reap()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    with storage_errors(folder), (folder / "worker.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", module, str(folder.resolve())],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _CHILDREN.append(child)
    _write(folder / "started.json", {"pid": child.pid, "at": time.time()})


def _reap() -> None:
    _CHILDREN[:] = [child for child in _CHILDREN if child.poll() is None]


def _exists(pid: int) -> bool:
    _reap()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_held(path: Path) -> bool:
    """Whether a living process holds the lock file at `path`."""
    import filelock

    if not path.exists():
        return False
    try:
        with filelock.FileLock(path, timeout=0):
            return False
    except filelock.Timeout:
        return True
    except OSError:
        return False


def _read(path: Path) -> dict[str, Any] | None:
    try:
        fields = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return fields if isinstance(fields, dict) else None


def _write(path: Path, fields: dict[str, Any]) -> None:
    """Whole or not at all."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    with storage_errors(path):
        beside.write_text(json.dumps(fields, indent=2) + "\n")
        os.replace(beside, path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def check_disk(folder: Path, needed_bytes: int) -> None:
    """Raise `StorageError` with the figures unless `needed_bytes` are free where `folder` is or will be."""
    there = next(path for path in [folder, *folder.parents] if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed_bytes:
        raise StorageError(
            f"Expected {needed_bytes / MIB:,.0f} MiB of room in {there}. Received: {free / MIB:,.0f} MiB free."
        )
