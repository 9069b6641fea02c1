"""The memory of all decoded images that visitors have added to this process, wherever they are held.

An image counts until the last reference to its pixels is gone: a tab, the history, the store for reloads or a page that
is just computing may have it.
"""

import itertools
import weakref

from imgrec.images.decoding import DecodedImage


class ImageQuota:
    """Counts images, and tells whether one more fits into `max_bytes`. Thread-safe, without a lock.

    A lock could be held by the thread in which the garbage collector frees an image.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._numbers = itertools.count()
        self._sizes: dict[int, int] = {}

    def add(self, image: DecodedImage) -> None:
        """Count `image` for as long as its pixels live."""
        number = next(self._numbers)
        self._sizes[number] = image.nbytes
        weakref.finalize(image.pixels, self._sizes.pop, number, None).atexit = False

    def has_room(self, size_bytes: int = 0) -> bool:
        """Whether `size_bytes` more fit."""
        return self.size_bytes() + size_bytes <= self._max_bytes

    def size_bytes(self) -> int:
        """Return the bytes of all counted images that still live."""
        return sum(list(self._sizes.values()))
