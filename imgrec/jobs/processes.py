"""Worker processes: they outlive the process that started them, and their locks tell living from dead ones."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from imgrec.files import storage_errors
from imgrec.jobs import job_folder
from imgrec.settings import ROOT

# Workers that this process started. Ended ones must be polled, or they stay as zombies.
_CHILDREN: list["subprocess.Popen[bytes]"] = []


def spawn(folder: Path, module: str) -> None:
    """Start a worker that outlives this process: its own session, no pipe, no terminal."""
    reap()
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with storage_errors(folder), (folder / "worker.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", module, str(folder.resolve())],
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _CHILDREN.append(child)
    job_folder.write(folder / "started.json", {"pid": child.pid, "at": time.time()})


def reap() -> None:
    """Forget the workers that have ended."""
    _CHILDREN[:] = [child for child in _CHILDREN if child.poll() is None]


def exists(pid: int) -> bool:
    """Return whether a process with this number is alive; one that has ended and was not yet waited for is not."""
    reap()
    with suppress(OSError, IndexError):  # no Linux, or no such process
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_held(path: Path) -> bool:
    """Return whether a living process holds the lock file at `path`; concurrent calls do not disturb each other."""
    if sys.platform != "win32":
        import fcntl

        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return isinstance(error, BlockingIOError)
        return False

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
