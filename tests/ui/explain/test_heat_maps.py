"""Heat-maps on the Explain page: classes, methods, views, files, and models without a map."""

from collections.abc import Callable

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from imgrec.explanation import attribution, faithfulness
from imgrec.explanation.attribution import Method
from imgrec.explanation.subject import Subject
from imgrec.inference.engine import Activations
from imgrec.models.catalog import ModelSpec
from tests.ui.conftest import TEN_CLASS_MODELS, TEN_CLASSES, BrokenEngine, CatEngine, photo, upload, words

Page = Callable[..., AppTest]

TWO = ["mobilenet", "mobilenet_v3_small"]


class BlindEngine(CatEngine):
    """Has no feature map."""

    def observe(self, image: np.ndarray) -> Activations:
        return Activations(self.predict(image[np.newaxis])[0], None, None)


def maps(app: AppTest) -> list[str]:
    """The alternative texts of all maps."""
    found = [image.alt for element in app.get("image") for image in element.proto.imgs]
    return [alt for alt in found if "in the quarters" in alt]


def test_without_a_model_that_is_ready_the_page_says_so_and_how_to_get_one(page: Page, here: set[str]) -> None:
    here.clear()
    app = upload(page("explain.py", models=TWO), ("cat.jpg", photo()))
    assert not app.exception
    assert "They are shown when one is ready." in words(app)
    assert not app.subheader
    assert [button.key for button in app.button if str(button.key).startswith("fetch_")]


def test_each_model_and_the_ensemble_have_a_map_of_the_first_class(page: Page) -> None:
    app = upload(page("explain.py", models=TWO), ("cat.jpg", photo()))
    assert not app.exception
    assert app.subheader[0].value == "What speaks for tabby"
    found = maps(app)
    assert [alt.split(",")[0] for alt in found] == ["Ensemble", "MobileNet", "MobileNetV3Small"]
    assert all("upper left 80 %" in alt for alt in found)
    assert "Logits, one scale for all maps." in words(app)
    assert [button.label for button in app.get("download_button")].count("PNG") == 3


def test_a_link_names_the_class_and_a_group_of_classes(page: Page) -> None:
    for word in ("tiger cat", "cat", "vehicle"):
        app = page("explain.py", models=TWO, **{"class": word})
        assert not app.exception
        assert app.subheader[0].value == f"What speaks for {word}"
        assert len(maps(app)) == 3


def test_a_link_may_have_a_wordnet_id_as_a_pinned_label_has(page: Page) -> None:
    app = page("explain.py", models=TWO, **{"class": "n02123159"})
    assert app.subheader[0].value == "What speaks for tiger cat"
    assert app.query_params["class"] == "tiger cat"


def test_a_class_that_no_model_knows_gets_a_sentence(page: Page) -> None:
    app = page("explain.py", models=TWO, **{"class": "flying saucer"})
    assert not app.exception
    assert "Received: 'flying saucer'" in words(app)
    assert len(maps(app)) == 3


def test_a_model_without_the_class_says_so_on_its_card(page: Page, here: set[str]) -> None:
    here.add(TEN_CLASSES.name)
    app = page("explain.py", models=[*TWO, TEN_CLASSES.name], **{"class": "espresso"})
    assert not app.exception
    assert "This model has no such class." in words(app)
    assert len(maps(app)) == 3


def test_models_of_other_classes_have_their_own_first_class(page: Page, here: set[str]) -> None:
    here.add(TEN_CLASSES.name)
    app = page("explain.py", models=[*TWO, TEN_CLASSES.name])
    assert app.subheader[0].value == "What speaks for tabby or airplane"
    assert len(maps(app)) == 4


def test_at_a_level_above_the_classes_the_first_is_all_classes_below_it(page: Page) -> None:
    app = upload(page("explain.py", models=TWO), ("cat.jpg", photo()))
    app.get_by_key("level").set_value("kind").run()
    assert not app.exception
    # Tabby and tiger cat are both.
    assert app.subheader[0].value == "What speaks for cat"
    assert len(maps(app)) == 3
    assert "90.1\u202f%" in words(app)


