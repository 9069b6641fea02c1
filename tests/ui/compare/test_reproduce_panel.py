"""The Reproduce panel: the command of the page's choice, and lines of Keras or the reason that there are none."""

import shlex
from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from imgrec.inference.request import Options
from imgrec.models.catalog import BUILT_IN
from imgrec.reports.reproduce import keras_script
from tests.ui.conftest import photo, upload, words

Page = Callable[..., AppTest]


def opened(app: AppTest) -> AppTest:
    app.session_state["reproduce"] = True
    return app.run()


def test_nothing_is_made_before_it_is_opened(page: Page) -> None:
    assert not page().code


def test_the_command_has_the_choice_of_the_page(page: Page) -> None:
    app = upload(page(models=["mobilenet", "mobilenet_v2"], k="3", framing="squash"), ("my cat.jpg", photo()))
    command = shlex.split(opened(app).code[0].value)
    assert command[:3] == ["imgrec", "predict", "my cat.jpg"]
    given = dict(zip(command[3::2], command[4::2], strict=True))
    specs = BUILT_IN.get_specs(given["--models"].split(","))
    assert Options.parse(specs, k=given["--top"], framing=given["--framing"]) == Options(
        tuple(specs), 3, framing="squash"
    )
    assert [spec.name for spec in specs] == ["mobilenet", "mobilenet_v2"]


def test_a_sample_has_its_path(page: Page) -> None:
    assert "assets/samples/espresso.jpg" in opened(page(models=["mobilenet"])).code[0].value


def test_the_lines_are_those_of_the_chosen_model_and_framing(page: Page) -> None:
    app = opened(page(models=["mobilenet", "mobilenet_v2"], framing="squash"))
    assert app.code[1].value == keras_script(BUILT_IN["mobilenet"], "assets/samples/espresso.jpg", "squash").strip()  # type: ignore[union-attr]
    app.selectbox(key="script_of").set_value("mobilenet_v2").run()
    assert not app.exception
    assert "keras.applications.MobileNetV2(" in app.code[1].value
    assert app.query_params["script_of"] == "mobilenet_v2"


def test_a_model_without_lines_says_why(page: Page, here: set[str]) -> None:
    here.add("efficientnet_lite0")
    app = opened(page(models=["efficientnet_lite0"]))
    assert len(app.code) == 1
    assert "imgrec export efficientnet_lite0 --format keras" in words(app)
