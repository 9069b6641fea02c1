"""The JSON API through a real request, with engines that are fakes."""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from imgrec.api import routes
from imgrec.errors import OfflineError
from imgrec.evaluation import temperatures
from imgrec.inference.pool import EnginePool
from imgrec.inference.preparation import Preparation
from imgrec.metrics.calibration import Temperature
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.settings import MIB, Settings
from tests.inference.test_request import image, pool_of

HERE = ("mobilenet", "mobilenet_v2", "vgg16", "resnet50")


class FakePreparations:
    """Says that everything is there, but for what is in `stages`."""

    def __init__(self) -> None:
        self.stages: dict[str, str] = {}
        self.started: list[str] = []

    def start(self, spec: ModelSpec) -> Preparation:
        self.started.append(spec.name)
        preparation = Preparation(spec)
        preparation.stage = self.stages.get(spec.name, "ready")  # type: ignore[assignment]
        if preparation.stage in ("ready", "failed"):
            preparation._over.set()
        return preparation


@dataclasses.dataclass
class Server:
    settings: Settings
    pool: EnginePool
    preparations: FakePreparations

    def app(self) -> Starlette:
        async def page(request: Request) -> Response:
            return HTMLResponse("<html>the dashboard answers everything else")

        mounted = routes.create(
            get_settings=lambda: self.settings,
            get_pool=lambda: self.pool,
            get_preparations=lambda: self.preparations,  # type: ignore[arg-type,return-value]
        )
        return Starlette(routes=[Mount("/api/v1", app=mounted), Route("/{path:path}", page)])


