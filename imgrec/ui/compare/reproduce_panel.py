"""How to repeat what the page shows: the command, and lines of plain Keras for one of the models."""

import streamlit as st

from imgrec.predictions.hierarchy import DEFAULT_LEVEL
from imgrec.reports import reproduce
from imgrec.ui import query_params
from imgrec.ui.image_input import Image
from imgrec.ui.settings_bar import Choice


def show(image: Image, choice: Choice) -> None:
    """Show both behind one button; nothing is made before it is opened."""
    panel = st.expander("Reproduce", icon=":material/terminal:", key="reproduce", on_change="rerun")
    if not panel.open or not choice.specs:
        return
    with panel:
        st.markdown("**On the command line**: the same models, options and figures.")
        st.code(reproduce.command(image.source, choice.to_arguments()), language="bash", wrap_lines=True)
        st.markdown("**In plain Keras**: one model, without imgrec.")
        titles = {spec.name: spec.title for spec in choice.specs}
        key = query_params.named(
            "script_of",
            "chosen model",
            list(titles),
            choice.specs[0].name,
            title=lambda model: titles.get(model, model),
        )
        chosen = st.selectbox(
            "Model", list(titles), key=key, format_func=lambda model: titles.get(model, str(model)), width=320
        )
        spec = next((spec for spec in choice.specs if spec.name == chosen), choice.specs[0])
        script = reproduce.keras_script(spec, image.source, choice.framing)
        if script is None:
            st.info(reproduce.why_no_script(spec), icon=":material/info:")
        else:
            st.code(script, language="python")
            if choice.classes or choice.level != DEFAULT_LEVEL:
                st.caption("These lines name the network's own classes, before they are added up.")
            st.caption("The same five classes as here, for an opaque image in sRGB: tests run these lines and compare.")
