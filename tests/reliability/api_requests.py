"""Requests that no client means: any method, path, option, header and body, as Hypothesis makes them.

    python -m tests.reliability.api_requests [SECONDS]

They go to the API itself, in this process, with engines that are fakes. Whatever comes is answered in JSON, with a
status that is meant, and a sentence of bounded length.
"""

import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode

import anyio
import hypothesis
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route

from imgrec.api import routes
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN
from imgrec.server.refusals import Readable
from imgrec.settings import Settings
from tests.api.test_routes import HERE, FakePreparations
from tests.inference.test_request import image, pool_of

SECONDS = 600.0

# 500 is a bug, 502 and 507 cannot come from a request.
MEANT = {200, 400, 404, 405, 408, 413, 415, 422, 429, 503}
MAX_SENTENCE = 1_001

WORDS = (
    *HERE,
    "xception",
    "mean",
    "weighted_mean",
    "vote",
    "crop",
    "stretch",
    "pad",
    "kind",
    "category",
    "cat;dog",
    '{"cat": ["n02121620"]}',
    "cat=tabby;dog",
    "true",
    "1",
    "1000",
    "mobilenet=2,vgg16=0.5",
    "tabby",
    "cam",
)
ODD = (
    "",
    "0",
    "-1",
    "1e309",
    "nan",
    "٣",
    "null",
    "[]",
    "{}",
    '{"a": {"b": []}}',
    "[" * 500,
    ",",
    "=",
    ";",
    "a" * 5_000,
    "\x00",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    "../../etc/passwd",
    "<script>",
    "mobilenet=",
    "mobilenet=nan",
    "mobilenet=inf",
    "mobilenet=1=2",
)
NAMES = (*routes.PREDICT_OPTIONS, *routes.EXPLAIN_OPTIONS, "image", "kind", "x")
PATHS = (
    *("/predict", "/explain") * 6,
    *("/sheet",) * 3,
    "/models",
    "",
    "/",
    "/predict/",
    "//predict",
    "/none",
    "/..",
    "/%00",
)
KINDS = (
    "image/png",
    "application/octet-stream",
    "multipart/form-data",
    "multipart/form-data; boundary=b",
    "multipart/form-data; boundary=b; charset=undefined",
    "multipart/form-data; boundary=",
    'multipart/form-data; boundary="b',
    "application/x-www-form-urlencoded",
    "text/plain; charset=undefined",
    "",
    ";",
)

texts = st.one_of(st.sampled_from(WORDS), st.sampled_from(ODD), st.text(max_size=30))
pairs = st.lists(st.tuples(st.one_of(st.sampled_from(NAMES), st.text(max_size=10)), texts), max_size=5)


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent."""

    method: str
    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: tuple[bytes, ...]


def _encoded(some: list[tuple[str, str]]) -> bytes:
    return urlencode([(quote_plus(name, errors="ignore"), value) for name, value in some], errors="ignore").encode()


queries = st.one_of(pairs.map(_encoded), st.binary(max_size=40).map(lambda raw: raw.replace(b"#", b"")))
contents = st.one_of(st.just(image()), st.binary(max_size=200), st.just(image()[:60]), st.just(b""))


@st.composite
def forms(draw: st.DrawFn) -> bytes:
    """A form with a boundary of `b`: parts with good and bad heads, and perhaps without its end."""
    lines = []
    for name, value in draw(pairs):
        head = draw(
            st.sampled_from(['form-data; name="{}"', "form-data", 'form-data; name="{}"; filename="a.png"', ""])
        )
        name = name.replace('"', "").replace("\r", "").replace("\n", "")
        data = draw(st.one_of(st.just(value.encode("utf-8", "ignore")), contents))
        lines.append(b"--b\r\nContent-Disposition: " + head.format(name).encode("utf-8", "ignore"))
        lines.append(b"\r\n\r\n" + data + b"\r\n")
    if draw(st.booleans()):
        lines.append(
            b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n' + image() + b"\r\n"
        )
    return b"".join(lines) + draw(st.sampled_from([b"--b--\r\n", b"--b--", b"--b", b"", b"--c--"]))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A request; about half of them are nearly right."""
    kind = draw(st.sampled_from(KINDS))
    body = draw(forms() if kind.startswith("multipart") else contents)
    headers = [(b"content-type", kind.encode())]
    if draw(st.booleans()):
        length = draw(st.sampled_from([str(len(body)), "0", "-1", "abc", "9" * 30, "٣", "1, 2"]))
        headers.append((b"content-length", length.encode()))
    headers += draw(st.lists(st.tuples(st.sampled_from([b"accept", b"expect", b"cookie"]), st.binary(max_size=20))))
    cut = draw(st.integers(0, len(body)))
    path = draw(st.one_of(st.sampled_from(PATHS), st.sampled_from(PATHS), st.text(max_size=20).map("/{}".format)))
    method = draw(st.sampled_from(["POST"] * 6 + ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "FOO"]))
    return Request(method, path, draw(queries), headers, (body[:cut], body[cut:]))