def test_the_first_of_the_visitors_own_classes_is_all_of_them(page: Page) -> None:
    app = page("explain.py", models=TWO, classes="pets:tabby,tiger cat")
    assert not app.exception
    assert len(maps(app)) == 3


def test_a_model_without_the_visitors_classes_says_so(page: Page, here: set[str]) -> None:
    here.add(TEN_CLASSES.name)
    app = page("explain.py", models=[*TWO, TEN_CLASSES.name], classes="pets:tabby,tiger cat")
    assert not app.exception
    assert len(maps(app)) == 3
    assert any("a model that knows" in error.value for error in app.error)


def test_two_ensembles_are_told_apart(page: Page, here: set[str]) -> None:
    ten = [spec.name for spec in TEN_CLASS_MODELS]
    here.update(ten)
    app = page("explain.py", models=[*TWO, *ten], **{"class": "cat"})
    assert not app.exception
    titles = [alt.split(",")[0] for alt in maps(app)]
    assert len(set(titles)) == len(titles) == 6
    assert titles[0].startswith("Ensemble · ")


def test_a_model_that_cannot_be_explained_says_why_and_the_others_go_on(
    page: Page, engines: dict[str, Callable[[ModelSpec], CatEngine]]
) -> None:
    engines["mobilenet"] = BlindEngine
    engines["mobilenet_v2"] = BrokenEngine
    app = page("explain.py", models=[*TWO, "mobilenet_v2"])
    assert not app.exception
    said = " ".join(error.value for error in app.error)
    assert "Occlusion and RISE explain any network." in said
    assert "a refusal" in said
    assert [alt.split(",")[0] for alt in maps(app)] == ["MobileNetV3Small"]
    assert "It needs the maps of two models." in words(app)


def test_occlusion_shows_its_progress_and_ends_with_maps(page: Page) -> None:
    app = page("explain.py", models=TWO, method="occlusion")
    assert not app.exception
    assert len(maps(app)) == 3
    assert not [button for button in app.button if button.key == "explain_stop"]


def test_a_long_computation_can_be_stopped_and_continued(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def compute(subject: Subject, target: object, on_progress: object) -> np.ndarray:
        calls.append(subject.spec.name)
        if len(calls) == 2:
            st.stop()  # as a click ends a script
        return np.eye(4, dtype=np.float32)

    rise = attribution.METHODS["rise"]
    monkeypatch.setitem(attribution.METHODS, "rise", Method(rise.title, rise.unit, rise.sentence, compute))
    app = page("explain.py", models=TWO, method="rise")
    app.button(key="explain_stop").click().run()
    assert not app.exception
    assert len(calls) == 2
    assert len(maps(app)) == 1
    assert "Stopped." in words(app)
    app.button(key="explain_continue").click().run()
    assert calls == [*TWO, TWO[1]]
    assert len(maps(app)) == 3


@pytest.mark.parametrize("view", ["overlay", "side_by_side", "slider"])
def test_every_view_shows_every_map(page: Page, view: str) -> None:
    app = page("explain.py", models=TWO, map=view, contour="true", opacity="40")
    assert not app.exception
    assert app.toggle(key="contour").value is True
    assert app.slider(key="opacity").value == 40
    if view != "slider":
        assert len(maps(app)) == 3


def test_insertion_and_deletion_stand_beside_the_map(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faithfulness, "STEPS", 2)
    app = page("explain.py", models=TWO, scores="true", view="table")
    assert not app.exception
    # The engines of these tests say tabby, 60 %, whatever is covered.
    assert "Insertion 0.60 · deletion 0.60 (black)" in words(app)
    table = app.table[0].value
    first, *others = table["Insertion (black, blurred)"]
    assert first == ""
    assert others == ["0.600, 0.600"] * 2
    assert list(table["Model"]) == ["Ensemble", "MobileNet", "MobileNetV3Small"]


def test_moving_the_opacity_asks_no_network_again(
    page: Page, engines: dict[str, Callable[[ModelSpec], CatEngine]], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page("explain.py", models=TWO)

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("computed again")

    monkeypatch.setattr(CatEngine, "observe", refuse)
    app.slider(key="opacity").set_value(20).run()
    assert not app.exception
    assert len(maps(app)) == 3
