"""The health checks, with a pool of fakes."""

import dataclasses
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from imgrec.inference.pool import EnginePool
from imgrec.models.catalog import BUILT_IN
from imgrec.server import health
from imgrec.settings import MIB
from tests.inference.test_request import pool_of


@dataclasses.dataclass
class Server:
    pool: EnginePool
    readiness: health.Readiness = dataclasses.field(default_factory=health.Readiness)


@pytest.fixture
def server() -> Server:
    return Server(pool_of())


@pytest.fixture
def client(server: Server) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=health.create_routes(server.readiness, lambda: server.pool))) as client:
        yield client


def test_ready_when_a_model_has_answered(client: TestClient, server: Server) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (503, {"status": "warming up"})
    server.readiness.warm.set()
    assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (503, {"status": "no model answers"})
    server.readiness.answered.set()
    server.pool.load(BUILT_IN.get_spec("mobilenet"))
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ready",
        "loaded": [{"name": "mobilenet", "memory_bytes": MIB}],
        "used_bytes": MIB,
        "budget_bytes": 64 * MIB,
    }


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "FOO"])
def test_another_method_is_answered_in_json(client: TestClient, path: str, method: str) -> None:
    response = client.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")
    assert response.json()["detail"] == f"Expected GET or HEAD. Received: {method}."
