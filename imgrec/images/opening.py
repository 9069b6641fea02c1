"""One image from wherever a caller has it: a file, an address, or its bytes."""

import os
from pathlib import Path

from imgrec.errors import ImageTooLargeError, InputError, StorageError
from imgrec.files import opened, typed_path
from imgrec.images import remote
from imgrec.images.decoding import DecodedImage, decode
from imgrec.settings import MIB, Settings

# An image: a path, an https address, or the bytes of a file.
Source = str | Path | bytes


def open_image(source: Source, settings: Settings, *, name: str | None = None) -> DecodedImage:
    """Return the decoded image.

    Args:
        source: A path, an https address, or the bytes of a file.
        settings: The largest image, and whether the network may be used.
        name: What bytes are called, for a note where the extension is that of another format.

    Raises:
        InputError: There is no such file, or it cannot be read.
        ImageError: The bytes are no image, or too many.
        AddressError: No image can be fetched from the address.
    """
    limit = settings.max_upload_bytes
    if isinstance(source, bytes):
        return decode(source, max_bytes=limit, name=name)
    if remote.is_address(str(source)):
        name, data = remote.fetch(str(source), settings)
    else:
        name, data = str(source), read(source, limit)
    return decode(data, max_bytes=limit, name=name)


def read(name: str | Path, max_bytes: int) -> bytes:
    """Return the bytes of a file; raise `InputError` where there are none, `ImageTooLargeError` where too many."""
    try:
        path = typed_path(name)
        if path.is_dir():
            raise InputError(f"Expected an image file. Received: {name}, a folder.")
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(max_bytes + 1)
    except (OSError, StorageError) as error:
        cause = error.__cause__ if isinstance(error, StorageError) else error
        raise InputError(f"Expected an image file. Received: {name}, {getattr(cause, 'strerror', cause)}.") from error
    if len(data) > max_bytes:
        received = f"{size / MIB:,.1f} MiB" if size > max_bytes else "more"
        raise ImageTooLargeError(f"Expected an image of at most {max_bytes / MIB:,.3g} MiB. Received: {received}.")
    return data
