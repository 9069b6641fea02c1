"""The image at an address: the only module that opens a connection to where a visitor says.

An address must not become a way into the network of the server. Only http and https, and only public addresses: the
name is resolved once, every address of the answer is checked, and the connection goes to one that was checked, with the
name in `Host` and in the certificate check. Each redirect is another address, checked alike. Time and bytes are
limited while they pass. What comes is untrusted bytes, for `decoding.decode`.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from imgrec import __version__
from imgrec.errors import AddressError, ImageTooLargeError
from imgrec.settings import MIB, Settings

# Seconds without a further byte, and for everything together: a visitor waits for it.
TIMEOUT_S = 8.0
DEADLINE_S = 20.0

# Image hosts redirect once or twice, to the name of their storage.
MAX_REDIRECTS = 3

# Longer than any address that a browser shows in its bar.
MAX_URL_LETTERS = 2_000

CHUNK_BYTES = 64 * 1024

# IPv6 addresses that lead to an IPv4 address inside them (RFC 6052, RFC 8215).
NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))

# Left as they are in a path and a query; the rest is sent as browsers send it, percent-encoded UTF-8.
_KEPT = "%/:?@!$&'()*+,;=~[]"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
IsAllowed = Callable[[Address], bool]
Resolve = Callable[[str, int], Sequence[str]]


def is_address(text: str) -> bool:
    """Whether `text` is meant as an address on the web, and not as a path."""
    return text.lower().startswith(("http://", "https://"))


def is_public(address: Address) -> bool:
    """Whether `address` is on the public internet: not private, loopback, link-local, shared, reserved or multicast.

    >>> [is_public(ipaddress.ip_address(text)) for text in ("93.184.216.34", "10.0.0.1", "::ffff:127.0.0.1")]
    [True, False, False]
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if any(address in network for network in NAT64):
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if any(found is not None and not is_public(found) for found in inner) or address.is_site_local:
            return False
        if address.ipv4_mapped is not None:
            return True
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of `host` in the order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def fetch(
    url: str, settings: Settings, *, is_allowed: IsAllowed = is_public, resolve: Resolve = resolve
) -> tuple[str, bytes]:
    """Return the name and the bytes of the image at `url`.

    Raises:
        AddressError: The address is refused, or its server does not give the file.
        ImageTooLargeError: It has more than `settings.max_upload_bytes`.
    """
    if settings.demo:
        raise AddressError("This demo fetches no images from addresses. Save the image, and drop the file here.")
    if settings.offline:
        raise AddressError("IMGREC_OFFLINE=1 forbids to fetch images. Save the image, and use the file.")
    give_up_at = time.monotonic() + DEADLINE_S
    for _ in range(MAX_REDIRECTS + 1):
        parts = _split(url)
        address = _checked(parts, is_allowed, resolve)
        redirect, data = _get(parts, address, settings.max_upload_bytes, give_up_at)
        if redirect is None:
            return _name_of(parts), data
        try:
            url = urljoin(url, redirect)
        except ValueError:
            raise AddressError(f"{parts.hostname} redirects to what is no address: {redirect[:80]!r}.") from None
    raise AddressError(f"The address leads from one to the next: more than {MAX_REDIRECTS} redirects.")


