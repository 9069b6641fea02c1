"""The images of each browser tab, kept for some minutes so that a reload does not lose them.

A reload starts a new Streamlit session. The tab gets its images back with a random id that only the tab and the server
have (see `elements.remember_tab`). The store holds the decoded images of the sessions themselves, so that an open tab
takes no additional memory; the limits are for what remains after a tab is closed.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from imgrec.images.decoding import DecodedImage
from imgrec.images.gallery import Sample
from imgrec.settings import APP

# Long enough for a reload, a crash of the browser, or a phone that was put away for a call.
KEEP_S = 600

# Of the limit for the images of all tabs, the part that may outlive them.
SHARE = 2

# One tab takes at most a quarter, so that it cannot displace all others.
TAB_SHARE = 4

# Each entry costs a little besides its pixels.
MAX_TABS = 500


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A decoded image, the name of its file, and the sample that it is or the address that it came from, if any."""

    name: str
    image: DecodedImage
    sample: Sample | None = None
    url: str | None = None

    @property
    def id(self) -> str:
        """The sha256 of the file."""
        return self.image.sha256

    @property
    def source(self) -> str:
        """The path or address that a command line takes: the name alone of a visitor's own file."""
        return self.sample.path.relative_to(APP).as_posix() if self.sample else self.url or self.name


class SizedSheet(Protocol):
    """A contact sheet, of which only the size matters here."""

    @property
    def size_bytes(self) -> int:
        """The bytes of its thumbnails."""


@dataclass(frozen=True, slots=True)
class StoredTab:
    """The images of one tab, oldest first, the id of the selected one, and the tab's contact sheet, if it has one."""

    images: tuple[Image, ...]
    selected: str | None
    size_bytes: int
    seen_s: float
    sheet: SizedSheet | None = None


class ImageStore:
    """Images by tab id, for all visitors of this process; limited in bytes, tabs and time. Thread-safe.

    `clock` is monotonic and in seconds. An expired tab is deleted by a timer, without waiting for another visitor.
    """

    def __init__(
        self,
        max_bytes: int,
        *,
        max_tabs: int = MAX_TABS,
        keep_s: float = KEEP_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_bytes = max_bytes
        self._max_tabs = max_tabs
        self._keep_s = keep_s
        self._clock = clock
        self._lock = threading.RLock()
        self._tabs: dict[str, StoredTab] = {}  # the one seen longest ago first
        self._timer: threading.Timer | None = None

    def put(
        self, tab: str, images: Sequence[Image], selected: str | None = None, sheet: SizedSheet | None = None
    ) -> None:
        """Keep `images` and the contact sheet for `tab` instead of what was kept before.

        The oldest images are left out if they do not fit.
        """
        sizes = accumulate(image.image.nbytes for image in reversed(images))
        fitting = [size for size in sizes if size <= self._max_bytes // TAB_SHARE]
        with self._lock:
            self._tabs.pop(tab, None)
            if fitting or sheet is not None:
                kept = tuple(images[len(images) - len(fitting) :])
                size = (fitting[-1] if fitting else 0) + (sheet.size_bytes if sheet is not None else 0)
                self._tabs[tab] = StoredTab(kept, selected, size, self._clock(), sheet)
            while len(self._tabs) > self._max_tabs or self.size_bytes() > self._max_bytes:
                del self._tabs[next(iter(self._tabs))]
            self._drop_expired()

    def get(self, tab: str) -> StoredTab | None:
        """Return what is kept for `tab`; None if that is nothing, or no longer."""
        with self._lock:
            self._drop_expired()
            return self._tabs.get(tab)

    def make_room(self, has_room: Callable[[], bool]) -> None:
        """Delete the tabs that were seen longest ago, until `has_room`; those that are open lose nothing but a reload.

        An open tab is back in the store with its next run.
        """
        with self._lock:
            while self._tabs and not has_room():
                del self._tabs[next(iter(self._tabs))]

    def size_bytes(self) -> int:
        """Return the bytes of all kept pixels and thumbnails."""
        with self._lock:
            return sum(tab.size_bytes for tab in self._tabs.values())

    def _drop_expired(self) -> None:
        """Delete what has expired, and look again when the next tab expires."""
        now = self._clock()
        for tab in [tab for tab, stored in self._tabs.items() if now - stored.seen_s >= self._keep_s]:
            del self._tabs[tab]
        if self._timer is None and self._tabs:
            first = next(iter(self._tabs.values()))
            self._timer = threading.Timer(max(0.0, first.seen_s + self._keep_s - now), self._tick)
            # A server that is stopped does not wait for it.
            self._timer.daemon = True
            self._timer.start()

    def _tick(self) -> None:
        with self._lock:
            self._timer = None
            self._drop_expired()
