"""Calibrated members on Compare and Ensemble: a toggle, its place in the address, and what it changed."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.evaluation import stored_predictions
from imgrec.evaluation.temperatures import COMMITTED
from tests.ui.conftest import photo, upload, words

Page = Callable[..., AppTest]

# The espresso sample, of which predictions are stored: with the weights that Benchmarks measured.
MODELS = ["efficientnet_lite0", "efficientnet_lite1"]


def plain(app: AppTest) -> str:
    return words(app).replace("\u202f", " ")


@pytest.mark.parametrize("file", ["compare.py", "ensemble.py"])
def test_the_toggle_calibrates_the_ensemble_and_stands_in_the_address(page: Page, here: set[str], file: str) -> None:
    here.clear()
    app = page(file, models=MODELS)
    assert "Calibrated: " not in plain(app)
    app.toggle(key="calibrated").set_value(True).run()
    assert not app.exception
    assert app.query_params["calibrated"] in ("true", ["true"])
    # EfficientNet-Lite doubts more than it should: its temperatures are below 1.
    assert "Calibrated: espresso" in plain(app)
    assert "% before." in plain(app)
    app.toggle(key="calibrated").set_value(False).run()
    assert "Calibrated: " not in plain(app)
    assert "calibrated" not in app.query_params


def test_a_link_calibrates_and_the_choice_goes_along_to_the_other_page(page: Page, here: set[str]) -> None:
    here.clear()
    app = page("compare.py", models=MODELS, calibrated="true")
    assert "Calibrated: espresso" in plain(app)
    app.switch_page("../../pages/ensemble.py").run()
    assert app.toggle(key="calibrated").value
    assert "Calibrated: espresso" in plain(app)


def test_another_word_in_a_link_gets_a_sentence(page: Page) -> None:
    app = page("compare.py", calibrated="2")
    assert not app.exception
    assert "Expected calibrated to be true or false. Received: '2'." in plain(app)
    assert not app.toggle(key="calibrated").value


def test_the_ensemble_page_says_each_temperature_and_where_it_was_measured(page: Page, here: set[str]) -> None:
    here.clear()
    app = page("ensemble.py", models=MODELS, calibrated="true")
    summary = stored_predictions.read_summary(COMMITTED)
    values = {
        row["title"]: row["temperature"]["temperature"]
        for row in summary["rows"]
        if row["dataset"] == "imagenet_val_a" and row["model"] in MODELS
    }
    table = next(one.value for one in app.table if "Before" in one.value.columns)
    found = dict(zip(table["Model"], table["T"], strict=True))
    assert {title: found[title] for title in values} == {title: f"{value:.2f}" for title, value in values.items()}
    assert found["Ensemble"] == "–"
    assert f"310 images of: {summary['datasets']['imagenet_val_a']['source']}." in words(app)


def test_weights_without_a_measurement_stay_and_this_is_said(page: Page) -> None:
    app = upload(page("ensemble.py", calibrated="true"), ("cat.jpg", photo()))
    assert not app.exception
    assert "nothing changes, no temperature was measured for these weights" in plain(app)
    app = page("ensemble.py", models=["mobilenet"], calibrated="true")
    assert not app.exception
