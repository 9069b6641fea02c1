"""Hostile names on the pages: in addresses, and of uploaded files; no page dies, and no name is read as Markdown."""

import itertools
import re
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.settings import ROOT
from tests.reliability.hostile_names import NAMES
from tests.ui.conftest import photo, upload, words

PAGES = sorted(path.name for path in (ROOT / "pages").glob("*.py"))

# Every parameter of any page, as far as pages write one.
PARAMETERS = (
    *("models", "pin", "classes", "class", "level", "rule", "k", "framing", "view", "layout", "calibrated", "open"),
    *("learn", "source", "album", "run", "trained", "recipe", "backbone", "layers", "method", "network", "layer"),
    *("weight_mobilenet", "damage", "strength", "lab_mode", "lab_model", "sort", "only", "differ", "bench_set"),
    *("bench_view", "bench_figures", "bench_damage", "bench_unsure", "red__fox", "embed", "__proto__"),
)

# What Markdown would make of a name that is not escaped: an element that fetches or runs something.
ACTIVE = re.compile(r"(?<!\\)(!\[[^\]]*\]\(|\]\(javascript:|<script|<img|<svg)")


def check(app: AppTest, what: str) -> None:
    assert not app.exception, (what, [one.message for one in app.exception])
    said = words(app)
    assert not ACTIVE.search(said), (what, ACTIVE.search(said))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PAGES)
def test_an_address_may_have_anything(name: str, page: Callable[..., AppTest]) -> None:
    """Each page is opened with all parameters at once, each with another name; in three rounds with shifted names."""
    for shift in (0, 20, 41):
        names = itertools.islice(itertools.cycle(NAMES.values()), shift, None)
        query = {parameter: [next(names), next(names)] for parameter in PARAMETERS}
        app = page(name, **query)
        check(app, f"{name} shifted by {shift}")
    one_for_all = {parameter: "m" * 5_000 for parameter in PARAMETERS}
    check(page(name, **one_for_all), f"{name} with long values")


@pytest.mark.timeout(300)
def test_an_uploaded_file_may_have_any_name(page: Callable[..., AppTest]) -> None:
    app = page("compare.py", models="mobilenet")
    colors = itertools.cycle(["orange", "teal", "black", "white"])
    for place, (trick, name) in enumerate(NAMES.items()):
        data = photo(next(colors), (100 + place, 80))
        app = upload(app, ((name or "empty") + ".jpg", data))
        check(app, trick)


@pytest.mark.timeout(300)
def test_a_file_of_any_name_that_is_no_image_is_refused_by_name(page: Callable[..., AppTest]) -> None:
    app = page("compare.py", models="mobilenet")
    for trick, name in NAMES.items():
        app = upload(app, ((name or "empty") + ".jpg", b"no image"))
        check(app, trick)
