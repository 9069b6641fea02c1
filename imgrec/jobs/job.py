"""A job as seen from outside its worker: start, read, cancel, resume."""

import contextlib
import re
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from imgrec import json_files
from imgrec.errors import BusyError, InputError
from imgrec.files import storage_errors
from imgrec.jobs import job_folder, processes
from imgrec.settings import Settings

# Between two looks of a waiting worker at the queue; a fifth of it between two looks at a job that is waited for.
POLL_S = 0.5

# A worker holds its lock within this time after its start; until then it counts as living while its process does.
STARTING_S = 30.0

# In a job's folder, what a resumed worker continues from.
KEPT = ("checkpoint.npz", "trials")

# A worker that was killed holds its lock until the kernel has taken back its memory.
SETTLING_S = 3.0

# Before a sentence in the output of a worker that could not write its end: the disk was full.
SENTENCE_MARK = "imgrec: "

# As `end.json` has them.
ENDS = ("finished", "failed", "cancelled")

# Linux gives no larger numbers to processes.
MAX_PID = 2**22

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,80}")


@dataclass(frozen=True, slots=True)
class Needs:
    """The memory and cores of a running job. A job that needs more than the machine has runs alone."""

    memory_bytes: int
    cores: int


# Worker modules under the names that job.json of version 0.1 gives them.
FORMER_MODULES = {
    "imgrec.training.worker": "imgrec.training.training_worker",
    "imgrec.training.teaching": "imgrec.training.transfer_worker",
    "imgrec.training.tuner": "imgrec.training.search_worker",
}


class _Configuration(dict[str, Any]):
    """What `job.json` has for the worker."""

    def __missing__(self, key: str) -> Any:
        raise InputError(f"Expected {key} in the job.json of the run. Received: none.")


