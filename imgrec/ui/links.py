"""Which models a link names. Streamlit's own binding would write their titles; a link carries their names.

    ?models=mobilenet&models=densenet121        as it is written
    ?models=mobilenet,densenet121               understood too, and so are titles, which links of old have

What a link names is remembered as the choice of models, on whatever page it is opened, and every page writes the choice
back into its address: switching pages would drop it.
"""

from collections.abc import Sequence

import streamlit as st

from imgrec.catalogue import CATALOGUE
from imgrec.errors import UnknownNameError

PARAMETER = "models"

# In the session: what was chosen, on whatever page; every link that was written or followed; names in a link, or chosen
# before, that no model has; the page of the last run.
CHOICES = "choices"
_SEEN = "links_seen"
_UNKNOWN = "models_unknown"
_PAGE = "links_page"


def follow(page: str) -> None:
    """Take the models of the address as chosen, if it is one that this session has not written itself.

    `page` tells pages apart. On each the widget is another one to Streamlit, with the same key: on a page that was
    switched to, its value is forgotten here, so that it starts with what was chosen.
    """
    if st.session_state.setdefault(_PAGE, page) != page:
        st.session_state[_PAGE] = page
        st.session_state.pop(PARAMETER, None)
    link = tuple(st.query_params.get_all(PARAMETER))
    seen: set[tuple[str, ...]] = st.session_state.setdefault(_SEEN, set())
    if not link or link in seen:
        return
    seen.add(link)
    names, unknown = parse(link)
    st.session_state[_UNKNOWN] = unknown
    if names or not unknown:
        st.session_state[PARAMETER] = names
        st.session_state.setdefault(CHOICES, {})[PARAMETER] = names


def write() -> None:
    """Put the chosen models into the address."""
    names = st.session_state.get(CHOICES, {}).get(PARAMETER)
    if names is None:
        return
    # An empty parameter says that nothing is chosen; none at all, that nobody has chosen yet.
    link = tuple(names) or ("",)
    if link != tuple(st.query_params.get_all(PARAMETER)):
        st.session_state.setdefault(_SEEN, set()).add(link)
        st.query_params[PARAMETER] = list(link)


def parse(link: Sequence[str]) -> tuple[list[str], list[str]]:
    """(names of models, what is none), from names, names with commas between them, and titles.

    >>> parse(["mobilenet,vgg16", "DenseNet121", "no_such_net"])
    (['mobilenet', 'vgg16', 'densenet121'], ['no_such_net'])
    """
    by_title = {spec.title: name for name, spec in CATALOGUE.items()}
    names: dict[str, None] = {}
    unknown = []
    for value in link:
        # The title of a model of one's own may have a comma in it.
        for word in [value] if value in by_title else value.split(","):
            word = word.strip()
            name = by_title.get(word, word)
            if name in CATALOGUE:
                names[name] = None
            elif word:
                unknown.append(word)
    return list(names), unknown


def forget(names: Sequence[str]) -> None:
    """Models that were chosen and are no longer there; what to say of them is in `complaints`."""
    st.session_state[_UNKNOWN] = [*dict.fromkeys([*st.session_state.get(_UNKNOWN, []), *names])]


def complaints() -> list[str]:
    """A sentence for each model that a link names, or that was chosen, and that is not there."""
    return [
        str(UnknownNameError.of("model", name, list(CATALOGUE)))
        for name in st.session_state.get(_UNKNOWN, [])
        if name not in CATALOGUE
    ]
