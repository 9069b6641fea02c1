"""The contact sheet as a visitor sees it: empty, with samples, uploads and archives, filtered, stopped, and broken."""

import io
import json
import threading
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from imgrec.evaluation.contact_sheet import ContactSheet
from imgrec.images import gallery
from imgrec.models.catalog import ModelSpec
from imgrec.settings import ROOT
from imgrec.ui import image_input
from imgrec.ui.contact_sheet import drop_zone, tiles
from imgrec.ui.widget_keys import key_of
from tests.evaluation.sheets import BLUE, GREEN, RED, SAYS, ColorEngine, photo
from tests.ui.conftest import HERE, BrokenEngine, upload, words

Page = Callable[..., AppTest]

PICTURES = {"red.png": photo(RED), "green.png": photo(GREEN), "blue.png": photo(BLUE)}


@pytest.fixture(autouse=True)
def colors(engines: dict[str, Callable[[ModelSpec], Any]]) -> None:
    """Models that tell colors apart; they agree on red and blue, and all differ on green."""
    assert set(HERE) == set(SAYS)
    engines.update(dict.fromkeys(HERE, ColorEngine))


def run_of(app: AppTest) -> ContactSheet:
    sheet: drop_zone.Sheet = app.session_state["contact_sheet"]
    assert sheet.run is not None
    return sheet.run


def finish(app: AppTest) -> AppTest:
    """Wait for the computation, and let the page run."""
    assert run_of(app).wait(60)
    app.run()
    assert not app.exception
    return app


def dropped(app: AppTest, files: Mapping[str, bytes]) -> AppTest:
    return finish(upload(app, *files.items()))


def shown(app: AppTest) -> list[dict[str, Any]]:
    """The tiles of the page."""
    found = [json.loads(element.proto.json) for element in app.get("bidi_component")]
    return next((data["tiles"] for data in found if "thumbnail" in str(data.get("tiles"))[:200]), [])


def titles(app: AppTest) -> list[str]:
    return [tile["title"] for tile in shown(app)]


