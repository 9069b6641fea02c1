"""A service on Compare: not there without a key, asked at the press of a button, never twice for one image."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.remote import cloud_vision
from imgrec.ui import caches
from tests.remote.conftest import BAD_KEY, CAT, Service, address, answered, refused, service
from tests.ui.conftest import words

Page = Callable[..., AppTest]

__all__ = ["address", "service"]


@pytest.fixture
def with_key(page: Page, address: str, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    settings = replace(caches.settings(), google_vision_key="secret", offline=False, demo=False)
    monkeypatch.setattr(caches, "settings", lambda: settings)
    monkeypatch.setattr(cloud_vision.CloudVision.__init__, "__defaults__", (address, cloud_vision.RETRIES))
    app = page()
    app.session_state["remote"] = True
    return app.run()


def test_without_a_key_there_is_no_panel(page: Page) -> None:
    app = page()
    assert "Ask a service" not in [panel.label for panel in app.expander]


def test_the_image_is_sent_at_the_press_of_a_button_only(with_key: AppTest, service: Service) -> None:
    service.respond = lambda count, body: answered(CAT)
    assert not service.requests
    assert "1,000 images are left this month" in words(with_key)
    with_key.button(key="ask_google_cloud_vision").click().run()
    assert not with_key.exception
    assert len(service.requests) == 1
    assert any("1. Cat 99.0" in chart.proto.alt for chart in with_key.get("vega_lite_chart"))
    assert "5.0 ms in the service" in words(with_key)
    with_key.run()
    assert len(service.requests) == 1


def test_a_refusal_is_a_sentence_and_can_be_tried_again(with_key: AppTest, service: Service) -> None:
    service.respond = lambda count, body: refused(400, BAD_KEY) if count == 1 else answered(CAT)
    with_key.button(key="ask_google_cloud_vision").click().run()
    assert "API key not valid" in with_key.error[0].value
    with_key.button(key="ask_google_cloud_vision").click().run()
    assert not with_key.error
