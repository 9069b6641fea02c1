"""What other websites, curious visitors and monitoring tools send: requests with the answer that each must get.

python -m tests.reliability.foreign_requests [URL]
"""

import http.client
import json
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from imgrec.settings import Settings
from tests.reliability.attacked_server import attacked
from tests.reliability.images import photograph

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO")
ALLOWED = {
    "/livez": "GET",
    "/readyz": "GET",
    "/api/v1/models": "GET",
    "/api/v1/predict": "POST",
    "/api/v1/explain": "POST",
    "/api/v1/sheet": "POST",
}
EVIL = "http://evil.example"


@dataclass(frozen=True, slots=True)
class Case:
    """A request, and what is expected of the answer: its status, JSON where `is_json`, and no folder of the server."""

    name: str
    method: str
    path: str
    statuses: tuple[int, ...]
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_json: bool = False


def cases(image: bytes) -> Iterator[Case]:
    """Yield the requests."""
    forged = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
    handshake = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "streamlit",
    }
    for path in ("/", "/livez", "/api/v1/models", "/_stcore/health", "/_stcore/host-config"):
        yield Case("a foreign name", "GET", path, (400,), {"Host": "evil.example"})
    yield Case("a foreign name for a tab", "GET", "/_stcore/stream", (400, 403), handshake | {"Host": "evil.example"})
    yield Case("a tab of another site", "GET", "/_stcore/stream", (403,), handshake | {"Origin": EVIL})
    download = b"models=vgg19"
    for path in ("/api/v1/predict", "/api/v1/explain", "/api/v1/sheet"):
        yield Case("a forged form", "POST", path, (403,), forged, download, True)
        yield Case("a forged form of an old browser", "POST", path, (403,), {"Origin": EVIL}, download, True)
        yield Case("a form of a sandbox", "POST", path, (403,), {"Origin": "null"}, download, True)
    yield Case("a forged upload", "PUT", "/_stcore/upload_file/a/b", (403,), forged, b"x")
    yield Case("a program", "POST", "/api/v1/predict?k=1", (200,), {}, image, True)
    yield Case("figures of the process", "GET", "/_stcore/metrics", (404,))
    for path, allowed in ALLOWED.items():
        for method in METHODS:
            if method != allowed:
                yield Case("another method", method, path, (405,), {}, b"", True)
    for method in METHODS:
        yield Case("no such route", method, "/api/v1/none", (404,), {}, b"", True)
    yield Case("an unknown model", "POST", f"/api/v1/predict?models={'x' * 200}", (404,), {}, image, True)
    yield Case("a model of any length", "POST", f"/api/v1/predict?models={'x' * 5_000}", (400,), {}, image, True)
    yield Case("a model that is not here", "POST", "/api/v1/predict?models=vgg19", (400, 422, 503), {}, image, True)
    yield Case("no image", "POST", "/api/v1/predict", (400, 415), {}, b"/etc/passwd", True)
    undefined = {"Content-Type": "multipart/form-data; boundary=b; charset=undefined"}
    yield Case("an unknown charset", "POST", "/api/v1/predict", (400,), undefined, b"--b--", True)
    yield Case("an unknown charset in an upload", "PUT", "/_stcore/upload_file/a/b", (400,), undefined, b"--b--")
    yield Case("a newline in a path", "POST", "/api/v1/predict%0a", (400,), {}, image, True)


def problem(case: Case, status: int, headers: dict[str, str], body: bytes, folders: list[str]) -> str:
    """Return what is wrong with an answer, "" for nothing."""
    if status not in case.statuses:
        return f"status {status}: {body[:100]!r}"
    if case.is_json and status != 200:
        try:
            answer = json.loads(body)
        except ValueError:
            return f"no JSON: {body[:100]!r}"
        if "x" * 101 in answer["detail"]:
            return "more than 100 characters are repeated"
    if found := [folder for folder in folders if folder in body.decode("utf-8", "replace")]:
        return f"it names {found}"
    if status != 403 and headers.get("x-content-type-options") != "nosniff" and "Upgrade" not in case.headers:
        return "no nosniff"
    return ""


def send(host: str, port: int, case: Case) -> tuple[int, dict[str, str], bytes]:
    """Return the status, headers and body of the answer."""
    connection = http.client.HTTPConnection(host, port, timeout=60)
    try:
        connection.request(case.method, case.path, case.body, case.headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def attack(address: str, folders: list[str]) -> dict[str, object]:
    """Send all requests; return how many, and those with another answer than expected."""
    parts = urllib.parse.urlsplit(address)
    broken, count = [], 0
    for case in cases(photograph()):
        count += 1
        if found := problem(case, *send(parts.hostname or "", parts.port or 80, case), folders):
            broken.append(f"{case.name}: {case.method} {case.path[:60]}: {found}")
    page = send(parts.hostname or "", parts.port or 80, Case("a page", "GET", "/", (200,)))[1]
    for name in ("content-security-policy", "x-content-type-options", "referrer-policy"):
        if name not in page:
            broken.append(f"a page: no {name}")
    return {"requests": count, "broken": broken}


def main() -> int:
    """Attack the server at the given address, or a new one: as a demo, and as on a laptop."""
    folders = [str(folder) for folder in Settings.from_env().folders() if folder != Path("/")]
    if len(sys.argv) > 1:
        figures = {"given": attack(sys.argv[1], folders)}
    else:
        figures = {}
        for name, demo in {"demo": "1", "laptop": "0"}.items():
            with attacked(IMGREC_DEMO=demo) as address:
                figures[name] = attack(address, folders)
    print(json.dumps(figures, indent=2))
    return any(one["broken"] for one in figures.values())


if __name__ == "__main__":
    sys.exit(main())
