"""The Lab page: three experiments; empty, full, failing; choices in the address."""

from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest
from streamlit.testing.v1 import AppTest

from imgrec.explanation.corruptions import CORRUPTIONS
from imgrec.formatting import THIN_SPACE
from imgrec.models.catalog import ModelSpec
from imgrec.ui.lab import scopes
from imgrec.ui.lab.experiments import EXPERIMENTS
from tests.ui.conftest import TEN_CLASSES, BrokenEngine, CatEngine, photo, upload, words

ORIENTATION = 0x0112

Page = Callable[..., AppTest]
Engines = dict[str, Callable[[ModelSpec], CatEngine]]


class FragileEngine(CatEngine):
    """Changes its mind where the image is much brighter than it was."""

    def predict(self, batch: np.ndarray) -> np.ndarray:
        row = super().predict(batch)
        return row[:, ::-1] if batch.mean() > 200 else row


class CountingEngine(CatEngine):
    asked = 0

    def predict(self, batch: np.ndarray) -> np.ndarray:
        type(self).asked += 1
        return super().predict(batch)


def lab(page: Page, experiment: str = "preprocessing", **query: str | list[str]) -> AppTest:
    models = query.pop("models", ["mobilenet"])
    return page("lab.py", experiment=experiment, models=models, **query)


def linked(app: AppTest, key: str) -> str:
    """The value of `key` in the address."""
    value = app.query_params[key]
    return value if isinstance(value, str) else value[0]


@pytest.mark.parametrize("experiment", [name.lower() for name in EXPERIMENTS])
def test_every_experiment_opens_on_a_sample(page: Page, experiment: str) -> None:
    app = lab(page, experiment)
    assert not app.exception
    assert not app.error
    assert "**Espresso**" in words(app)


@pytest.mark.parametrize("experiment", [name.lower() for name in EXPERIMENTS])
def test_without_models_the_page_says_what_to_do(page: Page, experiment: str, here: set[str]) -> None:
    here.clear()
    app = lab(page, experiment)
    assert not app.exception
    assert "MobileNet" in words(app)
    empty = lab(page, experiment, models=[""])
    assert "No model is on this machine yet" in words(empty)


@pytest.mark.parametrize("experiment", [name.lower() for name in EXPERIMENTS])
def test_a_model_that_fails_has_a_sentence(page: Page, engines: Engines, experiment: str) -> None:
    class Broken(BrokenEngine):
        predict_values = BrokenEngine.predict

    engines["mobilenet"] = Broken
    app = lab(page, experiment)
    assert not app.exception
    assert any("Received: a refusal." in error.value for error in app.error)


def test_the_page_begins_with_a_forgotten_normalization(page: Page) -> None:
    app = lab(page)
    assert app.subheader[0].value.startswith("tabby: 60.0")
    assert "now first:" in app.subheader[0].value
    assert "MobileNet was trained on values from −1 to 1; it was given 0 to 255" in words(app)
    assert len(app.get("vega_lite_chart")) == 3


def test_right_settings_change_nothing_and_stand_in_the_address(page: Page) -> None:
    app = lab(page)
    app.selectbox(key="lab_mode").set_value("tf").run()
    assert app.subheader[0].value.endswith("unchanged); still the first class.")
    assert "These are the settings that MobileNet was trained with." in words(app)
    assert linked(app, "lab_mode") == "tf"


def test_a_link_restores_every_setting(page: Page) -> None:
    app = lab(
        page, lab_mode="unit", lab_channels="bgr", lab_framing="letterbox", lab_resampling="nearest", lab_exif="off"
    )
    said = words(app)
    for part in ("0 to 1", "read as BGR", "Gray bars fill", "taken", "no EXIF orientation"):
        assert part in said
    assert "0 to 1, BGR, letterbox, nearest, EXIF ignored" in said


def test_a_bogus_setting_in_a_link_is_told(page: Page) -> None:
    app = lab(page, lab_mode="sepia")
    assert not app.exception
    assert any("'sepia'" in warning.value for warning in app.warning)


def test_the_right_setting_is_marked_for_each_model(page: Page) -> None:
    app = lab(page, models=["mobilenet", "mobilenet_v3_small"])
    assert "tf (−1 to 1) ✓" in app.selectbox(key="lab_mode").options
    app.selectbox(key="lab_model").set_value("mobilenet_v3_small").run()
    assert not app.exception
    assert "none (0 to 255) ✓" in app.selectbox(key="lab_mode").options
    assert "These are the settings that MobileNetV3Small was trained with." in words(app)


def test_every_mistake_has_a_row(page: Page) -> None:
    app = lab(page, view="table")
    table = app.table[-1].value
    assert list(table["Setting"]) == [
        "as trained", "caffe", "torch", "0 to 1", "none (0 to 255)", "BGR", "squash", "letterbox", "bilinear",
        "nearest", "EXIF ignored",
    ]  # fmt: skip
    assert not app.get("vega_lite_chart")


