"""A replica of a model: a process of the cluster that holds a network, and computes what dashboards and APIs ask it.

It runs the engine that serves on one machine, too, so that answers are the same bits.
"""

import asyncio
import hashlib
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imgrec.errors import EngineError, ImgrecError
from imgrec.inference import conversion
from imgrec.inference.openvino_engine import OpenVINOEngine
from imgrec.scale import cluster
from imgrec.scale.cluster import Versions
from imgrec.scale.shard_actor import peak_bytes, receive
from imgrec.settings import Settings

# Cores of a replica; a model that is asked more gets more replicas.
THREADS = 1

# Calls that are computed together: one after another in one turn, so that asking costs once for all of them.
MAX_BATCH = 8

# The methods of `Engine` that may be called.
METHODS = ("predict", "predict_values", "observe")

# What a call computed and the seconds that it took, or a sentence.
Outcome = tuple[Any, float] | str

# Of the actor that keeps the files of networks for nodes that have not got them.
STORE, NAMESPACE = "imgrec-networks", "imgrec"


@dataclass(frozen=True, slots=True)
class Network:
    """A compiled network: the folder where it lies on the machine that offers it, and the name for its content."""

    folder: Path
    content: str

    @classmethod
    def at(cls, path: Path) -> "Network":
        """Return the network whose `model.xml` is `path`, by its manifest; raises `EngineError` without one."""
        manifest = conversion.read_manifest(path)
        if manifest is None:
            raise EngineError(f"Expected a converted network. Received: nothing at {path.parent}.")
        digest = hashlib.sha256(repr(sorted(manifest.files.items())).encode()).hexdigest()[:12]
        # A twin's name has a dot, which a name on the cluster may not have.
        return cls(path.parent, f"{manifest.model.replace('.', '_')}-{digest}")

    def find(self, settings: Settings) -> Path | None:
        """Return the path of its `model.xml` on this machine, whole; None where it is not here."""
        for folder in (self.folder, received(self.content, settings)):
            path = folder / "model.xml"
            if conversion.read_intact(path) is not None and Network.at(path).content == self.content:
                return path
        return None


class NetworkStore:
    """Files of networks on the disk of one node, for the replicas on others."""

    def has(self, network: Network) -> bool:
        """Whether the files of `network` are here."""
        return network.find(Settings.from_env()) is not None

    def put(self, network: Network, files: Mapping[str, bytes]) -> None:
        """Keep the `files` of `network`; raises as `receive`."""
        receive(received(network.content, Settings.from_env()), files)

    def read(self, network: Network) -> dict[str, bytes] | None:
        """Return the files of `network`, by name; None where they are not here."""
        path = network.find(Settings.from_env())
        return None if path is None else read_files(path.parent)


class Replica:
    """The network `network`, run for processes with the versions `expected`; other versions are refused.

    Raises:
        EngineError: The node has other versions, or no way to get the network.
    """

    def __init__(self, network: Network, expected: Versions) -> None:
        from ray import serve

        if reason := cluster.difference(cluster.versions(), expected):
            raise EngineError(f"{platform.node()} has {reason}.")
        self._engine = OpenVINOEngine(_fetch(network, Settings.from_env()), 0, THREADS)

        # Waits for nothing: calls that come during a computation are the next batch.
        @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=0.0)
        async def compute(calls: list[tuple[str, np.ndarray]]) -> list[Outcome]:
            return await asyncio.to_thread(lambda: [self._compute(*call) for call in calls])

        self._in_batches = compute

    async def run(self, method: str, values: np.ndarray) -> Outcome:
        """Return what the engine's `method` computes of `values` and the seconds of it; a sentence where it fails."""
        outcome: Outcome = await self._in_batches((method, values))
        return outcome

    def identify(self) -> int:
        """Return the process id."""
        return os.getpid()

    def peak_bytes(self) -> int:
        """Return the most memory that this replica has held."""
        return peak_bytes()

    def _compute(self, method: str, values: np.ndarray) -> Outcome:
        if method not in METHODS:
            return f"Expected one of {', '.join(METHODS)}. Received: {method}."
        start = time.perf_counter()
        try:
            found = getattr(self._engine, method)(values)
        except ImgrecError as error:
            return str(error)
        return found, time.perf_counter() - start


def received(content: str, settings: Settings) -> Path:
    """Return the folder of this machine for a network that another one sends."""
    return settings.home / "received" / content


def read_files(folder: Path) -> dict[str, bytes]:
    """Return what the manifest in `folder` lists, and the manifest itself, by name."""
    manifest = conversion.read_manifest(folder / "model.xml")
    names = ["manifest.json", *(manifest.files if manifest else ())]
    return {name: (folder / name).read_bytes() for name in names}


def _fetch(network: Network, settings: Settings) -> Path:
    """Return the path of `network` on this machine, where it is put unless it is there."""
    path = network.find(settings)
    if path is not None:
        return path
    import ray

    files: Any  # {name: bytes}, or None
    try:
        files = ray.get(ray.get_actor(STORE, NAMESPACE).read.remote(network))
    except (ValueError, ray.exceptions.RayError):  # no such actor, or its node has died
        files = None
    if files is None:
        raise EngineError(f"{platform.node()} cannot get the network {network.content}: no node of the cluster has it.")
    folder = received(network.content, settings)
    receive(folder, files)
    return folder / "model.xml"
