"""Models of the user's own training on the Models page: what there is, what is broken, and a way to be rid of them."""

import streamlit as st

from imgrec import cards, charts, verdicts
from imgrec.catalogue import ModelSpec
from imgrec.errors import ImgrecError
from imgrec.ui import resources
from imgrec.ui.cards import MIN_CARD_PX
from imgrec.ui.wording import plain


def panel() -> None:
    """The models of this user's own training: each can be removed; what cannot be used is said."""
    settings = resources.settings()
    if settings.demo:
        return  # visitors of a public demo share one machine
    found, problems = cards.own(settings), cards.problems(settings)
    if not (found or problems):
        return
    st.markdown("**Trained here**")
    for problem in problems:
        st.warning(
            plain(problem.sentence), title=f"{plain(problem.path.name)} is no model", icon=":material/broken_image:"
        )
    with st.grid(min_column_width=MIN_CARD_PX):
        for spec in found.values():
            with st.container(border=True, height="stretch", gap="xsmall"):
                colour = charts.colour_of(spec.name)
                st.markdown(f':color[■]{{foreground="{colour}"}} **{plain(spec.title)}** :small[:gray[{spec.name}]]')
                st.caption(f"Knows {plain(verdicts.space_title(spec.label_space))}.")
                st.button(
                    "Remove",
                    key=f"remove_{spec.name}",
                    icon=":material/delete:",
                    on_click=_ask_to_remove,
                    args=(spec.name,),
                )
    if (asked := st.session_state.get("remove_asked")) in found:
        _confirm(found[asked])


def _ask_to_remove(name: str) -> None:
    st.session_state["remove_asked"] = name


def _stop_asking() -> None:
    st.session_state.pop("remove_asked", None)


@st.dialog("Remove this model?", icon=":material/delete:", on_dismiss=_stop_asking)
def _confirm(spec: ModelSpec) -> None:
    st.markdown(
        f"**{plain(spec.title)}** and its card are deleted from this machine, for good. The run that made it stays "
        "on the Train page, with its curves."
    )
    with st.container(horizontal=True):
        if st.button("Remove", key="remove_yes", type="primary", icon=":material/delete:"):
            _remove(spec)
        if st.button("Keep it", key="remove_no"):
            _stop_asking()
            st.rerun()


def _remove(spec: ModelSpec) -> None:
    try:
        cards.remove(spec.name, resources.settings())
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    resources.pool().unload(spec.name)
    _stop_asking()
    st.rerun()
