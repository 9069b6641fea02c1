"""Tokens and other sites: what a server without them answers, and one with them."""

import dataclasses
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from imgrec.api.tokens import is_known
from imgrec.errors import SettingError
from imgrec.server.hosts import Hosts, OwnSite
from imgrec.settings import Settings
from tests.api.test_routes import Server, kind_of, server  # noqa: F401 (a fixture)
from tests.inference.test_request import image

TOKENS = ("0123456789abcdef", "fedcba9876543210-._~+/=")
SITE = "https://example.org"


@pytest.fixture
def client(server: Server) -> Iterator[TestClient]:  # noqa: F811
    server.settings = dataclasses.replace(server.settings, api_tokens=TOKENS, api_origins=(SITE,))
    app = server.app()
    guarded = Starlette(
        routes=app.routes, middleware=[Middleware(OwnSite, get_hosts=lambda: Hosts("testserver", origins=(SITE,)))]
    )
    with TestClient(guarded) as client:
        yield client


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_each_token_opens_the_api(client: TestClient, token: str, scheme: str) -> None:
    assert client.get("/api/v1/models", headers={"Authorization": f"{scheme} {token}"}).status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        TOKENS[0],
        f"Basic {TOKENS[0]}",
        f"Bearer {TOKENS[0][:-1]}",
        f"Bearer {TOKENS[0]}0",
        f"Bearer {TOKENS[0].upper()}",
        f"Bearer {','.join(TOKENS)}",
        "Bearer " + "x" * 60_000,
        "Bearer \xff",
    ],
)
def test_without_one_nothing_is_answered_or_read(client: TestClient, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given.encode("latin-1")}
    for method, path in (
        ("GET", "/models"),
        ("POST", "/predict"),
        ("POST", "/sheet"),
        ("GET", "/none"),
        ("PUT", "/models"),
        ("GET", "/docs/"),
        ("GET", "//docs"),
    ):
        response = client.request(method, f"/api/v1{path}", headers=headers)  # type: ignore[arg-type]
        assert (response.status_code, kind_of(response)) == (401, "TokenError"), path
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert not any(token in response.text for token in TOKENS)


def test_the_contract_can_be_read_without_one(client: TestClient) -> None:
    assert client.get("/api/v1/openapi.json").json()["security"]
    assert client.get("/api/v1/docs").status_code == 200


def test_a_token_is_refused_as_fast_wherever_it_differs() -> None:
    """Not decided by a timing: all digests are compared, whichever is right."""
    compared = [is_known(token, TOKENS) for token in (*TOKENS, "x", TOKENS[0][:-1])]
    assert compared == [True, True, False, False]


@pytest.mark.parametrize(
    "value", ["0123456789abcde", "0123456789abcdef,0123", "0123456789 abcdef0", "0123456789abcdéf"]
)
def test_a_token_that_can_be_guessed_is_no_setting(value: str) -> None:
    with pytest.raises(SettingError) as found:
        Settings.from_env({"IMGREC_API_TOKENS": value})
    assert value not in str(found.value)


def test_settings_show_no_token() -> None:
    assert TOKENS[0] not in repr(Settings.from_env({"IMGREC_API_TOKENS": ",".join(TOKENS)}))


def test_pages_of_a_named_site_may_use_the_api_and_others_not(client: TestClient) -> None:
    headers = {"Authorization": f"Bearer {TOKENS[0]}", "Content-Type": "image/png", "Sec-Fetch-Site": "cross-site"}
    answer = client.post("/api/v1/predict?models=mobilenet", content=image(), headers=headers | {"Origin": SITE})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, SITE)
    assert "access-control-allow-credentials" not in answer.headers
    for origin in ("https://evil.example", "null", f"{SITE}.evil.example", "http://example.org"):
        refused = client.post("/api/v1/predict?models=mobilenet", content=image(), headers=headers | {"Origin": origin})
        assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (403, False)


def test_a_browser_may_ask_beforehand(client: TestClient) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    answer = client.options("/api/v1/predict", headers=asked | {"Origin": SITE})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, SITE)
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    other = client.options("/api/v1/predict", headers=asked | {"Origin": "https://evil.example"})
    assert (other.status_code, "access-control-allow-origin" in other.headers) == (401, False)


def test_other_sites_may_nothing_by_default(server: Server) -> None:  # noqa: F811
    client = TestClient(server.app())
    answer = client.get("/api/v1/models", headers={"Origin": SITE})
    assert not any(name.startswith("access-control") for name in answer.headers)
    assert client.options("/api/v1/predict", headers={"Origin": SITE}).status_code == 405


@pytest.mark.parametrize("value", ["*", "example.org", "https://*.example.org"])
def test_origins_are_named_whole(value: str) -> None:
    with pytest.raises(SettingError, match="origins"):
        Settings.from_env({"IMGREC_API_ORIGINS": value})
