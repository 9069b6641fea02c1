"""Tabs beyond the limit wait at a page in words, and what a closed tab has left is freed without another visitor."""

from functools import partial

import anyio
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from imgrec.server.housekeeping import keep_house
from imgrec.server.sessions import KEEP_S, STREAM, DisconnectedSessions, SessionLimit
from imgrec.server.upload_quota import UploadQuota

PAGE = {"Accept": "text/html,*/*"}


def server(most: int) -> TestClient:
    async def page(_: Request) -> Response:
        return PlainTextResponse("here")

    async def tab(socket: WebSocket) -> None:
        await socket.accept()
        while (message := await socket.receive())["type"] != "websocket.disconnect":
            await socket.send_text(message["text"])

    routes = [Route("/{path:path}", page), WebSocketRoute(STREAM, tab)]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(SessionLimit, lambda: most)]))


def test_tabs_beyond_the_limit_wait_and_those_that_are_open_go_on() -> None:
    visitors = server(2)
    with visitors.websocket_connect(STREAM) as first, visitors.websocket_connect(STREAM) as second:
        busy = visitors.get("/explain", headers=PAGE)
        assert (busy.status_code, busy.headers["Retry-After"]) == (503, "20")
        assert "All places are taken" in busy.text
        assert 'content="20"' in busy.text  # it tries again by itself
        with pytest.raises(WebSocketDenialResponse) as refused, visitors.websocket_connect(STREAM):
            pass
        assert (refused.value.status_code, refused.value.headers["Retry-After"]) == (503, "20")
        for path in ("/_stcore/health", "/static/js/index.js", "/api/v1/models", "/livez"):
            assert visitors.get(path, headers=PAGE).status_code == 200
        assert visitors.get("/explain", headers={"Accept": "*/*"}).status_code == 200
        for tab in (first, second):
            tab.send_text("a click")
            assert tab.receive_text() == "a click"
    assert visitors.get("/explain", headers=PAGE).text == "here"
    with visitors.websocket_connect(STREAM):
        pass


class Runtime:
    """Sessions and whether a tab is connected to each; closed ones are gone."""

    def __init__(self, **sessions: bool) -> None:
        self.connected = sessions
        self.states: dict[str, dict[str, object]] = {session: {"tray": [b"pixels"]} for session in sessions}

    def is_active_session(self, session_id: str) -> bool:
        return self.connected[session_id]

    def close_session(self, session_id: str) -> None:
        del self.connected[session_id]

    def get_sessions(self) -> dict[str, dict[str, object]]:
        return {session: self.states[session] for session in self.connected}


def test_a_session_without_a_tab_is_closed_in_time_and_forgets_what_it_had() -> None:
    now = 0.0
    runtime = Runtime(open=True, closed=False, away=False)
    sessions = DisconnectedSessions(clock=lambda: now)
    assert sessions.close(runtime, runtime.get_sessions()) == 0
    now = KEEP_S - 1
    runtime.connected["away"] = True
    assert sessions.close(runtime, runtime.get_sessions()) == 0
    now = KEEP_S
    runtime.connected["away"] = False
    assert sessions.close(runtime, runtime.get_sessions()) == 1
    assert set(runtime.connected) == {"open", "away"}
    assert runtime.states["closed"] == {}
    assert runtime.states["open"] == {"tray": [b"pixels"]}


def test_what_closed_tabs_left_is_freed_without_another_visitor(caplog: pytest.LogCaptureFixture) -> None:
    runtime = Runtime(open=True, closed=False)
    fails = iter([True])

    def get_sessions() -> dict[str, dict[str, object]]:
        if next(fails, False):
            raise RuntimeError("the first time")
        return runtime.get_sessions()

    async def watch() -> None:
        async with anyio.create_task_group() as tasks:
            house = partial(keep_house, runtime, get_sessions, UploadQuota(), keep_s=0.0, every_s=0.01)
            tasks.start_soon(house)
            with anyio.fail_after(10):
                while "closed" in runtime.connected:
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()

    anyio.run(watch)
    assert runtime.states == {"open": {"tray": [b"pixels"]}, "closed": {}}
    assert "Closed tabs could not be freed" in caplog.text
