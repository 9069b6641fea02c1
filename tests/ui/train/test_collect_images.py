"""Places to drop images: what they promise is what the server lets arrive."""

import tomllib

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.settings import MAX_UPLOAD_MIB, ROOT, SESSION_MIB
from imgrec.ui.train.collect_images import ALREADY


def panel() -> None:
    from imgrec.ui.train import collect_images

    collect_images.problems("archive")


@pytest.mark.parametrize(
    ("found", "title"),
    [
        ([("a.txt: none", "")], "1 file skipped"),
        ([("a.png", ALREADY)], "1 duplicate"),
        (
            [("a.txt: none", ""), ("b.jpg", "Expected …"), ("a.png", ALREADY), ("c.png", ALREADY)],
            "2 files skipped, 2 duplicates",
        ),
    ],
    ids=["bad", "a copy", "both"],
)
def test_what_was_not_kept_is_counted(found: list[tuple[str, str]], title: str) -> None:
    app = AppTest.from_function(panel)
    app.session_state["gather_problems"] = {"archive": found}
    app.run()
    assert not app.exception
    assert [expander.label for expander in app.expander] == [title]
    assert len(app.markdown) == len(found)


def test_an_archive_arrives_as_large_as_the_page_says() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["server"]["maxUploadSize"] == SESSION_MIB > MAX_UPLOAD_MIB
