"""`POST /sheet` through a real request, with engines that are fakes."""

import dataclasses
import io
import tempfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from imgrec.api import sheet
from imgrec.data import archives
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import Settings
from tests.api.test_routes import HERE, FakePreparations, Server
from tests.evaluation.sheets import BLUE, GREEN, RED, photo, pool_of

MODELS = "mobilenet,mobilenet_v2"


def archive(files: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return file.getvalue()


PETS = archive({"cats/a.png": photo(RED), "cats/b.png": photo(GREEN), "dogs/c.png": photo(BLUE)})


@pytest.fixture
def colors(no_packages: None, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server whose models tell colors apart."""
    monkeypatch.setattr(weights, "BUNDLED", tmp_path / "bundled")
    (settings.keras_home / "models").mkdir(parents=True)
    for name in HERE:
        weights.target_path(BUILT_IN.get_spec(name), settings).touch()
    return Server(settings, pool_of(), FakePreparations())


@pytest.fixture
def client(colors: Server) -> Iterator[TestClient]:
    with TestClient(colors.app(), raise_server_exceptions=False) as client:
        yield client


def send(client: TestClient, data: bytes, query: str = f"models={MODELS}") -> Any:
    return client.post(f"/api/v1/sheet?{query}", content=data)


def test_an_archive_is_answered_with_a_row_for_each_image(client: TestClient) -> None:
    response = send(client, PETS)
    assert response.status_code == 200
    found = response.json()
    assert [row["image"] for row in found["images"]] == ["cats/b.png", "cats/a.png", "dogs/c.png"]
    assert [model["label"] for model in found["images"][0]["models"]] == ["dog", "cat"]
    assert found["accuracy"]["images"] == 3
    assert found["remarks"] == []
    assert response.headers["cache-control"] == "no-store"


def test_options_are_those_of_predict(client: TestClient) -> None:
    data = archive({"a.png": photo(GREEN)})
    found = send(client, data, f"models={MODELS}&classes=cat;dog&rule=majority_vote").json()
    assert [model["label"] for model in found["images"][0]["models"]] == ["dog", "cat"]
    assert send(client, data, "colour=red").status_code == 400
    assert send(client, data, "rule=best").status_code == 404


@pytest.mark.parametrize(
    ("data", "status", "sentence"),
    [
        pytest.param(b"", 400, "Received: nothing", id="nothing"),
        pytest.param(b"hello", 400, "which is none of these", id="no archive"),
        pytest.param(PETS[:200], 400, "the archive", id="half an archive"),
        pytest.param(archive({}), 400, "Received: no file", id="empty"),
        pytest.param(archive({"../../etc/a.png": photo(RED)}), 400, "leads out of the archive", id="path"),
    ],
)
def test_what_is_no_archive_gets_a_sentence(
    colors: Server,
    client: TestClient,
    data: bytes,
    status: int,
    sentence: str,
) -> None:
    response = send(client, data)
    assert response.status_code == status
    assert sentence in response.json()["detail"]
    assert tempfile.gettempdir() not in response.json()["detail"]


def test_an_archive_that_unpacks_to_too_much_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "HARMLESS_BYTES", 10 * 1024 * 1024)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("bomb.png", "w") as member:
        for _ in range(12):
            member.write(bytes(1024 * 1024))
    response = send(client, file.getvalue())
    assert response.status_code == 400
    assert "when unpacked" in response.json()["detail"]


def test_files_that_are_no_images_are_rows_with_an_error(client: TestClient) -> None:
    found = send(client, archive({"a.png": photo(RED), "b.png": b"some text"})).json()
    assert found["accuracy"] is None
    assert "text file" in found["images"][1]["error"]


def test_more_bytes_than_the_limit_are_refused_while_they_arrive(
    colors: Server,
    client: TestClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sheet, "MAX_ARCHIVE_BYTES", len(PETS) - 1)
    assert send(client, PETS).status_code == 413


def test_a_demo_takes_fewer_images_and_bytes(
    colors: Server,
    client: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> None:
    colors.settings = dataclasses.replace(colors.settings, demo=True, max_upload_bytes=len(PETS))
    monkeypatch.setattr(sheet, "DEMO_MAX_IMAGES", 2)
    found = send(client, PETS).json()
    assert len(found["images"]) == 2
    assert "Received: 3; 1 is left out" in found["remarks"][0]
    colors.settings = dataclasses.replace(colors.settings, max_upload_bytes=len(PETS) - 1)
    assert send(client, PETS).status_code == 413


def test_a_form_is_refused_with_the_right_command(client: TestClient) -> None:
    response = client.post("/api/v1/sheet", files={"archive": ("pets.zip", PETS)})
    assert response.status_code == 415
    assert "curl --data-binary" in response.json()["detail"]


def test_one_archive_at_a_time_and_nothing_stays_on_the_disk(
    colors: Server,
    client: TestClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gate = threading.Event()
    colors.pool = pool_of(gate=gate)
    first: list[Any] = []
    thread = threading.Thread(target=lambda: first.append(send(client, PETS)))
    thread.start()
    while thread.is_alive() and not colors.pool.loaded():
        thread.join(0.01)
    assert list(tmp_path.glob("imgrec-sheet-*"))
    second = send(client, PETS)
    gate.set()
    thread.join()
    assert (first[0].status_code, second.status_code) == (200, 429)
    assert second.headers["retry-after"]
    assert not list(tmp_path.glob("imgrec-sheet-*"))
    assert send(client, PETS).status_code == 200
