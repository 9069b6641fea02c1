"""`POST /sheet`: an archive of images, and a row for each: what every model says, and how they agree.

The body is a zip or a tar; it is kept in a temporary file while it is read, and never unpacked. The answer is `{images,
accuracy, remarks}`: `images` are objects as of `imgrec sheet --format json` (see `evaluation.sheet_files.to_dict`), the
most disputed first; `accuracy` is `{right, images}` where the true classes are known, and null elsewhere.
"""

import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from imgrec.api.arriving import Arriving
from imgrec.api.uploads import check_kind, kind_of
from imgrec.data.image_paths import DEMO_MAX_IMAGES, MAX_IMAGES, find_images
from imgrec.errors import ImageTooLargeError, ImgrecError, InputError, MediaTypeError, TooManyRequestsError
from imgrec.evaluation import sheet_files, sheet_order
from imgrec.evaluation.contact_sheet import ContactSheet
from imgrec.inference.pool import EnginePool
from imgrec.inference.request import Options
from imgrec.settings import MIB, Settings

# As much as the page takes; in a demo as much as one image.
MAX_ARCHIVE_BYTES = 200 * MIB

# What the body may say to be; which archive it is, is read from its first bytes.
KINDS = (
    "application/zip",
    "application/x-zip-compressed",
    "application/x-tar",
    "application/gzip",
    "application/x-gzip",
)

# A sheet takes up to minutes of all cores.
MAX_SHEETS = 1

# How many archives of the largest size may be on their way at once.
MAX_ARRIVING = 2

# How often it is asked whether the sheet is finished, and whether the client is still there.
POLL_S = 0.1


@dataclass(slots=True)
class Sheets:
    """The sheets of a process; `running` counts those whose archive is there."""

    running: int = 0
    arriving: Arriving = field(default_factory=Arriving)

    async def answer(
        self, request: Request, options: Callable[[], Awaitable[Options]], pool: EnginePool, settings: Settings
    ) -> dict[str, object]:
        """Return the answer to `request`; `options` is called once the archive is there.

        Raises:
            ImageTooLargeError: The archive has more bytes than the limit.
            TooManyRequestsError: Another archive is being looked at.
            MediaTypeError: The body says to be no archive.
            InputError: It is no archive, or has no files. What `options` raises is passed on.
        """
        most = most_bytes(settings)
        with tempfile.TemporaryDirectory(prefix="imgrec-sheet-") as folder:
            # The suffix says only that it is an archive; which one is read from its first bytes.
            path = Path(folder) / "images.zip"
            try:
                async with self.arriving.body(MAX_ARRIVING * most) as count:
                    await _receive(request, path, most, count)
            except ClientDisconnect:
                sentence = "Expected an archive. Received: a part, and the connection was closed."
                raise HTTPException(400, sentence) from None
            if self.running >= MAX_SHEETS:
                raise TooManyRequestsError("Another archive is being looked at. Try again in a minute.")
            self.running += 1
            try:
                run = await _classify(request, path, await options(), pool, settings)
            finally:
                self.running -= 1
        found = sheet_order.accuracy(run.rows)
        return {
            "images": list(map(sheet_files.to_dict, sheet_order.arrange(run.rows, "disputed"))),
            "accuracy": None if found is None else asdict(found),
            "remarks": run.remarks,
        }


def most_bytes(settings: Settings) -> int:
    """Return the largest size of an archive."""
    return settings.max_upload_bytes if settings.demo else MAX_ARCHIVE_BYTES


async def _classify(
    request: Request, path: Path, options: Options, pool: EnginePool, settings: Settings
) -> ContactSheet:
    """Return the finished sheet of the archive at `path`; it ends early where the client leaves."""
    run = await anyio.to_thread.run_sync(lambda: _open(path, options, pool, settings))
    run.start()
    while run.is_running:
        if await request.is_disconnected():
            run.cancel()
        await anyio.sleep(POLL_S)
    if run.error:
        raise InputError(run.error)
    return run


def _open(path: Path, options: Options, pool: EnginePool, settings: Settings) -> ContactSheet:
    try:
        images = find_images([path], most=DEMO_MAX_IMAGES if settings.demo else MAX_IMAGES)
    except ImgrecError as error:
        # The name of the temporary file says nothing to the client.
        raise InputError(str(error).replace(path.name, "the archive")) from error
    return ContactSheet(images, options, pool, settings)


async def _receive(request: Request, path: Path, most_bytes: int, count: Callable[[int], None]) -> None:
    """Write the body to `path`, counted while it arrives: its length may be missing or wrong."""
    kind = kind_of(request)
    if kind.startswith("multipart/"):
        raise MediaTypeError("Expected the archive as the body, as `curl --data-binary @photos.zip` sends it.")
    check_kind(kind, *KINDS)
    received = 0
    async with await anyio.open_file(path, "wb") as file:
        async for chunk in request.stream():
            received += len(chunk)
            if received > most_bytes:
                raise ImageTooLargeError(f"Expected an archive of at most {most_bytes / MIB:,.3g} MiB. Received: more.")
            count(len(chunk))
            await file.write(chunk)
    if not received:
        raise InputError("Expected a zip or tar archive as the body. Received: nothing.")
