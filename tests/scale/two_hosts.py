"""Two hosts on this machine: network namespaces with a cable between them, and a node of a Ray cluster in each.

The second host has a name, a /dev/shm and a /tmp/ray of its own; folders are those of this machine, as on hosts that
share a file system. Only root may make namespaces.
"""

import ctypes
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from imgrec.settings import ROOT

NETWORK, PORT, CPUS = "10.213.7", 6379, 2
NAMES = ("imgrec-host-1", "imgrec-host-2")
CLONE_NEWNET = 0x40000000

# A node starts in some seconds; on a machine that does much else it may take minutes.
UP_S = 240.0


def why_not() -> str:
    """What this machine lacks; empty where nothing is missing."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    missing = [name for name in ("ip", "unshare") if shutil.which(name) is None]
    missing += [] if importlib.util.find_spec("ray") else ["ray"]
    return f"{missing[0]} is not installed" if missing else ""


@contextmanager
def opened(homes: Sequence[Path]) -> Iterator[str]:
    """Yield the address of a cluster of two hosts, in whose first one this thread is for the block.

    `homes` are the IMGREC_HOME of the workers on each host.
    """
    # A cluster across machines asks for a token; all have the same. Ray reads it when it is imported.
    assert "ray" not in sys.modules, "Ray has been imported, without the token: run this file alone"
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    before = {name: os.environ.get(name) for name in token}
    nodes: list[subprocess.Popen[bytes]] = []
    _join()
    try:
        os.environ.update(token)
        for number, home in enumerate(homes):
            nodes.append(_start(number, home))
            _wait_until_up(nodes[0], number)
        with _inside(NAMES[0]):
            yield f"{NETWORK}.1:{PORT}"
    finally:
        for name in NAMES:
            while pids := _ip("netns", "pids", name).split():
                for pid in pids:
                    with suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
                time.sleep(0.1)
            _ip("netns", "delete", name)
        for node in nodes:
            node.wait()
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _join() -> None:
    """Make the namespaces and the cable."""
    for name in NAMES:
        _ip("netns", "add", name)
    _ip("link", "add", "cable", "netns", NAMES[0], "type", "veth", "peer", "name", "cable", "netns", NAMES[1])
    for number, name in enumerate(NAMES, 1):
        _ip("-n", name, "address", "add", f"{NETWORK}.{number}/24", "dev", "cable")
        for device in ("lo", "cable"):
            _ip("-n", name, "link", "set", device, "up")
        # Ray asks for the way to the internet to learn its own address; nothing is sent.
        _ip("-n", name, "route", "add", "default", "dev", "cable")


def _start(number: int, home: Path) -> "subprocess.Popen[bytes]":
    Path("/tmp/ray").mkdir(exist_ok=True)  # noqa: S108 (in a namespace of its own)
    ray = str(Path(sys.executable).with_name("ray"))
    words = [ray, "start", "--block", "--num-cpus", str(CPUS), "--node-ip-address", f"{NETWORK}.{number + 1}"]
    words += ["--object-store-memory", str(100 * 2**20), "--disable-usage-stats"]
    where = f"{NETWORK}.1:{PORT}"
    words += ["--head", "--port", str(PORT), "--include-dashboard", "false"] if number == 0 else ["--address", where]
    own = "mount -t tmpfs none /tmp/ray && mount -t tmpfs none /dev/shm && " if number else ""
    script = f'{own}hostname {NAMES[number]} && exec "$@"'
    return subprocess.Popen(
        ["ip", "netns", "exec", NAMES[number], "unshare", "--mount", "--uts", "sh", "-c", script, "sh", *words],
        env=os.environ | {"IMGREC_HOME": str(home), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _wait_until_up(head: "subprocess.Popen[bytes]", number: int) -> None:
    """Wait until the cluster lists so many nodes."""
    code = f"import ray; ray.init('{NETWORK}.1:{PORT}', log_to_driver=False, logging_level='ERROR')"
    code += "; print(sum(node['Alive'] for node in ray.nodes()))"
    end = time.monotonic() + UP_S
    while time.monotonic() < end:
        if head.poll() is not None:
            raise RuntimeError(f"the first host ended with {head.returncode}")
        command = ["ip", "netns", "exec", NAMES[0], sys.executable, "-W", "ignore", "-c", code]
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(command, capture_output=True, text=True, timeout=UP_S)
            if done.stdout.strip() == str(number + 1):
                return
        time.sleep(1)
    raise TimeoutError(f"host {number + 1} of the cluster is not up after {UP_S:.0f} s")


@contextmanager
def _inside(name: str) -> Iterator[None]:
    """Have this thread, and those that it starts, in the network of a host."""
    setns = ctypes.CDLL(None, use_errno=True).setns
    with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{name}", "rb") as away:
        if setns(away.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            setns(home.fileno(), CLONE_NEWNET)


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=words[1] != "pids", timeout=60).stdout
