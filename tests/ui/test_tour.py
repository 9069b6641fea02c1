"""The tour: six short cards, on Compare and on About; what they do in a browser is in tests/browser."""

import json
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.ui.tour import CARDS

# Two lines at the width of a phone hold so many letters, three hold one and a half times as many.
MAX_LETTERS = 130


@pytest.mark.parametrize(("name", "always"), [("compare.py", False), ("about.py", True)])
def test_the_page_has_the_cards(page: Callable[..., AppTest], name: str, always: bool) -> None:
    app = page(name)
    assert not app.exception
    found = [json.loads(element.proto.json) for element in app.get("bidi_component") if "cards" in element.proto.json]
    assert [(tour["always"], len(tour["cards"])) for tour in found] == [(always, 6)]


def test_cards_are_short() -> None:
    assert len(CARDS) == 6
    assert all(len(f"{title} {text}") <= MAX_LETTERS for title, text in CARDS)
    assert all(title.endswith(".") and text.endswith(".") for title, text in CARDS)
