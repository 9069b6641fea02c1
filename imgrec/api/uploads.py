"""The content of a request: images and options, from a form or a body, counted while they arrive."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from imgrec.api.arriving import Arriving
from imgrec.errors import ImageTooLargeError, InputError, MediaTypeError
from imgrec.settings import MIB

# What a form may hold besides the images, and how long one field may be.
FORM_BYTES = 64 * 1024
FIELD_BYTES = 4 * 1024

FORM = "multipart/form-data"

# Kinds that say nothing of the body; the second is what `curl --data-binary` sends.
UNTOLD = ("", "application/x-www-form-urlencoded", "application/octet-stream")

# Options that are given several times add up.
LISTS = ("models", "weights")

# An empty text stands for the default of these; other options have no empty value.
TEXTS = (*LISTS, "classes", "class")


@dataclass(frozen=True, slots=True)
class Image:
    """The bytes of a file, and its untrusted name."""

    data: bytes
    name: str


@dataclass(frozen=True, slots=True)
class Upload:
    """The content of a request: its images, and the options by name."""

    images: tuple[Image, ...]
    options: dict[str, str]


async def receive(request: Request, arriving: Arriving, room: int, names: Sequence[str], max_bytes: int) -> Upload:
    """Return the one image of `request`, a form or a body, with its options.

    Args:
        request: Its length may be missing or wrong.
        arriving: The bodies that are on their way, among which it is counted.
        room: What all bodies together may take, in bytes.
        names: The options that it may have.
        max_bytes: The largest size of the image.

    Raises:
        ImageTooLargeError: It is larger.
        InputError: Not one image, or an option that is none.
        MediaTypeError: A body that says to be no image.
        BusyError: Others needed the memory.
    """
    kind = kind_of(request)
    if kind == FORM:
        return await receive_form(request, arriving, room, names, max_bytes, most_images=1)
    check_kind(kind, "image/")
    async with _body(request, arriving, room, max_bytes, "an image") as stream:
        data = bytearray()
        async for chunk in stream:
            data += chunk
    return Upload((Image(bytes(data), "picture"),), options(request.query_params.multi_items(), names))


async def receive_form(
    request: Request, arriving: Arriving, room: int, names: Sequence[str], max_bytes: int, most_images: int
) -> Upload:
    """Return the images of a form, at least one, with its options; `max_bytes` is for all of them.

    Otherwise as `receive`. An option is in the query or a field of the form, not both.
    """
    if kind_of(request) != FORM:
        raise MediaTypeError(f"Expected a form, {FORM}. Received: {kind_of(request)[:100] or 'no kind'}.")
    what = "an image" if most_images == 1 else "images"
    async with _body(request, arriving, room, max_bytes, what, FORM_BYTES) as stream:
        # Names of options may come twice, to be refused in a sentence.
        fields = 2 * len(names)
        parser = MultiPartParser(
            request.headers, stream, max_files=most_images, max_fields=fields, max_part_size=FIELD_BYTES
        )
        # In memory as a whole: images of visitors are not put on disks.
        parser.spool_max_size = max_bytes + FORM_BYTES + 1
        try:
            form = await parser.parse()
        except MultiPartException as error:
            count = "one image" if most_images == 1 else f"at most {most_images} images"
            raise InputError(f"Expected a form with {count} and short fields. Received: {error.message}") from error
        except (UnicodeError, LookupError) as error:  # the header names a charset that decodes nothing
            raise InputError("Expected a form in UTF-8. Received: another charset.") from error
    try:
        pairs = form.multi_items()
        # Only the one image of `predict` may have a part of any name: so it always was.
        files = [one for name, one in pairs if not isinstance(one, str) and (most_images == 1 or name == "image")]
        others = sum(not isinstance(one, str) for _, one in pairs) - len(files)
        if not files or others:
            received = "a file in another part" if others else "no file"
            raise InputError(f"Expected {what} in the part `image` of the form, with a name. Received: {received}.")
        given = options([(name, one) for name, one in pairs if isinstance(one, str)], names)
        found = options(request.query_params.multi_items(), names)
        if both := sorted(found.keys() & given.keys()):
            raise InputError(f"Expected {both[0]} in the query or in the form. Received: it in both.")
        found |= given
        return Upload(tuple([Image(await one.read(), one.filename or "picture") for one in files]), found)
    finally:
        await form.close()


def kind_of(request: Request) -> str:
    """Return the media type of the body, without parameters; "" where there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_kind(kind: str, *allowed: str) -> None:
    """Raise `MediaTypeError` unless `kind` says nothing of the body, or begins as one of `allowed` does."""
    if kind not in UNTOLD and not kind.startswith(allowed):
        expected = ", ".join(f"{one}*" if one.endswith("/") else one for one in allowed)
        raise MediaTypeError(f"Expected a body of {expected} or {UNTOLD[-1]}. Received: {kind[:100]!r}.")


def options(pairs: Sequence[tuple[str, str]], names: Sequence[str]) -> dict[str, str]:
    """Return the options by name, one of `names`; several `models` or `weights` add up.

    Raises `InputError` for other names, for an option that is given twice, and for one without a value.
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in names:
            raise InputError(f"Expected the options {', '.join(names)}. Received: {name[:100]!r}.")
        if name in found and name not in LISTS:
            raise InputError(f"Expected {name} once. Received: it twice.")
        if not value and name not in TEXTS:
            raise InputError(f"Expected a value of {name}. Received: none.")
        if len(value) > FIELD_BYTES:
            raise InputError(f"Expected a {name} of at most {FIELD_BYTES:,} characters. Received: {len(value):,}.")
        found[name] = f"{found[name]},{value}" if found.get(name) else value
    return found


@asynccontextmanager
async def _body(
    request: Request, arriving: Arriving, room: int, max_bytes: int, what: str, extra_bytes: int = 0
) -> AsyncIterator[AsyncGenerator[bytes, None]]:
    """Yield the parts of a body, `what`, while it has its place among those that arrive."""
    together = "" if what == "an image" else " together"

    def too_large(received: str) -> ImageTooLargeError:
        return ImageTooLargeError(
            f"Expected {what} of at most {max_bytes / MIB:,.3g} MiB{together}. Received: {received}."
        )

    async def counted(count: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
        received = 0
        async for chunk in request.stream():
            received += len(chunk)
            if received > max_bytes + extra_bytes:
                raise too_large("more")
            count(len(chunk))
            yield chunk

    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes + extra_bytes:
        raise too_large(f"{int(length) / MIB:,.1f} MiB")
    try:
        async with arriving.body(room) as count:
            yield counted(count)
    except ClientDisconnect:
        raise HTTPException(400, f"Expected {what}. Received: a part, and the connection was closed.") from None
