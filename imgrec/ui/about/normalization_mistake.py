"""A preprocessing bug of a published system, reproduced."""

import streamlit as st

from imgrec.charts import normalization_mistake
from imgrec.ui.markdown import plain


def one_sided(*, table: bool) -> None:
    """Closed at first: one training, validated with correct and with wrong preprocessing."""
    found = normalization_mistake.one_sided()
    if found is None:
        return
    with st.expander("Case study: a preprocessing bug", icon=":material/troubleshoot:"):
        st.markdown(
            "A published system fine-tuned a pretrained network on ten classes and reported a training accuracy of "
            "**14.4\u202f% to 51.0\u202f%** but a validation accuracy of **9.3\u202f% to 10.5\u202f%**, and called it "
            "overfitting. The cause was a bug: training images were normalized, validation images were not. The "
            "charts repeat it: one training, validated after each epoch with and without normalization."
        )
        with st.grid(3, min_column_width=280):
            for number, network in enumerate(found.networks):
                words = normalization_mistake.describe(network, found.chance)
                with st.container(gap="xsmall"):
                    st.markdown(f"**{plain(normalization_mistake.title_of(network))}**")
                    if table:
                        st.dataframe(normalization_mistake.rows(network), hide_index=True, alt=words)
                    else:
                        spec = normalization_mistake.chart(network, found.chance, found.top)
                        st.vega_lite_chart(spec, theme=None, alt=words, key=f"one_sided_{number}")
                    st.caption(words)
        st.caption(f"{plain(found.data)}; measured on {found.measured_at}. imgrec uses one preprocessing everywhere.")
