"""Templates that are filled and never changed, and names that can be told apart."""

import copy
import doctest

import pytest

from imgrec.charts import memory_budget, theme
from imgrec.charts.theme import fill, placed, told_apart
from tests.charts.reading import drawn


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(theme).failed == 0


def test_filling_leaves_the_template_as_it_was() -> None:
    template = memory_budget._template()
    before = copy.deepcopy(template)
    rows = [{"start": 0.0, "end": 1.0, "text": "budget"}]
    spec = fill(template, 50, budget=rows, bars=rows)
    assert drawn(spec, "bar") == rows
    assert spec["height"] == 50
    assert template == before
    assert fill(template, 50, budget=rows, bars=[])["layer"] == [spec["layer"][i] for i in (0, 2, 3)]


def test_equal_names_have_places_of_their_own_in_order() -> None:
    names = [placed(place, "same") for place in (0, 2, 10, 100)]
    assert sorted(set(names)) == names


@pytest.mark.parametrize(
    ("titles", "names"),
    [
        pytest.param(["Cat", "Dog"], ["Cat", "Dog"], id="short"),
        pytest.param(["A long name of a network, alone"], ["A long name of a network, alone"], id="nothing like it"),
        pytest.param(
            ["MobileNet, taught (flowers_1em04)", "MobileNet, taught (flowers_1em05)", "MobileNet"],
            ["MobileNet, taught (fl…1em04)", "MobileNet, taught (fl…1em05)", "MobileNet"],
            id="alike at first",
        ),
        pytest.param(
            ["MobileNet, taught (flowers_1em04)", "VGG16, taught (flowers_by_me_1em04)"],
            ["MobileNet, taught (flowers_1em04)", "VGG16, taught (flowers_by_me_1em04)"],
            id="alike at last",
        ),
    ],
)
def test_names_that_begin_alike_are_told_apart(titles: list[str], names: list[str]) -> None:
    assert told_apart(titles) == names
