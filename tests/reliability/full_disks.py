"""Full disks and read-only folders under everything that writes files.

    python -m tests.reliability.full_disks [--sizes 5] [--seed 0] [STEP ...]

Each step works on a small file system of its own, made in a mount namespace (as root), with little room left, then
with none to write at all. It must end well or with a sentence, offer nothing partial, and succeed once there is room.
Where the caller is not root, the largest size of a file is limited instead (`RLIMIT_FSIZE`).
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

# Before the first fork, so that no victim takes its time.
import keras  # noqa: F401
import tensorflow as tf  # noqa: F401

from imgrec.errors import ImgrecError
from tests.reliability import victims
from tests.reliability.steps import STEPS, Step, Training, restart

ROOM = "size=1g"

# As much room is left, at least and at most; the logarithm is uniform.
LEAST_BYTES, MOST_BYTES = 4 * 1024, 16 * 2**20


def attempt(step: Step) -> list[str]:
    """Do the step where it cannot be done, or only just; return what is wrong."""
    step.states = frozenset({"failed", "finished", "interrupted"})
    try:
        step.prepare(1)
        victim = step.start()
    except ImgrecError:
        return []  # refused before it began
    except OSError:
        return [traceback.format_exc()[-800:]]
    code = victim.wait(120)
    if code is None:
        return [*victim.kill(), "no end within 120 s"]
    said = victim.output.read_text(errors="replace") if victim.output.exists() else ""
    wrong = [] if code in (0, 2) else [f"ended with {code}: {said[-800:]}"]
    if "Traceback" in said:
        wrong.append(said[-800:])
    if isinstance(step, Training) and step.job is not None and "unexpectedly" in (step.job.error or ""):
        wrong.append(str(step.job.error))
    wrong += step.check()
    _, worse = restart(step.settings)
    return wrong + worse


def on_small_disk(step: Step, disk: Path, room: int | None, *, mounts: bool) -> list[str]:
    """Return what is wrong with the step on a disk with `room` bytes left, or on a read-only one."""
    copy = disk.with_name("copy")
    if not mounts:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room or LEAST_BYTES, resource.RLIM_INFINITY))
        found = attempt(step)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return found
    _unshare()
    shutil.copytree(disk, copy, symlinks=True, dirs_exist_ok=True)
    _mount("--make-rprivate", "/")
    _mount("-t", "tmpfs", "-o", ROOM, "tmpfs", str(disk))
    shutil.copytree(copy, disk, symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(copy)
    step.prepare(1)
    if room is None:
        _mount("-o", "remount,ro", str(disk))
    else:
        used = shutil.disk_usage(disk).used
        _mount("-o", f"remount,size={used + room}", str(disk))
    found = attempt(step)
    _mount("-o", f"remount,rw,{ROOM}", str(disk))
    return found + [f"with room again: {sentence}" for sentence in step.finish()]


def _unshare() -> None:
    import ctypes  # `os.unshare` is new in Python 3.12

    if ctypes.CDLL(None, use_errno=True).unshare(0x00020000):
        raise OSError(ctypes.get_errno(), "unshare")


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def main() -> int:
    """Print what happened as one JSON object; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", nargs="*", default=list(STEPS), metavar="STEP")
    parser.add_argument("--sizes", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without-mounts", action="store_true")
    arguments = parser.parse_args()
    mounts = os.geteuid() == 0 and not arguments.without_mounts
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder) / "disk"
        for name in arguments.steps:
            rng = random.Random(f"{arguments.seed} {name}")  # noqa: S311 (sizes, no secrets)
            step = STEPS[name](disk / name)
            step.output = Path(folder) / "output.txt"
            wrong = [f"before: {sentence}" for sentence in _begin(step)]
            rooms = [int(LEAST_BYTES * (MOST_BYTES / LEAST_BYTES) ** rng.random()) for _ in range(arguments.sizes)]
            for room in [*rooms, None] if mounts else rooms:
                result = Path(folder) / "result.json"
                result.unlink(missing_ok=True)

                def act(step: Step = step, room: int | None = room, result: Path = result) -> None:
                    try:
                        sentences = on_small_disk(step, disk, room, mounts=mounts)
                    except Exception:
                        sentences = [traceback.format_exc()[-1500:]]
                    result.write_text(json.dumps(sentences))

                victims.run(act, Path(folder) / "attempt.txt", timeout_s=600)
                where = "read-only" if room is None else f"with {room:,} bytes left"
                wrong += [f"{where}: {sentence}" for sentence in json.loads(result.read_text())]
            step.close()
            found[name] = {"rooms": rooms, "wrong": wrong}
            print(f"{name}: {len(wrong)} wrong", file=sys.stderr)
    print(json.dumps(found, indent=1))
    return int(any(one["wrong"] for one in found.values()))


def _begin(step: Step) -> list[str]:
    step.prepare(0)
    return step.finish()


if __name__ == "__main__":
    sys.exit(main())
