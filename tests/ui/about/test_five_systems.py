"""The five systems on About: a card for each row, of the chosen system."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from imgrec.evaluation.five_systems import five_systems
from tests.ui.conftest import words

Page = Callable[..., AppTest]


def test_each_system_has_its_cards(page: Page) -> None:
    app = page("about.py")
    assert not app.exception
    for system in five_systems():
        app.selectbox(key="system").set_value(system.title).run()
        assert not app.exception
        text = words(app)
        assert all(f"**{found.title}**" in text for found in system.capabilities)


def test_a_link_chooses_the_system(page: Page) -> None:
    app = page("about.py", system="biology_inspired_computations,_pb3")
    assert not app.exception
    assert app.selectbox(key="system").value.startswith("Biology")
