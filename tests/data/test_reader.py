"""Reading ahead: in order, only a little ahead, errors at their place, and no thread left behind."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from imgrec.data.dataset import Item
from imgrec.data.reader import AHEAD, read_ahead, read_images
from imgrec.errors import ImageError
from imgrec.settings import Settings


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("read-ahead")}


def test_results_come_in_the_order_of_the_items_and_only_a_few_ahead() -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for i in range(100):
            begun.append(i)
            yield i

    for i, result in enumerate(read_ahead(items(), lambda i: i * i, threads=2)):
        assert result == i * i
        assert len(begun) <= i + 2 * AHEAD + 1
    assert len(begun) == 100
    assert not threads()


def test_a_consumer_that_stops_leaves_no_thread_and_no_work() -> None:
    done: list[int] = []
    results = read_ahead(range(1000), done.append, threads=1)
    next(results)
    assert threads()
    results.close()  # type: ignore[attr-defined]
    assert not threads()
    assert len(done) <= AHEAD + 1


def test_an_error_is_raised_at_the_place_of_its_item() -> None:
    results = read_ahead([1, 2, 0, 4], lambda i: 4 // i, threads=2)
    assert [next(results), next(results)] == [4, 2]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not threads()


def test_an_image_that_cannot_be_read_comes_as_its_error(settings: Settings) -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    items = [Item("a", 0, pixels), Item("b", 1, b""), Item("c", 1, "It is damaged."), Item("d", 0, pixels)]
    found = [(item.id, result) for item, result in read_images(items, settings, lambda image: image.size_px)]
    assert [name for name, _ in found] == ["a", "b", "c", "d"]
    assert found[0][1] == found[3][1] == (4, 6)
    assert isinstance(found[1][1], ImageError)
    assert str(found[2][1]) == "It is damaged."
