"""Applications of Ray Serve, one a model: started by whichever process needs it first, and found by the others."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from imgrec.errors import BusyError, EngineError, MissingExtraError
from imgrec.inference import conversion
from imgrec.models.catalog import ModelSpec
from imgrec.scale import cluster
from imgrec.scale.cluster import Node
from imgrec.scale.replica import MAX_BATCH, NAMESPACE, STORE, Network, NetworkStore, Replica, read_files
from imgrec.scale.serve_engine import MAX_QUEUED, ServeEngine, last_line
from imgrec.settings import MIB

# Of a replica beside its network: Python, Ray, OpenVINO. Measured with MobileNet: 318 MiB at most in all, 17 of them
# its weights.
REPLICA_BYTES = 350 * MIB

# What a replica takes of the cluster's CPUs: less than the core on which it computes, because most models wait for
# questions most of the time. What limits the number of models is memory.
REPLICA_CPUS = 0.25

# Calls at a replica: while one batch is computed, the next one gathers; a batch has no more than are there (ray#43288).
MAX_ONGOING = 2 * MAX_BATCH

# Another replica starts where each has more calls than these on average, and one ends where they have fewer.
TARGET_ONGOING = 2
UPSCALE_S, DOWNSCALE_S = 3.0, 60.0

# A model that nothing asks gives its memory back after this time; the next call waits until it is loaded again.
IDLE_S = 600.0

# How long a replica may take to start, and how often that is tried.
START_S = 60.0
POLL_S = 0.2
MAX_START_TRIES = 3

# Ray Serve cannot be started by two threads at once.
_starting = threading.Lock()

# The one deployment of an application.
DEPLOYMENT = "network"


def load_serve() -> ModuleType:
    """Import Ray Serve; raises `MissingExtraError` with the command where it is missing."""
    cluster.load()
    try:
        from ray import serve
    except ImportError as error:
        raise MissingExtraError(
            f"Expected Ray Serve. Received: Ray without it ({error}); `pip install 'imgrec[ray]'` adds what is missing."
        ) from error
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    return serve


def deploy(
    spec: ModelSpec, path: Path, nodes: Sequence[Node], refused: Sequence[str], lose: Callable[[], None]
) -> ServeEngine:
    """Have the cluster serve the network at `path` unless it does, and return the engine that asks it.

    Args:
        spec: The model.
        path: Its compiled network on this machine.
        nodes: The nodes that may run it.
        refused: The ids of those that must not.
        lose: Called when no replica answers any more.

    Raises:
        BusyError: No replica could be started in time.
        EngineError: Replicas fail when they start.
    """
    serve, network = load_serve(), Network.at(path)
    name = f"imgrec-{network.content}"
    with _starting:
        if _status(serve, name) not in ("RUNNING", "DEPLOYING", "UNHEALTHY"):
            if len(nodes) > 1 or not nodes[0].is_here:
                _keep(network)
            manifest = conversion.read_manifest(path)
            need_bytes = REPLICA_BYTES + (manifest.memory_bytes if manifest else 0)
            application = serve.deployment(Replica, **options(nodes, refused, need_bytes)).bind(
                network, cluster.versions()
            )
            quiet = {"log_level": "WARNING", "enable_access_log": False}
            target = serve.RunTarget(target=application, name=name, route_prefix=None, logging_config=quiet)
            serve.start(http_options={"location": "NoServer"})
            serve.run_many([target], wait_for_applications_running=False)
    _wait(serve, name, spec.title)
    return ServeEngine(spec.title, serve.get_deployment_handle(DEPLOYMENT, name), lose)


def options(nodes: Sequence[Node], refused: Sequence[str], need_bytes: int) -> dict[str, Any]:
    """Return the options of a deployment whose replicas hold `need_bytes` each."""
    actor: dict[str, Any] = {"num_cpus": REPLICA_CPUS, "memory": need_bytes}
    if refused:
        actor["label_selector"] = {"ray.io/node-id": f"!in({','.join(refused)})"}
    return {
        "name": DEPLOYMENT,
        "max_ongoing_requests": MAX_ONGOING,
        "max_queued_requests": MAX_QUEUED,
        "max_constructor_retry_count": MAX_START_TRIES,
        "autoscaling_config": {
            "min_replicas": 0,
            "initial_replicas": 1,
            "max_replicas": max(1, sum(node.cpus for node in nodes)),
            "target_ongoing_requests": TARGET_ONGOING,
            "upscale_delay_s": UPSCALE_S,
            "downscale_delay_s": DOWNSCALE_S,
            "downscale_to_zero_delay_s": IDLE_S,
        },
        "ray_actor_options": actor,
    }


def _keep(network: Network) -> None:
    """Send the files of `network` to where replicas of other machines find them."""
    ray = cluster.load()
    lasting = {"name": STORE, "namespace": NAMESPACE, "get_if_exists": True, "lifetime": "detached"}
    store = ray.remote(NetworkStore).options(num_cpus=0, max_restarts=-1, **lasting).remote()
    if not ray.get(store.has.remote(network)):
        ray.get(store.put.remote(network, read_files(network.folder)))


def _status(serve: ModuleType, name: str) -> str:
    application = serve.status().applications.get(name)
    return "" if application is None else str(application.status.value)


def _wait(serve: ModuleType, name: str, title: str) -> None:
    """Wait until the application has started; raises as `deploy`."""
    give_up_at = time.monotonic() + START_S
    while (status := _status(serve, name)) != "RUNNING":
        application = serve.status().applications.get(name)
        messages = [one.message for one in application.deployments.values()] if application else []
        reason = last_line(RuntimeError("\n".join([message for message in messages if message])))
        if status == "DEPLOY_FAILED":
            raise EngineError(f"Expected {title} to start on the cluster. Received: {reason}.")
        if time.monotonic() > give_up_at:
            raise BusyError(
                f"Expected {title} to start on the cluster within {START_S:.0f} s. Received: {reason}. Try again later."
            )
        time.sleep(POLL_S)
