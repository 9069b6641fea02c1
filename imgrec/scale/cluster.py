"""A cluster that is reached, or started on this machine, and its nodes that have the versions of this process."""

import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import platform
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from imgrec import extras
from imgrec.errors import BusyError, InputError
from imgrec.inference.process_info import usable_cores
from imgrec.settings import MIB

# How long a cluster may take to answer at all; Ray itself waits for minutes.
REACH_S = 5.0

# How long a node may take to start a first process and tell its versions.
ANSWER_S = 120.0

# Messages of a cluster on this machine: answers of a shard take half a megabyte, and networks are read from the disk.
STORE_BYTES = 256 * MIB

# What Ray says in the middle of a traceback.
REFUSAL = (
    "a refusal, as without its token: RAY_AUTH_MODE=token and the token in RAY_AUTH_TOKEN or ~/.ray/auth_token let in"
)

# What answers and their messages depend on.
PACKAGES = ("openvino", "numpy", "pillow", "pillow-heif", "pyarrow")

Versions = dict[str, str]


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of a cluster: its CPUs and memory as Ray counts them, and whether it is the driver's."""

    id: str
    name: str
    cpus: int
    memory_bytes: int
    is_here: bool


@contextmanager
def opened(address: str | None, tell: Callable[[str], None]) -> Iterator[list[Node]]:
    """Reach the cluster at `address`, or start one on this machine, and yield the nodes with our versions.

    `tell` gets a sentence about each node with others. The cluster is left, or ended, with the block.

    Raises:
        MissingExtraError: Ray is not installed.
        InputError: There is no cluster at the address, it cannot be used from here, or no node has our versions.
        BusyError: This machine did not start one in time.
    """
    ray = load()
    if ray.is_initialized():
        yield _fitting(ray, tell)
        return
    _connect(ray, address)
    try:
        yield _fitting(ray, tell)
    finally:
        ray.shutdown()


def load() -> ModuleType:
    """Import Ray, which then reports no usage; raises `MissingExtraError` with the command where it is missing."""
    extras.check("ray", "to reach a cluster")
    # Ray itself looks for a token where the mode is unset only at a cluster that it has found by itself.
    # It reads the mode when it is imported.
    if "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ and _has_token():
        os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Workers without a GPU keep their view of GPUs; else Ray warns that this will change.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)
    return ray


def versions() -> Versions:
    """Return the versions of this process that answers depend on; of imgrec, of its code."""
    found = {"python": ".".join(platform.python_version_tuple()[:2]), "imgrec": "missing"}
    spec = importlib.util.find_spec("imgrec")
    if spec is not None and spec.submodule_search_locations:
        folder = Path(spec.submodule_search_locations[0])
        digest = hashlib.sha256()
        for file in sorted(folder.rglob("*.py")):
            digest.update(f"{file.relative_to(folder)}\n".encode() + file.read_bytes())
        found["imgrec"] = f"code {digest.hexdigest()[:12]}"
    for name in PACKAGES:
        found[name] = "missing"
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def difference(theirs: Versions, ours: Versions) -> str:
    """Return what is other there, in words; empty where nothing is.

    >>> difference({"numpy": "1"}, {"numpy": "2"})
    'numpy 1 where 2 is expected'
    """
    other = {name: theirs.get(name, "missing") for name in ours if theirs.get(name) != ours[name]}
    return ", ".join(f"{name} {version} where {ours[name]} is expected" for name, version in other.items())


def others(nodes: Iterable[Node]) -> tuple[str, ...]:
    """Return the ids of the cluster's nodes that are none of `nodes`."""
    known = {node.id for node in nodes}
    return tuple(node["NodeID"] for node in load().nodes() if node["Alive"] and node["NodeID"] not in known)


def _has_token() -> bool:
    """Return whether a token is where Ray looks for one."""
    if os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return True
    return (Path.home() / ".ray" / "auth_token").is_file()


def _connect(ray: ModuleType, address: str | None) -> None:
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
    if address is None:
        _start(ray, quiet)
        return
    _check_reachable(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    except Exception as error:  # other versions, a token that is missing or wrong, a server of another kind
        text = str(error)
        reason = _first_line(error)
        # Its port was open. What is refused for its token gets no other answer than what is no head of a cluster.
        if ("auth" in text.lower() and "token" in text) or "Failed to connect to Ray cluster" in text:
            reason = REFUSAL
        raise InputError(
            f"Expected a Ray cluster at {address} that this process can use. Received: {reason}."
        ) from error


def _start(ray: ModuleType, quiet: dict[str, object]) -> None:
    """Start a cluster on this machine; a second time where it did not come up in the half minute that Ray allows."""
    for tries_left in (1, 0):
        try:
            # One more than there are cores: with workers on all that Ray knows of, it can wait for itself for ever.
            ray.init(address="local", num_cpus=usable_cores() + 1, object_store_memory=STORE_BYTES, **quiet)
            return
        except Exception as error:  # Ray has no class for it
            ray.shutdown()
            if not tries_left:
                raise BusyError(
                    f"Expected a Ray cluster to start on this machine. Received: {_first_line(error)}."
                ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")


def _check_reachable(address: str) -> None:
    """Raise `InputError` where nothing listens at `address`; "auto" is a cluster on this machine."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise InputError(f"Expected the address of a Ray cluster such as head.example.org:6379. Received: {address!r}.")
    try:
        socket.create_connection((host, int(port)), REACH_S).close()
    except OSError as error:
        reason = error.strerror or str(error) or "no answer"
        raise InputError(f"Expected a Ray cluster at {address}. Received: {reason}.") from error


def _fitting(ray: ModuleType, tell: Callable[[str], None]) -> list[Node]:
    """Return the nodes with our versions, this machine first."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ours = versions()
    here = ray.get_runtime_context().get_node_id()
    nodes = [
        Node(
            id=node["NodeID"],
            name=node["NodeManagerHostname"],
            cpus=int(node["Resources"].get("CPU", 0)),
            memory_bytes=int(node["Resources"].get("memory", 0)),
            is_here=node["NodeID"] == here,
        )
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
    ]
    asked = {
        node.id: ray.remote(num_cpus=0, max_retries=1)(_ask)
        .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False))
        .remote()
        for node in nodes
    }
    fitting, refused = [], []
    for node in sorted(nodes, key=lambda node: not node.is_here):
        try:
            reason = difference(ray.get(asked[node.id], timeout=ANSWER_S), ours)
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
        if reason:
            refused.append(f"{node.name} has {reason}")
            tell(f"{node.name} is left out: {reason}.")
        else:
            fitting.append(node)
    if not fitting:
        raise InputError(
            "Expected a node of the cluster with the versions of this process. "
            f"Received: {'; '.join(refused) or 'no node with a CPU'}."
        )
    return fitting


def _ask() -> Versions:
    """Return the versions of a worker, also of one without imgrec or with another one."""
    try:
        from imgrec.scale import cluster
    except ImportError:
        return {"imgrec": "missing"}
    return cluster.versions()
