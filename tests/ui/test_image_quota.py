"""The memory of images: counted while something refers to them, for a tab and for all, with a sentence at the limit."""

import gc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from imgrec.images import gallery
from imgrec.images.decoding import DecodedImage
from imgrec.images.raster import Raster
from imgrec.settings import MIB
from imgrec.ui import caches
from imgrec.ui.image_quota import ImageQuota
from imgrec.ui.image_store import Image
from tests.ui.conftest import photo, upload, words

# A photo of 320 × 240 px takes 230 kB as pixels.
TEN = [(f"{number}.jpg", photo(f"rgb({25 * number}, 90, 90)")) for number in range(10)]


def image(size_bytes: int) -> DecodedImage:
    return DecodedImage(Raster(np.zeros((1, size_bytes // 3, 3), np.uint8)), "PNG", "0" * 64, (), (1, size_bytes // 3))


def test_an_image_counts_until_the_last_reference_to_its_pixels_is_gone() -> None:
    quota = ImageQuota(1000)
    first, second = image(600), image(300)
    quota.add(first)
    quota.add(second)
    assert quota.size_bytes() == 900
    assert quota.has_room(100)
    assert not quota.has_room(101)
    kept = replace(first, notes=("elsewhere",)).pixels[:, :3]
    del first
    gc.collect()
    assert quota.size_bytes() == 900
    del kept
    gc.collect()
    assert quota.size_bytes() == 300


def test_a_tab_keeps_what_fits_and_says_so(page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGREC_SESSION_MIB", "1")
    app = upload(page(), *TEN)
    assert len(app.session_state["tray"]) == 3
    assert [error.value for error in app.error] == [
        "These images fill the memory that one tab may use. Remove some, then add these again."
    ]
    assert app.error[0].proto.title == "7 more"
    app.button(key="remove").click().run()
    upload(app, TEN[9])
    assert [one.name for one in app.session_state["tray"]][-1] == "9.jpg"


def test_closed_tabs_make_room_for_those_that_are_open(
    page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMGREC_SESSIONS_MIB", "2")
    closed = upload(page(), *TEN[:1])
    assert caches.image_store().size_bytes() > 0
    del closed
    gc.collect()
    assert caches.image_quota().size_bytes() == caches.image_store().size_bytes()
    second = upload(page(), *TEN[1:9])
    assert len(second.session_state["tray"]) == 8
    third = upload(page(), *TEN)
    assert len(third.session_state["tray"]) == 1
    assert "The server has no memory left for more images" in words(third)
    assert caches.image_quota().size_bytes() <= 2 * MIB


def test_samples_take_nothing_of_the_memory_of_a_tab(
    page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMGREC_SESSION_MIB", "1")
    app = page()
    sample = gallery.get_sample("espresso.jpg")
    app.session_state["tray"] = [Image(sample.title, image(2 * MIB), sample)]
    upload(app, *TEN[:2])
    assert len(app.session_state["tray"]) == 3
    assert 0 < caches.image_quota().size_bytes() < MIB
