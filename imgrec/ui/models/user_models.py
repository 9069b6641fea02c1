"""The user's own models on the Models page: what each one is, which are broken, and a way to remove them."""

from functools import partial

import streamlit as st

from imgrec.charts.colors import color_of
from imgrec.models import cards
from imgrec.models.catalog import ModelSpec
from imgrec.reports import sentences
from imgrec.ui import caches
from imgrec.ui.compare.result_cards import MIN_CARD_PX
from imgrec.ui.elements import errors_shown
from imgrec.ui.markdown import plain
from imgrec.ui.widget_keys import key_of


def panel() -> None:
    """Show the models trained or added here; outside demo mode they can be removed, and broken cards are reported."""
    settings = caches.settings()
    # Visitors of a public demo share one machine.
    catalog = caches.catalog()
    found = {name: spec for name, spec in catalog.items() if name in catalog.own}
    problems = () if settings.demo else catalog.problems
    if not (found or problems):
        return
    st.subheader(
        "Your models",
        anchor=False,
        help="Trained on this machine, on the Train page or with `imgrec train`, or added with `imgrec add FILE`.",
    )
    for problem in problems:
        st.warning(
            plain(problem.sentence),
            title=f"{plain(problem.path.name)} cannot be used as a model",
            icon=":material/broken_image:",
        )
    with st.grid(min_column_width=MIN_CARD_PX):
        for spec in found.values():
            with st.container(border=True, height="stretch", gap="xsmall"):
                _card(spec, removable=not settings.demo)
    if (asked := st.session_state.get("remove_asked")) in found:
        _confirm(found[asked])


def _card(spec: ModelSpec, *, removable: bool) -> None:
    color = color_of(spec.name)
    st.markdown(f':color[■]{{foreground="{color}"}} **{plain(spec.title)}** :small[:gray[{spec.name}]]')
    st.caption(f"Classes: {plain(sentences.space_title(spec.get_label_space()))}")
    st.caption(f"{spec.parameters:,} parameters · input {spec.input_size[1]} × {spec.input_size[0]} px")
    if (card := cards.find(spec.name, caches.settings())) is not None and card.is_added:
        added = card.fields["imported"]
        st.caption(plain(f"Added from {added['file']} ({added['format']}) · sha256 {added['sha256'][:16]}…"))
    if removable:
        on_click = partial(st.session_state.__setitem__, "remove_asked", spec.name)
        st.button("Remove", key=key_of("remove", spec.name), icon=":material/delete:", on_click=on_click)


def _stop_asking() -> None:
    st.session_state.pop("remove_asked", None)


@st.dialog("Remove this model?", icon=":material/delete:", on_dismiss=_stop_asking)
def _confirm(spec: ModelSpec) -> None:
    card = cards.find(spec.name, caches.settings())
    stays = (
        "The file that it was added from stays where it is."
        if card is not None and card.is_added
        else "The run that trained it stays on the Train page, with its curves."
    )
    st.markdown(
        f"**{plain(spec.title)}** and its card will be deleted from this machine. This cannot be undone. {stays}"
    )
    with st.container(horizontal=True):
        if st.button("Remove", key="remove_yes", type="primary", icon=":material/delete:"):
            with errors_shown():
                cards.remove(spec.name, caches.settings())
                caches.pool().unload(spec.name)
                _stop_asking()
                st.rerun()
        if st.button("Cancel", key="remove_no"):
            _stop_asking()
            st.rerun()
