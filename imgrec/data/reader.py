"""Pictures that flow: threads decode and frame the next ones while the network computes on those before."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from imgrec.data.labeled_images import Item
from imgrec.errors import ImageError
from imgrec.images import decoding
from imgrec.images.preprocessing import frame
from imgrec.inference.process_info import usable_cores
from imgrec.models.catalog import ModelSpec
from imgrec.settings import Settings

# Images that are decoded ahead, for each core: enough for one that takes four times as long as the others.
AHEAD = 4


def flow(
    spec: ModelSpec, items: Iterable[tuple[int, Item]], settings: Settings, compiled: Path, framing: str
) -> Iterator[tuple[int, np.ndarray | str]]:
    """(position, float32 probabilities (C,)) of each image as they are finished, or a sentence why there are none."""
    from imgrec.inference.openvino_async import stream

    refused: deque[tuple[int, str]] = deque()

    def framed() -> Iterator[tuple[int, np.ndarray]]:
        for position, found in _ahead(items, lambda item: _prepared(item, spec, settings, framing)):
            if isinstance(found, str):
                refused.append((position, found))
            else:
                yield position, found

    for answer in stream(compiled, framed()):
        yield answer
        while refused:
            yield refused.popleft()
    yield from refused


def decoded(item: Item, settings: Settings) -> np.ndarray | str:
    """The pixels of an item, uint8 (H, W, 3), or a sentence why there are none."""
    if not isinstance(item.image, bytes):
        return item.image
    try:
        return decoding.decode(item.image, max_bytes=settings.max_upload_bytes).pixels
    except ImageError as error:
        return str(error)


def framed_for(pixels: np.ndarray, spec: ModelSpec, framing: str) -> np.ndarray:
    """`pixels` as the network is given them, uint8 (height, width, 3)."""
    return frame(pixels, spec.input_size, spec.crop_fraction, framing)


def _prepared(item: Item, spec: ModelSpec, settings: Settings, framing: str) -> np.ndarray | str:
    """What the network is given, uint8 (H, W, 3), or a sentence why there is nothing."""
    found = decoded(item, settings)
    return found if isinstance(found, str) else framed_for(found, spec, framing)


def _ahead(
    items: Iterable[tuple[int, Item]], work: Callable[[Item], np.ndarray | str]
) -> Iterator[tuple[int, np.ndarray | str]]:
    """`work` on each item, in order, by threads that are a few items ahead of whoever takes the results."""
    cores = usable_cores()
    with ThreadPoolExecutor(cores, thread_name_prefix="decode") as workers:
        under_way: deque[tuple[int, Future[np.ndarray | str]]] = deque()
        for position, item in items:
            under_way.append((position, workers.submit(work, item)))
            if len(under_way) > AHEAD * cores:
                first, future = under_way.popleft()
                yield first, future.result()
        while under_way:
            first, future = under_way.popleft()
            yield first, future.result()
