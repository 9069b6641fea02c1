"""The level at which results are shown, and the classes that a visitor names: search, add, rename, remove, save, load.

Classes are in the address as `classes=cat;dog`; see `predictions.class_groups` for what can stand there.
"""

from dataclasses import replace

import streamlit as st

from imgrec.errors import InputError
from imgrec.predictions import wordnet
from imgrec.predictions.class_groups import MAX_CHARACTERS, MAX_NAME, ClassGroup, ClassGroups
from imgrec.predictions.hierarchy import DEFAULT_LEVEL, LEVELS
from imgrec.ui import query_params, uploads
from imgrec.ui.elements import download, enter_presses
from imgrec.ui.markdown import plain

KEY = "classes"
FILE = "my_classes.json"

# Stands for a new class among the names of those that are there: no name is empty.
NEW = ""

# In the session: a sentence about the last change, and how often the list was changed by something else than its own
# widgets, which then start anew.
_ERROR = "classes_error"
_ROUND = "classes_round"

_MOST_NAMES = 3
_MOST_FOUND = 6
_MAX_FILE_MIB = 1


def choose() -> tuple[str, ClassGroups | None]:
    """Show the level, which own classes make needless, and a panel for these; return both."""
    text = query_params.text(KEY, _read)
    groups = ClassGroups.parse(text) if text else None
    if groups:
        level = DEFAULT_LEVEL
        st.caption("**Show results as**  \nyour classes below; without them, a level can be chosen.")
    else:
        level = _level()
    # With the names in its label it would be another panel, and closed, after each change.
    panel = st.expander("My classes", icon=":material/category:", key="my_classes", on_change="rerun")
    if panel.open:
        with panel:
            _edit(groups)
    return level, groups


def _read(link: str) -> tuple[str, list[str]]:
    """Return the classes of a link that can be meant, and a sentence for each other one."""
    groups, sentences = ClassGroups.parse_known(link)
    more = len(sentences) - _MOST_NAMES
    said = sentences[:_MOST_NAMES] + ([f"{more:,} more classes of the link cannot be meant."] if more > 0 else [])
    return groups.to_link() if groups else "", said


def describe(level: str, groups: ClassGroups | None) -> str:
    """Return what results are shown as in a few words."""
    return f"my classes: {_in_words(groups)}" if groups else f"by {level}"


def _level() -> str:
    return query_params.segmented(
        "Show results as",
        "level",
        list(LEVELS),
        DEFAULT_LEVEL,
        "level",
        title=str.capitalize,
        format_func=str.capitalize,
        help="\n\n".join(f"**{name.capitalize()}**: {meaning}" for name, meaning in LEVELS.items()),
    )


def start_anew() -> None:
    """Have the panel show the classes that are there now: they were changed by something else than its widgets."""
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1


def _edit(groups: ClassGroups | None) -> None:
    names = [] if groups is None else [group.name for group in groups.groups]
    if groups is None:
        st.caption("Name what matters to you, such as cat and dog: any model then chooses between these.")
    with st.container(horizontal=True, gap="xsmall"):
        text = st.text_input(
            "Add a class",
            key=_key("search"),
            type="search",
            live=True,
            placeholder="Search: cat, vehicle, …",
            label_visibility="collapsed",
        )
        if names:
            st.selectbox(
                "Where to",
                [NEW, *names],
                format_func=lambda name: "as a new class" if name == NEW else f"to {name}",
                key=_key("into"),
                label_visibility="collapsed",
                width=170,
            )
    _offer(wordnet.search(text or ""), text or "")
    if sentence := st.session_state.pop(_ERROR, None):
        st.error(plain(sentence), icon=":material/error:")
    if groups:
        for place, group in enumerate(groups.groups):
            _row(groups, place, group)
        with st.container(horizontal=True):
            download("Save as a file", groups.to_json(), FILE, "application/json", key="classes_file")
            st.button("Remove all", icon=":material/delete:", key="classes_none", on_click=_set, args=(None,))
    st.file_uploader("Load a file", "json", key=uploads.key_of(KEY), max_upload_size=_MAX_FILE_MIB, on_change=_load)


