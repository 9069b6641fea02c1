"""The server as in its container, without an engine: not root, no capabilities, a read-only root, one data folder.

`python -m tests.reliability.read_only_root` starts it, has an image classified, looks at the process and what it wrote,
and prints that as one JSON object. It takes root, `unshare` and `setpriv`, as a CI container has them.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imgrec.settings import ASSETS, ROOT

USER_ID = 1000
START_S = 300

# In a mount namespace of its own: the whole file system read-only at $1, the repository at /mnt/app, the data folder at
# /mnt/data, an empty /tmp, as `docker run --read-only --tmpfs /tmp -v imgrec:/data` has them. $4 is Python's folder,
# which may be in a home that is closed to others.
_ENTER = """
set -e
root=$1 app=$2 data=$3 python=$4 user=$5
shift 5
mount --make-rprivate /
mount --bind / "$root"
mount --bind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/mnt"
mkdir "$root/mnt/app" "$root/mnt/data" "$root/mnt/python"
mount --bind "$app" "$root/mnt/app"
mount --bind "$data" "$root/mnt/data"
mount --bind "$python" "$root/mnt/python"
closed=$python
while [ "$closed" != / ]; do
    if ! setpriv --reuid $user --regid $user --clear-groups test -x "$closed"; then top=$closed; fi
    closed=$(dirname "$closed")
done
if [ -n "$top" ]; then
    mount -t tmpfs -o mode=755 tmpfs "$root$top"
    mkdir -p "$root$python"
    mount --move "$root/mnt/python" "$root$python"
    mount -o remount,ro "$root$top"
fi
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
for place in / /mnt /mnt/app; do mount -o remount,bind,ro "$root$place"; done
cd "$root"
exec chroot . setpriv --reuid $user --regid $user --clear-groups --no-new-privs --bounding-set=-all \\
    --inh-caps=-all sh -c 'cd /mnt/app && exec "$@"' - "$@"
"""

# What a process may do there, and whether it can write anywhere else; run as the same user in the same place.
_LOOK = """
import json, os, pathlib
def writable(folder):
    try:
        file = pathlib.Path(folder, "written"); file.write_text("x"); file.unlink()
    except OSError:
        return False
    return True
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
places = "/ /etc /usr /var/tmp /home /mnt /mnt/app /mnt/app/imgrec /mnt/app/assets /tmp /mnt/data".split()
print(json.dumps({
    "user": os.getuid(), "capabilities": int(status["CapBnd"], 16) | int(status["CapEff"], 16),
    "no_new_privileges": status["NoNewPrivs"].strip() == "1",
    "writable": [place for place in places if os.path.isdir(place) and writable(place)],
}))
"""


def why_not() -> str | None:
    """Return why this machine cannot do that, or None."""
    if os.name != "posix" or os.geteuid() != 0:
        return "mounting a read-only root takes root"
    if missing := [name for name in ("unshare", "setpriv", "chroot", "mount") if shutil.which(name) is None]:
        return f"there is no {', '.join(missing)}"
    if any(Path(place).resolve().is_relative_to("/tmp") for place in (sys.prefix, sys.base_prefix)):  # noqa: S108 (its name)
        return "Python is installed in /tmp, which the container has empty"
    tried = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else f"unshare is not allowed: {tried.stderr.decode().strip()}"


def _command(root: Path, data: Path, *command: str) -> list[str]:
    inside = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, "sh"]
    return [*inside, str(root), str(ROOT), str(data), str(Path(sys.base_prefix).resolve()), str(USER_ID), *command]


@contextmanager
def _server(root: Path, data: Path, log: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [f"--server.port={port}", "--server.headless=true", "--server.fileWatcherType=none"]
    command = _command(root, data, sys.executable, "-m", "streamlit", "run", "app.py", *options)
    with log.open("w") as out:
        process = subprocess.Popen(command, env=_environment(), stdout=out, stderr=out)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            # The server is the first process of its namespace, and as another user it outlives its parent.
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
            process.wait(30)


def _environment() -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": "/mnt/app",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/mnt/data",
        "IMGREC_HOME": "/mnt/data/imgrec",
        "KERAS_HOME": "/mnt/data/keras",
        "IMGREC_DEMO": "1",
        "IMGREC_OFFLINE": "1",
    }


def _answer(url: str, data: bytes | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(url, data, {"Content-Type": "image/jpeg"} if data else {})
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, None
    except (OSError, ValueError):
        return 0, None


def attack() -> dict[str, Any]:
    """Return what the server answered, what its user may do, and what was written."""
    with tempfile.TemporaryDirectory(prefix="imgrec-root-") as folder:
        root, data, log = (Path(folder, name) for name in ("root", "data", "log"))
        root.mkdir()
        data.mkdir()
        os.chown(data, USER_ID, USER_ID)
        looked = subprocess.run(
            _command(root, data, sys.executable, "-c", _LOOK),
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if looked.returncode:
            raise RuntimeError(looked.stderr)
        found: dict[str, Any] = json.loads(looked.stdout)
        image = (ASSETS / "samples" / "espresso.jpg").read_bytes()
        with _server(root, data, log) as url:
            give_up_at = time.monotonic() + START_S
            while _answer(f"{url}/readyz")[0] != 200 and time.monotonic() < give_up_at:
                time.sleep(1)
            status, content = _answer(f"{url}/api/v1/predict", image)
        first = content["results"][0] if content and "results" in content else content
        text = log.read_text()
        return found | {
            "status": status,
            "answer": json.dumps(first)[:300],
            "tracebacks": text.count("Traceback"),
            "log_end": text[-600:] if status != 200 or "Traceback" in text else "",
            "data": sorted(path.name for path in data.iterdir()),
        }


def is_held(found: dict[str, Any]) -> bool:
    """Return whether everything is as it must be."""
    return (
        found["status"] == 200
        and found["user"] == USER_ID
        and found["capabilities"] == 0
        and found["no_new_privileges"]
        and found["writable"] == ["/tmp", "/mnt/data"]  # noqa: S108 (of the container)
        and not found["tracebacks"]
    )


if __name__ == "__main__":
    if reason := why_not():
        sys.exit(f"Not possible here: {reason}.")
    result = attack()
    print(json.dumps(result, indent=1))
    sys.exit(not is_held(result))