class Job:
    """One folder of `runs/`, seen from outside the worker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @cached_property
    def _fields(self) -> dict[str, Any]:
        """The contents of `job.json`, read once: it changes only when the job is resumed with another configuration."""
        return job_folder.read(self.folder / "job.json") or {}

    @property
    def module(self) -> str:
        """The worker module, under its present name."""
        module = str(self._fields.get("module", ""))
        return FORMER_MODULES.get(module, module)

    @property
    def title(self) -> str:
        """The title for lists."""
        return str(self._fields.get("title") or self.name)

    @property
    def created_at(self) -> str:
        """The start, UTC, ISO 8601."""
        return str(self._fields.get("created_at", ""))

    @property
    def configuration(self) -> dict[str, Any]:
        """A copy of what the worker is given; a missing entry raises `InputError`."""
        found = self._fields.get("configuration")
        return _Configuration(found if isinstance(found, dict) else {})

    @property
    def needs(self) -> Needs:
        """The memory and cores that it reserves; raises `InputError` where `job.json` does not say so."""
        return json_files.to_row(Needs, self._fields.get("needs"), str(self.folder / "job.json"))

    @property
    def is_alive(self) -> bool:
        """Whether a worker is alive: it holds its lock, or was started a moment ago."""
        if processes.is_held(self.folder / "worker.lock"):
            return True
        started = job_folder.read(self.folder / "started.json") or {}
        at, pid = started.get("at"), started.get("pid")
        return (
            isinstance(at, float | int)
            and time.time() - at < STARTING_S
            and not (self.folder / "end.json").exists()
            and isinstance(pid, int)
            and 0 < pid < MAX_PID
            and processes.exists(pid)
        )

    @property
    def state(self) -> str:
        """The state: queued, running, finished, failed, canceled or interrupted."""
        if (end := self._end) is not None:
            return end
        if self.is_alive:
            return "running" if (self.folder / "turn.json").exists() else "queued"
        # It may have ended between the two reads.
        return self._end or "interrupted"

    @property
    def _end(self) -> str | None:
        """How it ended, one of `ENDS`; None while there is no such file."""
        state = (job_folder.read(self.folder / "end.json") or {}).get("state")
        return state if state in ENDS else None

    @property
    def error(self) -> str | None:
        """The sentence of a failed job; None of others."""
        error = (job_folder.read(self.folder / "end.json") or {}).get("error")
        return str(error) if error else None

    def progress(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Return the events after byte `offset` of the log, and the offset to go on from. A half-written line waits."""
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
            with contextlib.suppress(InputError):
                if isinstance(event := json_files.decode(line, "a line"), dict):
                    events.append(event)
        return events, offset + len(whole)

    def stopped_because(self) -> str:
        """Return the sentence about a job that has ended without being finished."""
        if (error := self.error) is not None:
            return error
        log = self.folder / "worker.log"
        if self.state != "interrupted":
            return f"The run is {self.state}; it can be resumed."
        with contextlib.suppress(OSError):
            lines = log.read_text(errors="replace").splitlines()
            told = [line.removeprefix(SENTENCE_MARK) for line in lines if line.startswith(SENTENCE_MARK)]
            if told:
                return told[-1]
        return f"The run was interrupted: its process was killed, or the machine stopped. Its output is in {log}."

    def cancel(self) -> None:
        """Request the worker to stop at its next step; what it has saved stays. A job that has ended is unchanged."""
        if self.state not in {"queued", "running", "interrupted"}:
            return
        with storage_errors(self.folder):
            (self.folder / "cancel").touch()
        # A worker that ended meanwhile has written `end.json` before it released its lock.
        if not self.is_alive and not (self.folder / "end.json").exists():
            job_folder.write(self.folder / "end.json", {"state": "cancelled", "error": None, "at": job_folder.now()})

    @property
    def has_kept(self) -> bool:
        """Whether a resumed worker would continue instead of starting anew."""
        return any((self.folder / name).exists() for name in KEPT)

    def resume(self, configuration: dict[str, Any] | None = None) -> None:
        """Start another worker on the folder of a job that was interrupted, canceled or failed.

        Args:
            configuration: Replaces the former one, if given.

        Raises:
            BusyError: A worker is alive.
            InputError: The job is finished.
        """
        if self.is_alive:
            raise BusyError(f"{self.name} is {self.state} already.")
        if self.state == "finished":
            raise InputError(f"Expected a run that was stopped. Received: {self.name}, which is finished.")
        if configuration is not None:
            self._fields = self._fields | {"configuration": configuration}
            job_folder.write(self.folder / "job.json", self._fields)
        with storage_errors(self.folder):
            for file in ("end.json", "cancel", "turn.json", "started.json", "worker.lock"):
                (self.folder / file).unlink(missing_ok=True)
        processes.spawn(self.folder, self.module)

    def settle(self) -> str:
        """Return the state, once it is clear whether a worker that seems alive is only about to vanish."""
        return self.wait(SETTLING_S)

    def wait(self, timeout_s: float) -> str:
        """Return the state once the worker has ended, or after `timeout_s`."""
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
        moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
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
        job_folder.write(
            folder / "job.json",
            {
                "module": module,
                "title": title,
                "created_at": job_folder.now(),
                "needs": asdict(needs),
                "configuration": configuration,
            },
        )
    processes.spawn(folder, module)
    return Job(folder)


def next_to_resume(found: Iterable[Job]) -> Job | None:
    """Return the first of `found` that is not finished; None where all are.

    Those that failed and kept nothing come last: most likely they would fail again.
    """
    unfinished = (job for job in found if job.state != "finished")
    return min(unfinished, key=lambda job: job.state == "failed" and not job.has_kept, default=None)


def all_jobs(settings: Settings, module: str | None = None) -> list[Job]:
    """Every job under `IMGREC_HOME/runs/`, newest first; those of one worker module if named."""
    processes.reap()
    folder = settings.home / "runs"
    jobs = [Job(path.parent) for path in folder.glob("*/job.json")]
    jobs.sort(key=lambda job: (job.created_at, job.name), reverse=True)
    return [job for job in jobs if module is None or job.module == module]