def zipped(files: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def test_the_empty_page_offers_the_samples(page: Page) -> None:
    app = page("contact_sheet.py")
    assert not app.exception
    assert "come first" in words(app)
    finish(app.button(key="sheet_samples").click().run())
    assert app.subheader[0].value.startswith(f"{len(gallery.get_samples())} images · all models agree on")
    assert set(titles(app)) == {sample.title for sample in gallery.get_samples()}


def test_the_most_disputed_image_comes_first_with_its_marks(page: Page) -> None:
    app = dropped(page("contact_sheet.py"), PICTURES)
    assert app.subheader[0].value == "3 images · all models agree on 2 · 0 unsure"
    assert titles(app)[0] == "green.png"
    first, second = shown(app)[:2]
    assert "1 of 3 says so" in first["label"]
    assert [line[0] for line in first["lines"]] == ["\u2260"]
    assert "all 3 agree" in second["label"]
    assert second["thumbnail"].startswith("data:image/jpeg;base64,")


def test_uploads_are_not_kept_by_the_uploader_and_leave_with_the_sheet(page: Page, tmp_path: Path) -> None:
    app = dropped(page("contact_sheet.py"), PICTURES)
    assert app.file_uploader[0].value == []
    assert list((tmp_path / "imgrec" / "uploads").glob("*/images.zip"))
    app.button(key="sheet_clear").click().run()
    assert not app.exception
    assert not list((tmp_path / "imgrec" / "uploads").iterdir())
    assert app.button(key="sheet_samples")


def test_an_archive_with_class_folders_tells_right_from_wrong(page: Page) -> None:
    pets = {"cats/a.png": photo(RED), "cats/b.png": photo(GREEN), "dogs/c.png": photo(GREEN), "dogs/d.png": photo(BLUE)}
    app = dropped(page("contact_sheet.py"), {"pets.zip": zipped(pets)})
    assert app.subheader[0].value.replace("\u202f", " ") == "2 of 4 right: 50.0 % (95 % interval: 15.0–85.0 %)"
    assert "MobileNet: 50.0" in words(app)
    assert sorted(line[2] for tile in shown(app) for line in tile["lines"] if line[1] in ("right", "wrong")) == [
        "right",
        "right",
        "wrong (is dog)",
        "wrong (is dog)",
    ]
    app.get_by_key("only").set_value(["wrong"]).run()
    assert titles(app) == ["dogs/c.png", "dogs/d.png"]
    app.get_by_key("view").set_value("Table").run()
    table = app.table[0].value
    assert list(table.columns[:4]) == ["Image", "Label", "Likelihood", "Result"]
    assert list(table["Result"]) == ["wrong (is dog)", "wrong (is dog)"]


def test_filters_and_the_order_are_in_the_address(page: Page) -> None:
    app = dropped(page("contact_sheet.py"), PICTURES)
    app.get_by_key("sort").set_value("given").run()
    assert titles(app) == ["red.png", "green.png", "blue.png"]
    app.get_by_key("differ").set_value(["mobilenet", "mobilenet_v2"]).run()
    assert titles(app) == ["green.png"]
    assert "1 of 3 shown" in words(app)
    assert app.query_params["sort"] == "given"
    assert app.query_params["differ"] == ["mobilenet", "mobilenet_v2"]
    app.get_by_key("differ").set_value([]).run()
    app.get_by_key("sheet_contains").set_value("ESPR").run()
    assert titles(app) == ["blue.png"]
    assert app.query_params["contains"] == "ESPR"
    app.get_by_key("sheet_contains").set_value("zebra").run()
    assert "No image fits these filters: label contains 'zebra'." in words(app)
    next(button for button in app.button if button.label == "Remove the filters").click().run()
    assert len(titles(app)) == 3
    assert "contains" not in app.query_params


def test_other_images_are_not_hidden_by_the_filters_of_those_before(page: Page) -> None:
    app = dropped(page("contact_sheet.py", sort="given", contains="zebra"), PICTURES)
    assert not shown(app)  # a link's filters are for the first images
    app.get_by_key("only").set_value(["unsure"]).run()
    dropped(app, {"again.png": photo(BLUE)})
    assert titles(app) == ["again.png"]
    assert not {"contains", "only"} & set(app.query_params)
    assert app.query_params["sort"] == "given"
    upload(app, ("text.zip", zipped({"readme.txt": b"hi"})))
    assert "Received: 1 other file" in app.error[0].value
    assert "The images from before are still shown." in app.error[0].value
    assert titles(app) == ["again.png"]


def test_a_link_restores_filters_and_order(page: Page) -> None:
    app = page("contact_sheet.py", sort="likely", only="unsure", contains="tab")
    dropped(app, PICTURES)
    assert app.get_by_key("sort").value == "likely"
    assert app.get_by_key("only").value == ["unsure"]
    assert app.get_by_key("sheet_contains").value == "tab"


def test_files_that_are_no_images_are_named_and_the_rest_is_shown(page: Page) -> None:
    app = dropped(page("contact_sheet.py"), {"a.png": photo(RED), "notes.txt": b"just some text", "empty.png": b""})
    assert titles(app) == ["a.png"]
    assert "1 file has no answer" in [expander.label for expander in app.expander]
    assert "1 other file is left out: notes.txt." in words(app)


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("photos.zip", b"hello", "Received: photos.zip, which is none of these"),
        ("photos.zip", zipped({}), "Received: no file"),
    ],
)
def test_what_is_no_archive_gets_a_sentence_in_its_place(page: Page, name: str, data: bytes, sentence: str) -> None:
    app = upload(page("contact_sheet.py"), (name, data))
    assert not app.exception
    assert sentence in app.error[0].value
    dropped(app, PICTURES)
    assert not app.error


def test_more_than_one_page_of_tiles(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "PER_PAGE", 2)
    app = dropped(page("contact_sheet.py"), PICTURES)
    assert len(shown(app)) == 2
    before = titles(app)
    app.pagination[0].set_value(2).run()
    assert len(shown(app)) == 1
    assert not set(titles(app)) & set(before)