def api(folder: Path) -> Starlette:
    """Return the API with fakes for engines, and its files below `folder`."""
    env = {"IMGREC_HOME": str(folder / "home"), "KERAS_HOME": str(folder / "keras"), "IMGREC_OFFLINE": "1"}
    settings = Settings.from_env(env)
    (settings.keras_home / "models").mkdir(parents=True, exist_ok=True)
    for name in HERE:
        weights.target_path(BUILT_IN.get_spec(name), settings).touch()
    pool, preparations = pool_of("resnet50"), FakePreparations()
    mounted = routes.create(
        get_settings=lambda: settings,
        get_pool=lambda: pool,
        get_preparations=lambda: preparations,  # type: ignore[arg-type,return-value]
    )
    return Starlette(
        routes=[Route("/api/v1", mounted), Mount("/api/v1", app=mounted)], middleware=[Middleware(Readable)]
    )


def send(app: Starlette, request: Request) -> tuple[int, bytes]:
    """Return the status and the body of the answer; raise what the application raises."""
    coming = [
        {"type": "http.request", "body": request.body[0], "more_body": True},
        {"type": "http.request", "body": request.body[1], "more_body": False},
    ]
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, object]:
        if coming:
            return coming.pop(0)
        await anyio.sleep_forever()
        raise AssertionError

    async def respond(message: Any) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": request.method,
        "path": f"/api/v1{request.path}",
        "query_string": request.query,
        "headers": request.headers,
    }
    with anyio.from_thread.start_blocking_portal() as portal:
        portal.call(app, scope, receive, respond)
    return answers[0]["status"], b"".join(answer.get("body", b"") for answer in answers[1:])


def check(app: Starlette, request: Request) -> int:
    """Send `request`; raise `AssertionError` for an answer that is not meant."""
    status, body = send(app, request)
    assert status in MEANT, body[:500]
    if request.method != "HEAD":
        answer = json.loads(body, parse_constant=_refuse)
        if status != 200:
            assert set(answer) == {"type", "title", "status", "detail"}
            assert len(answer["detail"]) <= MAX_SENTENCE, answer["detail"][:200]
    return status


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def main() -> int:
    """Send requests for some seconds, with a new seed each time."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    end, statuses, rounds = time.monotonic() + seconds, Counter[int](), 0
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        app = api(Path(folder))

        @hypothesis.settings(
            max_examples=500,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(requests())
        def one(request: Request) -> None:
            statuses[check(app, request)] += 1

        while time.monotonic() < end and not broken:
            try:
                hypothesis.seed(random.getrandbits(64))(one)()
            except Exception as error:
                broken.append(f"{type(error).__name__}: {error} {getattr(error, '__notes__', '')}"[:2_000])
            rounds += 1
    figures = {"requests": sum(statuses.values()), "rounds": rounds, "by status": dict(sorted(statuses.items()))}
    print(json.dumps(figures | {"seconds": seconds, "broken": broken}, indent=2))
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
