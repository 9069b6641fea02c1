"""Compressed static files, without a server: what is kept for the next visitor."""

import gzip

import anyio

from imgrec.server.compression import CompressedFiles

WHOLE = b"const charts = 1;\n" * 4096


class Files:
    """An ASGI application that sends the first `sent` bytes of a file of `WHOLE`, as where a visitor leaves early."""

    def __init__(self, sent: int) -> None:
        self.sent = sent

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        headers = [(b"content-length", str(len(WHOLE)).encode()), (b"content-type", b"text/javascript")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": WHOLE[: self.sent]})  # type: ignore[operator]


async def ask(app: CompressedFiles) -> tuple[dict[bytes, bytes], bytes]:
    sent: list[dict[str, object]] = []

    async def keep(message: object) -> None:
        sent.append(message)  # type: ignore[arg-type]

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/static/js/charts.js",
        "headers": [(b"accept-encoding", b"gzip")],
    }
    await app(scope, None, keep)  # type: ignore[arg-type]
    return dict(sent[0]["headers"]), sent[1]["body"]  # type: ignore[call-overload, return-value]


def test_a_file_that_ended_early_is_not_kept_for_the_next_visitor() -> None:
    files = Files(sent=len(WHOLE) // 2)
    app = CompressedFiles(files)  # type: ignore[arg-type]
    headers, _ = anyio.run(ask, app)
    assert b"content-encoding" not in headers
    files.sent = len(WHOLE)
    headers, body = anyio.run(ask, app)
    assert headers[b"content-encoding"] == b"gzip"
    assert gzip.decompress(body) == WHOLE


def test_a_whole_file_is_compressed_once() -> None:
    files = Files(sent=len(WHOLE))
    app = CompressedFiles(files)  # type: ignore[arg-type]
    first = anyio.run(ask, app)
    files.sent = 0
    assert anyio.run(ask, app) == first
