"""Forms in encodings that the parser of forms does not survive."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from imgrec.server.refusals import Readable


async def count(request: Request) -> Response:
    return PlainTextResponse(str(len((await request.form()).multi_items())))


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("multipart/form-data; boundary=b", 200),
        ("multipart/form-data; boundary=b; charset=UTF-8", 200),
        ('multipart/form-data; charset="utf-8"; boundary=b', 200),
        ("multipart/form-data; boundary=b; charset=undefined", 400),
        ("Multipart/form-data; Charset = none-such ; boundary=b", 400),
        ("multipart/form-data; boundary=b; charset=base64", 400),
        ("text/plain; charset=undefined", 200),
    ],
)
def test_a_form_has_an_encoding_that_is_known(kind: str, status: int) -> None:
    routes = [Route("/{path:path}", count, methods=["POST"])]
    client = TestClient(Starlette(routes=routes, middleware=[Middleware(Readable)]))
    body = b'--b\r\nContent-Disposition: form-data; name="k"\r\n\r\n1\r\n--b--\r\n'
    response = client.post("/upload", content=body, headers={"Content-Type": kind})
    assert response.status_code == status
    if status == 400:
        assert response.text.startswith("Expected a form in UTF-8. Received: ")
        assert client.post("/api/v1/predict", content=body, headers={"Content-Type": kind}).json()["detail"]


@pytest.mark.parametrize("path", ["/%0a0", "/api/v1/%00", "/api/v1/predict%0d%0ax", "/%7f"])
def test_a_path_has_no_control_characters(path: str) -> None:
    routes = [Route("/{path:path}", count, methods=["POST"])]
    client = TestClient(Starlette(routes=routes, middleware=[Middleware(Readable)]))
    response = client.post(path)
    assert response.status_code == 400
    assert response.headers["content-type"].startswith("application/problem+json" if "/api/" in path else "text/plain")
    assert "control characters" in response.text
