"""Downloads from a real server on localhost that is slow, breaks off, lies, or is not there."""

import errno
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from http.client import HTTPMessage
from pathlib import Path
from urllib.request import Request

import pytest

from imgrec.errors import DownloadError, OfflineError, StorageError
from imgrec.models import downloads
from imgrec.models.downloads import Progress, download
from imgrec.settings import ROOT
from tests.models.weights_server import WeightsServer, hdf5_bytes, serve

DATA = hdf5_bytes()


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "BACKOFF_S", (0.01, 0.01, 0.01, 0.01))
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    with serve({"file.h5": DATA}) as running:
        yield running


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "file.h5"


def leave_part(server: WeightsServer, destination: Path, data: bytes, *, etag: str | None = None) -> None:
    """What a download that was stopped leaves behind."""
    destination.with_name("file.h5.part").write_bytes(data)
    note = {"url": server.url("file.h5"), "validator": server.etag(DATA) if etag is None else etag}
    destination.with_name("file.h5.part.json").write_text(json.dumps(note))


def test_the_whole_file_arrives_with_progress(server: WeightsServer, destination: Path) -> None:
    progress = Progress()
    part = download(server.url("file.h5"), destination, progress)
    assert part.read_bytes() == DATA
    assert not destination.exists()
    assert (progress.done_bytes, progress.total_bytes) == (len(DATA), len(DATA))
    assert server.requests == [("file.h5", None)]


def test_progress_moves_while_a_slow_server_sends(server: WeightsServer, destination: Path) -> None:
    server.chunk_delay_s = 0.01
    progress = Progress()
    seen: set[int] = set()
    thread = threading.Thread(target=download, args=(server.url("file.h5"), destination, progress))
    thread.start()
    while thread.is_alive():
        seen.add(progress.done_bytes)
        time.sleep(0.01)
    assert len(seen) > 5
    assert max(seen) <= len(DATA)


@pytest.mark.parametrize(
    ("cuts", "ranges", "validators", "resumed"),
    [
        pytest.param([1_000_000], True, True, ["bytes=1000000-"], id="broken off once, resumed"),
        pytest.param([1_000_000, 500_000], True, True, ["bytes=1000000-", "bytes=1500000-"], id="broken off twice"),
        pytest.param([0], True, True, [None], id="no byte the first time"),
        pytest.param([1_000_000], False, True, ["bytes=1000000-"], id="server knows no ranges: starts over"),
        pytest.param([1_000_000], True, False, [None], id="server proves nothing: starts over"),
    ],
)
def test_a_broken_connection_is_taken_up_again(
    server: WeightsServer,
    destination: Path,
    cuts: list[int],
    ranges: bool,
    validators: bool,
    resumed: list[str | None],
) -> None:
    server.cuts, server.ranges, server.validators = list(cuts), ranges, validators
    assert download(server.url("file.h5"), destination, Progress()).read_bytes() == DATA
    assert [wanted for _, wanted in server.requests] == [None, *resumed]


@pytest.mark.parametrize(
    ("left", "etag", "requests"),
    [
        pytest.param(DATA[:777], None, 1, id="the beginning: goes on"),
        pytest.param(b"x" * 777, '"older"', 1, id="of an older version: starts over"),
        pytest.param(b"x" * 777, "", 1, id="of nobody knows what: starts over"),
        pytest.param(DATA, None, 1, id="everything: nothing more to send"),
        pytest.param(DATA + b"more", None, 2, id="longer than the file: starts over"),
    ],
)
def test_a_part_left_by_an_earlier_call(
    server: WeightsServer, destination: Path, left: bytes, etag: str | None, requests: int
) -> None:
    leave_part(server, destination, left, etag=etag)
    assert download(server.url("file.h5"), destination, Progress()).read_bytes() == DATA
    assert len(server.requests) == requests


def test_a_part_of_another_address_is_not_continued(server: WeightsServer, destination: Path) -> None:
    server.files["other.h5"] = DATA[::-1]
    leave_part(server, destination, DATA[:777])
    assert download(server.url("other.h5"), destination, Progress()).read_bytes() == DATA[::-1]


