"""Uploads beyond the quota are refused, those without a use deleted, and aborted ones cost a line in the log."""

import logging
from collections.abc import Awaitable, Callable

import anyio
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from imgrec.server.upload_quota import CLAIM_S, UploadLimits, UploadQuota
from imgrec.settings import MIB

ROUTE = "/_stcore/upload_file/{session}/{file}"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def uploads() -> MemoryUploadedFileManager:
    """Streamlit's own."""
    return MemoryUploadedFileManager("/_stcore/upload_file")


@pytest.fixture
def quota(clock: Clock, uploads: MemoryUploadedFileManager) -> UploadQuota:
    made = UploadQuota(clock)
    made.watch(uploads, 2 * MIB, 5 * MIB)
    return made


def client(quota: UploadQuota, uploads: MemoryUploadedFileManager) -> TestClient:
    """A server that stores uploads in `uploads`."""

    async def store(request: Request) -> Response:
        session, file = request.path_params["session"], request.path_params["file"]
        data = await request.body()
        uploads.add_file(session, UploadedFileRec(file, "a.png", "image/png", data))
        return Response(status_code=204)

    async def delete(request: Request) -> Response:
        uploads.remove_file(request.path_params["session"], request.path_params["file"])
        return Response(status_code=204)

    routes = [Route(ROUTE, store, methods=["PUT", "POST"]), Route(ROUTE, delete, methods=["DELETE"])]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(UploadLimits, quota)]))


def put(server: TestClient, session: str, file: str, size_bytes: int = MIB, *, chunked: bool = False) -> int:
    data = b"x" * size_bytes
    # An iterator has no length that could be declared.
    body = iter([data[: size_bytes // 2], data[size_bytes // 2 :]]) if chunked else data
    return server.put(f"/_stcore/upload_file/{session}/{file}", content=body).status_code


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_session_has_its_quota_until_it_deletes_something(
    quota: UploadQuota, uploads: MemoryUploadedFileManager, chunked: bool
) -> None:
    server = client(quota, uploads)
    assert [put(server, "a", str(n), chunked=chunked) for n in range(4)] == [204, 204, 413, 413]
    assert put(server, "b", "0") == 204
    server.delete("/_stcore/upload_file/a/0")
    assert put(server, "a", "5", chunked=chunked) == 204


def test_all_sessions_together_have_theirs(quota: UploadQuota, uploads: MemoryUploadedFileManager) -> None:
    server = client(quota, uploads)
    assert [put(server, session, file) for session in "abcd" for file in "01"] == [204] * 5 + [429] * 3
    refused = server.put("/_stcore/upload_file/e/0", content=b"x" * MIB)
    assert refused.headers["Retry-After"].isdigit()
    assert "Try again" in refused.text


def test_a_declared_size_is_refused_before_it_is_sent(quota: UploadQuota, uploads: MemoryUploadedFileManager) -> None:
    assert put(client(quota, uploads), "a", "0", 3 * MIB) == 413
    assert not uploads.file_storage


def test_what_arrives_at_the_same_time_counts(quota: UploadQuota) -> None:
    quota.reserve("a", MIB)
    assert quota.refusal("a", MIB) is None
    quota.reserve("a", MIB)
    refusal = quota.refusal("a", MIB)
    assert refusal is not None
    assert refusal[0] == 413
    assert quota.refusal("b", MIB) is None
    quota.release("a", MIB)
    assert quota.refusal("a", MIB) is None


def test_files_that_no_page_asks_for_are_deleted(
    quota: UploadQuota, uploads: MemoryUploadedFileManager, clock: Clock
) -> None:
    server = client(quota, uploads)
    put(server, "a", "claimed")
    put(server, "a", "forgotten")
    put(server, "b", "new")
    assert [file.file_id for file in uploads.get_files("a", ["claimed"])] == ["claimed"]
    clock.now = CLAIM_S - 1
    assert quota.drop_unclaimed() == 0
    put(server, "b", "newer")
    clock.now = CLAIM_S
    assert quota.drop_unclaimed() == MIB
    assert {session: set(files) for session, files in uploads.file_storage.items()} == {
        "a": {"claimed"},
        "b": {"new", "newer"},
    }
    clock.now = 2 * CLAIM_S
    assert quota.drop_unclaimed() == 2 * MIB
    uploads.remove_session_files("a")
    assert quota.drop_unclaimed() == 0


def aborted(quota: UploadQuota, app: Callable[..., Awaitable[None]]) -> None:
    """Send half of an upload, then hang up."""
    messages = [{"type": "http.request", "body": b"x" * MIB, "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, object]:
        return messages.pop(0)

    async def send(message: object) -> None:
        raise AssertionError(message)

    headers = [(b"content-length", str(2 * MIB).encode())]
    scope = {"type": "http", "method": "PUT", "path": "/_stcore/upload_file/a/0", "headers": headers}
    anyio.run(UploadLimits(app, quota), scope, receive, send)


def test_an_aborted_upload_is_one_line_and_takes_nothing(quota: UploadQuota, caplog: pytest.LogCaptureFixture) -> None:
    async def read(scope: dict[str, object], receive: Callable[[], Awaitable[dict[str, object]]], send: object) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        raise ClientDisconnect

    with caplog.at_level(logging.INFO):
        for _ in range(5):
            aborted(quota, read)
    assert [record.getMessage() for record in caplog.records] == ["An upload was aborted after 1.0 MiB."] * 5
    assert quota.refusal("a", 2 * MIB) is None


def test_other_requests_and_other_errors_pass(quota: UploadQuota) -> None:
    async def fail(scope: object, receive: object, send: object) -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        aborted(quota, fail)
