"""The order and the filters of a contact sheet; each is in the address."""

from collections.abc import Sequence

import streamlit as st

from imgrec.evaluation.sheet_order import ORDERS, Filter
from imgrec.ui import caches, query_params

UNSURE, WRONG = "unsure", "wrong"

# As long as the names of classes.
MAX_CHARACTERS = 60


def choose(models: Sequence[str], *, truth: bool) -> tuple[str, Filter]:
    """Show the widgets; return the order, a key of `ORDERS`, and the filter. With `truth`, answers can be wrong."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="sheet_filters"):
        order = st.selectbox(
            "Order",
            list(ORDERS),
            key=query_params.named("sort", "order", list(ORDERS), "disputed", title=_order_title),
            format_func=_order_title,
            width=200,
        )
        kinds = [UNSURE, WRONG] if truth else [UNSURE]
        only = st.pills(
            "Only",
            kinds,
            selection_mode="multi",
            key=query_params.named("only", "filter", kinds, (), title=str.capitalize),
            format_func=str.capitalize,
        )
        differ: Sequence[str] = ()
        if len(models) > 1:
            differ = st.multiselect(
                "Only where two differ",
                models,
                key=query_params.named("differ", "model", models, (), title=caches.catalog().title_of),
                format_func=caches.catalog().title_of,
                max_selections=2,
                select_all=False,
                placeholder="Choose two models",
                width=330,
            )
        label = query_params.text("contains")
        st.text_input(
            "Label contains",
            label,
            key="sheet_contains",
            max_chars=MAX_CHARACTERS,
            icon=":material/search:",
            on_change=_search,
            width=200,
        )
    pair = (differ[0], differ[1]) if len(differ) == 2 else None
    return order if order in ORDERS else "disputed", Filter(pair, UNSURE in only, WRONG in only, label)


def clear() -> None:
    """Take back all filters; the order stays. For a callback."""
    query_params.unset(("only", "differ", "contains", "sheet_contains"))


def _order_title(order: str) -> str:
    return ORDERS[order][0] if order in ORDERS else order


def _search() -> None:
    query_params.write_text("contains", str(st.session_state["sheet_contains"]).strip())
