"""The bodies that are on their way: together they take a bounded number of bytes, and slow ones do not block others."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from imgrec.errors import TooManyRequestsError


@dataclass(slots=True, eq=False)
class _Body:
    """One of them: what has arrived, and the scope that ends its request."""

    received_bytes: int = 0
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


@dataclass(slots=True)
class Arriving:
    """The bodies of requests, the first begun first; where they are too much, that one makes room for the others.

    So a client that keeps its body open loses it when others need the memory, and cannot keep them out.
    """

    _bodies: list[_Body] = field(default_factory=list)

    @asynccontextmanager
    async def body(self, most_bytes: int) -> AsyncIterator[Callable[[int], None]]:
        """Hold the place of a body; yield the function to call with the bytes of each part that arrived.

        Args:
            most_bytes: What all bodies may take together.

        Raises:
            TooManyRequestsError: Others needed the memory.
        """
        body = _Body()
        self._bodies.append(body)

        def count(received_bytes: int) -> None:
            body.received_bytes += received_bytes
            while sum(one.received_bytes for one in self._bodies) > most_bytes:
                self._bodies.pop(0).scope.cancel()

        try:
            with body.scope:
                yield count
            if body not in self._bodies:
                raise TooManyRequestsError("Too much is being sent to this server. Try again in some seconds.")
        finally:
            if body in self._bodies:
                self._bodies.remove(body)
