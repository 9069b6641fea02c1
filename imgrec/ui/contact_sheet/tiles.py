"""The images of a contact sheet: a grid of buttons, each with the answer and how the models agree; or a table."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from imgrec.evaluation.contact_sheet import Row
from imgrec.evaluation.sheet_order import agreement, result
from imgrec.formatting import percent
from imgrec.images.encoding import data_url
from imgrec.ui import caches
from imgrec.ui.elements import read_component
from imgrec.ui.markdown import plain

# More are on further pages: each thumbnail takes some kilobytes of every update.
PER_PAGE = 48

_tiles = st.components.v2.component(
    "imgrec_tiles",
    html='<ul class="tiles"></ul>',
    css=read_component("tiles.css"),
    js=read_component("tiles.js"),
)


def show(rows: Sequence[Row], *, table: bool, key: str, on_pick: Callable[[int], None]) -> None:
    """Show one page of `rows`, which have answers; `on_pick` gets the position of a clicked image."""
    pages = -(-len(rows) // PER_PAGE)
    page = st.pagination(pages, key=f"{key}_page") if pages > 1 else 1
    shown = rows[(page - 1) * PER_PAGE : page * PER_PAGE]
    if table:
        words = f"{len(shown)} images with the answer of the ensemble and how many models share it."
        st.table([_cells(row) for row in shown], border="horizontal", hide_index=True, alt=words)
        return

    def picked() -> None:
        value = st.session_state[key].picked
        if value:
            on_pick(int(value))

    _tiles(key=key, data={"tiles": [_tile(row) for row in shown]}, on_picked_change=picked)


def _tile(row: Row) -> dict[str, Any]:
    """Return a tile as the component takes it: lines are (symbol, kind, text)."""
    lines = [(symbol, kind, text) for symbol, kind, text in _marks(row) if text]
    answer = f"{row.answer.label} {percent(row.answer.probability)}" if row.answer else ""
    spoken = ", ".join([answer, *(text for _, _, text in lines)])
    return {
        "id": str(row.position),
        "thumbnail": data_url(row.thumbnail),
        "label": f"{row.image}: {spoken}",
        "title": row.image,
        "answer": row.answer.label if row.answer else "",
        "share": percent(row.answer.probability) if row.answer else "",
        "lines": lines,
    }


def _marks(row: Row) -> list[tuple[str, str, str]]:
    all_agree = row.agreeing == len(row.members)
    return [
        ("\u2713" if row.is_right else "\u2717", "right" if row.is_right else "wrong", result(row)),
        ("=" if all_agree else "\u2260", "agree" if all_agree else "differ", agreement(row)),
        ("?", "unsure", "unsure" if row.is_unsure else ""),
    ]


def _cells(row: Row) -> dict[str, str]:
    cells = {
        "Image": plain(row.image),
        "Label": plain(row.answer.label) if row.answer else "",
        "Likelihood": percent(row.answer.probability) if row.answer else "",
    }
    if row.is_right is not None:
        cells["Result"] = plain(result(row))
    if len(row.members) > 1:
        cells["Agreement"] = agreement(row)
    cells["Unsure"] = "unsure" if row.is_unsure else ""
    firsts = {caches.catalog().title_of(model): choice for model, choice in row.choices.items()}
    if len(firsts) > 1:
        cells |= {
            plain(title): f"{plain(choice.label)} {percent(choice.probability)}" for title, choice in firsts.items()
        }
    return cells
