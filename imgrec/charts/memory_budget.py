"""One bar: the memory of the loaded models and of those to be loaded, and the budget that should hold both."""

from functools import cache

import altair as alt

from imgrec.charts.bars import BAR_PX, EXACT, TRACK
from imgrec.charts.colors import COLORS, NEUTRAL, OVER_BUDGET_COLOR
from imgrec.charts.theme import FONT_PX, SILENT, Spec, card_height, fill, on_card, tooltip
from imgrec.formatting import size
from imgrec.settings import MIB

# The mark at the end of the budget is longer than a bar is thick; the text stands below it.
_MARK_PX = BAR_PX + 6
_TEXT_PX = 32


def memory_bar(used_bytes: int, planned_bytes: int, budget_bytes: int) -> Spec:
    """Return the bar; what is planned has a color of warning where it does not fit."""
    needed = used_bytes + planned_bytes
    planned_color = OVER_BUDGET_COLOR if needed > budget_bytes else COLORS[4]
    parts = [(0, used_bytes, COLORS[0], "loaded"), (used_bytes, needed, planned_color, "to be loaded")]
    bars = [
        {"start": start / MIB, "end": end / MIB, "color": color, "Models": models, "Memory": size(end - start)}
        for start, end, color, models in parts
    ]
    budget = [{"start": 0.0, "end": budget_bytes / MIB, "text": f"budget {size(budget_bytes)}"}]
    return fill(_template(), card_height(BAR_PX + _TEXT_PX), budget=budget, bars=bars)


def describe_memory(used_bytes: int, planned_bytes: int, budget_bytes: int) -> str:
    """Return `memory_bar` in a sentence, to be read before anything is loaded."""
    loaded = f"Loaded models use {size(used_bytes)} of {size(budget_bytes)}"
    left = budget_bytes - used_bytes - planned_bytes
    if not planned_bytes:
        return f"{loaded}."
    if left < 0:
        return f"{loaded}; those to be loaded need {size(planned_bytes)}, {size(-left)} more than is free."
    return f"{loaded}; those to be loaded need {size(planned_bytes)} and leave {size(left)}."


@cache
def _template() -> Spec:
    """Return the chart of `budget` and `bars`: the budget is a track with a mark and a text at its end."""
    x = alt.X("start:Q", scale=EXACT, axis=None)
    middle = alt.value(_MARK_PX / 2)
    budget = alt.Chart(alt.NamedData(name="budget"))
    text: Spec = {"align": "right", "baseline": "top", "fontSize": FONT_PX, "color": NEUTRAL} | SILENT
    return on_card(
        alt.layer(
            budget.mark_bar(**TRACK).encode(x=x, x2="end", y=middle),
            alt.Chart(alt.NamedData(name="bars"))
            .mark_bar(height=BAR_PX, **SILENT)
            .encode(
                x=x, x2="end", y=middle, color=alt.Color("color:N", scale=None), tooltip=tooltip(["Models", "Memory"])
            ),
            budget.mark_tick(color=NEUTRAL, thickness=2, size=_MARK_PX, **SILENT).encode(x=alt.X("end:Q"), y=middle),
            budget.mark_text(**text).encode(x=alt.X("end:Q"), y=alt.value(_MARK_PX + 6), text="text:N"),
        )
    )
