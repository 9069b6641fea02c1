"""Headers of pages, and the script that the policy allows."""

import base64
import hashlib
import re
from pathlib import Path

import pytest
import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from imgrec.server.page_headers import INLINE_SCRIPT, PageHeaders, policy


async def hello(request: Request) -> Response:
    headers = {"Content-Security-Policy": "default-src 'none'"} if request.url.path == "/strict" else None
    return PlainTextResponse("hello", headers=headers)


@pytest.fixture
def client() -> TestClient:
    middleware = [Middleware(PageHeaders, get_policy=lambda: policy(["https://huggingface.co"], may_evaluate=False))]
    return TestClient(Starlette(routes=[Route("/{path:path}", hello)], middleware=middleware))


def test_a_page_says_what_may_run_and_who_may_frame_it(client: TestClient) -> None:
    headers = client.get("/").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert re.search(r"script-src [^;]*unsafe", policy) is None
    assert policy.endswith("frame-ancestors 'self' https://huggingface.co")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_a_stricter_policy_stays(client: TestClient) -> None:
    assert client.get("/strict").headers["content-security-policy"] == "default-src 'none'"


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/metrics/", "/base/_stcore/metrics"])
def test_figures_of_the_process_are_not_public(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.headers["x-content-type-options"]) == (404, "nosniff")


def test_the_inline_script_of_streamlits_page_is_the_one_that_is_allowed() -> None:
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text()
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [f"sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}" for s in scripts]
    assert digests == [INLINE_SCRIPT]
