"""The API in a process of its own: how it listens."""

from typing import Any

import pytest
import uvicorn

from imgrec.server import api_process, metrics_port
from imgrec.server.connections import LimitedConnection
from imgrec.server.metrics import Metrics
from imgrec.settings import Settings


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What uvicorn is given."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: found.append(options))
    monkeypatch.setattr(uvicorn, "Config", lambda app, **options: found.append(options))
    monkeypatch.setattr(api_process, "hide_folders", lambda names: None)

    class Server:
        def __init__(self, config: object) -> None:
            self.run = lambda: None

    monkeypatch.setattr(uvicorn, "Server", Server)
    return found


def test_other_packages_change_neither_loop_nor_parser(settings: Settings, given: list[dict[str, Any]]) -> None:
    api_process.run(settings, "127.0.0.1", 8501, lambda address: None)
    metrics_port.serve(Metrics(), ("127.0.0.1", 9464), (), ())
    assert [options["loop"] for options in given] == ["asyncio", "asyncio"]
    assert all(issubclass(options["http"], LimitedConnection) for options in given)
