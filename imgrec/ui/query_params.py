"""What a link names. Streamlit's own binding would write titles; a link carries names, the same as CLI and API.

    ?models=mobilenet&models=densenet121        as it is written
    ?models=mobilenet,densenet121               understood too, and so are titles, which links of old have
    ?rule=weighted_mean&view=table              the same of every other choice with a name: see `named`

What a link names is remembered as the choice of models, on whatever page it is opened, and every page writes the choice
back into its address: switching pages would drop it. `finish` does that, and says what cannot be honored.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import streamlit as st

from imgrec.errors import UnknownNameError
from imgrec.ui import caches
from imgrec.ui.markdown import plain

PARAMETER = "models"

# In the session: what was chosen, on whatever page; every link that was written or followed; names in a link, or chosen
# before, that no model has; the page of the last run.
CHOICES = "choices"
_SEEN = "links_seen"
_UNKNOWN = "models_unknown"
_TOO_MANY = "models_too_many"
_PAGE = "links_page"
# Keys of `named` choices; those of this run; what was said of them: key → (value instead, sentences).
_NAMED = "links_named"
_ASKED = "links_asked"
_SAID = "links_said"
# What is to be written into the address: key → values, or None.
_PENDING = "links_pending"


def follow(page: str) -> None:
    """Take the models of the address as chosen, if it is one that this session has not written itself.

    `page` tells pages apart. On each the widget is another one to Streamlit, with the same key: on a page that was
    switched to, its value is forgotten here, so that it starts with what was chosen.
    """
    st.session_state[_ASKED] = set()
    if st.session_state.setdefault(_PAGE, page) != page:
        st.session_state[_PAGE] = page
        for key in (PARAMETER, *st.session_state.get(_NAMED, ())):
            st.session_state.pop(key, None)
    link = tuple(st.query_params.get_all(PARAMETER))
    seen: set[tuple[str, ...]] = st.session_state.setdefault(_SEEN, set())
    if not link or link in seen:
        return
    seen.add(link)
    names, unknown = parse(link)
    st.session_state[_UNKNOWN] = unknown
    st.session_state.pop(_TOO_MANY, None)
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
    by_title = {spec.title: name for name, spec in caches.catalog().items()}
    names: dict[str, None] = {}
    unknown = []
    for value in link:
        # The title of a model of one's own may have a comma in it.
        for word in [value] if value in by_title else value.split(","):
            word = word.strip()
            name = by_title.get(word, word)
            if name in caches.catalog():
                names[name] = None
            elif word:
                unknown.append(word)
    return list(names), unknown


def forget(names: Sequence[str]) -> None:
    """Models that were chosen and are no longer there; what to say of them is in `complaints`."""
    st.session_state[_UNKNOWN] = [*dict.fromkeys([*st.session_state.get(_UNKNOWN, []), *names])]


def leave_out(asked: int, most: int) -> None:
    """Have `complaints` say that a link asked for more models than there can be."""
    if asked > most:
        st.session_state[_TOO_MANY] = f"Expected at most {most} models. Received: {asked}; the first {most} are shown."


def complaints() -> list[str]:
    """A sentence for each model that a link names, or that was chosen, and that is not there; and for too many."""
    too_many = st.session_state.get(_TOO_MANY)
    return ([too_many] if too_many else []) + [
        str(UnknownNameError.of("model", name, list(caches.catalog())))
        for name in st.session_state.get(_UNKNOWN, [])
        if name not in caches.catalog()
    ]


def slug(title: str) -> str:
    """The name in a link of what has only a title.

    >>> slug("A against B")
    'a_against_b'
    """
    return "_".join(title.lower().split())


def named(
    key: str,
    kind: str,
    options: Sequence[str],
    default: str | Sequence[str] | None,
    *,
    title: Callable[[str], str] = str,
    name: Callable[[str], str] = str,
) -> str:
    """Tie the widget that is about to be made to the address; returns `key`, to be given to it.

    In the address an option stands as `name` calls it, and the default not at all; options themselves and their titles
    are understood, too. `kind` is what one is called in a sentence. With several in `default` the widget takes several.
    """
    state = st.session_state
    state.setdefault(_NAMED, set()).add(key)
    state.setdefault(_ASKED, set()).add(key)
    state.setdefault(_SEEN, set())
    several = default is not None and not isinstance(default, str)
    usual = list(default or ()) if several else default
    link = tuple(st.query_params.get_all(key))
    if link and (key, link) not in state[_SEEN]:
        state[_SEEN].add((key, link))
        found, unknown = _match(link, options, title, name)
        if found or (several and not unknown):
            state[key] = found if several else found[0]
        known = [name(option) for option in options]
        complain(key, [str(UnknownNameError.of(kind, word, known)) for word in unknown])
    elif key not in state and key in state.get(CHOICES, {}):
        state[key] = state[CHOICES][key]
    value = state.get(key, usual)
    _forget_answered(key, value)
    if value is None or value == usual:
        state.setdefault(CHOICES, {}).pop(key, None)
        state.setdefault(_PENDING, {})[key] = None
        return key
    state.setdefault(CHOICES, {})[key] = value
    wanted = tuple(map(name, value)) or ("",) if several else (name(value),)
    state[_SEEN].add((key, wanted))
    state.setdefault(_PENDING, {})[key] = list(wanted)
    return key


def number(key: str, kind: str, least: float, most: float, usual: float) -> str:
    """`key` of a slider that Streamlit ties to the address, once what the address asks for is checked.

    `usual` is its default, which stands where the address asks for what cannot be.
    """
    state = st.session_state
    state.setdefault(_ASKED, set()).add(key)
    seen = state.setdefault(_SEEN, set())
    text = st.query_params.get(key)
    try:
        fits = text is None or least <= float(text) <= most
    except ValueError:
        fits = False
    if not fits and (key, text) not in seen:
        seen.add((key, text))
        complain(key, [f"Expected {kind} to be from {least:g} to {most:g}. Received: {text!r}."])
    _forget_answered(key, state.get(key, usual))
    return key


def complain(key: str, sentences: Sequence[str]) -> None:
    """Have `finish` say, until another value is chosen, what the address asked of a widget in vain."""
    if sentences:
        st.session_state.setdefault(_SAID, {})[key] = (None, list(sentences))


def finish() -> None:
    """Put the choices of this page into the address, and say what it asked for in vain.

    At once, because each change of the address is a step of the browser's way back.
    """
    pending = st.session_state.pop(_PENDING, {})
    changed = {key: words for key, words in pending.items() if words and words != st.query_params.get_all(key)}
    if changed:
        st.query_params.update(changed)
    for key in [key for key, words in pending.items() if words is None and key in st.query_params]:
        del st.query_params[key]
    _show()


def _show() -> None:
    """Say what the address asked of this page's widgets in vain."""
    for key, (_, sentences) in st.session_state.get(_SAID, {}).items():
        if key in st.session_state.get(_ASKED, ()):
            for sentence in sentences:
                st.warning(plain(sentence), icon=":material/link_off:")


def _forget_answered(key: str, value: Any) -> None:
    """Say no more of a widget whose value is no longer the one that was taken instead."""
    said = st.session_state.get(_SAID, {})
    if key in said:
        instead, sentences = said[key]
        if instead is None or value is None:
            said[key] = (value, sentences)
        elif instead != value:
            del said[key]


def _match(
    link: Iterable[str], options: Sequence[str], title: Callable[[str], str], name: Callable[[str], str]
) -> tuple[list[str], list[str]]:
    """(options that are meant, words that mean none)."""
    meant: dict[str, str] = {}
    for spelled in (title, name, str):  # of two that are spelled alike the option itself is meant
        meant |= {spelled(option): option for option in options}
    found: dict[str, None] = {}
    unknown = []
    for value in link:
        for word in [value] if value in meant else [part.strip() for part in value.split(",")]:
            if word in meant:
                found[meant[word]] = None
            elif word:
                unknown.append(word)
    return list(found), unknown
