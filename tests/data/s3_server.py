"""As much of Amazon's S3 on this machine as pyarrow asks for: lists, reads, and whole objects that are put."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

KEY, BUCKET = "tests", "bucket"
MODIFIED = "2026-01-01T00:00:00.000Z"


@dataclass
class S3:
    """`objects` by their keys, and the requests that came."""

    port: int
    objects: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)

    def address(self, folder: str, bucket: str = BUCKET) -> str:
        options = f"endpoint_override=127.0.0.1:{self.port}&scheme=http&region=us-east-1"
        return f"s3://{bucket}/{folder}?{options}"


def use_key(monkeypatch: pytest.MonkeyPatch, key: str = KEY) -> None:
    """Have this process ask with `key`, and nowhere else for credentials."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@contextmanager
def served() -> Iterator[S3]:
    """Run the server for the block; it knows one bucket and one key."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: Any) -> None:
            pass

        def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", headers.get("length", str(len(body))))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _fail(self, status: int, code: str) -> None:
            self._answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

        def _key(self) -> str | None:
            """Return the key of the object, "" for the bucket; None where the request has been refused."""
            parts = urlsplit(self.path)
            s3.requests.append(f"{self.command} {self.path}")
            bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
            if f"Credential={KEY}/" not in self.headers.get("Authorization", "") or key in s3.closed:
                self._fail(403, "AccessDenied")
            elif bucket != BUCKET:
                self._fail(404, "NoSuchBucket")
            else:
                return key
            return None

        def do_HEAD(self) -> None:
            key = self._key()
            if key == "" or key in s3.objects:
                size = len(s3.objects.get(key or "", b""))
                self.send_response(200)
                self.send_header("Content-Length", str(size))
                self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
                self.end_headers()
            elif key is not None:
                self._answer(404)

        def do_GET(self) -> None:
            key = self._key()
            if key == "":
                self._list()
            elif key in s3.objects:
                data, wanted = s3.objects[key], self.headers.get("Range")
                if wanted:
                    start, _, end = wanted.removeprefix("bytes=").partition("-")
                    stop = min(int(end) + 1, len(data)) if end else len(data)
                    part = data[int(start) : stop]
                    self._answer(206, part, Content_Range=f"bytes {start}-{stop - 1}/{len(data)}")
                else:
                    self._answer(200, data)
            elif key is not None:
                self._fail(404, "NoSuchKey")

        def _list(self) -> None:
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            prefix, mark = asked.get("prefix", ""), asked.get("delimiter", "")
            files, folders = [], set()
            for key in sorted(key for key in s3.objects if key.startswith(prefix)):
                rest = key[len(prefix) :]
                if mark and mark in rest:
                    folders.add(prefix + rest.partition(mark)[0] + mark)
                else:
                    files.append(key)
            files = files[: int(asked.get("max-keys", 1000))]
            body = f"<ListBucketResult><Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix><IsTruncated>false"
            body += f"</IsTruncated><KeyCount>{len(files) + len(folders)}</KeyCount>"
            for key in files:
                body += f"<Contents><Key>{escape(key)}</Key><LastModified>{MODIFIED}</LastModified>"
                body += f"<ETag>x</ETag><Size>{len(s3.objects[key])}</Size></Contents>"
            for folder in sorted(folders):
                body += f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>"
            self._answer(200, f"{body}</ListBucketResult>".encode(), Content_Type="application/xml")

        def do_PUT(self) -> None:
            data = self._body()
            key = self._key()
            if key is not None:
                s3.objects[key] = data
                self._answer(200, ETag='"x"')

        def _body(self) -> bytes:
            """Return what was sent, also in Amazon's signed chunks."""
            length = self.headers.get("Content-Length")
            data = _joined(self.rfile) if length is None else self.rfile.read(int(length))
            is_signed = "aws-chunked" in self.headers.get("Content-Encoding", "")
            return _joined(io.BytesIO(data)) if is_signed else data

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    s3 = S3(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield s3
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _joined(file: Any) -> bytes:
    """Return what comes in chunks, of HTTP or of Amazon's signatures, up to the empty one."""
    whole = b""
    while count := int(file.readline().split(b";")[0], 16):
        whole += file.read(count)
        file.readline()
    while file.readline().strip():
        pass
    return whole
