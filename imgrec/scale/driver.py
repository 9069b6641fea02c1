"""The process that is a cluster's driver for a server, and its end of the line to it.

Ray ends its driver when the machine's own Ray process dies, or when the head has been gone for a minute, without an
exception that could be handled. A server must live on: Ray is in a child process, which is asked through
`multiprocessing.managers`, and started again where it has died. It ends with its parent.
"""

import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from imgrec.errors import BusyError
from imgrec.inference import turns
from imgrec.models.catalog import ModelSpec
from imgrec.scale import cluster, deployments
from imgrec.scale.cluster import Node
from imgrec.scale.serve_engine import ServeEngine, last_line, side_by_side
from imgrec.settings import ROOT

# How long the process may take to end by itself.
END_S = 5.0

# How long a head may be gone until Ray ends the driver, where Ray takes a minute: visitors wait for no longer. A head
# that comes back has lost all that it knew, unless it keeps that in Redis.
GONE_S = 15

DIED = "the process that asks it has ended, as Ray does where the head is gone"


class ClusterLostError(BusyError):
    """The driver has died, and with it what it knew."""


class Driver:
    """Ray in its own process: the cluster, and the models that it serves for this server. Any thread may call it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._nodes: list[Node] = []
        self._refused: tuple[str, ...] = ()
        self._engines: dict[str, ServeEngine] = {}

    def reach(self, address: str | None) -> tuple[list[Node], list[str]]:
        """Return the nodes of the cluster with our versions, and a sentence about each other one.

        Raises as `deployments.load_serve` and `cluster.opened`.
        """
        if address is not None:
            os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", f"{GONE_S}")
        deployments.load_serve()
        told: list[str] = []
        self._nodes = self._stack.enter_context(cluster.opened(address, told.append))
        self._refused = cluster.others(self._nodes)
        return self._nodes, told

    def deploy(self, spec: ModelSpec, path: Path) -> None:
        """Have the cluster serve the network at `path` as `spec.name`; raises as `deployments.deploy`."""
        ray = cluster.load()
        try:
            self._engines[spec.name] = deployments.deploy(spec, path, self._nodes, self._refused, lambda: None)
        except (ray.exceptions.RayError, TimeoutError) as error:
            raise BusyError(
                f"Expected {spec.title} to start on the cluster. Received: {last_line(error)}. Try again later."
            ) from error

    def ask(self, name: str, method: str, values: np.ndarray) -> tuple[Any, float]:
        """Return what `method` of the engine `name` computes, and the seconds that a replica took; raises as it."""
        return side_by_side(self._engines[name], lambda engine: getattr(engine, method)(values))

    def leave(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._stack.close()


class _Manager(BaseManager):
    """Makes drivers, in the process that serves them."""


_Manager.register("Driver", Driver)


@dataclass(frozen=True, slots=True, eq=False)
class DriverProcess:
    """A `Driver` in a child process. Its methods raise `ClusterLostError` where that has died."""

    process: subprocess.Popen[bytes]
    address: str
    proxy: Any

    @classmethod
    def start(cls) -> "DriverProcess":
        """Start one; raises `ClusterLostError` where it does not come up."""
        key = secrets.token_bytes(32)
        places = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        process = subprocess.Popen(
            [sys.executable, "-c", "from imgrec.scale import driver; driver.serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": places},
        )
        questions, answers = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        address = ""
        try:
            questions.write(key.hex().encode() + b"\n")
            questions.flush()
            address = answers.readline().decode().strip()
            manager = _Manager(address, key)
            manager.connect()
            return cls(process, address, manager.Driver())  # type: ignore[attr-defined]
        except (EOFError, OSError) as error:
            _end(process, address)
            raise ClusterLostError(f"Expected a process for the cluster. Received: {error}.") from error

    def reach(self, address: str | None) -> tuple[list[Node], Sequence[str]]:
        """Reach the cluster as `Driver.reach`."""
        nodes, told = self._call("reach", address)
        return nodes, told

    def deploy(self, spec: ModelSpec, path: Path) -> None:
        """Serve a network as `Driver.deploy`."""
        self._call("deploy", spec, path)

    def ask(self, name: str, method: str, values: np.ndarray) -> tuple[Any, float]:
        """Compute as `Driver.ask`."""
        with turns.left():
            value, seconds = self._call("ask", name, method, values)
        return value, seconds

    def leave(self) -> None:
        """Leave the cluster and end the process."""
        with suppress(ClusterLostError):
            self._call("leave")
        self.end()

    def end(self) -> None:
        """End the process, whatever it does."""
        _end(self.process, self.address)

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return self.proxy._callmethod(method, arguments)
        except (EOFError, OSError) as error:
            raise ClusterLostError(f"Expected an answer of the cluster. Received: none; {DIED}.") from error


def serve() -> None:
    """Serve drivers to the parent process until it closes the standard input: the main function of the child."""
    key = bytes.fromhex(sys.stdin.buffer.readline().decode())
    server = _Manager(None, key).get_server()
    print(server.address, flush=True)
    os.dup2(2, 1)  # what Ray prints is no answer

    def end_with_parent() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    server.serve_forever()


def _end(process: subprocess.Popen[bytes], address: str) -> None:
    """End the child and delete the folder of its socket, which it leaves where it is killed."""
    for stream in (process.stdin, process.stdout):
        with suppress(OSError):
            if stream is not None:
                stream.close()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    folder = Path(address).parent
    if folder.name.startswith("pymp-"):
        shutil.rmtree(folder, ignore_errors=True)
