"""Every model that was trained here, the bundled ones too: one table, and the one that is looked at."""

import streamlit as st

from imgrec import cards, learning
from imgrec.ui import curves, resources


def trained(*, table: bool) -> None:
    """The table of trained models; curves, confusion matrix and card of the chosen one."""
    found = cards.all_cards(resources.settings())
    if not found:
        return
    st.subheader("Trained models", anchor=False)
    st.dataframe(
        [learning.card_row(card) for card in found],
        hide_index=True,
        alt="Every model that was trained here, with parameters, time and accuracy",
        column_config={
            "Parameters": st.column_config.NumberColumn(format="localized"),
            "Pictures": st.column_config.NumberColumn(format="localized", help="It was trained on"),
            "Training time": st.column_config.TextColumn(help="The sum of its epochs, from its log"),
            "Accuracy": st.column_config.NumberColumn(format="percent"),
        },
    )
    by_name = {card.name: card for card in found}
    name = st.selectbox("Look at", list(by_name), key="trained", bind="query-params", width=320)
    card = by_name.get(name, found[0])
    curves.learning_curves(learning.curves_of(card), "card", table=table)
    metrics = card.metrics
    curves.matrix(metrics["confusion"], card.classes, metrics["set"], "card", table=table)
    with st.expander("The whole card", icon=":material/description:"):
        st.json(card.fields, expanded=1)
