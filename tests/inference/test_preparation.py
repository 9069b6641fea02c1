"""Preparations: one for all requests for a model, with one progress, one failure and one cancellation."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imgrec.errors import ConversionError, CorruptWeightsError, DownloadError, OfflineError, WeightsError
from imgrec.inference import conversion, preparation
from imgrec.inference.preparation import Preparation, Preparations, state_of
from imgrec.models import downloads, weights
from imgrec.models.catalog import ModelSpec
from imgrec.settings import Settings
from tests.models.weights_server import WeightsServer, hdf5_bytes, serve, spec_of

DATA = hdf5_bytes(2_000_000)


class FakeConversion:
    """In place of `conversion.convert`: writes the compiled file, counts its calls, and fails on request."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.error: Exception | None = None
        self.go_on = threading.Event()
        self.go_on.set()
        self.at_once = 0
        self.most_at_once = 0

    def convert(
        self, spec: ModelSpec, weights_path: Path, settings: Settings, on_progress: Callable[[str], None]
    ) -> Path:
        self.calls.append(spec.name)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            for stage in ("building", "folding", "checking"):
                on_progress(stage)
                assert self.go_on.wait(10)
            if self.error is not None:
                raise self.error
        finally:
            self.at_once -= 1
        path = self.compiled_path(spec, "", settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("compiled")
        return path

    def compiled_path(self, spec: ModelSpec, weights_sha256: str, settings: Settings) -> Path:
        return settings.home / "compiled" / spec.name / "model.xml"

    def read(self, path: Path) -> object:
        return True if path.exists() else None


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeConversion:
    fake = FakeConversion()
    monkeypatch.setattr(conversion, "convert", fake.convert)
    monkeypatch.setattr(conversion, "compiled_path", fake.compiled_path)
    monkeypatch.setattr(conversion, "read_intact", fake.read)
    monkeypatch.setattr(conversion, "read_manifest", fake.read)
    monkeypatch.setattr(downloads, "BACKOFF_S", (0.01,))
    monkeypatch.setenv("no_proxy", "*")
    return fake


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    with serve({f"{name}.h5": DATA for name in ("tiny", "small", "large")}) as running:
        yield running


@pytest.fixture
def online(settings: Settings) -> Settings:
    return dataclasses.replace(settings, offline=False)


def spec_at(server: WeightsServer, name: str = "tiny") -> ModelSpec:
    return spec_of(f"{name}.h5", url=server.url(f"{name}.h5"), size_bytes=len(DATA))


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_ensure_fetches_converts_and_tells_each_step(
    server: WeightsServer, online: Settings, fake: FakeConversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "POLL_S", 0.005)
    server.chunk_delay_s = 0.01
    seen: list[tuple[str, int]] = []

    def watch(current: Preparation) -> None:
        seen.append((current.stage, current.done_bytes))
        assert current.total_bytes == len(DATA)

    path = Preparations(online).ensure(spec_at(server), watch)
    assert path.read_text() == "compiled"
    assert seen[-1] == ("ready", len(DATA))
    assert len({done for stage, done in seen if stage == "downloading"}) > 3


def test_what_is_there_is_neither_fetched_nor_converted_again(
    server: WeightsServer, online: Settings, fake: FakeConversion
) -> None:
    preparations = Preparations(online)
    first = preparations.ensure(spec_at(server))
    assert preparations.ensure(spec_at(server)) == first
    assert Preparations(online).ensure(spec_at(server)) == first
    assert (len(server.requests), fake.calls) == (1, ["tiny"])

    first.unlink()  # somebody emptied the cache
    assert preparations.ensure(spec_at(server)) == first
    assert (len(server.requests), fake.calls) == (1, ["tiny", "tiny"])


def test_the_files_of_a_compiled_network_are_read_once_a_process(
    server: WeightsServer, online: Settings, fake: FakeConversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Preparations(online).ensure(spec_at(server))
    read: list[Path] = []
    monkeypatch.setattr(conversion, "read_intact", lambda path: read.append(path) or True)
    preparations = Preparations(online)
    for _ in range(3):
        assert preparations.ensure(spec_at(server)) == path
    assert read == [path]


def test_fifty_threads_share_one_preparation(server: WeightsServer, online: Settings, fake: FakeConversion) -> None:
    server.chunk_delay_s = 0.005
    preparations = Preparations(online)
    with ThreadPoolExecutor(50) as threads:
        paths = set(threads.map(lambda _: preparations.ensure(spec_at(server)), range(50)))
    assert len(paths) == 1
    assert (len(server.requests), fake.calls) == (1, ["tiny"])


def test_starting_returns_at_once_and_goes_on_by_itself(
    server: WeightsServer, online: Settings, fake: FakeConversion
) -> None:
    server.chunk_delay_s = 0.01
    preparations = Preparations(online)
    assert preparations.get("tiny") is None
    started = preparations.start(spec_at(server))
    assert not started.over
    assert preparations.start(spec_at(server)) is started
    assert preparations.get("tiny") is started
    assert started.wait(10)
    assert (started.stage, started.error) == ("ready", None)


def test_conversions_go_one_after_another(server: WeightsServer, online: Settings, fake: FakeConversion) -> None:
    preparations = Preparations(online)
    running = [preparations.start(spec_at(server, name)) for name in ("tiny", "small", "large")]
    assert all(one.wait(10) for one in running)
    assert [one.stage for one in running] == ["ready"] * 3
    assert fake.most_at_once == 1


@pytest.mark.parametrize(
    ("statuses", "broken", "kind"),
    [
        pytest.param([404], None, DownloadError, id="download"),
        pytest.param([], ConversionError("does not run"), ConversionError, id="conversion"),
    ],
)
def test_a_failure_is_told_to_all_and_not_repeated(
    server: WeightsServer,
    online: Settings,
    fake: FakeConversion,
    monkeypatch: pytest.MonkeyPatch,
    statuses: list[int],
    broken: Exception | None,
    kind: type[Exception],
) -> None:
    server.statuses, fake.error = list(statuses), broken
    preparations = Preparations(online)
    for _ in range(5):
        with pytest.raises(kind):
            preparations.ensure(spec_at(server))
    assert len(server.requests) == 1
    failed = preparations.get("tiny")
    assert failed is not None
    assert failed.stage == "failed"
    assert isinstance(failed.error, kind)

    fake.error = None
    monkeypatch.setattr(failed, "_final_until", 0)
    assert preparations.start(spec_at(server), retry=True).wait(10)
    assert preparations.ensure(spec_at(server)).exists()


def test_a_dead_address_is_tried_twice_a_minute_by_any_number_of_visitors(
    server: WeightsServer, online: Settings, fake: FakeConversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(preparation.time, "monotonic", lambda: clock[0])
    server.statuses = [404] * 100
    preparations = Preparations(online)
    tries_at: list[float] = []
    for _ in range(200):  # a click on "Try again", and an image that is sent, each second
        for retry in (True, False):
            before = len(server.requests)
            assert preparations.start(spec_at(server), retry=retry)._over.wait(10)
            tries_at += [clock[0]] * (len(server.requests) - before)
        clock[0] += 1
    assert len(tries_at) > 4
    assert all(sum(start <= at < start + 60 for at in tries_at) <= 2 for start in tries_at)

    server.statuses.clear()
    clock[0] += preparation.FAILURE_S
    assert preparations.ensure(spec_at(server)).exists()


def test_a_damaged_file_is_named_and_fetched_again_on_request(
    server: WeightsServer, online: Settings, fake: FakeConversion
) -> None:
    preparations = Preparations(online)
    preparations.ensure(spec_at(server))
    path = weights.target_path(spec_at(server), online)
    path.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    for fresh in (preparations, Preparations(online)):
        with pytest.raises(CorruptWeightsError, match=r"tiny\.h5 to have the sha256"):
            fresh.ensure(spec_at(server))
        assert len(server.requests) == 1
    assert preparations.ensure(spec_at(server), repair=True).exists()
    assert path.read_bytes() == DATA
    assert len(server.requests) == 2
    assert preparations.ensure(spec_at(server)).exists()


def test_a_failure_is_forgotten_after_some_seconds(
    server: WeightsServer, online: Settings, fake: FakeConversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "FAILURE_S", 0.05)
    server.statuses = [404]
    preparations = Preparations(online)
    with pytest.raises(DownloadError):
        preparations.ensure(spec_at(server))
    time.sleep(0.06)
    assert preparations.ensure(spec_at(server)).exists()


def test_offline_is_said_at_once(server: WeightsServer, settings: Settings, fake: FakeConversion) -> None:
    started = time.monotonic()
    with pytest.raises(OfflineError, match=r"tiny\.h5"):
        Preparations(settings).ensure(spec_at(server))
    assert time.monotonic() - started < 1


def test_a_broken_file_of_the_users_is_said(server: WeightsServer, settings: Settings, fake: FakeConversion) -> None:
    path = weights.target_path(spec_at(server), settings)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not weights")
    with pytest.raises(CorruptWeightsError, match="Move that file away"):
        Preparations(settings).ensure(spec_at(server))


def test_cancel_while_downloading_and_start_again(
    server: WeightsServer, online: Settings, fake: FakeConversion
) -> None:
    server.chunk_delay_s = 0.02
    preparations = Preparations(online)
    started = preparations.start(spec_at(server))
    until(lambda: started.done_bytes > 0)
    preparations.cancel("tiny")
    preparations.cancel("nobody")
    with pytest.raises(WeightsError, match="canceled; what has arrived is kept"):
        preparations.ensure(spec_at(server))
    assert started.stage == "failed"

    server.chunk_delay_s = 0
    assert preparations.ensure(spec_at(server)).exists()
    assert server.requests[1][1] is not None  # it went on where it was


def test_cancel_while_converting_or_waiting_for_it(
    server: WeightsServer, online: Settings, fake: FakeConversion
) -> None:
    fake.go_on.clear()
    preparations = Preparations(online)
    first = preparations.start(spec_at(server, "tiny"))
    until(lambda: first.step == "building")
    second = preparations.start(spec_at(server, "small"))
    until(lambda: second.stage == "downloading" and second.done_bytes == len(DATA))
    second.cancel()
    assert second.wait(5)
    first.cancel()
    fake.go_on.set()
    assert first.wait(5)
    assert [one.stage for one in (first, second)] == ["failed", "failed"]
    assert fake.calls == ["tiny"]


def test_a_bug_is_loud_and_ends_the_waiting(
    server: WeightsServer, online: Settings, fake: FakeConversion, caplog: pytest.LogCaptureFixture
) -> None:
    fake.error = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        Preparations(online).ensure(spec_at(server))
    assert "preparing tiny" in caplog.text


@pytest.mark.parametrize(
    ("place", "state"),
    [
        pytest.param(None, "missing", id="nowhere"),
        pytest.param("keras", "downloaded", id="KERAS_HOME"),
        pytest.param("bundled", "bundled", id="assets"),
    ],
)
def test_state(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str | None, state: str
) -> None:
    monkeypatch.setattr(weights, "BUNDLED", tmp_path / "bundled")
    spec = dataclasses.replace(spec_of(), bundled=True)
    if place is not None:
        folder = tmp_path / "bundled" if place == "bundled" else settings.keras_home / "models"
        folder.mkdir(parents=True)
        (folder / spec.weights.filename).write_bytes(DATA)
    assert state_of(spec, settings) == state
