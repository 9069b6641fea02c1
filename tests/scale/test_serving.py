"""Which engine a server uses, and a cluster that comes and goes; no Ray is needed to know."""

import dataclasses
from pathlib import Path
from typing import ClassVar

import anyio
import numpy as np
import pytest

from imgrec.api import problems
from imgrec.errors import BusyError, EngineError, InputError
from imgrec.inference import conversion
from imgrec.inference.conversion import Manifest
from imgrec.inference.preparation import Preparations
from imgrec.models.catalog import ModelSpec
from imgrec.scale import deployments, replica, serving
from imgrec.scale.cluster import Node
from imgrec.scale.driver import ClusterLostError
from imgrec.scale.replica import MAX_BATCH, Network, NetworkStore, received
from imgrec.settings import MIB, Settings

NODES = [Node("a", "head", 4, 4096 * MIB, True), Node("b", "other", 8, 4096 * MIB, False)]


class StandIn:
    """A process that asks a cluster; `dies` once it is asked for a network, where `is_mortal`."""

    reached: ClassVar[list[str | None]] = []
    ended = 0
    is_mortal = False

    @classmethod
    def start(cls) -> "StandIn":
        return cls()

    def reach(self, address: str | None) -> tuple[list[Node], list[str]]:
        StandIn.reached.append(address)
        if address and "gone" in address:
            raise InputError(f"Expected a Ray cluster at {address}. Received: Connection refused.")
        return NODES, ["node7 is left out: numpy 1 where 2 is expected."]

    def deploy(self, spec: ModelSpec, path: Path) -> None:
        """As the process's."""

    def ask(self, name: str, method: str, values: np.ndarray) -> tuple[np.ndarray, float]:
        if StandIn.is_mortal:
            raise ClusterLostError("Expected an answer of the cluster. Received: none.")
        return np.full((1, 4), 0.25, np.float32), 0.5

    def leave(self) -> None:
        self.end()

    def end(self) -> None:
        StandIn.ended += 1