def _split(url: str) -> SplitResult:
    """Return the parts of `url`; raise `AddressError` for what is no plain http or https address."""
    url = url.strip()
    if len(url) > MAX_URL_LETTERS or not url.isprintable() or " " in url:
        raise AddressError(
            f"Expected an address of at most {MAX_URL_LETTERS:,} letters, without spaces. Received: {url[:80]!r}."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressError(f"Expected an address such as https://example.org/cat.jpg. Received: {url!r}.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise AddressError(f"Expected an address that begins with https:// or http://. Received: {url!r}.")
    if parts.username is not None or parts.password is not None:
        raise AddressError("Expected an address without a user name or password. Received: one with @ before its host.")
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _checked(parts: SplitResult, is_allowed: IsAllowed, resolve: Resolve) -> str:
    """Return the IP address to connect to; all addresses of the host must be allowed."""
    host = parts.hostname or ""
    try:
        found = resolve(host, _port(parts))
    except (OSError, UnicodeError):
        raise AddressError(f"There is no server called {host!r}, or no network to ask for it.") from None
    # A link-local IPv6 address may come with its interface: fe80::1%eth0.
    addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in found]
    if not addresses:
        raise AddressError(f"There is no server called {host!r}.")
    if not all(is_allowed(address) for address in addresses):
        raise AddressError(
            f"{host} is not on the public internet; only such addresses are fetched. Save the image, and use the file."
        )
    return str(addresses[0])


def _get(parts: SplitResult, address: str, max_bytes: int, give_up_at: float) -> tuple[str | None, bytes]:
    """Return where the server redirects to, or None and the body."""
    host, port = parts.hostname or "", _port(parts)
    left_s = give_up_at - time.monotonic()
    if left_s <= 0:
        raise _too_slow(host)
    connection = http.client.HTTPConnection(host, port)
    try:
        # Already connected when it is asked: the name is not resolved again.
        connection.sock = socket.create_connection((address, port), timeout=min(TIMEOUT_S, left_s))
        with _ended_after(give_up_at - time.monotonic(), connection.sock):
            if parts.scheme == "https":
                context = ssl.create_default_context()
                connection.sock = context.wrap_socket(connection.sock, server_hostname=host)
            return _exchange(connection, parts, max_bytes, give_up_at)
    except TimeoutError:
        raise _too_slow(host) from None
    except ssl.SSLCertVerificationError as error:
        raise AddressError(f"{host} has no valid certificate: {error.verify_message}.") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= give_up_at:
            raise _too_slow(host) from None
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise AddressError(f"{host} did not send the file: {reason}.") from None
    finally:
        connection.close()


def _exchange(
    connection: http.client.HTTPConnection, parts: SplitResult, max_bytes: int, give_up_at: float
) -> tuple[str | None, bytes]:
    headers = {"User-Agent": f"imgrec/{__version__}", "Accept": "image/*", "Accept-Encoding": "identity"}
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", quote(target, safe=_KEPT), headers=headers | {"Connection": "close"})
    response = connection.getresponse()
    if response.status in (301, 302, 303, 307, 308):
        location = response.getheader("Location")
        if not location:
            raise AddressError(f"{parts.hostname} redirects, and does not say where to.")
        return location, b""
    if response.status != 200:
        raise AddressError(
            f"{parts.hostname} answered with {response.status} {response.reason[:60]}.".replace(" .", ".")
        )
    size = response.getheader("Content-Length", "")
    if size.isdecimal() and int(size) > max_bytes:
        raise _too_large(max_bytes, f"{int(size) / MIB:,.1f} MiB")
    data = bytearray()
    while chunk := response.read1(CHUNK_BYTES):
        data += chunk
        if len(data) > max_bytes:
            raise _too_large(max_bytes, "more")
    if time.monotonic() >= give_up_at:  # what has come may be a part
        raise _too_slow(str(parts.hostname))
    if size.isdecimal() and len(data) < int(size):
        raise AddressError(f"{parts.hostname} ended the connection after {len(data):,} of {int(size):,} bytes.")
    return None, bytes(data)


@contextmanager
def _ended_after(seconds: float, sock: socket.socket) -> Iterator[None]:
    """End the connection after `seconds`: a server that sends a byte now and then stays below every time-out."""
    # A handle of its own, which stays valid when the socket is wrapped for encryption.
    with sock.dup() as handle:
        watchdog = threading.Timer(seconds, _end, (handle,))
        watchdog.daemon = True
        watchdog.start()
        try:
            yield
        finally:
            watchdog.cancel()
            watchdog.join()  # not at a handle that is closed


def _end(handle: socket.socket) -> None:
    with suppress(OSError):  # it has ended meanwhile
        handle.shutdown(socket.SHUT_RDWR)


def _too_slow(host: str) -> AddressError:
    return AddressError(f"{host} did not send the file in time. Try again, or save the image and use the file.")


def _too_large(max_bytes: int, received: str) -> ImageTooLargeError:
    return ImageTooLargeError(f"Expected an image of at most {max_bytes / MIB:,.3g} MiB. Received: {received}.")


def _name_of(parts: SplitResult) -> str:
    """Return the last part of the path, or the host."""
    return unquote(parts.path.rstrip("/").rpartition("/")[2])[:120] or str(parts.hostname)
