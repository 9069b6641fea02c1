"""Classes and datasets with hostile names on the Train page: each is shown or refused in a sentence."""

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from imgrec.data import collections
from imgrec.errors import InputError
from imgrec.settings import Settings
from tests.reliability.hostile_names import NAMES
from tests.ui.train.test_transfer_form import image


def test_a_class_of_any_name_is_shown_with_its_images(page: Callable[..., AppTest], tmp_path: Path) -> None:
    refused = {}
    made = collections.create("red__fox", Settings.from_env())
    for place, (trick, name) in enumerate(NAMES.items()):
        try:
            label = made.add_class(name)
        except InputError as error:
            refused[trick] = str(error)
            continue
        made.add(label, image(place), max_bytes=1_000_000)
    # What is left of some of the names is nothing, or what is left of another.
    assert all(sentence.startswith("Expected ") for sentence in refused.values()), refused
    assert {"empty", "only spaces", "a no-break space"} <= set(refused)
    assert len(made.labels) == len(NAMES) - len(refused) >= 45
    # A page has rows for the first classes alone: each class is once among them.
    for start in range(0, len(made.labels), 20):
        shown = made.labels[start : start + 20]
        made._write_order([*shown, *(label for label in made.labels if label not in shown)])
        app = page("train.py")
        assert not app.exception, app.exception
        assert not app.error
        assert [field.value for field in app.text_input][: len(shown)] == shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["imgrec"]
