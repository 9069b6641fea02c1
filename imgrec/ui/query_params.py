"""The names in a link. Streamlit's own binding would write titles; a link carries names, as CLI and API do.

    ?models=mobilenet&models=densenet121        as it is written
    ?models=mobilenet,densenet121               understood too, and so are titles, which old links have
    ?rule=weighted_mean&view=table              the same for every other choice with a name: see `named`

A link's models become the choice of models, on any page, and every page writes the choice back into its address, which
switching pages would lose. `finish` does that, and shows what the address asked for in vain, until the next choice on
that page.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from imgrec.errors import InputError, UnknownNameError
from imgrec.ui import caches
from imgrec.ui.markdown import plain

MODELS = "models"


@dataclass(slots=True)
class _Links:
    """The links of a session."""

    page: str  # of the last run
    seen: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)  # (key, values) that were followed or written
    named: set[str] = field(default_factory=set)  # keys given to `named`
    shown: set[str] = field(default_factory=set)  # keys of the widgets of this run
    complaints: dict[str, list[str]] = field(default_factory=dict)  # key → sentences
    at_complaint: dict[str, Any] = field(default_factory=dict)  # key → value of the page's choices, once complained
    pending: dict[str, list[str] | None] = field(default_factory=dict)  # key → values for the address, None for none
    unknown_models: list[str] = field(default_factory=list)  # in a link, or chosen and then removed
    too_many_models: str | None = None  # the sentence about it


def _links() -> _Links:
    found: _Links = st.session_state.setdefault("links", _Links(""))
    return found


def choices() -> dict[str, Any]:
    """Return what was chosen on any page by key: Streamlit forgets the widgets of other pages."""
    found: dict[str, Any] = st.session_state.setdefault("choices", {})
    return found


def follow(page: str) -> None:
    """Take the models of the address as chosen, unless this session has written that address itself.

    `page` identifies the page. On each page the widget is another one to Streamlit, with the same key: after a switch
    its value is removed here, so that it starts with the choice.
    """
    links = _links()
    links.shown = set()
    if any(value != _chosen(key) for key, value in links.at_complaint.items()):
        # A choice since then: what could not be honored is over.
        links.complaints, links.at_complaint = {}, {}
        links.unknown_models, links.too_many_models = [], None
    if links.page != page:
        links.page = page
        links.at_complaint = {}
        for key in (MODELS, *links.named):
            st.session_state.pop(key, None)
    link = tuple(st.query_params.get_all(MODELS))
    if not link or (MODELS, link) in links.seen:
        return
    links.seen.add((MODELS, link))
    catalog = caches.catalog()
    known = [*catalog, *(twin.name for twin in catalog.twins)]
    names, links.unknown_models = _match(link, known, lambda name: catalog[name].title, str)
    links.too_many_models = None
    if names or not links.unknown_models:
        st.session_state[MODELS] = choices()[MODELS] = names


def write() -> None:
    """Put the chosen models into the address."""
    names = choices().get(MODELS)
    if names is None:
        return
    # An empty parameter means that nothing is chosen; without the parameter there is no choice yet.
    link = tuple(names) or ("",)
    if link != tuple(st.query_params.get_all(MODELS)):
        _links().seen.add((MODELS, link))
        st.query_params[MODELS] = list(link)


def forget(names: Sequence[str]) -> None:
    """Add a complaint for each chosen model that has been removed."""
    links = _links()
    links.unknown_models = [*dict.fromkeys([*links.unknown_models, *names])]


def leave_out(count: int, most: int) -> None:
    """Add a complaint where a link asked for `count` models and there can be `most`."""
    if count > most:
        _links().too_many_models = f"Expected at most {most} models. Received: {count}; the first {most} are shown."


def complaints() -> list[str]:
    """Return a sentence for each model of a link, or of an earlier choice, that does not exist; and for too many."""
    links = _links()
    missing = [name for name in links.unknown_models if name not in caches.catalog()]
    sentences = [str(UnknownNameError.of("model", name, list(caches.catalog()))) for name in missing]
    return [links.too_many_models, *sentences] if links.too_many_models else sentences


def snapshot() -> dict[str, Any]:
    """Return the values of this page's choices by key, None for one without; for `restore`."""
    return {key: _chosen(key) for key in (MODELS, *sorted(_links().shown))}


def restore(values: Mapping[str, Any]) -> None:
    """Choose what a `snapshot` has, in place of links and later choices; for a callback, before widgets are shown."""
    for key, value in values.items():
        if value is None:
            unset([key])
        else:
            st.session_state[key] = choices()[key] = value


def slug(title: str) -> str:
    """Return the name in a link of an option that has only a title.

    >>> slug("A against B")
    'a_against_b'
    """
    return "_".join(title.lower().split())


def named(
    key: str,
    kind: str,
    options: Sequence[Any],
    default: str | Sequence[str] | None,
    *,
    title: Callable[[Any], str] = str,
    name: Callable[[Any], str] = str,
) -> str:
    """Tie the next widget to the address; return `key`, which is to be given to it.

    The address has an option under its `name`, and no default; options themselves and their titles are understood too.
    `kind` is the word for an option in a sentence. With several options in `default` the widget takes several.
    """
    links, state = _links(), st.session_state
    links.named.add(key)
    links.shown.add(key)
    several = default is not None and not isinstance(default, str)
    usual = list(default or ()) if several else default
    link = tuple(st.query_params.get_all(key))
    if link and (key, link) not in links.seen:
        links.seen.add((key, link))
        found, unknown = _match(link, options, title, name)
        if found or (several and not unknown):
            state[key] = found if several else found[0]
        known = [name(option) for option in options]
        instead = state.get(key, choices().get(key, usual))
        shown = f" Shown: {instead}." if isinstance(instead, str) and not found else ""
        links.complaints[key] = [f"{UnknownNameError.of(kind, word, known)}{shown}" for word in unknown]
    elif key not in state and key in choices():
        state[key] = choices()[key]
    value = state.get(key, usual)
    if value is None or value == usual:
        choices().pop(key, None)
        links.pending[key] = None
        return key
    wanted = [name(option) for option in (value if several else [value])] or [""]
    choices()[key] = value
    links.seen.add((key, tuple(wanted)))
    links.pending[key] = wanted
    return key