def _row(groups: ClassGroups, place: int, group: ClassGroup) -> None:
    """Show one class: its name, what counts, and a button that removes it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.text_input(
            f"Name of class {place + 1}",
            group.name,
            MAX_NAME,
            key=_key(f"name_{place}"),
            on_change=_rename,
            args=(place,),
            label_visibility="collapsed",
            width=110,
        )
        st.multiselect(
            f"What counts as {group.name}",
            group.words,
            group.words,
            key=_key(f"words_{place}"),
            format_func=_name_of_word,
            on_change=_keep,
            args=(place,),
            label_visibility="collapsed",
            select_all=False,
        )
        st.button(
            "",
            icon=":material/close:",
            key=_key(f"remove_{place}"),
            help=f"Remove {group.name}",
            type="tertiary",
            on_click=_set,
            args=(_without(groups, place),),
        )


def _offer(synsets: list[str], text: str) -> None:
    """Show what was found, each with a button that adds it."""
    if text.strip() and not synsets:
        st.caption(f"WordNet has no class {plain(repr(text.strip()))} that these models could know.")
    with st.container(gap="xxsmall"):
        for place, synset in enumerate(synsets[:_MOST_FOUND]):
            st.button(
                plain(_describe(synset)),
                icon=":material/add:",
                key=_key(f"add_{place}"),
                type="tertiary",
                on_click=_add,
                args=(synset,),
            )
    enter_presses(_key("search"), _key("add_0"), text, key="classes_enter")


def _key(name: str) -> str:
    return f"classes_{name}_{st.session_state.get(_ROUND, 0)}"


def _set(groups: ClassGroups | None) -> None:
    query_params.write_text(KEY, groups.to_link() if groups else "")
    start_anew()


def _current() -> ClassGroups | None:
    text = query_params.choices().get(KEY, "")
    return ClassGroups.parse(text) if text else None


def _add(synset: str) -> None:
    groups, into = _current(), st.session_state.get(_key("into"), NEW)
    try:
        if groups is None:
            _set(ClassGroups((ClassGroup(wordnet.name_of(synset), (synset,)),)))
        elif into == NEW:
            _set(groups.with_group(ClassGroup(_free_name(wordnet.name_of(synset), groups), (synset,))))
        else:
            place = [group.name for group in groups.groups].index(into)
            found = ClassGroup.parse(into, (*groups.groups[place].words, synset))
            _set(groups.with_group(found, place))
    except InputError as error:
        _refuse(error)


def _rename(place: int) -> None:
    groups = _current()
    if groups is None:
        return
    group = groups.groups[place]
    try:
        renamed = ClassGroup.parse(st.session_state[_key(f"name_{place}")], group.words)
        _set(groups.with_group(renamed, place))
    except InputError as error:
        _refuse(error)


def _keep(place: int) -> None:
    """Take what was removed from a class out of it; a class of which nothing is left is removed."""
    groups, words = _current(), st.session_state[_key(f"words_{place}")]
    if groups is None:
        return
    try:
        if not words:
            _set(_without(groups, place))
        else:
            _set(groups.with_group(ClassGroup.parse(groups.groups[place].name, words), place))
    except InputError as error:
        _refuse(error)


def _load() -> None:
    file = st.session_state[uploads.key_of(KEY)]
    if file is None:
        return
    try:
        _set(ClassGroups.parse(file.getvalue()[: 4 * (MAX_CHARACTERS + 1)].decode("utf-8", "strict")))
    except (InputError, UnicodeDecodeError) as error:
        reason = error if isinstance(error, InputError) else "Expected a JSON file. Received: one that is no text."
        _refuse(InputError(f"{file.name}: {reason}"))
    uploads.empty(KEY, [file])


def _refuse(error: InputError) -> None:
    """Show the sentence in the panel; its widgets start anew from the classes that are there."""
    st.session_state[_ERROR] = str(error)
    start_anew()


def _without(groups: ClassGroups, place: int) -> ClassGroups | None:
    rest = (*groups.groups[:place], *groups.groups[place + 1 :])
    return replace(groups, groups=rest) if rest else None


def _free_name(name: str, groups: ClassGroups) -> str:
    """Return `name`, with a number where a class has it."""
    used = {group.name.casefold() for group in groups.groups}
    names = (name, *(f"{name} {number}" for number in range(2, len(used) + 2)))
    return next(one for one in names if one.casefold() not in used)


def _in_words(groups: ClassGroups) -> str:
    names = [group.name for group in groups.groups]
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _name_of_word(word: str) -> str:
    return f"without {wordnet.name_of(word[1:])}" if word.startswith("-") else wordnet.name_of(word)


def _describe(synset: str) -> str:
    """Return "cat (true cat) · feline · 7 classes"."""
    name, *others = wordnet.names_of(synset)
    count = wordnet.class_counts().get(synset, 0)
    return " · ".join(
        [
            f"{name} ({', '.join(others[:_MOST_NAMES])})" if others else name,
            *map(wordnet.name_of, wordnet.ancestors(synset)[1:2]),
            *([f"{count:,} classes"] if count > 1 else []),
        ]
    )