def test_a_rotated_upload_lies_on_its_side_without_its_tag(page: Page) -> None:
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = 6
    app = upload(lab(page, lab_mode="tf", lab_exif="off"), ("phone.jpg", photo(exif=exif.tobytes())))
    assert "lies on its side" in words(app)


def test_one_damage_is_shown_with_its_changes(page: Page, engines: Engines) -> None:
    engines["mobilenet"] = FragileEngine
    app = lab(page, "robustness", models=["mobilenet", "mobilenet_v2"], damage="brightness", strength="5")
    said = words(app)
    assert "Brighter by 150 of 255" in said
    assert ", not tabby." in said
    assert "Still tiger cat." in said
    assert list(app.table[0].value.columns) == ["Class", "Before", "Now", "Change"]
    assert len(app.get("vega_lite_chart")) == len(CORRUPTIONS)
    assert app.subheader[-1].value.startswith("The first to change its mind is MobileNet: brightness of strength")


def test_damage_and_strength_can_be_chosen_and_linked(page: Page) -> None:
    app = lab(page, "robustness", damage="Blur", strength="2")
    assert "Gaussian blur, standard deviation 0.8 % of the side" in words(app)
    app.slider(key="strength").set_value(0).run()
    assert words(app).count("Still tabby.") == 1
    assert "Unchanged" in words(app)
    bogus = lab(page, "robustness", strength="9")
    assert any("Expected the strength to be from 0 to 5" in warning.value for warning in bogus.warning)


def test_curves_are_one_table_on_request(page: Page) -> None:
    app = lab(page, "robustness", view="table")
    assert not app.get("vega_lite_chart")
    assert len(app.table[-1].value) == len(CORRUPTIONS)


def test_nothing_is_computed_twice(page: Page, engines: Engines) -> None:
    CountingEngine.asked = 0
    engines["mobilenet"] = CountingEngine
    app = lab(page, "robustness")
    on_compare = 1
    assert CountingEngine.asked == on_compare + 41
    app.slider(key="strength").set_value(5).run()
    assert CountingEngine.asked == on_compare + 41


def test_several_images_are_averaged(page: Page) -> None:
    app = upload(lab(page, "robustness"), ("a.jpg", photo("orange")), ("b.jpg", photo("navy")))
    app.segmented_control(key="lab_images").set_value("All images").run()
    assert not app.exception
    assert app.subheader[-1].value.startswith("Share of damaged copies of 2 images with the same first class")
    assert "mean of 2 images" in words(app)
    assert linked(app, "lab_images") == "all_images"


def test_the_curves_can_follow_the_true_class(page: Page) -> None:
    app = lab(page, "robustness", view="table", pin="tiger cat")
    assert not app.exception
    assert app.table[-1].value["0"][0] == f"30.0{THIN_SPACE}%"
    assert "the class that is pinned" in words(app)
    without = lab(page, "robustness", view="table")
    assert without.table[-1].value["0"][0] == f"60.0{THIN_SPACE}%"


def test_of_too_many_images_the_last_are_taken_and_it_is_said(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "MAX_PREDICTIONS", 2 * 41)
    files = [(f"{color}.jpg", photo(color)) for color in ("orange", "navy", "white")]
    app = upload(lab(page, "robustness", lab_images="all_images"), *files)
    assert "With 1 model, the last 2 of 3 images are damaged." in words(app)
    assert "mean of 2 images" in words(app)


def test_the_contact_sheet_can_be_damaged(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "MAX_IMAGES", 2)
    app = page("contact_sheet.py", models=["mobilenet"])
    app.button(key="sheet_samples").click().run()
    app.switch_page("../../pages/lab.py")
    app.query_params["experiment"] = "robustness"
    app.query_params["lab_images"] = "contact_sheet"
    app.run()
    assert not app.exception
    assert app.subheader[-1].value.startswith("Share of damaged copies of 2 images")
    assert "the first 2 of 10 images are damaged" in words(app)


def test_stories_run_on_what_is_here(page: Page, here: set[str]) -> None:
    here |= {TEN_CLASSES.name, "mobilenet"}
    app = lab(page, "stories")
    said = words(app)
    assert "Five functions under one name" in said
    assert "not ready here: VGG16, VGG19, ResNet50, InceptionV3, DenseNet201" in said
    assert "VGG16 was trained on values from −124 to 151; it was given −2.1 to 2.6" in said
    assert "Normalized for training, not for validation" in said
    assert f"{TEN_CLASSES.title} was trained on values from 0 to 1; it was given 0 to 255" in said
    assert len(app.table) == 3


def test_a_story_without_its_model_says_so(page: Page) -> None:
    said = words(lab(page, "stories", models=["mobilenet_v3_small"]))
    assert "No model that was trained on 0 to 1 is ready here." in said
    assert "normalize by themselves" in said
