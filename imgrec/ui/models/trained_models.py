"""Every trained model, the bundled ones too: one table, and the details of one."""

from typing import Any

import streamlit as st

from imgrec.export.bundle import shareable
from imgrec.formatting import duration
from imgrec.models import cards
from imgrec.models.cards import Card
from imgrec.reports import accuracy
from imgrec.training import run_summary
from imgrec.ui import caches
from imgrec.ui.markdown import plain
from imgrec.ui.train import model_export, run_charts
from imgrec.ui.train.form_fields import keep_choice


def trained(*, table: bool, shown: str | None = None) -> None:
    """Show the table of trained models, newest first; curves, confusion matrix and card of the chosen one.

    The charts of the model `shown` stand on the page already, with its run.
    """
    found = sorted(cards.all_cards(caches.settings()), key=lambda card: str(card.fields["finished_at"]), reverse=True)
    if not found:
        return
    st.subheader("Trained models", anchor=False)
    st.dataframe(
        [_row(card) for card in found],
        hide_index=True,
        placeholder="–",
        alt="Every trained model, with parameters, training time and accuracy",
        column_config={
            "Model": st.column_config.TextColumn(width="medium"),
            "Parameters": st.column_config.NumberColumn(format="localized"),
            "Trainable": st.column_config.NumberColumn(format="localized", help="Parameters that were trained"),
            "Images": st.column_config.NumberColumn(format="localized", help="Training images"),
            "Training time": st.column_config.TextColumn(help="Sum of its epochs"),
            "Accuracy": st.column_config.NumberColumn(format="percent", help="Empty where few images were held out"),
            "Measured on": st.column_config.TextColumn(
                width="medium", help="Of few images, counts with a 95 % interval"
            ),
        },
    )
    by_name = {card.name: card for card in found}
    keep_choice("trained", list(by_name))
    name = st.selectbox("Model", list(by_name), key="trained", bind="query-params", width=320)
    card = by_name.get(name, found[0])
    if card.name == shown:
        st.caption("Its charts are shown with its run above.")
    else:
        _charts(card, table)
    model_export.export_panel(card)
    box = st.expander("Model card (JSON)", icon=":material/description:", key="whole_card", on_change="rerun")
    if box.open:  # else its hundreds of figures would be sent with every click
        # Visitors of a public demo need not know where its images lie.
        box.json(shareable(card.fields) if caches.settings().demo else card.fields, expanded=1)


def _charts(card: cards.Card, table: bool) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        kept = run_summary.epochs_of(card)
        marked = kept if kept < len(card.curves) else None
        run_charts.learning_curves(run_summary.curves_of(card), "card", table=table, kept=marked)
    with right:
        metrics = card.metrics
        run_charts.matrix(metrics["confusion"], card.classes, metrics["set"], "card", table=table)
        if sentence := card.fields.get("unknown_images"):
            st.caption(plain(str(sentence)))


def _row(card: Card) -> dict[str, Any]:
    """Return one line of the table of all models that were trained here; its time is the sum of its epochs'."""
    metrics, data = card.metrics, card.fields["data"]
    count: int = metrics["pictures"]
    measured = f"{count:,} {metrics['set']} images"
    if accuracy.is_few(count):
        figures = accuracy.short(metrics["accuracy"], count), accuracy.interval(metrics["accuracy"], count)
        measured = f"{figures[0]} {metrics['set']} images ({figures[1]})"
    return {
        "Model": card.fields["model"]["title"],
        "Parameters": card.fields["model"]["parameters"],
        "Trainable": card.fields.get("trained_parameters"),
        "Images": data["trained_on"],
        "Epochs": run_summary.epochs_of(card),
        "Training time": duration(card.training_seconds),
        "Accuracy": None if accuracy.is_few(count) else metrics["accuracy"],
        "Measured on": measured,
        "Finished": card.fields["finished_at"][:10],
        "Name": card.name,
    }
