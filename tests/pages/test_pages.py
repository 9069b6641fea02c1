"""Every page opens, by a link and from another page, whatever there is."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.settings import ROOT
from tests.pages.conftest import words

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
    assert "it says **0.600**" in words(app)
    app.select_slider(key="toy_steps").set_value(200).run()
    assert "it says **5.000**" in words(app)