@pytest.fixture
def clusters(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The addresses that were reached; one with "gone" in it is not there."""
    StandIn.reached, StandIn.ended, StandIn.is_mortal = [], 0, False
    monkeypatch.setattr(serving, "DriverProcess", StandIn)
    monkeypatch.setattr(serving.extras, "check", lambda extra, purpose: None)
    return StandIn.reached


def test_without_a_cluster_the_models_run_here(settings: Settings) -> None:
    pool = serving.open_pool(settings, Preparations(settings), print)
    assert pool.describe().startswith("Models run in this server, with OpenVINO on ")


def test_a_cluster_is_reached_once_and_described_without_its_address(clusters: list[str | None]) -> None:
    told: list[str] = []
    served = serving.ServedCluster("head:6379", told.append)
    assert served.describe() == "Models run behind Ray Serve, once one is asked for."
    assert served.reach() is served.reach()
    assert clusters == ["head:6379"]
    assert told == ["node7 is left out: numpy 1 where 2 is expected."]
    assert served.describe() == "Models run behind Ray Serve, on 2 machines with 12 CPUs."


def test_a_cluster_that_is_gone_is_told_to_the_owner_and_looked_for_again_later(
    clusters: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    served = serving.ServedCluster("gone:6379", told.append)
    for _ in range(3):
        with pytest.raises(BusyError, match="cannot be reached") as refused:
            served.reach()
        assert "gone" not in str(refused.value)
    assert clusters == ["gone:6379"]
    assert told == ["Expected a Ray cluster at gone:6379. Received: Connection refused."]
    assert "cannot be reached" in served.describe()
    monkeypatch.setattr(serving, "RETRY_S", 0.0)
    served._look_again_at = 0.0
    served.address = "back:6379"
    served.reach()
    assert served.describe() == "Models run behind Ray Serve, on 2 machines with 12 CPUs."


def test_a_process_that_dies_with_its_cluster_is_told_and_started_again(
    settings: Settings, clusters: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.fakes import fake_spec

    monkeypatch.setattr(serving.classify, "compiled_path", lambda spec, settings: Path("model.xml"))
    monkeypatch.setattr(serving.atexit, "register", lambda call: None)
    preparations = Preparations(settings)
    monkeypatch.setattr(preparations, "ensure", lambda spec: None)
    monkeypatch.setattr(serving.weights, "identity", lambda spec, settings: "")
    told: list[str] = []
    elsewhere = dataclasses.replace(settings, engine="ray", ray_address="head:1")
    pool = serving.open_pool(elsewhere, preparations, told.append)
    specs = [fake_spec("one"), fake_spec("two")]
    image = np.zeros((1, 224, 224, 3), np.uint8)
    for spec in specs:
        found, milliseconds = pool.predict(spec, image)
        assert found.shape == (1, 4)
        assert milliseconds == 500

    StandIn.is_mortal = True
    with pytest.raises(BusyError, match=r"^The models' cluster cannot be reached\. Try again in a minute\.$") as gone:
        pool.predict(specs[0], image)
    response = problems.of_error(gone.value)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "cannot be reached" in pool.describe()
    assert (StandIn.ended, told[-1]) == (1, "Expected an answer of the cluster. Received: none.")
    assert pool.loaded() == []

    StandIn.is_mortal = False
    for spec in specs:
        assert pool.predict(spec, image)[1] == 500
    assert clusters == ["head:1"] * 2
    assert pool.describe() == "Models run behind Ray Serve, on 2 machines with 12 CPUs."


def test_the_models_of_a_cluster_take_no_memory_here_and_a_failure_is_each_models_own(
    settings: Settings, clusters: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.fakes import fake_spec

    elsewhere = dataclasses.replace(settings, engine="ray", ray_address="gone:1")
    pool = serving.open_pool(elsewhere, Preparations(elsewhere), lambda sentence: None)
    assert pool.plan([fake_spec("vgg")]).total_bytes == 0
    monkeypatch.setattr(pool, "_prepare", lambda spec: None)
    with pytest.raises(BusyError, match="cannot be reached"):
        pool.load(fake_spec("vgg"))


def test_more_requests_wait_at_once_for_a_cluster(settings: Settings) -> None:
    limiter = anyio.CapacityLimiter(2)
    serving.let_wait(settings, limiter)
    assert limiter.total_tokens == 2
    serving.let_wait(dataclasses.replace(settings, engine="ray"), limiter)
    assert limiter.total_tokens == serving.ANSWERS_AT_ONCE


def test_a_replica_may_gather_a_batch_and_nodes_with_other_versions_have_none() -> None:
    made = deployments.options(NODES, ["c", "d"], 500 * MIB)
    assert made["max_ongoing_requests"] > MAX_BATCH
    assert made["max_queued_requests"] == 64
    assert made["autoscaling_config"]["min_replicas"] == 0
    assert made["autoscaling_config"]["max_replicas"] == 12
    assert made["ray_actor_options"]["memory"] == 500 * MIB
    assert made["ray_actor_options"]["label_selector"] == {"ray.io/node-id": "!in(c,d)"}
    assert "label_selector" not in deployments.options(NODES, [], 1)["ray_actor_options"]


@pytest.fixture
def network(tmp_path: Path) -> Network:
    """A network in a folder, of a twin: its name has a dot."""
    folder = tmp_path / "mine" / "mobilenet.int8-0123"
    folder.mkdir(parents=True)
    for name in ("model.xml", "model.bin"):
        (folder / name).write_bytes(name.encode() * 10)
    manifest = Manifest("mobilenet.int8", "0" * 64, {}, MIB, conversion._describe(folder))
    (folder / "manifest.json").write_text(conversion.json.dumps(dataclasses.asdict(manifest)))
    return Network.at(folder / "model.xml")


def test_a_network_is_found_by_its_content_and_sent_where_it_is_not(
    network: Network, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert network.find(settings) == network.folder / "model.xml"
    elsewhere = dataclasses.replace(network, folder=tmp_path / "nowhere")
    assert elsewhere.find(settings) is None
    monkeypatch.setattr(replica.Settings, "from_env", lambda: settings)
    store = NetworkStore()
    assert store.read(elsewhere) is None
    assert not store.has(elsewhere)
    store.put(elsewhere, replica.read_files(network.folder))
    assert elsewhere.find(settings) == received(network.content, settings) / "model.xml"
    assert store.read(elsewhere) == replica.read_files(network.folder)
    # Another network of the same name is none of this one's.
    (network.folder / "model.bin").write_bytes(b"changed")
    assert network.find(settings) == received(network.content, settings) / "model.xml"


def test_without_a_manifest_there_is_no_network(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="Expected a converted network"):
        Network.at(tmp_path / "model.xml")
