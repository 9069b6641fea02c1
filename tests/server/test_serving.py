"""Real servers: from where they can be reached, what they send, and how they end."""

import gzip
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import streamlit

from imgrec.settings import ROOT
from tests.conftest import with_compiled

STATIC = Path(streamlit.__file__).parent / "static"
STREAMLIT = ("-m", "streamlit", "run", "app.py", "--server.headless=true", "--server.port={port}")
CLOUD = ("-m", "streamlit", "run", "community_cloud/streamlit_app.py", "--server.headless=true", "--server.port={port}")


@contextmanager
def server(home: Path, *words: str, **environment: str) -> Iterator[int]:
    """The port of a server that serves; ends as by Ctrl-C, and must end well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {"IMGREC_HOME": str(home), "IMGREC_OFFLINE": "1", "STREAMLIT_SERVER_HEADLESS": "true"}
    env = {name: value for name, value in env.items() if name != "STREAMLIT_SERVER_ADDRESS"} | environment
    with (home / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *(word.format(port=port) for word in words)], cwd=ROOT, env=env, stdout=log, stderr=log
        )
    try:
        give_up_at = time.monotonic() + 60
        while not answers("127.0.0.1", port):
            assert process.poll() is None, (home / "log.txt").read_text()
            assert time.monotonic() < give_up_at
            time.sleep(0.1)
        yield port
        process.send_signal(signal.SIGINT)
        assert process.wait(60) in {0, 1}  # 1: "Aborted!", as Streamlit says of an interrupt
        said = (home / "log.txt").read_text()
        assert "terminate" not in said
        assert "Traceback" not in said, said
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def home(tmp_path: Path, compiled: Path) -> Path:
    return with_compiled(tmp_path / "imgrec", compiled)


def answers(host: str, port: int) -> bool:
    """Whether the server is alive at that address of this machine."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/livez", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is no address of this machine")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "environment", "is_open"),
    [
        pytest.param(("-m", "imgrec", "serve", "--port={port}"), {}, False, id="serve"),
        pytest.param(("-m", "imgrec", "serve", "--port={port}", "--host=0.0.0.0"), {}, True, id="serve, opened"),
        pytest.param(("-m", "imgrec", "serve", "--api-only", "--port={port}"), {}, False, id="the API alone"),
        pytest.param(STREAMLIT, {"STREAMLIT_SERVER_ADDRESS": "0.0.0.0"}, True, id="by a variable"),
        pytest.param((*STREAMLIT, "--server.address=0.0.0.0"), {}, True, id="as the image does"),
        pytest.param(CLOUD, {}, True, id="community cloud"),
    ],
)
def test_a_server_listens_on_this_machine_alone_unless_it_is_opened(
    home: Path, words: tuple[str, ...], environment: dict[str, str], is_open: bool
) -> None:
    with server(home, *words, **environment) as port:
        # Another address of this machine stands for its address in the network.
        assert answers("127.0.0.2", port) == is_open


@pytest.mark.slow
def test_scripts_are_sent_compressed_and_the_rest_as_it_is(home: Path) -> None:
    def get(path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()

    with server(home, *STREAMLIT) as port:
        # Started like this, too, only this machine reaches it.
        assert sys.platform != "linux" or not answers("127.0.0.2", port)
        page = get("/")[2].decode()
        script = "/static/js/" + page.split("static/js/")[1].split('"')[0]
        _, plain, whole = get(script)
        assert "content-encoding" not in plain
        for _ in range(2):  # compressed, then kept
            status, headers, body = get(script, **{"Accept-Encoding": "gzip"})
            assert (status, headers["content-encoding"], "Accept-Encoding" in headers["vary"]) == (200, "gzip", True)
            assert int(headers["content-length"]) == len(body) < len(whole) / 2
            assert gzip.decompress(body) == whole
            assert headers["cache-control"] == plain["cache-control"]
        tag = {"If-None-Match": headers["etag"], "Accept-Encoding": "gzip"}
        assert get(script, **tag)[0] == 304
        status, headers, body = get(script, Range="bytes=0-99", **{"Accept-Encoding": "gzip"})
        assert (status, body) == (206, whole[:100])
        font = "/" + next(STATIC.rglob("*.woff2")).relative_to(STATIC).as_posix()
        assert get(font)[1]["content-type"] == "font/woff2"
        assert "content-encoding" not in get(font, **{"Accept-Encoding": "gzip"})[1]
        assert get("/livez", **{"Accept-Encoding": "gzip"})[2] == b'{"status":"alive"}'
        missing = get("/static/js/none.js", **{"Accept-Encoding": "gzip"})
        assert missing[:1] == get("/static/js/none.js")[:1]
