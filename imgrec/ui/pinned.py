"""The pinned label: one class that is marked in every chart, also where it is none of the most probable ones.

It is kept for the session, and stands in the address as `pin=`, by its WordNet id or its label. In charts of other
classes the nearest class above it is marked: for a pinned Saluki, the dog of CIFAR-10.
"""

from collections import Counter
from functools import lru_cache

import streamlit as st

from imgrec.inference.request import Options
from imgrec.predictions import wordnet
from imgrec.predictions.labels import LabelSpace
from imgrec.reports import sentences
from imgrec.settings import APP
from imgrec.ui import query_params

# The name of a label space, and the index of a class.
Pin = tuple[str, int]

STATE = "pinned"
_SYNSET = "pinned_synset"

# The key of the widget, and its name in the address.
WIDGET = "pin"

EXPLAIN = APP / "pages" / "explain.py"


def get() -> Pin | None:
    """Return the label space and the index of the pinned class; None where none is pinned."""
    found: Pin | None = st.session_state.get(STATE)
    return found


def pin(space: str, index: int | None) -> None:
    """Pin a class, or none, from the next run of the script on."""
    st.session_state[STATE] = None if index is None else (space, index)
    st.session_state.pop(_SYNSET, None)


def toggle(space: str, index: int) -> None:
    """Pin a class; the one that is pinned already is released."""
    pin(space, None if get() == (space, index) else index)


def index_in(space: LabelSpace) -> int | None:
    """Return the index in `space` of the pinned class, or of the nearest class above it; None where there is none."""
    found = get()
    if found is None or found[0] == space.name:
        return None if found is None else found[1]
    synset: str | None = st.session_state.get(_SYNSET)
    return None if synset is None else _nearest(space, synset)


def choose(options: Options) -> None:
    """Let a label of what is shown be pinned; beside it, a link to where the models look for it."""
    own = [spec.get_label_space() for spec in options.specs]
    spaces = {space.name: space for space in [*own, *filter(None, map(options.shown_space, own))]}
    titles = _titles(tuple(spaces.values()))
    if not titles:
        return
    state = st.session_state
    wanted = get() if get() in titles else None
    if state.get(WIDGET) != wanted:
        state[WIDGET] = wanted

    def name(found: Pin) -> str:
        space, index = spaces[found[0]], found[1]
        return space.synsets[index] or space.labels[index]

    def changed() -> None:
        state[STATE] = state[WIDGET]

    chosen = st.selectbox(
        "Pin a label",
        list(titles),
        index=None,
        # A link is followed here.
        key=query_params.named(WIDGET, "label", list(titles), None, title=titles.__getitem__, name=name),
        format_func=titles.__getitem__,
        on_change=changed,
        placeholder="Pin a label",
        label_visibility="collapsed",
        width=190,
    )
    if chosen is None:
        return
    pin(*chosen)
    state[_SYNSET] = spaces[chosen[0]].synsets[chosen[1]]
    label = sentences.label_of(spaces[chosen[0]], chosen[1])
    address = {"class": label, query_params.MODELS: [spec.name for spec in options.specs]}
    # The icon alone: with the words the row would break, and all below it jump.
    with st.container(key="pin_link", width="content"):
        words = "Where do they look?"
        st.page_link(EXPLAIN, label=words, icon=":material/visibility:", help=words, query_params=address)


@lru_cache(maxsize=16)
def _titles(spaces: tuple[LabelSpace, ...]) -> dict[Pin, str]:
    """Return the titles of the classes of label spaces in alphabetical order, which does not wait for a prediction.

    A class that an earlier space has by the same WordNet id is left out.
    """
    found: dict[Pin, str] = {}
    synsets: set[str] = set()
    for space in spaces:
        for index, synset in enumerate(space.synsets):
            if synset is None or synset not in synsets:
                found[space.name, index] = sentences.label_of(space, index)
        synsets |= {synset for synset in space.synsets if synset is not None}
    counts = Counter(found.values())
    of = {space.name: sentences.space_title(space) for space in spaces}
    titles = {one: f"{title} · {of[one[0]]}" if counts[title] > 1 else title for one, title in found.items()}
    return dict(sorted(titles.items(), key=lambda item: item[1].casefold()))


@lru_cache(maxsize=256)
def _nearest(space: LabelSpace, synset: str) -> int | None:
    """Return the index of the class with this WordNet id, or of the nearest one above it."""
    return next((space.synsets.index(step) for step in wordnet.ancestors(synset) if step in space.synsets), None)
