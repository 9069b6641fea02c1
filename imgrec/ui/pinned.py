"""The pinned label: one class that is marked in every chart, also where it is none of the most probable ones.

It is kept for the session, and stands in the address as `pin=`, by its WordNet id or its label.
"""

from collections.abc import Sequence
from functools import lru_cache

import streamlit as st

from imgrec.models.catalog import ModelSpec
from imgrec.predictions.labels import LabelSpace
from imgrec.reports import sentences
from imgrec.settings import ROOT
from imgrec.ui import query_params

# The name of a label space, and the index of a class.
Pin = tuple[str, int]

STATE = "pinned"

# The key of the widget, and its name in the address.
WIDGET = "pin"

EXPLAIN = ROOT / "pages" / "explain.py"


def get() -> Pin | None:
    """Return the label space and the index of the pinned class; None where none is pinned."""
    found: Pin | None = st.session_state.get(STATE)
    return found


def index_in(space: str) -> int | None:
    """Return the index of the pinned class where it is one of the label space called `space`."""
    found = get()
    return found[1] if found is not None and found[0] == space else None


def pin(space: str, index: int | None) -> None:
    """Pin a class, or none, from the next run of the script on."""
    st.session_state[STATE] = None if index is None else (space, index)


def toggle(space: str, index: int) -> None:
    """Pin a class; the one that is pinned already is released."""
    pin(space, None if get() == (space, index) else index)


def choose(specs: Sequence[ModelSpec]) -> None:
    """Let a label of the chosen models be pinned; beside it, a link to where the models look for it."""
    spaces = {spec.label_space: spec.get_label_space() for spec in specs}
    if not spaces:
        return
    options = _options(tuple(spaces.values()))
    state = st.session_state
    wanted = get() if get() in options else None
    if state.get(WIDGET) != wanted:
        state[WIDGET] = wanted

    def title(found: Pin) -> str:
        more = f" · {sentences.space_title(spaces[found[0]])}" if len(spaces) > 1 else ""
        return f"{sentences.label_of(spaces[found[0]], found[1])}{more}"

    def changed() -> None:
        state[STATE] = state[WIDGET]

    key = query_params.named(WIDGET, "label", options, None, title=title, name=lambda found: name_of(spaces, found))
    chosen = st.selectbox(
        "Pin a label",
        options,
        index=None,
        key=key,
        format_func=title,
        on_change=changed,
        placeholder="Pin a label",
        label_visibility="collapsed",
        width=220,
    )
    if chosen is not None:
        # From a link.
        pin(*chosen)
        if EXPLAIN.exists():
            address = {"class": name_of(spaces, chosen), query_params.MODELS: [spec.name for spec in specs]}
            st.page_link(EXPLAIN, label="Where do they look?", icon=":material/search:", query_params=address)


def name_of(spaces: dict[str, LabelSpace], pinned: Pin) -> str:
    """Return the name of a class in an address: its WordNet id, or its label where it has none."""
    space, index = spaces[pinned[0]], pinned[1]
    return space.synsets[index] or space.labels[index]


@lru_cache(maxsize=16)
def _options(spaces: tuple[LabelSpace, ...]) -> list[Pin]:
    """Return the classes of label spaces by their labels, which does not wait for a prediction."""
    return sorted(
        ((space.name, index) for space in spaces for index in range(len(space.labels))),
        key=lambda one: next(space.labels[one[1]].casefold() for space in spaces if space.name == one[0]),
    )
