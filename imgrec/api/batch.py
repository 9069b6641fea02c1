"""Several images in one request: a line of JSON for each, sent as soon as it is ready.

The images are there as a whole before the first one is looked at, so that no line waits for a client that still sends.
Each takes its turn among those of other requests; where the client leaves, the others are left out.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from imgrec.api.problems import HEADERS
from imgrec.api.uploads import Image
from imgrec.errors import ImgrecError
from imgrec.reports import result
from imgrec.reports.result import Result

# More images are an archive, see `sheet`.
MAX_BATCH_IMAGES = 100

# Their images stay in memory until they are answered.
MAX_BATCHES = 2

# One image is decoded during the inference of another.
AT_ONCE = 2

log = logging.getLogger(__name__)


class Rows(Response):
    """The response to `images`: `answer` returns the values of one of them, `end` is called at the end."""

    media_type = "application/x-ndjson"

    def __init__(
        self,
        images: Sequence[Image],
        answer: Callable[[Image], Awaitable[dict[str, object]]],
        end: Callable[[], None],
    ) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["Content-Length"]
        # Each is let go when its line is sent.
        self._waiting: list[tuple[int, Image]] = list(enumerate(images))[::-1]
        self._answer = answer
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the lines."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch, receive, tasks.cancel_scope)
                async with anyio.create_task_group() as workers:
                    for _ in range(AT_ONCE):
                        workers.start_soon(self._work, send)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                tasks.cancel_scope.cancel()
        finally:
            self._end()

    async def _work(self, send: Send) -> None:
        while self._waiting:
            index, image = self._waiting.pop()
            values: dict[str, Any]
            try:
                values = await self._answer(image)
            except ImgrecError as error:
                values = _without(image, str(error))
            except Exception:
                log.exception("An image of a batch")
                values = _without(image, "Something went wrong here; it is in the log of the server.")
            line = json.dumps({"index": index} | values, ensure_ascii=False, allow_nan=False) + "\n"
            await send({"type": "http.response.body", "body": line.encode(), "more_body": True})

    @staticmethod
    async def _watch(receive: Receive, scope: anyio.CancelScope) -> None:
        """Cancel `scope` where the client leaves."""
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()


def _without(image: Image, sentence: str) -> dict[str, object]:
    return result.to_dict(Result(image.name, None, error=sentence))
