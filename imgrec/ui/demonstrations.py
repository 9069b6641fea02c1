"""What went wrong in a published system, shown with a training of our own."""

import streamlit as st

from imgrec import demonstrations
from imgrec.ui.wording import plain


def one_sided(*, table: bool) -> None:
    """Closed until somebody wants to know: one network, one training, validated with right and wrong input."""
    found = demonstrations.one_sided()
    if found is None:
        return
    with st.expander("What went wrong in a published system", icon=":material/troubleshoot:"):
        st.markdown(
            "A published system taught a pretrained network with augmented pictures and reported "
            "**14.4 % to 51.0 %** right in training and **9.3 % to 10.5 %** in validation: guessing among ten "
            "classes. It called this overfitting. It was not: the generator of the training pictures normalised "
            "them, the generator of the validation pictures did not. Here is that mistake, made on purpose: "
            "one training, the same weights, validated both ways after each epoch."
        )
        with st.grid(3, min_column_width=280):
            for number, network in enumerate(found.networks):
                words = demonstrations.describe(network, found.chance)
                with st.container(gap="xsmall"):
                    st.markdown(f"**{plain(demonstrations.title_of(network))}**")
                    if table:
                        st.dataframe(demonstrations.rows(network), hide_index=True, alt=words)
                    else:
                        spec = demonstrations.chart(network, found.chance, found.top)
                        st.vega_lite_chart(spec, theme=None, alt=words, key=f"one_sided_{number}")
                    st.caption(words)
        st.caption(
            f"{plain(found.data)}; measured on {found.measured_at}. In imgrec one rule feeds training, "
            "validation, test and every later question, so that no side can be fed differently."
        )
