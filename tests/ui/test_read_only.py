"""The pages where nothing can be written: sentences, and no traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.settings import ROOT
from tests.ui.conftest import photo, upload

Page = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file where the folder should be: nothing can be written there, by root neither."""
    path = tmp_path / "file"
    path.write_text("no folder")
    monkeypatch.setenv("IMGREC_HOME", str(path))
    return path


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "pages").glob("*.py")))
def test_every_page_opens(page: Page, name: str) -> None:
    app = page(name)
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("name", ["compare.py", "ensemble.py"])
def test_a_image_is_answered(page: Page, name: str) -> None:
    app = upload(page(name), ("cat.jpg", photo()))
    assert not app.exception
    assert "tabby" in app.subheader[0].value


@pytest.mark.parametrize("button", ["add_class", "Remove"])
def test_a_class_that_cannot_be_kept_is_said(page: Page, home: Path, button: str) -> None:
    app = page("train.py")
    found = next(b for b in app.button if button in (b.key, b.label))
    found.click().run()
    assert not app.exception
    assert str(home) in app.error[0].value.replace("\\", "")