def test_another_page_loses_nothing_and_stop_keeps_what_is_there(
    page: Page, engines: dict[str, Callable[[ModelSpec], Any]]
) -> None:
    gate = threading.Event()
    gate.set()
    engines.update(dict.fromkeys(HERE, lambda spec: ColorEngine(spec, gate)))
    app = page("contact_sheet.py")
    gate.clear()
    upload(app, *((f"{i:02d}.png", photo((i, 200, 0))) for i in range(30)))
    assert not app.exception
    assert run_of(app).is_running
    app.switch_page(str(ROOT / "pages" / "about.py")).run()
    app.switch_page(str(ROOT / "pages" / "contact_sheet.py")).run()
    assert "0 of 30 images" in str(app.get("progress")[0].proto)
    app.button(key="sheet_stop").click().run()
    gate.set()
    finish(app)
    assert run_of(app).is_canceled
    assert "Stopped after" in words(app)
    assert shown(app)
    assert len(run_of(app).rows) < 30


def test_a_reload_brings_the_sheet_back(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    before = dropped(page("contact_sheet.py"), PICTURES)
    state: dict[str, object] = {"tab_id": "another", "tab_asked": False}
    monkeypatch.setattr(st, "session_state", state)
    # What the component of the page calls with the id that the tab remembers.
    image_input._restore(before.session_state["tab_id"])
    assert state["tab_id"] == before.session_state["tab_id"]
    assert state["contact_sheet"] is before.session_state["contact_sheet"]


def test_other_models_are_asked_on_request(page: Page) -> None:
    app = dropped(page("contact_sheet.py"), PICTURES)
    app.multiselect(key="models").set_value(["mobilenet"]).run()
    assert "Computed with MobileNet, MobileNetV2, MobileNetV3Small" in words(app)
    finish(app.button(key="sheet_again").click().run())
    assert {tuple(row.choices) for row in run_of(app).rows} == {("mobilenet",)}
    assert "Computed with" not in words(app)


def test_a_model_that_fails_is_said_once(page: Page, engines: dict[str, Callable[[ModelSpec], Any]]) -> None:
    engines["mobilenet_v2"] = BrokenEngine
    app = dropped(page("contact_sheet.py"), PICTURES)
    assert len(app.warning) == 1
    assert "MobileNetV2" in app.warning[0].value
    assert len(shown(app)) == 3


def test_a_model_that_is_not_here_has_its_card_and_the_others_answer(page: Page, here: set[str]) -> None:
    here.discard("mobilenet_v2")
    app = page("contact_sheet.py", models=["mobilenet", "mobilenet_v2"])
    dropped(app, PICTURES)
    assert {tuple(row.choices) for row in run_of(app).rows} == {("mobilenet",)}
    assert app.button(key=key_of("fetch", "mobilenet_v2"))


def test_files_of_the_sheet_can_be_had(page: Page) -> None:
    app = dropped(page("contact_sheet.py"), PICTURES)
    assert [button.label for button in app.get("download_button")] == ["Sheet as CSV", "As JSON", "As Parquet"]


def test_a_click_puts_the_image_on_compare(page: Page) -> None:
    from imgrec.ui.contact_sheet import sheet

    app = dropped(page("contact_sheet.py"), PICTURES)
    position = next(int(tile["id"]) for tile in shown(app) if tile["title"] == "blue.png")

    # What the component calls with the id of a tile.
    app.session_state["sheet_test"] = position
    script = AppTest.from_function(_open_stored)
    script.session_state["contact_sheet"] = app.session_state["contact_sheet"]
    script.session_state["sheet_test"] = position
    script.run()
    assert not script.exception
    (image,) = script.session_state["tray"]
    assert (image.name, image.id) == ("blue.png", run_of(app).rows[position].sha256)
    assert script.session_state["sheet_opened"]
    assert sheet.COMPARE.endswith("compare.py")


def _open_stored() -> None:
    import streamlit as st

    from imgrec.ui.contact_sheet import sheet

    sheet._open(st.session_state["sheet_test"])
