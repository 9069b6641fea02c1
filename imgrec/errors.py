"""Every error that imgrec raises on purpose.

    ImgrecError                     `str(error)` is a sentence that may be shown to a visitor
    ├── InputError                  what the caller gave cannot be used; another input would work
    │   ├── ImageError              bytes that are not a usable image
    │   │   └── ImageTooLargeError  more bytes or pixels than the limits allow
    │   ├── AddressError            no image can be fetched from the address
    │   ├── UnknownNameError        no such model, rule, dataset, recipe ...
    │   ├── LabelSpaceError         label spaces that do not fit together
    │   ├── MediaTypeError          a request whose body is of a kind that its address does not take
    │   ├── TokenError              a request without the token that the server asks for
    │   ├── SettingError            an environment variable or option out of its range
    │   └── MissingExtraError       this installation has not the packages for it
    ├── WeightsError                the weights of a model cannot be had
    │   ├── OfflineError            no network; the sentence names the path where the file belongs
    │   ├── PackageError            the Python package that carries them is missing, or another version
    │   ├── DownloadError           the server answered, but not with the whole file
    │   └── CorruptWeightsError     the file is there, and is not what it should be
    ├── StorageError                the disk is full, or the folder cannot be written
    ├── ConversionError             a network could not be turned into its compiled form
    ├── EngineError                 a compiled network could not be loaded or run
    ├── MemoryBudgetError           a model does not fit the memory budget
    ├── ServiceError                a service that classifies images gives no answer
    │   └── QuotaError              no more images may be sent to it for now
    └── BusyError                   too much is going on; trying again later will work
        └── TooManyRequestsError    the places for requests are taken

Messages read *Expected … Received: …* where something was expected. Faces translate: a page shows the
sentence at its place, the command line exits with 2, the API answers with `http_status`. Anything that is
not an `ImgrecError` is a bug and stays loud.
"""

import difflib
import functools
import logging
from collections.abc import Mapping
from pathlib import Path

# Known names that a sentence lists when none is near; of more only the first three.
FEW_NAMES = 12

# Of what was received, in a sentence: a text of any length may come.
MAX_ECHO_CHARACTERS = 100

# What is hidden from visitors: the name in place of each folder, the longest folder first.
_names: dict[str, str] = {}

log = logging.getLogger(__name__)


def shortened(text: str) -> str:
    """Return `text`, or its first `MAX_ECHO_CHARACTERS` with an ellipsis."""
    return text if len(text) <= MAX_ECHO_CHARACTERS else f"{text[:MAX_ECHO_CHARACTERS]}…"


class ImgrecError(Exception):
    """Base of the tree; never raised itself."""

    http_status = 500

    def __str__(self) -> str:
        """Return the sentence; in a server without its folders, which the log has."""
        return _without_folders(super().__str__()) if _names else super().__str__()


def hide_folders(names: Mapping[Path, str]) -> None:
    """Have sentences say the name instead of the folder, from now on and in this process: strangers read them."""
    both = {str(form): name for folder, name in names.items() for form in (folder, folder.resolve())}
    _names.clear()
    _names.update(sorted(both.items(), key=lambda one: -len(one[0])))
    _without_folders.cache_clear()


@functools.lru_cache(maxsize=1_000)
def _without_folders(sentence: str) -> str:
    shown = sentence
    for folder, name in _names.items():
        shown = shown.replace(folder, name)
    if shown != sentence:  # once for each sentence, as this function is cached
        log.warning("%s", sentence)
    return shown


class InputError(ImgrecError):
    """What the caller gave cannot be used."""

    http_status = 400


class ImageError(InputError):
    """The bytes are not an image that imgrec can use."""

    http_status = 415


class ImageTooLargeError(ImageError):
    """The image has more bytes or pixels than the limits allow."""

    http_status = 413


class AddressError(InputError):
    """The address is refused, or its server does not give an image."""


class UnknownNameError(InputError):
    """No model, rule or dataset has this name."""

    http_status = 404

    @classmethod
    def of(cls, kind: str, received: str, known: list[str]) -> "UnknownNameError":
        """Return the sentence for `received`, with the nearest known names; without one, with some."""
        near = difflib.get_close_matches(received[:MAX_ECHO_CHARACTERS], known, n=3)
        near = near or sorted(known)[: FEW_NAMES if len(known) <= FEW_NAMES else 3]
        return cls(f"Expected the name of a {kind}, such as {', '.join(near)}. Received: {shortened(received)!r}.")


class LabelSpaceError(InputError):
    """Label spaces that do not fit together."""


class MediaTypeError(InputError):
    """The body of the request is of a kind that this address does not take."""

    http_status = 415


class TokenError(InputError):
    """The request has no token that this server knows."""

    http_status = 401


class SettingError(InputError):
    """An environment variable or an option is out of its range."""


class MissingExtraError(InputError):
    """An extra of imgrec, with its packages, is not installed."""


class WeightsError(ImgrecError):
    """The weights of a model cannot be had."""

    http_status = 503


class OfflineError(WeightsError):
    """There is no network, and the weights are not on this machine."""


class PackageError(WeightsError):
    """The Python package that carries the weights is missing, or of another version."""


class DownloadError(WeightsError):
    """The server answered, but not with the whole file."""


class CorruptWeightsError(WeightsError):
    """The weights file is there, and is not what it should be."""


class StorageError(ImgrecError):
    """The disk is full, or the folder cannot be written."""

    http_status = 507


class ConversionError(ImgrecError):
    """A network could not be turned into its compiled form."""


class EngineError(ImgrecError):
    """A compiled network could not be loaded or run."""


class MemoryBudgetError(ImgrecError):
    """A model does not fit the memory budget, now or later."""

    http_status = 422


class BusyError(ImgrecError):
    """Too much is going on; trying again later will work."""

    http_status = 503


class TooManyRequestsError(BusyError):
    """All places for requests are taken; one becomes free soon."""

    http_status = 429


class ServiceError(ImgrecError):
    """A service that classifies images gives no answer."""

    http_status = 502


class QuotaError(ServiceError):
    """No more images may be sent to a service for now."""

    http_status = 429