@pytest.fixture
def server(no_packages: None, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(weights, "BUNDLED", tmp_path / "bundled")
    (settings.keras_home / "models").mkdir(parents=True)
    for name in HERE:
        weights.target_path(BUILT_IN.get_spec(name), settings).touch()
    return Server(dataclasses.replace(settings, max_upload_bytes=MIB), pool_of("resnet50"), FakePreparations())


@pytest.fixture
def client(server: Server) -> Iterator[TestClient]:
    with TestClient(server.app(), raise_server_exceptions=False) as client:
        yield client


def kind_of(response: Any) -> str:
    """The name of the error."""
    assert response.headers["content-type"] == "application/problem+json"
    values = response.json()
    assert values["status"] == response.status_code
    return str(values["type"].removeprefix("/api/v1/docs#"))


def send(client: TestClient, data: bytes | None = None, **fields: str) -> Any:
    return client.post("/api/v1/predict", data=fields, files={"image": ("cat.png", image() if data is None else data)})


def test_a_form_is_answered_like_the_command_line(client: TestClient) -> None:
    response = send(client, models="mobilenet_v2,mobilenet", k="1", weights="mobilenet=3")
    assert response.status_code == 200
    found = response.json()
    assert found["image"] == "cat.png"
    assert [model["model"] for model in found["models"]] == ["mobilenet", "mobilenet_v2"]
    assert found["ensemble"]["rule"] == "weighted_mean"
    assert found["ensemble"]["top"][0]["synset"] == "n02123045"
    assert found["ensemble"]["none_of_these"] is None
    assert found["ensemble"]["unsure"] is None  # these weights were not measured
    assert found["ensemble"]["temperatures"] is None
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"


def test_calibration_images_that_are_not_there_are_served_by_the_originals(
    server: Server, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "sha256", lambda spec, settings: "0" * 64)
    server.settings = dataclasses.replace(server.settings, precision="compact")
    assert all(model["model"].endswith(".int8") for model in send(client).json()["models"])
    server.settings = dataclasses.replace(server.settings, calibration=Path("/nowhere"))
    response = send(client)
    assert response.status_code == 200
    assert not any(model["model"].endswith(".int8") for model in response.json()["models"])


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", None])
def test_a_body_is_a_image_with_options_in_the_query(client: TestClient, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    response = client.post("/api/v1/predict?models=mobilenet&models=mobilenet_v2&k=2", content=image(), headers=headers)
    assert response.status_code == 200
    assert [len(model["top"]) for model in response.json()["models"]] == [2, 2]


@pytest.mark.parametrize("classes", ["cat;dog", '{"cat": ["n02121620"], "dog": ["dog"]}'], ids=["short", "json"])
def test_classes_of_a_visitor(client: TestClient, classes: str) -> None:
    found = send(client, models="mobilenet,mobilenet_v2", classes=classes).json()
    assert [row["label"] for row in found["ensemble"]["top"]] == ["cat", "dog", "something else"]
    assert found["ensemble"]["top"][0] == {"label": "cat", "synset": "n02121620", "index": 0, "probability": 1.0}
    assert {model["label_space"] for model in found["models"]} == {found["models"][0]["label_space"]}


@pytest.mark.parametrize(("word", "expected"), [("true", {"mobilenet": 1.5}), ("false", None)])
def test_calibrated_members(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, word: str, expected: dict[str, float] | None
) -> None:
    measured = {"sha256 of mobilenet": Temperature(1.5, "photos", "Photos", 300, 300, 0.9, 0.8)}
    monkeypatch.setattr(temperatures, "measured", lambda settings: measured)
    assert send(client, models="mobilenet", calibrated=word).json()["ensemble"]["temperatures"] == expected


def test_calibrated_is_true_or_false(client: TestClient) -> None:
    response = send(client, models="mobilenet", calibrated="maybe")
    assert response.status_code == 400
    assert response.json()["detail"] == "Expected true or false for calibrated. Received: 'maybe'."


def test_a_level(client: TestClient) -> None:
    found = send(client, models="mobilenet", level="category").json()["models"][0]
    assert (found["label_space"], found["top"][0]["label"]) == ("imagenet_1k_category", "animal")


def test_who_names_no_models_gets_those_that_are_there(client: TestClient) -> None:
    assert [model["model"] for model in send(client).json()["models"]] == ["resnet50", "mobilenet", "mobilenet_v2"]


def test_one_broken_model_does_not_take_the_others_with_it(client: TestClient) -> None:
    found = send(client, models="mobilenet,resnet50").json()["models"]
    assert {model["model"]: model.get("error") for model in found} == {
        "mobilenet": None,
        "resnet50": "resnet50 is broken",
    }


@pytest.mark.parametrize(
    ("fields", "data", "status", "kind"),
    [
        pytest.param({"models": "vgg61"}, None, 404, "UnknownNameError", id="model"),
        pytest.param({"rule": "meen"}, None, 404, "UnknownNameError", id="rule"),
        pytest.param({"k": "eleven"}, None, 400, "InputError", id="k"),
        pytest.param({"model": "mobilenet"}, None, 400, "InputError", id="option misspelt"),
        pytest.param({"models": "x" * 5000}, None, 400, "InputError", id="field too long"),
        pytest.param({"models": ",".join(list(BUILT_IN)[:13])}, None, 400, "InputError", id="too many models"),
        pytest.param({"models": "resnet50"}, None, 500, "EngineError", id="the only model is broken"),
        pytest.param({"level": "breed"}, None, 404, "UnknownNameError", id="level"),
        pytest.param({"classes": "{}"}, None, 400, "InputError", id="no classes"),
        pytest.param({"classes": "zzzz"}, None, 404, "UnknownNameError", id="a class that is no word"),
        pytest.param({"classes": "deer", "models": "mobilenet"}, None, 400, "LabelSpaceError", id="an unknown class"),
        pytest.param({}, b"not an image", 415, "ImageError", id="not an image"),
        pytest.param({}, b"", 415, "ImageError", id="empty"),
        pytest.param({}, bytes(MIB + 1), 413, "ImageTooLargeError", id="a byte too large"),
        pytest.param({}, bytes(2 * MIB), 413, "ImageTooLargeError", id="much too large"),
    ],
)
def test_what_cannot_be_answered(
    client: TestClient, fields: dict[str, str], data: bytes | None, status: int, kind: str
) -> None:
    response = send(client, data, **fields)
    assert (response.status_code, kind_of(response)) == (status, kind)
    assert response.json()["detail"].endswith((".", "broken"))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        pytest.param(b"--x--\r\n", "multipart/form-data; boundary=x", id="no parts"),
        pytest.param(b"garbage", "multipart/form-data; boundary=x", id="garbage"),
        pytest.param(b"garbage", "multipart/form-data", id="no boundary"),
    ],
)
def test_forms_that_are_none(client: TestClient, content: bytes, kind: str) -> None:
    response = client.post("/api/v1/predict", content=content, headers={"Content-Type": kind})
    assert (response.status_code, kind_of(response)) == (400, "InputError")


