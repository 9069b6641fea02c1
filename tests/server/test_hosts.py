"""Foreign names and foreign pages, without a server."""

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from imgrec.server.hosts import Hosts, OwnSite

NAMED = Hosts("127.0.0.1", ("demo.example.org", "*.hf.space"))


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")


@pytest.fixture
def client() -> Iterator[TestClient]:
    routes = [
        Route("/", hello, methods=["GET", "POST"]),
        Route("/api/v1/predict", hello, methods=["POST"]),
        WebSocketRoute("/stream", echo),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(OwnSite, get_hosts=lambda: NAMED)])
    with TestClient(app, base_url="http://localhost:8501") as client:
        yield client


@pytest.mark.parametrize(
    ("host", "bound", "answers"),
    [
        ("localhost:8501", "127.0.0.1", True),
        ("LOCALHOST.", "127.0.0.1", True),
        ("127.0.0.1:8501", "127.0.0.1", True),
        ("127.8.8.8", "127.0.0.1", True),
        ("[::1]:8501", "127.0.0.1", True),
        ("demo.example.org", "127.0.0.1", True),
        ("Demo.Example.org:443", "127.0.0.1", True),
        ("a.hf.space", "127.0.0.1", True),
        ("192.168.1.5:8501", "192.168.1.5", True),
        ("192.168.1.5:8501", "0.0.0.0", True),
        ("[2001:db8::1]", "::", True),
        ("nas:8501", "nas", True),
        ("192.168.1.5:8501", "127.0.0.1", False),
        ("evil.example", "127.0.0.1", False),
        ("evil.example", "0.0.0.0", False),
        ("localhost.evil.example", "127.0.0.1", False),
        ("127.0.0.1.evil.example", "0.0.0.0", False),
        ("hf.space.evil.example", "0.0.0.0", False),
        ("evildemo.example.org", "0.0.0.0", False),
        ("", "127.0.0.1", False),
        ("[::1", "127.0.0.1", True),  # what is left of it is an address of this machine
        ("a" * 10_000, "127.0.0.1", False),
    ],
)
def test_a_server_answers_to_its_own_names(host: str, bound: str, answers: bool) -> None:
    assert Hosts(bound, NAMED.named).answers_to(host) == answers


def test_a_foreign_name_is_refused_with_a_sentence(client: TestClient) -> None:
    response = client.get("/", headers={"Host": "evil.example" + "x" * 1000})
    assert response.status_code == 400
    assert "evil.example" in response.text
    assert "IMGREC_HOSTS" in response.text
    assert len(response.text) < 300
    assert client.post("/api/v1/predict", headers={"Host": "evil.example"}).json()["status"] == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="a program"),
        pytest.param({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:8501"}, 200, id="an own page"),
        pytest.param({"Sec-Fetch-Site": "none"}, 200, id="typed by the visitor"),
        pytest.param({"Origin": "http://localhost:8501"}, 200, id="an own page in an old browser"),
        pytest.param({"Origin": "https://demo.example.org"}, 200, id="a named page behind a proxy that renames"),
        pytest.param({"Origin": "http://evil.example"}, 403, id="another site"),
        pytest.param({"Origin": "http://localhost:3000"}, 403, id="another port of this machine"),
        pytest.param({"Origin": "null"}, 403, id="a file or a sandbox"),
        pytest.param({"Origin": "http://["}, 403, id="no address"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="another site without its name"),
        pytest.param({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"}, 403, id="the same site"),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:8501"}, 403, id="a contradiction"),
    ],
)
def test_what_changes_something_comes_from_an_own_page(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    assert client.post("/", headers=headers).status_code == status
    assert client.get("/", headers=headers).status_code == 200
    if status == 200:
        with client.websocket_connect("/stream", headers=headers | {"Host": "localhost:8501"}) as socket:
            assert socket.receive_text() == "hello"
    else:
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("/stream", headers=headers | {"Host": "localhost:8501"}),
        ):
            pass


def test_all_names_are_not_all_pages() -> None:
    routes = [Route("/", hello, methods=["POST"])]
    middleware = [Middleware(OwnSite, get_hosts=lambda: Hosts("0.0.0.0", ("*",)))]
    client = TestClient(Starlette(routes=routes, middleware=middleware), base_url="http://any.example")
    assert client.post("/").status_code == 200
    assert client.post("/", headers={"Origin": "http://any.example"}).status_code == 200
    assert client.post("/", headers={"Origin": "http://evil.example"}).status_code == 403
