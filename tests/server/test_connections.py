"""Connections that are held open, at a real server in a thread, with limits of a fraction of a second."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import ClassVar

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from imgrec.server.connections import ConnectionLimits, LimitedConnection

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
MOST = 6


class Hasty(LimitedConnection):
    headers_s = 0.8
    linger_s = 0.2
    reading_s = 0.3
    max_connections = MOST
    _waiting: ClassVar[dict[LimitedConnection, asyncio.TimerHandle]] = {}


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def much(request: Request) -> Response:
    return PlainTextResponse(b"x" * 20_000_000)


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = Starlette(
        routes=[
            Route("/", hello, methods=["GET", "POST"]),
            Route("/much", much),
            WebSocketRoute("/echo", echo),
        ],
        middleware=[Middleware(ConnectionLimits, connection=Hasty)],
    )
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="websockets-sansio", lifespan="on"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listening.close()


def call(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def is_answered(connection: socket.socket) -> bool:
    """Whether "hello" comes before the end."""
    answer = b""
    while not answer.endswith(b"hello") and (part := connection.recv(65536)):
        answer += part
    return answer.endswith(b"hello")


def is_ended(connection: socket.socket) -> bool:
    """Whether the server ends the connection within 5 s, whatever it sends before."""
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def is_ended_while_sending(connection: socket.socket) -> bool:
    """Whether the server ends the connection within 5 s, while it gets a byte now and then."""
    try:
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.05)
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize("sent", [b"", b"GET / HTT", GET[:-2]], ids=["nothing", "half a line", "half the headers"])
def test_a_request_that_does_not_come_is_not_awaited(port: int, sent: bytes) -> None:
    with call(port) as connection:
        connection.sendall(sent)
        assert is_ended(connection)


def test_headers_that_come_a_byte_at_a_time_are_not_awaited(port: int) -> None:
    with call(port) as connection:
        assert is_ended_while_sending(connection)


def test_the_second_request_of_a_connection_has_a_limit_too(port: int) -> None:
    with call(port) as connection:
        connection.sendall(GET)
        assert is_answered(connection)
        connection.sendall(GET)
        assert is_answered(connection)
        connection.sendall(GET[:-2])
        assert is_ended(connection)


def test_a_body_that_goes_on_after_the_answer_is_cut_off(port: int) -> None:
    with call(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx")
        assert is_answered(connection)
        assert is_ended_while_sending(connection)


def test_a_body_that_ends_after_the_answer_keeps_its_connection(port: int) -> None:
    with call(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nx")
        assert is_answered(connection)
        connection.sendall(b"x")
        time.sleep(2 * Hasty.linger_s)
        connection.sendall(GET)
        assert is_answered(connection)


def test_a_client_that_does_not_read_is_cut_off(port: int) -> None:
    with call(port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(GET.replace(b"/ ", b"/much "))
        time.sleep(4 * Hasty.reading_s)
        read = 0
        try:
            while part := connection.recv(65536):
                read += len(part)
        except ConnectionError:
            pass
        assert read < 20_000_000


def test_a_web_socket_has_none_of_these_limits(port: int) -> None:
    with connect(f"ws://127.0.0.1:{port}/echo") as web_socket:
        time.sleep(2 * Hasty.headers_s)
        web_socket.send("still here")
        assert web_socket.recv() == "still here"


def test_the_oldest_idle_connection_makes_room(port: int) -> None:
    idle = [call(port) for _ in range(MOST)]
    for _ in range(3):
        with call(port) as connection:
            connection.sendall(GET)
            assert is_answered(connection)
    for connection in idle:
        connection.close()
