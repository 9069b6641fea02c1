"""Five systems, again: each thing that they did, with what they printed and what is measured here."""

import streamlit as st

from imgrec.evaluation.five_systems import Capability, five_systems
from imgrec.settings import APP
from imgrec.ui import query_params

MIN_CARD_PX = 340


def show() -> None:
    """Show one of the systems, as a card for each of its rows."""
    st.header("Five systems, again", anchor=False)
    systems = five_systems()
    rows = sum(len(system.capabilities) for system in systems)
    st.markdown(
        f"Five published student projects did what imgrec does, and each fell short somewhere. These are their {rows} "
        "capabilities, with what was printed and what was measured here."
    )
    titles = [system.title for system in systems]
    key = query_params.named("system", "system", titles, titles[0], name=query_params.slug)
    chosen = st.selectbox("System", titles, key=key)
    system = next((one for one in systems if one.title == chosen), systems[0])
    with st.grid(min_column_width=MIN_CARD_PX):
        for capability in system.capabilities:
            with st.container(border=True, height="stretch", gap="xsmall"):
                _card(capability)


def _card(found: Capability) -> None:
    st.markdown(f"**{found.title}** :gray[{found.id}]")
    lines = [f"Printed: {found.printed}", f"Here: {found.here}"]
    if found.missing:
        lines.append(f"Not measured: {found.missing}")
    st.markdown("\n\n".join(line.replace("$", "\\$").replace("<", "\\<") for line in lines))
    if found.command:
        st.code(found.command, language="bash", wrap_lines=True)
    if found.page:
        st.page_link(
            str(APP / "pages" / f"{found.page}.py"),
            label="Open",
            icon=":material/arrow_forward:",
            query_params=dict(found.query),
            help=f"{found.title}: {found.page.replace('_', ' ').capitalize()}",
        )
