"""Inside the network: layers step by step, pixels as numbers, and what happens where that cannot be."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.explanation import feature_maps
from imgrec.models.catalog import ModelSpec
from tests.explanation.networks import save_network
from tests.ui.conftest import photo, upload, words

Page = Callable[..., AppTest]

LINK = {"explain": "inside_the_network", "network": "mobilenet"}


@pytest.fixture(autouse=True)
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: set[str]) -> Path:
    """A small compiled network for every model here."""
    path = save_network(tmp_path)

    def find(spec: ModelSpec, settings: object) -> Path | None:
        return path if spec.name in here else None

    monkeypatch.setattr(feature_maps, "find_network", find)
    return path


def pixel_table(app: AppTest) -> str:
    return next(html.proto.body for html in app.get("html") if "<table" in html.proto.body)


def images(app: AppTest) -> int:
    return len(app.get("imgs")) + len(app.get("image"))


def test_the_input_is_shown_as_numbers(page: Page) -> None:
    app = upload(page("explain.py", **LINK), ("red.jpg", photo("red", quality=95)))
    assert not app.exception
    assert app.subheader[0].value == "0 of 8 · Input"
    table = pixel_table(app)
    # 64 pixels, each of red, green and blue.
    assert table.count("<td style") == 64
    assert "254<br>0<br>0" in table
    app.button_group(key="numbers").set_value("After normalization").run()
    assert "0.99<br>−1.00<br>−1.00" in pixel_table(app)
    assert "divided by 127.5" in words(app)


def test_buttons_step_through_the_layers(page: Page) -> None:
    app = page("explain.py", **LINK)
    assert app.button(key="layer_back").disabled
    app.button(key="layer_on").click().run()
    app.button(key="layer_on").click().run()
    assert app.subheader[0].value == "2 of 8 · Convolution"
    assert "Output 224 × 224 × 4 · 112 parameters · 4 filters of 3 × 3 × 3" in words(app)
    assert not app.exception
    app.button(key="layer_back").click().run()
    assert app.subheader[0].value == "1 of 8 · Normalization"
    app.slider(key="layer").set_value(8).run()
    assert app.button(key="layer_on").disabled
    assert len(app.get("vega_lite_chart")) == 1


def test_every_layer_has_maps_or_numbers_and_a_table(page: Page) -> None:
    for view in ("chart", "table"):
        app = page("explain.py", **LINK, view=view)
        for at in range(1, 9):
            app.slider(key="layer").set_value(at).run()
            assert not app.exception
            assert app.table or app.get("vega_lite_chart") or images(app) > 3


def test_a_link_opens_a_layer_and_a_wrong_one_is_named(page: Page) -> None:
    assert page("explain.py", **LINK, layer="5").subheader[0].value == "5 of 8 · Batch normalization"
    app = page("explain.py", **LINK, layer="99")
    assert "Expected the layer to be from 0 to 8. Received: '99'." in words(app)
    assert not app.exception


def test_dropout_is_explained(page: Page) -> None:
    assert "**Dropout** sets some values to 0 at random in training" in words(page("explain.py", **LINK))


def test_without_any_model_the_page_offers_one(page: Page, here: set[str]) -> None:
    here.clear()
    app = page("explain.py", explain="inside_the_network")
    assert not app.exception


def test_a_network_that_cannot_be_read_gets_a_sentence(page: Page, network: Path) -> None:
    network.write_text("<net/>")
    app = page("explain.py", **LINK)
    assert not app.exception
    assert "to be a network that OpenVINO can run" in app.error[0].value


def test_what_exceeds_the_budget_gets_a_sentence(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_maps, "OVERHEAD_BYTES", 2**31)
    app = page("explain.py", **LINK, layer="2")
    assert not app.exception
    assert "the budget for loaded models is 100 MiB" in app.error[0].value