@pytest.mark.parametrize("form", [True, False], ids=["form", "body"])
def test_bytes_are_counted_when_no_length_is_given(client: TestClient, form: bool) -> None:
    """A chunked upload that never ends is cut off just above the limit."""
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        if form:
            yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
        for _ in range(64):
            sent += 64 * 1024
            yield bytes(64 * 1024)

    kind = "multipart/form-data; boundary=x" if form else "image/png"
    response = client.post("/api/v1/predict", content=chunks(), headers={"Content-Type": kind})
    assert (response.status_code, kind_of(response)) == (413, "ImageTooLargeError")


def test_a_length_above_the_limit_is_refused_unread(client: TestClient) -> None:
    response = client.post("/api/v1/predict", content=bytes(2 * MIB))
    assert response.status_code == 413
    assert "at most 1 MiB. Received: 2.0 MiB" in response.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/api/v1/predict", 405, id="wrong method"),
        pytest.param("POST", "/api/v1/models", 405, id="wrong method too"),
        pytest.param("GET", "/api/v1/nothing", 404, id="wrong path"),
        pytest.param("GET", "/api/v1/models/", 404, id="slash"),
        pytest.param("GET", "/api/v1/", 404, id="root"),
    ],
)
def test_wrong_paths_and_methods_are_answered_in_json(client: TestClient, method: str, path: str, status: int) -> None:
    response = client.request(method, path, follow_redirects=False)
    assert response.status_code == status
    assert response.json()["detail"].startswith("Expected")
    assert ("allow" in response.headers) == (status == 405)


def test_models(client: TestClient, server: Server) -> None:
    server.pool.load(BUILT_IN.get_spec("mobilenet"))
    rows = {row["name"]: row["state"] for row in client.get("/api/v1/models").json()}
    assert rows.keys() == BUILT_IN.keys()
    assert [rows[name] for name in ("mobilenet", "vgg16", "vgg19")] == ["loaded", "downloaded", "missing"]


def test_a_model_under_way_is_not_waited_for_too_long(
    client: TestClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "PREPARATION_PATIENCE_S", 0.01)
    server.preparations.stages["vgg19"] = "downloading"
    response = send(client, models="vgg19,mobilenet")
    assert (response.status_code, kind_of(response)) == (503, "BusyError")
    assert "vgg19 is downloading (0 of 548 MiB). Try again" in response.json()["detail"]
    assert int(response.headers["retry-after"]) > 0


def test_a_loaded_model_is_not_prepared_again(client: TestClient, server: Server) -> None:
    send(client, models="mobilenet")
    send(client, models="mobilenet")
    assert server.preparations.started == ["mobilenet"]


def test_weights_that_cannot_be_had(server: Server) -> None:
    def offline(spec: ModelSpec) -> None:
        raise OfflineError("Expected a network connection. Received: none.")

    server.pool = EnginePool(MIB, load=lambda spec: None, estimate=lambda spec: 1, prepare=offline)  # type: ignore[arg-type,return-value]
    server.preparations.stages["vgg19"] = "failed"
    with TestClient(server.app()) as client:
        response = send(client, models="vgg19")
    assert (response.status_code, kind_of(response)) == (503, "OfflineError")


@pytest.mark.parametrize(
    ("models", "sentence"),
    [
        pytest.param("mobilenet,mobilenet_v2,vgg16,resnet50,xception,vgg19", "at most 5 models", id="too many"),
        pytest.param("vgg19", "this demo has. Received: vgg19", id="not there"),
    ],
)
def test_a_demo_has_limits(client: TestClient, server: Server, models: str, sentence: str) -> None:
    server.settings = dataclasses.replace(server.settings, demo=True)
    response = send(client, models=models)
    assert (response.status_code, server.preparations.started) == (400, [])
    assert sentence in response.json()["detail"]


