"""Several images in one request, with engines that are fakes."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from starlette.testclient import TestClient

from imgrec.api import batch, routes
from tests.api.test_routes import Server, client, kind_of, server  # noqa: F401 (fixtures)
from tests.inference.test_request import image, pool_of


def send(client: TestClient, images: dict[str, bytes], **fields: str) -> Any:  # noqa: F811
    files = [("image", (name, data)) for name, data in images.items()]
    return client.post("/api/v1/predict/batch", data={"models": "mobilenet", "k": "1"} | fields, files=files)


def rows(response: Any) -> list[dict[str, Any]]:
    return sorted(map(json.loads, response.text.splitlines()), key=lambda row: row["index"])


def test_each_image_has_a_line(client: TestClient) -> None:  # noqa: F811
    response = send(client, {"a.png": image(), "b.png": image(50), "c.png": image(60)})
    assert response.headers["content-type"] == "application/x-ndjson"
    found = rows(response)
    assert [(row["index"], row["image"]) for row in found] == [(0, "a.png"), (1, "b.png"), (2, "c.png")]
    assert {row["models"][0]["top"][0]["label"] for row in found} == {"tabby"}
    one = client.post("/api/v1/predict?models=mobilenet&k=1", files={"image": ("b.png", image(50))}).json()
    for row in (found[1], one):
        del row["models"][0]["milliseconds"]
    assert found[1] == {"index": 1} | one


def test_a_broken_image_costs_its_line_alone(client: TestClient) -> None:  # noqa: F811
    broken = {"text.png": b"hello", "half.png": image()[:60], "empty.png": b"", "large.png": bytes(1024 * 1024 + 1)}
    found = rows(send(client, {"a.png": image()} | broken | {"b.png": image()}))
    assert ["error" in row for row in found] == [False, True, True, True, True, False]
    assert "text file" in found[1]["error"]
    assert "at most 1 MiB" in found[4]["error"] or "larger than 1 MiB" in found[4]["error"]
    assert found[2]["models"] == []


def test_a_bug_costs_its_line_alone(
    client: TestClient,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = routes.get_result

    def sometimes(data: bytes, name: str, *rest: Any, **others: Any) -> Any:
        return 1 / 0 if name == "b.png" else real(data, name, *rest, **others)

    monkeypatch.setattr(routes, "get_result", sometimes)
    found = rows(send(client, {"a.png": image(), "b.png": image()}))
    assert ["error" in row for row in found] == [False, True]
    assert "division" not in found[1]["error"]
    assert "ZeroDivisionError" in caplog.text


def test_a_hundred_images_and_no_more(client: TestClient) -> None:  # noqa: F811
    assert len(rows(send(client, {f"{number}.png": image() for number in range(100)}))) == 100
    response = send(client, {f"{number}.png": image() for number in range(101)})
    assert (response.status_code, kind_of(response)) == (400, "InputError")
    assert "at most 100 images" in response.json()["detail"]


@pytest.mark.parametrize(
    ("fields", "status", "kind"),
    [
        ({"models": "vgg61"}, 404, "UnknownNameError"),
        ({"k": "0"}, 400, "InputError"),
        ({"color": "red"}, 400, "InputError"),
    ],
)
def test_options_are_checked_before_the_first_line(
    client: TestClient,  # noqa: F811
    fields: dict[str, str],
    status: int,
    kind: str,
) -> None:
    response = send(client, {"a.png": image()}, **fields)
    assert (response.status_code, kind_of(response)) == (status, kind)
    assert send(client, {"a.png": image()}).status_code == 200  # the place is free again


def test_a_body_that_is_no_form_is_refused(client: TestClient) -> None:  # noqa: F811
    response = client.post("/api/v1/predict/batch", content=image(), headers={"Content-Type": "image/png"})
    assert (response.status_code, kind_of(response)) == (415, "MediaTypeError")
    response = client.post("/api/v1/predict/batch", data={"k": "1"}, files={"photo": ("a.png", image())})
    assert (response.status_code, "in another part" in response.json()["detail"]) == (400, True)


def test_a_body_without_end_is_cut_off(client: TestClient) -> None:  # noqa: F811
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
        while sent < 64 * 1024 * 1024:
            sent += 64 * 1024
            yield bytes(64 * 1024)

    response = client.post(
        "/api/v1/predict/batch", content=chunks(), headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert (response.status_code, kind_of(response)) == (413, "ImageTooLargeError")
    assert "at most 4 MiB together" in response.json()["detail"]


def test_lines_come_one_by_one_and_end_when_the_client_leaves(server: Server) -> None:  # noqa: F811
    """The second image waits for a gate, until the first line has come; then the client leaves."""
    gate, seen = threading.Event(), []

    async def answer(image: Any) -> dict[str, object]:
        if image.name != "first":
            await anyio.to_thread.run_sync(gate.wait, abandon_on_cancel=True)
        return {"image": image.name}

    ended: list[bool] = []
    images = [batch.Image(b"", name) for name in ("first", "second", "third", "fourth")]

    async def run() -> None:
        left = anyio.Event()

        async def receive() -> dict[str, object]:
            await left.wait()
            return {"type": "http.disconnect"}

        async def respond(message: Any) -> None:
            seen.append(message)
            if message.get("body"):
                left.set()

        with anyio.fail_after(10):
            await batch.Rows(images, answer, lambda: ended.append(True))({}, receive, respond)  # type: ignore[arg-type]

    anyio.run(run)
    gate.set()
    assert [json.loads(message["body"]) for message in seen[1:]] == [{"index": 0, "image": "first"}]
    assert ended == [True]


def test_a_third_batch_is_told_to_come_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(routes, "MAX_BATCHES", 1)
    inside, go_on = threading.Event(), threading.Event()
    server.pool = pool_of()
    load = server.pool._load

    def slow(spec: Any) -> Any:
        inside.set()
        assert go_on.wait(10)
        return load(spec)

    monkeypatch.setattr(server.pool, "_load", slow)
    with TestClient(server.app()) as client:  # noqa: F811
        first: list[Any] = []
        thread = threading.Thread(target=lambda: first.append(send(client, {"a.png": image()})))
        thread.start()
        assert inside.wait(10)
        second = send(client, {"a.png": image()})
        go_on.set()
        thread.join()
        assert (second.status_code, kind_of(second), second.headers["retry-after"]) == (
            429,
            "TooManyRequestsError",
            "1",
        )
        assert len(rows(first[0])) == 1
        assert send(client, {"a.png": image()}).status_code == 200
