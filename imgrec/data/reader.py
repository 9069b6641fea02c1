"""Images decoded ahead of a consumer: threads work on the next ones while it uses those before."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from imgrec.data.dataset import Item
from imgrec.errors import ImageError
from imgrec.images import decoding
from imgrec.images.decoding import DecodedImage
from imgrec.images.preprocessing import frame
from imgrec.images.raster import Raster
from imgrec.inference.engine import Queue
from imgrec.inference.process_info import usable_cores
from imgrec.models.catalog import ModelSpec
from imgrec.settings import Settings

# Items ahead of the consumer, for each thread: enough for one that takes four times as long as the others.
AHEAD = 4

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def read_ahead(
    items: Iterable[_Item], work: Callable[[_Item], _Result], threads: int | None = None, ahead: int | None = None
) -> Iterator[_Result]:
    """Yield `work(item)` of each item, in their order, by threads that are `ahead` items ahead of the consumer.

    `items` is advanced by the consumer's thread alone. What `work` raises is raised at the place of its item. When the
    consumer stops, what has not begun is dropped, and no thread is left. `threads` is the number of cores unless given,
    and `ahead` a few for each.
    """
    threads = threads or usable_cores()
    ahead = ahead or AHEAD * threads
    waiting: deque[Future[_Result]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="read-ahead")
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def read_images(
    items: Iterable[Item], settings: Settings, work: Callable[[DecodedImage], _Result]
) -> Iterator[tuple[Item, _Result | ImageError]]:
    """Yield each item with what `work` makes of its image, or with the error where it cannot be read."""

    def one(item: Item) -> tuple[Item, _Result | ImageError]:
        try:
            return item, work(decode(item, settings))
        except ImageError as error:
            return item, error

    return read_ahead(items, one)


def decode(item: Item, settings: Settings) -> DecodedImage:
    """Return the image of an item; raises `ImageError` when it cannot be read."""
    if isinstance(item.image, str):
        raise ImageError(item.image)
    if isinstance(item.image, bytes):
        return decoding.decode(item.image, max_bytes=settings.max_upload_bytes)
    pixels = np.ascontiguousarray(item.image)
    height, width = pixels.shape[:2]
    return DecodedImage(Raster(pixels), "array", hashlib.sha256(pixels.data).hexdigest(), (), (height, width))


def stream_predictions(
    spec: ModelSpec,
    items: Iterable[tuple[int, Item]],
    settings: Settings,
    compiled: Path,
    framing: str,
    queue: Queue | None = None,
    threads: int | None = None,
) -> Iterator[tuple[int, np.ndarray | str]]:
    """Yield (position, float32 probabilities (C,)) of each image when it is finished, or a sentence on why not.

    `queue` is the network where it is loaded already; `threads` decode, one for each core by default.
    """
    from imgrec.inference.openvino_engine import stream

    refused: deque[tuple[int, str]] = deque()

    def prepare(entry: tuple[int, Item]) -> tuple[int, np.ndarray | str]:
        try:
            return entry[0], framed_for(decode(entry[1], settings), spec, framing)
        except ImageError as error:
            return entry[0], str(error)

    def framed() -> Iterator[tuple[int, np.ndarray]]:
        for position, found in read_ahead(items, prepare, threads):
            if isinstance(found, str):
                refused.append((position, found))
            else:
                yield position, found

    for answer in stream(compiled, framed(), queue):
        yield answer
        while refused:
            yield refused.popleft()
    yield from refused


def framed_for(image: DecodedImage | np.ndarray, spec: ModelSpec, framing: str) -> np.ndarray:
    """Return the part of `image` that the network is given, uint8 (height, width, 3)."""
    return frame(image, spec.input_size, spec.crop_fraction, framing)
