"""The images that outlive a reload: limited in time, bytes and tabs, and each tab has its own."""

import threading
import time

import numpy as np
import pytest

from imgrec.images.decoding import DecodedImage
from imgrec.images.raster import Raster
from imgrec.settings import MIB
from imgrec.ui.image_store import Image, ImageStore

IMAGE_BYTES = 10 * 10 * 3


def image(name: str) -> Image:
    return Image(name, DecodedImage(Raster(np.zeros((10, 10, 3), np.uint8)), "PNG", name * 64, (), (10, 10)))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def names(store: ImageStore, tab: str) -> list[str]:
    found = store.get(tab)
    return [picture.name for picture in found.images] if found else []


def test_a_tab_gets_its_own_images_and_no_others(clock: Clock) -> None:
    store = ImageStore(MIB, clock=clock)
    store.put("a", [image("1"), image("2")], "2" * 64)
    store.put("b", [image("3")])
    found = store.get("a")
    assert found is not None
    assert found.selected == "2" * 64
    assert (names(store, "a"), names(store, "b"), names(store, "c")) == (["1", "2"], ["3"], [])


def test_images_are_gone_some_time_after_the_last_look(clock: Clock) -> None:
    store = ImageStore(MIB, keep_s=600, clock=clock)
    store.put("a", [image("1")])
    clock.now = 599
    store.put("a", [image("1")])
    store.put("b", [image("2")])
    clock.now = 1198
    assert names(store, "a") == ["1"]
    clock.now = 1199
    assert names(store, "a") == []
    assert store.size_bytes() == 0


def test_expired_images_are_freed_without_another_visitor() -> None:
    store = ImageStore(MIB, keep_s=0.05)
    store.put("a", [image("1")])
    give_up_at = time.monotonic() + 5
    while store.size_bytes() and time.monotonic() < give_up_at:
        time.sleep(0.01)
    assert store.size_bytes() == 0


def test_tabs_seen_longest_ago_make_room_for_images_elsewhere(clock: Clock) -> None:
    store = ImageStore(MIB, clock=clock)
    for tab in "abc":
        store.put(tab, [image("1")])
    store.make_room(lambda: store.size_bytes() <= IMAGE_BYTES)
    assert [tab for tab in "abc" if names(store, tab)] == ["c"]
    store.make_room(lambda: False)
    assert store.size_bytes() == 0


def test_removed_images_are_freed_at_once(clock: Clock) -> None:
    store = ImageStore(MIB, clock=clock)
    store.put("a", [image("1"), image("2")])
    store.put("a", [image("2")])
    assert store.size_bytes() == IMAGE_BYTES
    store.put("a", [])
    assert store.size_bytes() == 0


def test_one_tab_keeps_its_newest_images_within_a_quarter(clock: Clock) -> None:
    store = ImageStore(8 * IMAGE_BYTES, clock=clock)
    store.put("a", [image("1"), image("2"), image("3")])
    assert names(store, "a") == ["2", "3"]


def test_the_tab_seen_longest_ago_makes_room(clock: Clock) -> None:
    store = ImageStore(4 * IMAGE_BYTES, clock=clock)
    for tab in "abcd":
        store.put(tab, [image("1")])
    store.put("a", [image("1")])
    store.put("e", [image("1")])
    assert [tab for tab in "abcde" if names(store, tab)] == ["a", "c", "d", "e"]
    assert store.size_bytes() <= 4 * IMAGE_BYTES


def test_tabs_are_limited(clock: Clock) -> None:
    store = ImageStore(MIB, max_tabs=2, clock=clock)
    for tab in "abc":
        store.put(tab, [image("1")])
    assert [tab for tab in "abc" if names(store, tab)] == ["b", "c"]


def test_many_threads_stay_within_the_limit(clock: Clock) -> None:
    store = ImageStore(6 * IMAGE_BYTES, clock=clock)

    def visit(tab: str) -> None:
        for _ in range(100):
            store.put(tab, [image("1")])
            assert names(store, tab) in (["1"], [])
            assert store.size_bytes() <= 6 * IMAGE_BYTES

    failures: list[BaseException] = []

    def run(tab: str) -> None:
        try:
            visit(tab)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert store.size_bytes() == 6 * IMAGE_BYTES


class Thumbnails:
    size_bytes = 1000


def test_a_contact_sheet_is_kept_with_the_images_and_without_any(clock: Clock) -> None:
    store, sheet = ImageStore(MIB, clock=clock), Thumbnails()
    store.put("a", [], None, sheet)
    store.put("b", [image("1")], None, sheet)
    kept = [store.get(tab) for tab in "ab"]
    assert [tab.sheet for tab in kept if tab] == [sheet, sheet]
    assert (names(store, "a"), names(store, "b")) == ([], ["1"])
    assert store.size_bytes() == 2 * 1000 + IMAGE_BYTES
    store.put("a", [])
    assert store.get("a") is None