def test_a_download_killed_in_the_middle_is_resumed(server: WeightsServer, destination: Path) -> None:
    server.chunk_delay_s = 0.05
    code = (
        "import sys; from pathlib import Path; from imgrec.models.downloads import Progress, download; "
        "download(sys.argv[1], Path(sys.argv[2]), Progress())"
    )
    part = destination.with_name("file.h5.part")
    child = subprocess.Popen([sys.executable, "-c", code, server.url("file.h5"), str(destination)], cwd=ROOT)
    deadline = time.monotonic() + 20
    while (not part.exists() or part.stat().st_size < 500_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    arrived = part.stat().st_size
    assert 500_000 <= arrived < len(DATA)

    server.chunk_delay_s = 0
    assert download(server.url("file.h5"), destination, Progress()).read_bytes() == DATA
    assert server.requests == [("file.h5", None), ("file.h5", f"bytes={arrived}-")]


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_refusal_is_final(server: WeightsServer, destination: Path, status: int) -> None:
    server.statuses = [status] * 9
    with pytest.raises(DownloadError, match=f"Received: HTTP {status}"):
        download(server.url("file.h5"), destination, Progress())
    assert len(server.requests) == 1


def test_a_server_in_trouble_is_asked_again(server: WeightsServer, destination: Path) -> None:
    server.statuses = [503]
    assert download(server.url("file.h5"), destination, Progress()).read_bytes() == DATA


@pytest.mark.parametrize(
    ("statuses", "cuts", "reason", "tries"),
    [
        pytest.param([503] * 9, [], "HTTP 503", downloads.TRIES_OF_NOTHING, id="always 503"),
        pytest.param([], [0] * 9, "ended after 0 of", downloads.TRIES_OF_NOTHING, id="always broken off"),
        pytest.param([], [10_000] * 9, "given up after 5 tries", 5, id="too little each time"),
    ],
)
def test_in_the_end_it_gives_up_and_keeps_what_came(
    server: WeightsServer, destination: Path, statuses: list[int], cuts: list[int], reason: str, tries: int
) -> None:
    server.statuses, server.cuts = statuses, cuts
    with pytest.raises(DownloadError, match=reason):
        download(server.url("file.h5"), destination, Progress())
    assert len(server.requests) == tries


def test_a_silent_server_is_given_up(server: WeightsServer, destination: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "TIMEOUT_S", 0.05)
    server.chunk_delay_s = 0.2
    with pytest.raises(DownloadError, match="TimeoutError after"):
        download(server.url("file.h5"), destination, Progress())


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://localhost:{closed}/file.h5", id="connection refused"),
        pytest.param("https://no-such-host.invalid/file.h5", id="no such host"),
    ],
)
def test_no_network_is_said_at_once_with_address_and_path(destination: Path, url: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = unused.getsockname()[1]
    url = url.format(closed=closed)
    started = time.monotonic()
    with pytest.raises(OfflineError) as caught:
        download(url, destination, Progress())
    assert time.monotonic() - started < 1
    assert url in str(caught.value)
    assert str(destination) in str(caught.value)


def test_a_network_that_goes_away_for_good(server: WeightsServer, destination: Path) -> None:
    """After a part has come, the line is tried again before it is called offline; the part stays."""
    server.cuts = [1_500_000] + [0] * 9
    with pytest.raises(DownloadError, match="fetching again goes on from there"):
        download(server.url("file.h5"), destination, Progress())
    assert destination.with_name("file.h5.part").stat().st_size == 1_500_000


@pytest.mark.parametrize("after_s", [pytest.param(0.0, id="before"), pytest.param(0.1, id="in the middle")])
def test_cancel(server: WeightsServer, destination: Path, after_s: float) -> None:
    server.chunk_delay_s = 0.05
    progress = Progress()
    timer = threading.Timer(after_s, progress.cancel)
    timer.start()
    if not after_s:
        timer.join()
    with pytest.raises(CancelledError):
        download(server.url("file.h5"), destination, progress)
    timer.join()
    assert progress.done_bytes < len(DATA)


@pytest.mark.parametrize(
    ("url", "allow_http"),
    [
        pytest.param("http://example.org/file.h5", False, id="plain http elsewhere"),
        pytest.param("file:///etc/passwd", True, id="a file"),
        pytest.param("ftp://localhost/file.h5", True, id="ftp"),
        pytest.param("https:///file.h5", False, id="no host"),
    ],
)
def test_addresses_that_are_refused(destination: Path, url: str, allow_http: bool) -> None:
    with pytest.raises(DownloadError, match="Expected an https address"):
        download(url, destination, Progress(), allow_http=allow_http)


@pytest.mark.parametrize(
    ("target", "outcome"),
    [
        pytest.param("/file.h5", None, id="followed"),
        pytest.param("file:///etc/passwd", "is not allowed", id="to a file"),
        pytest.param("ftp://localhost/file.h5", "Expected an https address", id="to ftp"),
        pytest.param("/moved.h5", "HTTP 302", id="in a circle"),
    ],
)
def test_redirects(server: WeightsServer, destination: Path, target: str, outcome: str | None) -> None:
    server.redirects["moved.h5"] = target
    if outcome is None:
        assert download(server.url("moved.h5"), destination, Progress()).read_bytes() == DATA
    else:
        with pytest.raises(DownloadError, match=outcome):
            download(server.url("moved.h5"), destination, Progress())
    assert len(server.requests) <= 1 + downloads.MAX_REDIRECTS


def test_a_redirect_from_https_to_http_is_refused() -> None:
    request = Request("https://example.org/file.h5")
    with pytest.raises(DownloadError, match="Expected an https address"):
        downloads._Redirects().redirect_request(
            request, io.BytesIO(), 302, "Found", HTTPMessage(), "http://example.org/file.h5"
        )


def test_a_disk_without_room_is_said_before_the_first_byte(
    server: WeightsServer, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "HEADROOM_BYTES", 1 << 60)
    with pytest.raises(StorageError, match=r"MiB of room in .* Received: [\d,.]+ MiB free") as caught:
        download(server.url("file.h5"), destination, Progress())
    assert str(destination.parent) in str(caught.value)
    assert not destination.with_name("file.h5.part").exists()


def test_a_disk_that_fills_up_on_the_way(
    server: WeightsServer, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    really_open = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, mode="r", **named: FullDisk() if mode == "ab" else really_open(self, mode, **named)
    )
    with pytest.raises(StorageError, match=r"Expected 2\.9 MiB of room in .* Received: No space left on device"):
        download(server.url("file.h5"), destination, Progress())
    assert len(server.requests) == 1
    assert not list(destination.parent.iterdir()), "a full disk must not stay full"


def test_a_folder_that_cannot_be_written(server: WeightsServer, tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="Not a directory"):
        download(server.url("file.h5"), tmp_path / "folder" / "file.h5", Progress())