def test_too_many_requests_are_told_to_come_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only place is taken by a request that waits for its model to load."""
    monkeypatch.setattr(routes, "MAX_REQUESTS", 1)
    inside, go_on = threading.Event(), threading.Event()
    load: Callable[[ModelSpec], Any] = server.pool._load

    def slow_load(spec: ModelSpec) -> Any:
        inside.set()
        assert go_on.wait(10)
        return load(spec)

    monkeypatch.setattr(server.pool, "_load", slow_load)
    statuses: list[int] = []
    with TestClient(server.app()) as client:
        thread = threading.Thread(target=lambda: statuses.append(send(client, models="mobilenet").status_code))
        thread.start()
        assert inside.wait(10)
        refused = send(client, models="mobilenet")
        go_on.set()
        thread.join()
        assert (refused.status_code, kind_of(refused)) == (429, "TooManyRequestsError")
        assert statuses == [200]
        assert send(client, models="mobilenet").status_code == 200


def test_an_image_that_arrives_takes_no_place(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body of no end, in a thread with a loop of its own, and an ordinary request beside it."""
    monkeypatch.setattr(routes, "MAX_REQUESTS", 1)

    async def both() -> Any:
        app = server.app()
        begun = anyio.Event()

        async def receive() -> dict[str, object]:
            if not begun.is_set():
                begun.set()
                return {"type": "http.request", "body": b"beginning", "more_body": True}
            await anyio.sleep_forever()
            raise AssertionError

        async def receive_image() -> dict[str, object]:
            return {"type": "http.request", "body": image(), "more_body": False}

        answers: list[dict[str, Any]] = []

        async def respond(message: Any) -> None:
            answers.append(message)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app, scope(), receive, respond)
            await begun.wait()
            await app(scope(b"models=mobilenet"), receive_image, respond)
            tasks.cancel_scope.cancel()
        return answers[0]["status"]

    assert anyio.run(both) == 200


def test_a_client_that_goes_away(server: Server) -> None:
    status, body = talk(server, [b"beginning"], then={"type": "http.disconnect"})
    assert (status, b"connection was closed" in body) == (400, True)


def test_a_bug_is_answered_in_json_and_raised(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "get_result", lambda *_, **__: 1 / 0)
    with TestClient(server.app(), raise_server_exceptions=False) as client:
        response = send(client, models="mobilenet")
    assert (response.status_code, kind_of(response)) == (500, "about:blank")
    assert "division" not in response.text
    with TestClient(server.app()) as client, pytest.raises(ZeroDivisionError):
        send(client, models="mobilenet")


def scope(query: bytes = b"") -> dict[str, object]:
    """Return what ASGI says of a request for `predict`."""
    return {"type": "http", "method": "POST", "path": "/api/v1/predict", "query_string": query, "headers": []}


def talk(server: Server, chunks: list[bytes], then: dict[str, object] | None) -> tuple[int, bytes]:
    """A request in ASGI's own words, for what no client library does: (status, body)."""
    events: list[dict[str, object]] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, object]:
        if events:
            return events.pop(0)
        if then is None:
            await anyio.sleep(10)
        return then or {}

    async def respond(message: Any) -> None:
        answers.append(message)

    with contextlib.suppress(anyio.BrokenResourceError):
        anyio.run(server.app(), scope(), receive, respond)
    return answers[0]["status"], answers[1]["body"]


def explain(client: TestClient, **fields: str) -> Any:
    return client.post("/api/v1/explain", data=fields, files={"image": ("cat.png", image())})


def test_maps_of_a_class(client: TestClient) -> None:
    response = explain(client, models="mobilenet,mobilenet_v2", **{"class": "tabby"})
    assert response.status_code == 200
    found = response.json()
    assert [one["model"] for one in found["maps"]] == ["ensemble", "mobilenet", "mobilenet_v2"]
    assert [one["class"] for one in found["maps"]] == ["tabby"] * 3
    one = found["maps"][1]
    assert (len(one["values"]), len(one["values"][0]), one["method"], found["failures"]) == (7, 7, "cam", [])
    assert one["figures"]["quarters"][0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"class": "zzz"}, "zzz"),
        ({"method": "grad"}, "method"),
        ({"k": "3"}, "Expected the options models, class, method"),
        ({"models": "resnet"}, "resnet"),
    ],
)
def test_what_cannot_be_explained(client: TestClient, fields: dict[str, str], sentence: str) -> None:
    response = explain(client, **({"models": "mobilenet"} | fields))
    assert response.status_code in (400, 404)
    assert sentence in response.json()["detail"]


def test_a_demo_makes_only_maps_of_one_inference(client: TestClient, server: Server) -> None:
    server.settings = dataclasses.replace(server.settings, demo=True)
    assert explain(client, models="mobilenet").status_code == 200
    response = explain(client, models="mobilenet", method="rise")
    assert response.status_code == 400
    assert "Expected the method cam in this demo" in response.json()["detail"]
