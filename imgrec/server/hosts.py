"""Requests that another website made a visitor's browser send: refused by their `Host` and by where they come from.

A server on a laptop listens to this machine alone, but every page in its browser can send to it. The `Host` header
tells an address that another site's name was bound to (DNS rebinding); `Sec-Fetch-Site`, which browsers set and pages
cannot, and `Origin` tell a form or a script of another site. Programs such as curl send neither, and are answered.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from imgrec.api.contract import BASE
from imgrec.server.refusals import refuse

# What changes nothing; a web socket is a GET, and runs a page.
SAFE = ("GET", "HEAD", "OPTIONS")

# How much of a name is repeated.
SHOWN = 100


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names that a server answers to.

    `bound` is the address that it listens on. `named` are further names, each may begin with a wildcard. `origins` are
    other sites whose pages may use the API.
    """

    bound: str
    named: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    def answers_to(self, host: str) -> bool:
        """Whether `host`, as in the header of that name, is a name of this server."""
        name = name_of(host)
        return name in ("localhost", name_of(self.bound)) or self._has_address(name) or self.names(name)

    def names(self, name: str) -> bool:
        """Whether `name`, without a port, is one of the further names."""
        return any(fnmatchcase(name, pattern.lower()) for pattern in self.named)

    def _has_address(self, name: str) -> bool:
        """Whether `name` is an address, which no other site can bind to a name of its own, and may be this server's."""
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or _is_any(self.bound)

    def is_own_page(self, headers: Headers) -> bool:
        """Whether a request comes from a page of this server, from its visitor, or from a program."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site in ("same-origin", "none"):
            return True
        if origin is None:
            return site is None
        source = origin.partition("://")[2].lower()
        if site is None and source == headers.get("host", "").lower():
            return True
        return "*" not in self.named and self.names(name_of(source))


class OwnSite:
    """ASGI middleware that refuses foreign names and the requests of other sites' pages.

    `get_hosts` is called with the first request, when the settings can be read.
    """

    def __init__(self, app: ASGIApp, get_hosts: Callable[[], Hosts]) -> None:
        self._app = app
        self._get_hosts = get_hosts
        self._hosts: Hosts | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if self._hosts is None:
            self._hosts = self._get_hosts()
        headers = Headers(scope=scope)
        host = headers.get("host")
        if host is not None and not self._hosts.answers_to(host):
            sentence = f"Expected a name of this server, such as localhost. Received: {host[:SHOWN]!r}."
            sentence = f"{sentence} Its operator can add names in IMGREC_HOSTS."
            await refuse(scope, receive, send, 400, sentence)
            return
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE
        may_call = scope["path"].startswith(f"{BASE}/") and headers.get("origin") in self._hosts.origins
        if changes and not may_call and not self._hosts.is_own_page(headers):
            source = headers.get("origin", "another site")[:SHOWN]
            sentence = (
                f"Expected a request from a page of this server, or from a program. Received: one from {source!r}."
            )
            await refuse(scope, receive, send, 403, sentence)
            return
        await self._app(scope, receive, send)


def name_of(host: str) -> str:
    """Return a host in lower case, without its port, brackets and last dot.

    >>> [name_of(host) for host in ("Localhost:8501", "[::1]:8501", "::1", "example.org.")]
    ['localhost', '::1', '::1', 'example.org']
    """
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    if name.count(":") == 1:
        name = name.partition(":")[0]
    return name.removesuffix(".")


def _is_any(bound: str) -> bool:
    """Whether a server that listens on `bound` has addresses that it does not know."""
    try:
        return ipaddress.ip_address(name_of(bound)).is_unspecified
    except ValueError:
        return not bound
