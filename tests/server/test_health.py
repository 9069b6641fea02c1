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
    ready: bool = False


@pytest.fixture
def server() -> Server:
    return Server(pool_of())


@pytest.fixture
def client(server: Server) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=health.create_routes(lambda: server.ready, lambda: server.pool))) as client:
        yield client


def test_alive_and_then_ready(client: TestClient, server: Server) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    assert client.get("/readyz").status_code == 503
    server.ready = True
    server.pool.load(BUILT_IN.get_spec("mobilenet"))
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ready",
        "loaded": [{"name": "mobilenet", "memory_bytes": MIB}],
        "used_bytes": MIB,
        "budget_bytes": 64 * MIB,
    }
