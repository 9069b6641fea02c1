"""docs/nginx.conf in a real nginx, with the middleware of imgrec behind it."""

import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from imgrec.server.bodies import BodyLimits
from imgrec.server.connections import ConnectionLimits
from imgrec.server.hosts import Hosts, OwnSite
from imgrec.server.page_headers import PageHeaders
from imgrec.settings import ROOT

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
NAME = "demo.example.org"

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian: apt-get install nginx)")


async def size(request: Request) -> Response:
    return PlainTextResponse(f"{request.headers['host']} {len(await request.body())}")


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def behind() -> Iterator[int]:
    """The port of a server with the middleware that imgrec has."""
    app = Starlette(
        routes=[WebSocketRoute("/_stcore/stream", echo), Route("/{path:path}", size, methods=["GET", "POST", "PUT"])],
        middleware=[
            Middleware(ConnectionLimits),
            Middleware(PageHeaders, get_policy=str),
            Middleware(OwnSite, get_hosts=lambda: Hosts("127.0.0.1", (NAME,))),
            Middleware(BodyLimits, stall_s=1.0),
        ],
    )
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", ws="websockets-sansio", lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    yield port
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def port(behind: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of nginx with the example; only its ports are changed, and how long it waits for headers."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    site = (ROOT / "docs" / "nginx.conf").read_text()
    site = site.replace("listen 80", f"listen 127.0.0.1:{port}").replace("127.0.0.1:8501", f"127.0.0.1:{behind}")
    site, count = re.subn("client_header_timeout 10s", "client_header_timeout 1s", site)
    assert count == 1
    (folder / "site.conf").write_text(site)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}"
        f"http {{ access_log off; {folders} include {folder}/site.conf; }}"
    )
    assert NGINX is not None
    process = subprocess.Popen([NGINX, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
    try:
        give_up_at = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < give_up_at, (folder / "error.log").read_text()
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def ask(port: int, path: str, host: str = NAME, data: bytes | None = None, **headers: str) -> tuple[int, str]:
    """Return the status and the text of an answer; (0, "") of none."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Host": host, **headers})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except (ConnectionError, urllib.error.URLError):
        return 0, ""


def test_pages_and_bodies_pass_with_their_name(port: int) -> None:
    assert ask(port, "/") == (200, f"{NAME} 0")
    assert ask(port, "/_stcore/upload_file/a/b", data=b"x" * 8 * 1024 * 1024) == (200, f"{NAME} {8 * 1024 * 1024}")


def test_web_sockets_pass(port: int) -> None:
    connection = socket.create_connection(("127.0.0.1", port))
    own = f"http://{NAME}"
    with connect(f"ws://{NAME}/_stcore/stream", sock=connection, origin=own) as web_socket:  # type: ignore[arg-type]
        web_socket.send("hello")
        assert web_socket.recv() == "hello"


def test_what_is_foreign_does_not_pass(port: int) -> None:
    assert ask(port, "/", host="evil.example") == (0, "")
    assert ask(port, "/x", data=b"x", Origin="http://evil.example")[0] == 403
    assert ask(port, "/x", data=b"x", Origin=f"https://{NAME}")[0] == 200


def test_what_is_too_large_does_not_pass(port: int) -> None:
    assert ask(port, "/_stcore/upload_file/a/b", data=b"x" * 10 * 1024 * 1024)[0] in (0, 413)


def test_figures_of_the_process_do_not_pass(port: int) -> None:
    assert ask(port, "/_stcore/metrics")[0] == 404


def test_half_headers_and_slow_bodies_end(port: int) -> None:
    head = f"POST /api/v1/predict HTTP/1.1\r\nHost: {NAME}\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as half:
        half.sendall(head)
        assert half.recv(1000)[:12] in (b"", b"HTTP/1.1 408")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
        slow.sendall(head + b"Content-Length: 1000\r\n\r\nx")
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")


def test_one_address_has_a_share(port: int) -> None:
    statuses = Counter(ask(port, "/api/v1/predict", data=b"x")[0] for _ in range(40))
    assert statuses[429] > 0
    assert ask(port, "/")[0] == 200, "pages go on"
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(80)]
    for connection in held:
        connection.sendall(f"POST /x HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 10\r\n\r\nx".encode())
    answers = Counter(connection.recv(12) for connection in held)
    for connection in held:
        connection.close()
    assert answers[b"HTTP/1.1 429"] >= 20
