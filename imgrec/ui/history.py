"""The results of a visit: each image with the settings that gave a result, to go back to, or two of them side by side.

All is in the session: it is limited in entries and bytes, and gone when the visit ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import streamlit as st

from imgrec.images.decoding import DecodedImage
from imgrec.inference.request import Options
from imgrec.predictions.ensembles import RULES, Ensemble
from imgrec.predictions.hierarchy import DEFAULT_LEVEL
from imgrec.predictions.prediction import DEFAULT_TOP_K, Failure, Prediction
from imgrec.reports import sentences
from imgrec.reports.differences import COLUMNS, differences
from imgrec.reports.result import Result
from imgrec.ui import caches, image_input, my_classes, pinned, query_params
from imgrec.ui.image_input import Image
from imgrec.ui.markdown import plain

MAX_ENTRIES = 24

# Of the memory for the images of a session, the part of the history. Images that are still on the page are counted
# too, though they take nothing more.
SHARE = 4

PINS = 2

# Models named in a line; of more the number is told.
NAMED_MODELS = 3

THUMBNAIL_PX = 56

# Room for a long label and three figures.
MIN_TABLE_PX = 400


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """An image with its result, the sentence about it, and the choices of the page, which restore it."""

    id: str
    image: Image
    options: Options
    result: Result
    sentence: str
    choices: Mapping[str, Any]


def entries() -> list[Entry]:
    """Return the entries of this visit, the oldest first."""
    found: list[Entry] = st.session_state.setdefault("history", [])
    return found


def record(
    image: Image,
    options: Options,
    result: Result,
    groups: Mapping[str, tuple[Sequence[Prediction], Ensemble | Failure | None]],
) -> None:
    """Add a result, or renew the entry with the same image, models, rule and framing; the page has run until here.

    `groups` has the members and the ensemble of each label space.
    """
    if not result.predictions:
        return
    said = [sentences.headline(members, e if isinstance(e, Ensemble) else None) for members, e in groups.values()]
    # A slider that is moved makes no entry of its own.
    same = replace(options, k=DEFAULT_TOP_K, weights={})
    entry = Entry(
        f"{image.id[:16]} {' '.join(same.to_arguments())}",
        image,
        options,
        result,
        " · ".join(said),
        query_params.snapshot(),
    )
    kept = [other for other in entries() if other.id != entry.id]
    st.session_state["history"] = fitting([*kept, entry], set(_pins()), caches.settings().session_bytes // SHARE)


def fitting(found: Sequence[Entry], pinned: set[str], max_bytes: int, max_entries: int = MAX_ENTRIES) -> list[Entry]:
    """Return `found` without its oldest entries, as many as the limits ask for; pinned ones and the last are kept."""
    kept = list(found)
    for entry in found[:-1]:
        if len(kept) <= max_entries and _size_bytes([one.image.image for one in kept]) <= max_bytes:
            break
        if entry.id not in pinned:
            kept.remove(entry)
    return kept


def button() -> None:
    """Show the button that lists the history; nothing is drawn before it is opened."""
    panel = st.popover("History", icon=":material/history:", key="history_open", on_change="rerun", type="tertiary")
    found = entries()
    pinned = [entry for entry in found if entry.id in _pins()]
    if st.session_state.pop("history_two", False) and len(pinned) == PINS:
        _side_by_side(*pinned)
    if not panel.open:
        return
    with panel, st.container(key="history"):
        if not found:
            st.caption("What you look at in this visit will be listed here.")
            return
        st.caption(f"The last {MAX_ENTRIES} results of this visit at most. Pin two to see them side by side.")
        if len(pinned) == PINS:
            st.button("Show the two side by side", icon=":material/compare:", key="history_pair", on_click=_open_pair)
        for place, entry in enumerate(reversed(found)):
            _row(entry, len(found) - place)
        # An image that was removed from the page is still in its entries.
        st.button(
            "Clear history", icon=":material/delete_sweep:", key="history_clear", type="tertiary", on_click=_clear
        )


def _row(entry: Entry, number: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        thumbnail = caches.thumbnail(entry.image.id, caches.TILE_SIDE_PX, entry.image.image)
        st.image(thumbnail, width=THUMBNAIL_PX, alt="")
        with st.container(gap="xxsmall"):
            st.button(
                f"{number}. {plain(entry.sentence)}",
                key=f"history_{entry.id}",
                type="tertiary",
                on_click=_restore,
                args=(entry,),
                help="Go back to this image with these settings",
            )
            st.caption(f"{plain(entry.image.name)} · {describe(entry.options)}")
        st.checkbox(
            f"Pin {number}",
            entry.id in _pins(),
            key=f"history_pin_{entry.id}",
            on_change=partial(_toggle_pin, entry.id),
        )


def describe(options: Options) -> str:
    """Return models and settings in a line, without defaults of the command line."""
    titles = [plain(spec.title) for spec in options.specs]
    models = ", ".join(titles) if len(titles) <= NAMED_MODELS else f"{len(titles)} models"
    rule = [RULES[options.rule].title.lower()] if len(titles) > 1 else []
    shown = options.classes or options.level != DEFAULT_LEVEL
    level = [plain(my_classes.describe(options.level, options.classes))] if shown else []
    return " · ".join([models, *rule, options.framing, *level])


def _restore(entry: Entry) -> None:
    image_input.show(entry.image)
    query_params.restore(entry.choices)
    my_classes.start_anew()
    pinned.pin(*(entry.choices.get(pinned.WIDGET) or ("", None)))
    st.session_state["weights"] = dict(entry.options.weights)
    st.session_state["history_open"] = False


def _open_pair() -> None:
    # An open list would lie above the dialog.
    st.session_state["history_two"], st.session_state["history_open"] = True, False


def _clear() -> None:
    for key in ("history", "history_pins"):
        st.session_state.pop(key, None)
    st.session_state["history_open"] = False


def _pins() -> list[str]:
    pins: list[str] = st.session_state.setdefault("history_pins", [])
    return pins


def _toggle_pin(entry: str) -> None:
    """Pin an entry, instead of the one pinned first where there are two; or take its pin away."""
    pins = _pins()
    if entry in pins:
        pins.remove(entry)
        return
    pins.append(entry)
    for dropped in pins[:-PINS]:
        st.session_state[f"history_pin_{dropped}"] = False
    del pins[:-PINS]


@st.dialog("Side by side", width="large")
def _side_by_side(first: Entry, second: Entry) -> None:
    for column, name, entry in zip(st.columns(2), COLUMNS[1:3], (first, second), strict=True):
        with column:
            st.image(
                caches.thumbnail(entry.image.id, caches.TILE_SIDE_PX, entry.image.image),
                width=2 * THUMBNAIL_PX,
                alt=f"{name}: {entry.image.name}",
            )
            st.markdown(f"**{name}**: {plain(entry.sentence)}")
            st.caption(f"{plain(entry.image.name)} · {describe(entry.options)}")
    with st.grid(min_column_width=MIN_TABLE_PX, gap="medium"):
        for found in differences(first.result, second.result):
            with st.container(gap="xxsmall"):
                st.markdown(f"**{plain(found.sentence)}**")
                st.table(list(found.rows), border="horizontal", hide_index=True, alt=found.sentence)
    st.caption("Change is in percentage points, from the first to the second.")


def _size_bytes(images: Sequence[DecodedImage]) -> int:
    """Return the bytes of the pixels, each image once."""
    return sum({image.sha256: image.nbytes for image in images}.values())
