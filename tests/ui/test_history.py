"""The history of a visit: what is kept, going back to it, and two of it side by side."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from imgrec.images.decoding import DecodedImage
from imgrec.images.raster import Raster
from imgrec.inference.request import Options
from imgrec.models.catalog import BUILT_IN
from imgrec.reports.result import Result
from imgrec.settings import MIB
from imgrec.ui import history, image_input
from imgrec.ui.history import Entry, fitting
from imgrec.ui.image_input import Image
from tests.ui.conftest import TABBY, BrokenEngine, CatEngine, photo, upload, words

Page = Callable[..., AppTest]


def kept(app: AppTest) -> list[Entry]:
    found: list[Entry] = app.session_state["history"]
    return found


def opened(app: AppTest) -> AppTest:
    app.session_state["history_open"] = True
    return app.run()


def rows(app: AppTest) -> list[str]:
    return [
        button.label for button in app.button if (button.key or "").startswith("history_") and button.label[0].isdigit()
    ]


def test_the_sample_on_an_empty_page_is_the_first_entry(page: Page) -> None:
    (entry,) = kept(page())
    assert entry.image.name == "Espresso"
    assert "see a domestic cat" in entry.sentence


def test_each_image_with_its_settings_is_kept_once(page: Page) -> None:
    app = upload(page(models=["mobilenet", "mobilenet_v2"]), ("red.jpg", photo("red")))
    upload(app, ("blue.jpg", photo("blue")))
    app.get_by_key("framing").set_value("squash").run()
    app.slider(key="k").set_value(3).run()
    app.get_by_key("view").set_value("Table").run()
    assert [(entry.image.name, entry.options.framing) for entry in kept(app)] == [
        ("Espresso", "crop"),
        ("red.jpg", "crop"),
        ("blue.jpg", "crop"),
        ("blue.jpg", "squash"),
    ]
    assert kept(app)[-1].options.k == 3
    app.get_by_key("framing").set_value("crop").run()
    assert [entry.options.framing for entry in kept(app)][-2:] == ["squash", "crop"]  # renewed, not added
    assert len(kept(app)) == 4


def test_a_click_restores_image_and_settings(page: Page) -> None:
    app = upload(page(models=["mobilenet", "mobilenet_v2"], k="3"), ("red.jpg", photo("red")))
    app.selectbox(key="rule").set_value("rank_vote").run()
    app.get_by_key("framing").set_value("squash").run()
    app.selectbox(key="pin").set_value(("imagenet_1k", TABBY)).run()
    before = kept(app)[-1]
    app.button(key="remove").click().run()
    upload(app, ("blue.jpg", photo("blue")))
    app.multiselect(key="models").set_value(["mobilenet_v3_small"]).run()
    app.selectbox(key="rule").set_value("mean").run()
    app.get_by_key("framing").set_value("crop").run()
    app.slider(key="k").set_value(7).run()
    app.selectbox(key="pin").set_value(None).run()
    assert kept(app)[-1].image.name == "blue.jpg"

    opened(app).button(key=f"history_{before.id}").click().run()
    assert not app.exception
    assert "**red.jpg**" in words(app)
    assert app.multiselect(key="models").value == ["mobilenet", "mobilenet_v2"]
    assert app.selectbox(key="rule").value == "rank_vote"
    assert app.get_by_key("framing").value == "squash"
    assert app.slider(key="k").value == 3
    assert app.selectbox(key="pin").value == ("imagenet_1k", TABBY)
    assert app.query_params["rule"] == "rank_vote"
    assert app.query_params["framing"] == "squash"
    assert app.query_params["models"] == ["mobilenet", "mobilenet_v2"]
    assert not rows(app)  # closed


def test_the_weights_of_the_ensemble_page_come_back(page: Page) -> None:
    app = page("ensemble.py", models=["mobilenet", "mobilenet_v2"], rule="weighted_mean")
    app.slider(key="weight_mobilenet").set_value(0.25).run()
    weighted = kept(app)[-1]
    assert weighted.options.weights["mobilenet"] == 0.25
    upload(app, ("red.jpg", photo("red")))
    app.slider(key="weight_mobilenet").set_value(1.0).run()
    opened(app).button(key=f"history_{weighted.id}").click().run()
    assert not app.exception
    assert app.slider(key="weight_mobilenet").value == 0.25
    assert app.session_state["weights"]["mobilenet"] == 0.25


def test_level_and_own_classes_come_back(page: Page) -> None:
    app = page(models=["mobilenet", "mobilenet_v2"], classes="cat;dog")
    own = kept(app)[-1]
    app.query_params["classes"] = ""
    app.run()
    app.get_by_key("level").set_value("kind").run()
    kind = kept(app)[-1]
    assert [entry.options.level for entry in (own, kind)] == ["class", "kind"]
    assert "my classes: cat, dog" in history.describe(own.options)
    opened(app).button(key=f"history_{own.id}").click().run()
    assert not app.exception
    assert app.query_params["classes"] == "cat;dog"
    assert kept(app)[-1].id == own.id
    opened(app).button(key=f"history_{kind.id}").click().run()
    assert "classes" not in app.query_params
    assert app.get_by_key("level").value == "kind"


def test_a_removed_model_of_an_entry_gets_a_sentence(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    app = upload(page(models=["mobilenet", "mobilenet_v2"]), ("red.jpg", photo("red")))
    entry = kept(app)[-1]
    broken = replace(entry, choices=dict(entry.choices) | {"models": ["mobilenet", "gone"]})
    app.session_state["history"] = [broken]
    opened(app)
    app.session_state["history"] = [broken]
    app.button(key=f"history_{entry.id}").click().run()
    assert not app.exception
    assert app.multiselect(key="models").value == ["mobilenet"]
    assert "gone" in words(app)


def test_two_pinned_entries_stand_side_by_side(page: Page) -> None:
    app = upload(page(models=["mobilenet"]), ("red.jpg", photo("red")))
    app.multiselect(key="models").set_value(["mobilenet_v2"]).run()
    opened(app)
    assert [row[:2] for row in rows(app)] == ["3.", "2.", "1."]
    pins = [box for box in app.checkbox if (box.key or "").startswith("history_pin_")]
    assert [pin.label for pin in pins] == ["Pin 3", "Pin 2", "Pin 1"]
    for label in ("Pin 1", "Pin 2", "Pin 3"):
        next(box for box in app.checkbox if box.label == label).check().run()
    checked = [box.label for box in app.checkbox if box.value]
    assert checked == ["Pin 3", "Pin 2"]  # the third takes the place of the first
    app.button(key="history_pair").click().run()
    assert not app.exception
    assert "MobileNet answered only in the first." in words(app)
    assert "MobileNetV2 answered only in the second." in words(app)
    assert len(app.table) == 2
    assert "side by side" not in words(app.run()).lower()


def test_nothing_is_kept_where_no_model_answers(page: Page, engines: dict[str, Callable[..., CatEngine]]) -> None:
    engines["mobilenet"] = BrokenEngine
    assert not kept(page(models=["mobilenet"]))


def entry(name: str, side_px: int) -> Entry:
    image = DecodedImage(Raster(np.zeros((side_px, side_px, 3), np.uint8)), "PNG", name, (), (side_px, side_px))
    options = Options((BUILT_IN["mobilenet"],))
    return Entry(name, Image(name, image), options, Result(name, name), "", {})


def test_the_oldest_make_room_but_neither_pins_nor_the_last() -> None:
    small = [entry(str(number), 10) for number in range(6)]
    assert [one.id for one in fitting(small, set(), MIB, 4)] == ["2", "3", "4", "5"]
    assert [one.id for one in fitting(small, {"0", "2"}, MIB, 3)] == ["0", "2", "5"]
    large = [entry(str(number), 600) for number in range(4)]  # 1.03 MiB each
    assert [one.id for one in fitting(large, set(), 2 * MIB, 99)] == ["3"]
    assert [one.id for one in fitting(large, {"1"}, 0, 99)] == ["1", "3"]
    again = replace(large[0], id="again")
    assert len(fitting([large[0], again], set(), 2 * MIB, 99)) == 2  # one image, counted once


def test_an_image_from_the_history_finds_room_among_others(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_input, "MAX_IMAGES", 2)
    app = upload(page(models=["mobilenet"]), ("red.jpg", photo("red")), ("blue.jpg", photo("blue")))
    first = kept(app)[0]
    opened(app).button(key=f"history_{first.id}").click().run()
    assert [image.name for image in app.session_state["tray"]] == ["blue.jpg", "Espresso"]
    assert "**Espresso**" in words(app)


def test_a_cleared_history_has_only_what_is_on_the_page(page: Page) -> None:
    app = upload(page(models=["mobilenet"]), ("red.jpg", photo("red")))
    opened(app).checkbox(key=f"history_pin_{kept(app)[0].id}").check().run()
    app.button(key="history_clear").click().run()
    assert not app.exception
    assert [entry.image.name for entry in kept(app)] == ["red.jpg"]
    assert not app.session_state["history_pins"]


def test_settings_are_told_in_a_line() -> None:
    specs = tuple(BUILT_IN.values())
    assert history.describe(Options(specs[:1], framing="squash")) == "VGG16 · squash"
    assert history.describe(Options(specs[:4], rule="rank_vote")) == "4 models · rank vote · crop"
