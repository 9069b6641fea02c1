"""Five famous networks and their average on a host of 1 GiB, and of 512 MiB: exact, then compact.

    sudo -E python -m bench.small_host  # 2 minutes, after those that bench.compact takes to prepare

A demo server runs in a memory control group (version 1) of that size without swap, and gets a 12-megapixel JPEG for
VGG16, VGG19, ResNet50, InceptionV3 and DenseNet121 at once, as a program asks, when the server has loaded its default
models. A compact host has `IMGREC_PRECISION=compact`. Weights are random: speed and memory are the same. What the
kernel killed, or the server refused, is written down as such.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from bench import pairs
from imgrec.files import sha256_of
from imgrec.inference import conversion, warm_up
from imgrec.inference.precision import COMPACT, EXACT
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN, COMPACT_SUFFIX
from imgrec.settings import MIB, ROOT

FIVE = pairs.SIX[:5]

GROUPS = Path("/sys/fs/cgroup/memory")

# MiB of the host; the budget for models is the one that imgrec chooses there.
HOSTS = (1024, 512)

REQUESTS = 5

START_S, ANSWER_S = 120.0, 300.0


def main() -> None:
    compact = [name + COMPACT_SUFFIX for name in FIVE]
    pairs.prepare(FIVE)
    pairs.prepare(compact)
    _accept_weights(FIVE)
    _prepare_defaults()
    hosts = {
        f"{limit_mib}_mib": {
            precision: _try(limit_mib, precision, names) for precision, names in ((EXACT, FIVE), (COMPACT, compact))
        }
        for limit_mib in HOSTS
    }
    pairs.save("small_host", {"models": FIVE, "photo_bytes": pairs.photo().stat().st_size, "hosts": hosts})


def _accept_weights(names: Sequence[str]) -> None:
    """Record the random weights as examined today, or the server would refuse what is not the publisher's."""
    for name in names:
        spec = BUILT_IN[name]
        path = pairs.weights_path(spec)
        stat = path.stat()
        weights._write(
            weights.Record(
                path=str(path),
                size_bytes=stat.st_size,
                mtime_ns=stat.st_mtime_ns,
                sha256=sha256_of(path),
                published_hash=spec.weights.hash,
                checked_at=time.time(),
            ),
            pairs.settings(),
        )


def _prepare_defaults() -> None:
    """Make the default models of both hosts, so that none is made within the control group."""
    for precision in (EXACT, COMPACT):
        settings = replace(pairs.settings(), precision=precision)
        for spec in warm_up.default_specs(settings):
            conversion.convert(spec, cast(Path, weights.find(spec, settings)), settings)


def _try(limit_mib: int, precision: str, names: Any) -> dict[str, Any]:
    """Return what a server on such a host answers, and the memory that it took."""
    group = GROUPS / f"imgrec-bench-{os.getpid()}"
    group.mkdir()
    (group / "memory.limit_in_bytes").write_text(str(limit_mib * MIB))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = pairs.settings()
    server = subprocess.Popen(
        # The shell enters the group, then becomes the server.
        [
            *("sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"),
            *(sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"),
        ],
        cwd=ROOT,
        env=os.environ
        | {
            "IMGREC_DEMO": "1",
            "IMGREC_OFFLINE": "1",
            "IMGREC_PRECISION": precision,
            "IMGREC_HOME": str(settings.home),
            "KERAS_HOME": str(settings.keras_home),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        base = f"http://127.0.0.1:{port}"
        _wait(base, server)
        before = _memory(server)
        address = f"{base}/api/v1/predict?models={','.join(names)}&rule=mean"
        answers = [_ask(address)]
        loading = _memory(server)
        if loading:
            Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # the peak begins anew
        answers += [_ask(address) for _ in range(REQUESTS - 1)]
        warm = _memory(server)
        return {
            "answered": sum("models" in one for one in answers),
            "of": REQUESTS,
            "last": answers[-1],
            "resident_before_mib": before.get("VmRSS"),
            "first_ms": answers[0]["ms"],
            "last_ms": answers[-1]["ms"],
            "resident_peak_of_the_first_mib": loading.get("VmHWM"),
            "resident_peak_of_the_others_mib": warm.get("VmHWM"),
            "anonymous_mib": warm.get("RssAnon"),
            "killed": int(_field(group / "memory.oom_control", "oom_kill")),
        }
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        _remove(group)


def _memory(server: "subprocess.Popen[bytes]") -> dict[str, int]:
    """Return the MiB of each kind in the status of a process; none of one that was killed."""
    if server.poll() is not None:
        return {}
    lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) // 1024 for line in lines if line.startswith(("Rss", "Vm"))}


def _wait(base: str, server: "subprocess.Popen[bytes]") -> None:
    give_up_at = time.monotonic() + START_S
    while time.monotonic() < give_up_at and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{base}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"Expected a server that is ready within {START_S:.0f} s. Received: exit {server.poll()}.")


def _ask(url: str) -> dict[str, Any]:
    """Return the models that answered, the members of the average and the time; or the sentence of the refusal."""
    start = time.perf_counter()
    request = urllib.request.Request(url, pairs.photo().read_bytes(), {"Content-Type": "image/jpeg"})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        return {"refused": json.load(error).get("detail"), "ms": round((time.perf_counter() - start) * 1e3)}
    except OSError as error:
        return {"refused": type(error).__name__, "ms": round((time.perf_counter() - start) * 1e3)}
    return {"ms": round((time.perf_counter() - start) * 1e3), **_answered(answer)}


def _answered(answer: dict[str, Any]) -> dict[str, Any]:
    failures = [one["error"] for one in [*answer["models"], answer["ensemble"] or {}] if "error" in one]
    if failures:
        return {"refused": failures}
    return {"models": [one["model"] for one in answer["models"]], "members": len(answer["ensemble"]["weights"])}


def _field(file: Path, name: str) -> str:
    return next((line.split()[1] for line in file.read_text().splitlines() if line.startswith(f"{name} ")), "0")


def _remove(group: Path) -> None:
    """Remove a control group; its last child may still be ending."""
    for _ in range(50):
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.2)
        else:
            return


if __name__ == "__main__":
    main()
