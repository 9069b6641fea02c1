"""The bar of memory: what fits and what does not, in color and in words."""

import pytest

from imgrec.charts.colors import COLORS, OVER_BUDGET_COLOR
from imgrec.charts.memory_budget import describe_memory, memory_bar
from imgrec.settings import MIB
from tests.charts.reading import drawn


@pytest.mark.parametrize(
    ("used", "planned", "sentence"),
    [
        pytest.param(310, 0, "Loaded models use 310 MiB of 1.0 GiB.", id="nothing planned"),
        pytest.param(
            310,
            400,
            "Loaded models use 310 MiB of 1.0 GiB; those to be loaded need 400 MiB and leave 314 MiB.",
            id="fits",
        ),
        pytest.param(
            310,
            900,
            "Loaded models use 310 MiB of 1.0 GiB; those to be loaded need 900 MiB, 186 MiB more than is free.",
            id="does not fit",
        ),
    ],
)
def test_the_sentence_says_what_fits(used: int, planned: int, sentence: str) -> None:
    sizes = (used * MIB, planned * MIB, 1024 * MIB)
    assert describe_memory(*sizes) == sentence


@pytest.mark.parametrize(("planned", "color"), [(400, COLORS[4]), (900, OVER_BUDGET_COLOR)], ids=["fits", "not"])
def test_what_is_planned_has_a_color_of_warning_where_it_does_not_fit(planned: int, color: str) -> None:
    spec = memory_bar(310 * MIB, planned * MIB, 1024 * MIB)
    assert [bar["color"] for bar in drawn(spec, "bar", "Models")] == [COLORS[0], color]
    assert [(bar["start"], bar["end"]) for bar in drawn(spec, "bar", "Models")] == [(0, 310), (310, 310 + planned)]
    assert [row["text"] for row in drawn(spec, "text")] == ["budget 1.0 GiB"]