def segmented(
    label: str,
    kind: str,
    options: Sequence[str],
    default: str,
    key: str,
    *,
    title: Callable[[str], str] = str,
    name: Callable[[str], str] = slug,
    **look: Any,
) -> str:
    """Return the choice of a segmented control that is tied to the address; arguments as of `named`."""
    key = named(key, kind, options, default, title=title, name=name)
    chosen = st.segmented_control(label, options, default=default, required=True, key=key, **look)
    return chosen if chosen in options else default


def flag(key: str, kind: str) -> str:
    """Tie the next toggle to the address, where it is `true` or not there; return `key`, which is to be given to it."""
    links, state = _links(), st.session_state
    links.named.add(key)
    links.shown.add(key)
    link = tuple(st.query_params.get_all(key))
    if link and (key, link) not in links.seen:
        links.seen.add((key, link))
        if link[-1] in ("true", "false"):
            state[key] = link[-1] == "true"
        else:
            links.complaints[key] = [f"Expected {kind} to be true or false. Received: {link[-1]!r}."]
    elif key not in state and key in choices():
        state[key] = choices()[key]
    is_on = bool(state.get(key, False))
    links.pending[key] = ["true"] if is_on else None
    if is_on:
        choices()[key] = True
        links.seen.add((key, ("true",)))
    else:
        choices().pop(key, None)
    return key


def number(key: str, kind: str, least: float, most: float) -> str:
    """Check the number in the address of a slider that Streamlit ties to it; return `key`."""
    links = _links()
    links.shown.add(key)
    text = st.query_params.get(key)
    try:
        fits = text is None or least <= float(text) <= most
    except ValueError:
        fits = False
    if not fits and (key, (str(text),)) not in links.seen:
        links.seen.add((key, (str(text),)))
        links.complaints[key] = [f"Expected {kind} to be from {least:g} to {most:g}. Received: {text!r}."]
    return key


def text(key: str, read: Callable[[str], tuple[str, list[str]]] = lambda link: (link, [])) -> str:
    """Return the text that the address or `write_text` gave for `key`; empty without one.

    `read` returns what can be used of a text, and a sentence for each part that cannot. Where nothing can, and where it
    raises `InputError`, the choice stays as it is; the sentences are shown.
    """
    links = _links()
    links.shown.add(key)
    link = st.query_params.get(key)
    if link is not None and (key, (link,)) not in links.seen:
        links.seen.add((key, (link,)))
        try:
            usable, sentences = read(link) if link else ("", [])
        except InputError as error:
            usable, sentences = "", [str(error)]
        if usable or not sentences:
            write_text(key, usable)
        links.complaints[key] = sentences
    found = str(choices().get(key, ""))
    links.pending[key] = [found] if found else None
    if found:
        links.seen.add((key, (found,)))
    return found


def write_text(key: str, text: str) -> None:
    """Choose `text` for `key`, for this run and for the address."""
    choices()[key] = text


def unset(keys: Iterable[str]) -> None:
    """Take back the choices of `keys`; for a callback, before widgets are shown."""
    for key in keys:
        st.session_state.pop(key, None)
        choices().pop(key, None)


def finish() -> None:
    """Put the choices of this page into the address, and show what it asked for in vain.

    All choices at once, because each change of the address is a step in the browser's history.
    """
    links = _links()
    pending, links.pending = links.pending, {}
    changed = {key: words for key, words in pending.items() if words and words != st.query_params.get_all(key)}
    if changed:
        st.query_params.update(changed)
    for key in [key for key, words in pending.items() if words is None and key in st.query_params]:
        del st.query_params[key]
    for key, sentences in links.complaints.items():
        for sentence in sentences if key in links.shown else ():
            st.warning(plain(sentence), icon=":material/link_off:")
    if not links.at_complaint and (any(links.complaints.values()) or complaints()):
        links.at_complaint = snapshot()


def _chosen(key: str) -> Any:
    return st.session_state.get(key, choices().get(key))


def _match(
    link: Iterable[str], options: Sequence[Any], title: Callable[[Any], str], name: Callable[[Any], str]
) -> tuple[list[Any], list[str]]:
    """Return the options in a link, by name or title, with commas or separate, and the words that are none.

    >>> _match(["a,B", "c"], ["a", "b"], str.upper, str)
    (['a', 'b'], ['c'])
    """
    meant: dict[str, Any] = {}
    for spelled in (title, name, str):  # of two options with one spelling, the option that is spelled so itself
        meant |= {spelled(option): option for option in options}
    # A title may have a comma in it.
    words = [word for value in link for word in ([value] if value in meant else map(str.strip, value.split(",")))]
    found = dict.fromkeys(meant[word] for word in words if word in meant)
    return list(found), [word for word in words if word and word not in meant]
