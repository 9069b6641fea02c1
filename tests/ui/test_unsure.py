"""Unsure on the pages: the sentence on Compare with its figures, and the view of Benchmarks."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.predictions import out_of_distribution
from tests.ui.conftest import DoubtingEngine, photo, upload, words

Page = Callable[..., AppTest]

MODELS = out_of_distribution.measured()["models"]


@pytest.mark.parametrize("file", ["compare.py", "ensemble.py"])
def test_measured_networks_that_doubt_are_unsure(
    page: Page, here: set[str], engines: dict[str, object], identities: dict[str, str], file: str
) -> None:
    for name in ("mobilenet", "mobilenet_v2"):
        here.add(name)
        engines[name] = DoubtingEngine
        identities[name] = MODELS[name]["weights_sha256"]
    app = upload(page(file, models=["mobilenet", "mobilenet_v2"]), ("noise.jpg", photo()))
    assert not app.exception
    assert app.subheader[0].value.startswith("Unsure · Ensemble: ")
    figures = app.subheader[0].help.replace("\u202f", " ")
    assert "The limit keeps 95 % of 668 of ImageNet's validation images" in figures
    assert "% of flowers without a class" in figures
    assert "none of these" not in words(app)
    if file == "compare.py":
        assert words(app).count("Unsure: entropy") == 2


def test_networks_without_a_limit_say_nothing_new(page: Page, engines: dict[str, object]) -> None:
    engines |= dict.fromkeys(("mobilenet", "mobilenet_v3_small"), DoubtingEngine)
    app = upload(page("compare.py"), ("noise.jpg", photo()))
    assert not app.exception
    assert "Unsure" not in words(app)
    assert "high uncertainty" in app.subheader[0].value


@pytest.mark.parametrize("shown_as", ["Chart", "Table"])
def test_benchmarks_shows_risk_and_detectors(page: Page, shown_as: str) -> None:
    app = page("benchmarks.py", bench_set="imagenet_val_a", bench_view="unsure", view=shown_as.lower())
    assert not app.exception
    said = words(app).replace("\u202f", " ")
    assert "Wrong among what is kept" in said
    assert "Ensemble: 1" in said or "Ensemble: 2" in said
    assert "Mean AUROC: " in said
    assert "Entropy above" in said
    columns = [list(table.value.columns) for table in app.table]
    assert any("Detector" in one for one in columns)
    assert any("Above the limit" in one for one in columns)
    if shown_as == "Table":
        assert "AURC" in app.dataframe[0].value.columns
    else:
        assert len(app.get("vega_lite_chart")) == 1
        assert "AURC" in app.get("vega_lite_chart")[0].proto.alt


def test_a_link_chooses_the_model_of_the_detectors(page: Page) -> None:
    app = page("benchmarks.py", bench_set="imagenet_val_a", bench_view="unsure", bench_unsure="mobilenet_v2")
    assert not app.exception
    limit = MODELS["mobilenet_v2"]["detectors"]["entropy"]["limit"]
    assert f"Entropy above {limit:.2f} bits" in words(app)


def test_cifar10_says_what_its_limit_does(page: Page) -> None:
    app = page("benchmarks.py", bench_set="cifar10", bench_view="unsure")
    assert not app.exception
    assert "This check flags 57 % of unrelated photos" in words(app).replace("\u202f", " ")
    assert "Mean AUROC" not in words(app)


def test_what_is_not_drawn_for_want_of_colors_is_said_and_in_the_table(page: Page) -> None:
    link = {"bench_set": "imagenet_val_a", "bench_view": "unsure"}
    drawn = next(
        part for part in words(page("benchmarks.py", **link)).split("\n") if "as many as there are colors" in part
    )
    app = page("benchmarks.py", **link, view="table")
    assert f"Drawn: 8 of {len(app.dataframe[0].value)}" in drawn
