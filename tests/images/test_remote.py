"""Images by address: what is fetched, and everything that is refused, against servers on this machine.

The check of addresses is replaced where a server on this machine must be reached; it has tests of its own.
"""

import contextlib
import ipaddress
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from imgrec.errors import AddressError, ImageTooLargeError
from imgrec.images import remote
from imgrec.images.remote import MAX_REDIRECTS, fetch, is_address, is_public
from imgrec.settings import Settings

IMAGE = b"\x89PNG and so on" * 1000


class Handler(BaseHTTPRequestHandler):
    """Answers by the first part of the path; notes what it was asked."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["Host"]))
        do, *rest = self.path.lstrip("/").split("?")[0].split("/")
        getattr(self, f"do_{do}")(*rest)

    def do_image(self, *_: str) -> None:
        self.answer(200, IMAGE, ("Content-Length", str(len(IMAGE))))

    def do_chunks(self, count: str) -> None:
        self.answer(200, b"", ("Transfer-Encoding", "chunked"))
        for _ in range(int(count)):
            self.wfile.write(b"400\r\n" + bytes(1024) + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def do_large(self, size: str) -> None:
        self.answer(200, b"", ("Content-Length", size))

    def do_short(self) -> None:
        self.answer(200, b"abc", ("Content-Length", "1000"))
        self.close_connection = True

    def do_hop(self, count: str, code: str = "302") -> None:
        target = f"/hop/{int(count) - 1}/{code}" if int(count) > 1 else "/image/cat%20one.png"
        self.answer(int(code), b"", ("Location", target), ("Content-Length", "0"))

    def do_to(self, *_: str) -> None:
        self.answer(302, b"", ("Location", self.path.partition("?")[2]), ("Content-Length", "0"))

    def do_nowhere(self) -> None:
        self.answer(302, b"", ("Content-Length", "0"))

    def do_missing(self) -> None:
        self.answer(404, b"", ("Content-Length", "0"))

    def do_drip(self) -> None:
        self.answer(200, b"", ("Content-Length", "1000"))
        self.drip()

    def do_endless(self) -> None:
        self.answer(200, b"")
        self.drip()

    def drip(self) -> None:
        for _ in range(200):
            self.wfile.write(b".")
            self.wfile.flush()
            time.sleep(0.05)

    def do_silence(self) -> None:
        time.sleep(3)

    def do_noise(self) -> None:
        self.wfile.write(b"this is not HTTP at all\r\n\r\n")
        self.close_connection = True

    def answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the reader has gone
            super().handle()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@pytest.fixture
def online(settings: Settings) -> Settings:
    return replace(settings, offline=False, max_upload_bytes=64 * 1024)


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """The address of a server on this machine, and what it was asked: path and host."""
    asked: list[tuple[str, str | None]] = []
    running = Server(("127.0.0.1", 0), type("Noting", (Handler,), {"asked": asked}))
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://example.test:{running.server_port}", asked
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def get(online: Settings) -> Callable[[str], tuple[str, bytes]]:
    """Fetches; every name is this machine, and that is allowed."""
    return lambda url: fetch(url, online, is_allowed=lambda _: True, resolve=lambda host, port: ["127.0.0.1"])


def test_the_image_and_its_name(server: tuple[str, list[object]], get: Callable[[str], tuple[str, bytes]]) -> None:
    address, asked = server
    assert get(f"{address}/image/cat%20one.png?size=1#top") == ("cat one.png", IMAGE)
    assert asked == [("/image/cat%20one.png?size=1", address.removeprefix("http://"))]
    assert get(f"  {address}/image/kätzchen.png ")[0] == "kätzchen.png"
    assert asked[-1][0] == "/image/k%C3%A4tzchen.png"  # type: ignore[index]


def test_without_a_file_name_the_host_is_the_name(online: Settings) -> None:
    assert remote._name_of(remote._split("https://example.org")) == "example.org"


@pytest.mark.parametrize("code", ["301", "302", "303", "307", "308"])
def test_redirects_are_followed(code: str, server: tuple[str, list[object]], get: Callable[[str], object]) -> None:
    address, asked = server
    assert get(f"{address}/hop/{MAX_REDIRECTS}/{code}") == ("cat one.png", IMAGE)
    assert len(asked) == MAX_REDIRECTS + 1


def test_the_limit_is_read_while_the_bytes_come(server: tuple[str, list[object]], get: Callable[[str], object]) -> None:
    address, _ = server
    assert get(f"{address}/chunks/64") == ("64", bytes(64 * 1024))
    with pytest.raises(ImageTooLargeError, match=r"at most 0\.0625 MiB\. Received: more"):
        get(f"{address}/chunks/65")
    with pytest.raises(ImageTooLargeError, match=r"Received: 1\.0 MiB"):
        get(f"{address}/large/{2**20}")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        pytest.param(f"/hop/{MAX_REDIRECTS + 1}", f"more than {MAX_REDIRECTS} redirects", id="too many redirects"),
        pytest.param("/nowhere", "does not say where to", id="a redirect to nowhere"),
        pytest.param("/missing", "example.test answered with 404 Not Found.", id="not found"),
        pytest.param("/short", "after 3 of 1,000 bytes", id="half a file"),
        pytest.param("/noise", "did not send the file", id="no HTTP"),
        pytest.param("/to?file:///etc/passwd", "begins with https:// or http://", id="redirected to a file"),
        pytest.param("/to?ftp://example.org/x", "begins with https:// or http://", id="redirected to FTP"),
        pytest.param("/to?//user@example.org/", "without a user name", id="redirected to a login"),
        pytest.param("/to?http://[bad/", "redirects to what is no address", id="redirected to no address"),
    ],
)
def test_a_server_that_gives_no_image(
    path: str, sentence: str, server: tuple[str, list[object]], get: Callable[[str], object]
) -> None:
    with pytest.raises(AddressError) as refused:
        get(server[0] + path)
    assert sentence in str(refused.value)


@pytest.mark.parametrize("path", ["/drip", "/endless", "/silence"])
def test_a_slow_server_is_left(
    path: str, server: tuple[str, list[object]], get: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "TIMEOUT_S", 0.4)
    monkeypatch.setattr(remote, "DEADLINE_S", 0.6)
    with pytest.raises(AddressError, match="did not send the file in time"):
        get(server[0] + path)


def test_no_server_at_all(get: Callable[[str], object]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(AddressError, match="Connection refused"):
            get(f"http://example.test:{free.getsockname()[1]}/")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        pytest.param("ftp://example.org/cat.jpg", "begins with https:// or http://", id="scheme"),
        pytest.param("file:///etc/passwd", "begins with https:// or http://", id="file"),
        pytest.param("cat.jpg", "begins with https:// or http://", id="no scheme"),
        pytest.param("https://", "begins with https:// or http://", id="no host"),
        pytest.param("https://me:secret@example.org/", "without a user name", id="login"),
        pytest.param("https://example.org:99999/", "such as https://example.org/cat.jpg", id="port"),
        pytest.param("https://example.org:0/", "begins with", id="port 0"),
        pytest.param("https://example.org/a b", "without spaces", id="space"),
        pytest.param("https://example.org/\r\nHost: x", "without spaces", id="a second header"),
        pytest.param("https://example.org/" + "a" * 2000, "at most 2,000 letters", id="long"),
    ],
)
def test_what_is_no_address_gets_a_sentence(url: str, sentence: str, online: Settings) -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise AssertionError("no name is asked for")

    with pytest.raises(AddressError) as refused:
        fetch(url, online, resolve=resolve)
    assert sentence in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("127.0.0.1", False),
        ("127.8.9.10", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("239.1.1.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b:1::a00:1", False),
        ("2002:7f00:1::", False),
        ("2002:a00:1::1", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("fc00::1", False),
        ("fd12:3456::1", False),
        ("ff02::1", False),
        ("2001:db8::1", False),
    ],
)
def test_only_addresses_of_the_public_internet(text: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(text)) == public


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost:8501/",
        "http://[::1]/",
        "http://[::ffff:169.254.169.254]/latest/meta-data",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0/",
        "http://10.0.0.1/",
    ],
)
def test_this_machine_and_its_network_are_refused_however_they_are_written(url: str, online: Settings) -> None:
    with pytest.raises(AddressError, match=r"not on the public internet|no server called"):
        fetch(url, online)


def test_one_private_address_among_public_ones_is_enough_to_refuse(online: Settings) -> None:
    with pytest.raises(AddressError, match=r"example\.test is not on the public internet"):
        fetch("http://example.test/", online, resolve=lambda host, port: ["8.8.8.8", "10.0.0.1"])


def test_a_redirect_is_checked_like_the_first_address(server: tuple[str, list[object]], online: Settings) -> None:
    address, asked = server
    port = address.rpartition(":")[2]
    names = {"example.test": "127.0.0.1", "inside.test": "10.0.0.7"}
    with pytest.raises(AddressError, match=r"inside\.test is not on the public internet"):
        fetch(
            f"{address}/to?http://inside.test:{port}/image/x",
            online,
            is_allowed=lambda found: str(found) == "127.0.0.1",
            resolve=lambda host, port: [names[host]],
        )
    assert len(asked) == 1


def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_that_is_asked(
    server: tuple[str, list[object]], online: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second answer, such as a server of names gives to get around the check, is never asked for."""
    address, asked = server
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    checked: list[str] = []

    def is_allowed(found: remote.Address) -> bool:
        checked.append(str(found))
        return True

    connected: list[tuple[str, int]] = []
    connect = socket.create_connection

    def create_connection(target: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(target)
        return connect(target, timeout)

    monkeypatch.setattr(socket, "create_connection", create_connection)
    fetch(f"{address}/image/x", online, is_allowed=is_allowed, resolve=lambda host, port: next(answers))
    assert checked == ["127.0.0.1"]
    assert connected == [("127.0.0.1", int(address.rpartition(":")[2]))]
    assert asked == [("/image/x", address.removeprefix("http://"))]  # by its name, so that virtual hosts answer


def test_a_name_without_a_server(online: Settings) -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(AddressError, match=r"There is no server called 'nowhere\.test'"):
        fetch("https://nowhere.test/cat.jpg", online, resolve=resolve)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate and key of example.test that no authority has signed."""
    path = tmp_path / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=example.test"]
    names = ["-addext", "subjectAltName=DNS:example.test", "-keyout", str(path), "-out", str(tmp_path / "c.pem")]
    try:
        subprocess.run([*command, *names], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl on this machine")
    path.write_text(path.read_text() + (tmp_path / "c.pem").read_text())
    return path


@pytest.mark.parametrize(
    ("host", "trusted", "sentence"),
    [
        pytest.param("example.test", True, None, id="its name"),
        pytest.param("other.test", True, "other.test has no valid certificate: Hostname mismatch", id="another name"),
        pytest.param("example.test", False, "no valid certificate: self-signed certificate", id="no authority"),
    ],
)
def test_the_certificate_must_be_that_of_the_name(
    host: str, trusted: bool, sentence: str | None, certificate: Path, online: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Server(("127.0.0.1", 0), type("Noting", (Handler,), {"asked": []}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    running.socket = context.wrap_socket(running.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    if trusted:
        trusting = ssl.create_default_context(cafile=str(certificate))
        monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
    try:
        url = f"https://{host}:{running.server_port}/image/cat.png"
        answer = lambda: fetch(url, online, is_allowed=lambda _: True, resolve=lambda *_: ["127.0.0.1"])  # noqa: E731
        if sentence is None:
            assert answer() == ("cat.png", IMAGE)
        else:
            with pytest.raises(AddressError) as refused:
                answer()
            assert sentence in str(refused.value)
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


@pytest.mark.parametrize(
    ("change", "sentence"), [({"demo": True}, "This demo"), ({"offline": True}, "IMGREC_OFFLINE=1")]
)
def test_a_demo_and_a_machine_that_is_offline_fetch_nothing(
    change: dict[str, bool], sentence: str, online: Settings
) -> None:
    with pytest.raises(AddressError, match=sentence):
        fetch("https://example.org/cat.jpg", replace(online, **change))


def test_an_address_is_told_from_a_path() -> None:
    assert is_address("https://example.org/cat.jpg")
    assert is_address("HTTP://example.org")
    assert not is_address("cat.jpg")
    assert not is_address("httpcat.jpg")
