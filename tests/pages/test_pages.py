"""Every page opens, by a link and from another page, whatever there is."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.settings import ROOT

PAGES = sorted((ROOT / "pages").glob("*.py"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_opens(page: Callable[..., AppTest], path: Path) -> None:
    assert not page(path.name).exception


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_opens_on_a_machine_without_models(page: Callable[..., AppTest], path: Path, here: set[str]) -> None:
    here.clear()
    assert not page(path.name).exception
