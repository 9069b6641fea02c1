"""Requests with hostile names: each is answered in JSON, with a sentence where it cannot be used."""

import itertools

import pytest
from starlette.testclient import TestClient

from tests.api.test_routes import client, server  # noqa: F401 (fixtures)
from tests.inference.test_request import image
from tests.reliability.hostile_names import NAMES

OPTIONS = ("models", "k", "rule", "weights", "framing", "level", "classes", "calibrated", "class", "method", "red__fox")

CHARSETS = ("undefined", "utf-7", "idna", "unicode_escape", "rot13", "utf-8; charset=undefined", "a" * 5000, "hex")


def check(response: object, what: str) -> None:
    assert isinstance(response.status_code, int)  # type: ignore[attr-defined]
    assert response.status_code < 500 or response.status_code == 503, (what, response.text)  # type: ignore[attr-defined]
    content = response.json()  # type: ignore[attr-defined]
    if response.status_code != 200:  # type: ignore[attr-defined]
        assert content["detail"], what
        assert len(content["detail"]) < 2_000, (what, len(content["detail"]))


@pytest.mark.parametrize("charset", CHARSETS)
def test_a_charset_that_there_is_none_of(client: TestClient, charset: str) -> None:  # noqa: F811
    for kind in ("multipart/form-data; boundary=b", "application/octet-stream", "image/png"):
        body = image()
        if kind.startswith("multipart"):
            head = b'--b\r\nContent-Disposition: form-data; name="k"\r\n\r\n1\r\n'
            head += b'--b\r\nContent-Disposition: form-data; name="image"; filename="x.png"\r\n\r\n'
            body = head + body + b"\r\n--b--\r\n"
        headers = {"Content-Type": f"{kind}; charset={charset}"}
        for path in ("/api/v1/predict", "/api/v1/explain", "/api/v1/sheet"):
            check(client.post(path, content=body, headers=headers), f"{path} {kind} {charset}")


def test_a_form_in_no_charset_is_refused_in_a_sentence(client: TestClient) -> None:  # noqa: F811
    response = client.post(
        "/api/v1/predict?models=mobilenet",
        content=b'--b\r\nContent-Disposition: form-data; name="image"; filename="x.png"\r\n\r\n'
        + image()
        + b"\r\n--b--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=b; charset=undefined"},
    )
    assert response.status_code == 400
    assert "charset" in response.json()["detail"]


def test_every_option_may_be_anything(client: TestClient) -> None:  # noqa: F811
    for (trick, name), option in itertools.product(NAMES.items(), OPTIONS):
        response = client.post("/api/v1/predict", params={option: name}, content=image())
        check(response, f"{option} = {trick}")
    check(client.post("/api/v1/predict", params={"models": "m" * 10_000}, content=image()), "a long model")


def test_a_file_of_any_name_is_answered(client: TestClient) -> None:  # noqa: F811
    for trick, name in NAMES.items():
        response = client.post(
            "/api/v1/predict", data={"models": "mobilenet"}, files={"image": (name or "x", image(), "image/png")}
        )
        check(response, trick)
        assert response.status_code == 200, trick
        explained = client.post("/api/v1/explain", data={"models": name}, files={"image": (name or "x", image())})
        check(explained, trick)
