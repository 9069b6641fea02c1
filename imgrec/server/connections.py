"""Connections that send nothing, or too slowly: closed, so that they do not add up.

uvicorn waits for the headers of a request without end, keeps a connection whose client goes on sending after the
answer, and waits for clients that do not read. Streamlit makes uvicorn's server and passes none of its settings on, so
the limits are put in when the application starts, before the first connection.
"""

import asyncio
import logging
import socket
import struct
from typing import ClassVar

import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

# From the connection, or from the first byte of a further request, to the end of its headers.
HEADERS_S = 10.0

# How long a client may go on sending a body that was answered before its end: it needs time to read the answer.
LINGER_S = 3.0

# How long a client may read nothing of what is ready for it.
READING_S = 20.0

# Descriptors that a process is usually given are 1,024; files, models and workers need some of them.
MAX_CONNECTIONS = 800

log = logging.getLogger(__name__)


class ConnectionLimits:
    """ASGI middleware that gives uvicorn's server the limits of `LimitedConnection`; requests pass through."""

    def __init__(self, app: ASGIApp, connection: type[H11Protocol] | None = None) -> None:
        self._app = app
        self._connection = connection or LimitedConnection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; at the start of the server, replace the class of its connections."""
        if scope["type"] == "lifespan":
            config = getattr(getattr(receive, "__self__", None), "config", None)
            if isinstance(config, Config):
                config.http_protocol_class = self._connection
            else:
                log.warning("Expected uvicorn as the server. Connections have no time limits under another one.")
        await self._app(scope, receive, send)


class LimitedConnection(H11Protocol):
    """A connection of uvicorn's with limits on time and number.

    Where there are too many, the one that has waited longest for a request makes room for a new one.
    """

    headers_s = HEADERS_S
    linger_s = LINGER_S
    reading_s = READING_S
    max_connections = MAX_CONNECTIONS

    # Those without a whole request, the oldest first.
    _waiting: ClassVar[dict["LimitedConnection", asyncio.TimerHandle]] = {}

    _unread: asyncio.TimerHandle | None = None
    _lingering: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, or refuse the connection where all others are at work."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            oldest = next(iter(self._waiting), self)
            oldest.transport.abort()
            oldest._stop_waiting()
            if oldest is self:
                return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request; the time for its headers runs until they are whole."""
        super().data_received(data)
        if self.transport.get_protocol() is not self:  # it has become a web socket
            self._forget()
        elif self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._wait()
        else:
            self._stop_waiting()
        if self._lingering is not None and not self._goes_on_sending():
            self._lingering.cancel()
            self._lingering = None

    def on_response_complete(self) -> None:
        """End an exchange, and the connection soon, too, where the body of the request did not."""
        super().on_response_complete()
        if self._goes_on_sending() and self._lingering is None:
            self._lingering = self.loop.call_later(self.linger_s, self.transport.abort)

    def _goes_on_sending(self) -> bool:
        """Whether a request is answered and its body has not ended."""
        return self.conn.their_state is h11.SEND_BODY and self.cycle.response_complete

    def pause_writing(self) -> None:
        """Wait for a client that does not keep up with what is sent to it."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.reading_s, self._watch_reading, self._unread_bytes())

    def resume_writing(self) -> None:
        """Go on with sending."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def _watch_reading(self, before: int) -> None:
        """End the connection of a client that has read nothing since `before` bytes were unread."""
        now = self._unread_bytes()
        if now >= before:
            self._cut()
        elif now:
            self._unread = self.loop.call_later(self.reading_s, self._watch_reading, now)

    def _cut(self) -> None:
        """Close, and drop what was not read: the kernel would keep and offer it for minutes."""
        connected = self.transport.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _unread_bytes(self) -> int:
        return self.transport.get_write_buffer_size()

    def _wait(self) -> None:
        if self not in self._waiting:
            self._waiting[self] = self.loop.call_later(self.headers_s, self.transport.abort)

    def _stop_waiting(self) -> None:
        timer = self._waiting.pop(self, None)
        if timer is not None:
            timer.cancel()

    def _forget(self) -> None:
        self._stop_waiting()
        for timer in (self._unread, self._lingering):
            if timer is not None:
                timer.cancel()
