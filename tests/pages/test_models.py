"""The Models page: the catalogue, memory before and after, load and unload."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from imgrec.catalogue import CATALOGUE
from tests.pages.conftest import words

Page = Callable[..., AppTest]


def test_the_catalogue_has_every_model_with_its_state(page: Page) -> None:
    app = page("models.py")
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["Name"]) == list(CATALOGUE)
    states = dict(zip(table["Name"], table["State"], strict=True))
    assert list(states["mobilenet"]) == ["downloaded"]
    assert list(states["vgg16"]) == ["missing"]


def test_memory_is_told_before_and_after_loading(page: Page) -> None:
    app = page("models.py", models=["MobileNet"])
    app.multiselect(key="models").set_value(["mobilenet"]).run()
    assert "need 16 MiB" in words(app)
    app.button(key="load_mobilenet").click().run()
    assert not app.exception
    assert "Loaded models take 20 MiB of 100 MiB" in words(app)
    app.button(key="unload_mobilenet").click().run()
    assert "Loaded models take 0 MiB" in words(app)


def test_without_a_selection_there_is_still_the_catalogue(page: Page) -> None:
    app = page("models.py")
    app.multiselect(key="models").set_value([]).run()
    assert not app.exception
    assert len(app.dataframe) == 1


def test_a_model_that_is_too_large_is_refused_with_a_sentence(page: Page) -> None:
    app = page("models.py")
    app.multiselect(key="models").set_value(["vgg19"]).run()
    assert not app.exception
    assert "VGG19 needs about" in app.warning[0].value
