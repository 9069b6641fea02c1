"""An image by its address: the field, what comes of it, and a sentence for each refusal."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.errors import AddressError
from imgrec.images import remote
from imgrec.settings import Settings
from tests.ui.conftest import photo, words

ADDRESS = "https://example.org/cats/tom.jpg"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes | AddressError]:
    """What each address gives."""
    content: dict[str, bytes | AddressError] = {}

    def fetch(url: str, settings: Settings) -> tuple[str, bytes]:
        found = content[url.strip()]
        if isinstance(found, AddressError):
            raise found
        return url.rpartition("/")[2], found

    monkeypatch.setattr(remote, "fetch", fetch)
    monkeypatch.delenv("IMGREC_OFFLINE")
    return content


def asked(app: AppTest, address: str) -> AppTest:
    app.session_state["address_open"] = True
    app.run()
    app.text_input(key="address").set_value(address)
    next(button for button in app.button if button.label == "Fetch").click().run()
    return app


def test_an_image_by_its_address_is_an_image_like_any_other(
    page: Callable[..., AppTest], web: dict[str, bytes | AddressError]
) -> None:
    web[ADDRESS] = photo("green")
    app = asked(page(), ADDRESS)
    assert not app.exception
    assert "**tom.jpg**" in words(app)
    assert app.session_state["tray"][0].source == ADDRESS
    assert not app.text_input  # closed again
    app.session_state["address_open"] = True
    assert app.run().text_input(key="address").value == ""


def test_a_refusal_stands_below_the_field_and_the_address_is_kept(
    page: Callable[..., AppTest], web: dict[str, bytes | AddressError]
) -> None:
    web[ADDRESS] = AddressError("example.org answered with 404 <b>Not</b> Found.")
    app = asked(page(), ADDRESS)
    assert [error.value.replace("\\", "") for error in app.error] == ["example.org answered with 404 <b>Not</b> Found."]
    assert app.text_input(key="address").value == ADDRESS
    assert not app.session_state["tray"]


def test_what_is_no_image_is_said_as_for_a_file(
    page: Callable[..., AppTest], web: dict[str, bytes | AddressError]
) -> None:
    web[ADDRESS] = b"<!doctype html><title>Tom</title>"
    app = asked(page(), ADDRESS)
    assert len(app.error) == 1
    assert app.error[0].value.startswith("This is ")
    assert not app.session_state["tray"]


def test_a_demo_has_no_such_field(page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGREC_DEMO", "1")
    app = page()
    app.session_state["address_open"] = True
    assert not app.run().text_input


def test_offline_there_is_no_field_but_a_reason(page: Callable[..., AppTest]) -> None:
    app = page()
    app.session_state["address_open"] = True
    assert not app.run().text_input
    (popover,) = [one.proto.popover for one in app.get("popover") if one.proto.popover.label == "URL"]
    assert popover.disabled
    assert "without a network" in popover.help
