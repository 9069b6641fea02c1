"""What Prometheus is told, and that visitors are not."""

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from imgrec.inference.preparation import Preparations
from imgrec.models.catalog import BUILT_IN
from imgrec.server import api_process, metrics_port
from imgrec.server.hosts import Hosts
from imgrec.server.metrics import Metrics
from imgrec.settings import MIB, Settings
from tests.api.test_routes import Server, server  # noqa: F401 (a fixture)
from tests.inference.test_request import image, pool_of

TOKEN = "0123456789abcdef"  # noqa: S105 (of this test alone)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def client(server: Server, metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:  # noqa: F811
    monkeypatch.setattr(api_process.warm_up, "default_specs", lambda settings: [])
    monkeypatch.setattr(api_process, "ASK_AGAIN_S", 0.01)
    server.pool = pool_of()
    preparations: Preparations = server.preparations  # type: ignore[assignment]
    app = api_process.create(server.settings, "testserver", server.pool, preparations, metrics)
    with TestClient(app) as client:
        yield client


def figures(metrics: Metrics, **headers: str) -> dict[tuple[str, ...], float]:
    """What the port of the figures says: name with the values of its labels → number."""
    app = metrics_port.create(metrics, Hosts("testserver"), ())
    text = TestClient(app).get("/metrics", headers=headers).text
    return {
        (sample.name, *(value for key, value in sorted(sample.labels.items()) if key != "le")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_and_models_are_counted(client: TestClient, metrics: Metrics) -> None:
    headers = {"Content-Type": "image/png"}
    for _ in range(2):
        assert client.post("/api/v1/predict?models=mobilenet", content=image(), headers=headers).status_code == 200
    client.get("/api/v1/models/" + "x" * 50)
    client.get("/api/v1/secret-of-a-visitor")
    client.request("BREW", "/api/v1/predict")
    found = figures(metrics)
    assert found["imgrec_http_requests_total", "POST", "/api/v1/predict", "200"] == 2
    assert found["imgrec_http_requests_total", "GET", "/api/v1/models/{name}", "404"] == 1
    assert found["imgrec_http_requests_total", "GET", "unknown", "404"] == 1
    assert found["imgrec_http_requests_total", "other", "/api/v1/predict", "405"] == 1
    assert found["imgrec_inference_seconds_count", "mobilenet"] == 2
    assert found["imgrec_model_bytes", "mobilenet"] == MIB
    assert found["imgrec_pool_used_bytes",] == MIB
    assert found["imgrec_queue", "computing"] == 0
    assert found["process_resident_memory_bytes",] > 0
    assert not any("secret" in word or "xxx" in word for key in found for word in key)


def test_evictions_are_counted(metrics: Metrics) -> None:
    pool = pool_of()
    pool.budget_bytes = MIB
    metrics.watch(pool, dict)
    for name in ("mobilenet", "mobilenet_v2", "mobilenet"):
        pool.load(BUILT_IN.get_spec(name))
    pool.unload("mobilenet")  # not to make room
    found = figures(metrics)
    assert (found["imgrec_model_evictions_total", "mobilenet"], found["imgrec_pool_used_bytes",]) == (1, 0)
    assert found["imgrec_model_evictions_total", "mobilenet_v2"] == 1


def test_visitors_do_not_get_them(client: TestClient) -> None:
    for path in ("/metrics", "/api/v1/metrics", "/_stcore/metrics"):
        assert client.get(path).status_code == 404


def test_the_port_has_the_guards_of_the_others(metrics: Metrics) -> None:
    client = TestClient(metrics_port.create(metrics, Hosts("127.0.0.1"), (TOKEN,)))
    assert client.get("/metrics", headers={"Host": "evil.example"}).status_code == 400
    headers = {"Host": "127.0.0.1:9464"}
    assert client.get("/metrics", headers=headers).status_code == 401
    assert client.get("/metrics", headers=headers | {"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/other", headers=headers | {"Authorization": f"Bearer {TOKEN}"}).status_code == 404


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", None), ("9464", ("127.0.0.1", 9464)), ("0.0.0.0:9464", ("0.0.0.0", 9464)), ("[::1]:9464", ("::1", 9464))],
)
def test_where_they_are_served(value: str, expected: tuple[str, int] | None) -> None:
    assert Settings.from_env({"IMGREC_METRICS": value}).metrics == expected


def test_the_api_alone_leads_to_its_document(client: TestClient) -> None:
    assert client.get("/", follow_redirects=False).headers["location"] == "/api/v1/docs"
    assert client.get("/readyz").status_code == 503
    missing = client.get("/none")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    packed = client.get("/api/v1/models", headers={"Accept-Encoding": "gzip"})
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
