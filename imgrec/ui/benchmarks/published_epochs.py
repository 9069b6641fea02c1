"""The epochs that publications printed, drawn, with the training times that follow from them."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from imgrec.charts import training_logs
from imgrec.formatting import percent
from imgrec.training.published_logs import PublishedLog, read_published
from imgrec.training.training_log import VALIDATION

ACCURACY = "accuracy"


def times(table: str) -> dict[str, str]:
    """Return the time of each log that belongs to a row of the published `table`, by the title of the row."""
    return {one.log.title: one.derived_time for one in _of(table)}


def epochs(table: str) -> None:
    """Show the printed epochs of a published table: curves, the same as rows, and which times contradict them."""
    logs = _of(table)
    st.markdown(f"**Its epochs as printed** · {logs[0].source}")
    for one in logs:
        if words := one.comparison:
            st.markdown(f":material/timer_off: {words}")
    drawn = [one.log for one in logs]
    st.vega_lite_chart(
        training_logs.log_chart(drawn, ACCURACY, among=drawn, batches=False, smoothing=0, x_title="epoch"),
        theme=None,
        alt=" ".join(training_logs.describe_log(log, ACCURACY) for log in drawn),
        key=f"published_epochs_{table}",
    )
    st.table([_row(one) for one in logs], border="horizontal", alt="Printed epochs, times and accuracies")
    st.caption("Quoted, nothing of it measured here. The Train page draws these logs over yours.")


def others() -> None:
    """Show the times of printed logs that belong to no published table."""
    for one in read_published():
        if one.table is None:
            with st.expander(f"Training time of {one.log.title} · {one.source}"):
                st.table([_row(one)], border="horizontal", alt=f"Printed time of {one.log.title}")


def _of(table: str) -> Sequence[PublishedLog]:
    return [one for one in read_published() if one.table == table]


def _row(one: PublishedLog) -> dict[str, str]:
    """Return the validation accuracy of every epoch, the time of the log, and what was printed."""
    values = one.log.epochs.get(VALIDATION + ACCURACY, np.full(one.log.count, np.nan))
    shown = {f"Epoch {i + 1}": percent(value, 2) for i, value in enumerate(values.tolist()) if np.isfinite(value)}
    return {
        "Model": one.log.title,
        **shown,
        "Time of its log": one.derived_time,
        "Printed time": one.printed_time,
        "Printed accuracy": one.printed_accuracy,
    }
