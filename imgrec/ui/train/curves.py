"""Learning curves and confusion matrices as elements of a page: each a chart with its words, or a table of the same."""

from collections.abc import Sequence

import streamlit as st

from imgrec.charts import training
from imgrec.training.training_job import Curves
from imgrec.ui.markdown import plain

# A table of more columns nobody reads, and a browser has trouble with ten thousand cells.
MAX_TABLE_CLASSES = 100


def learning_curves(curves: Curves, key: str, *, table: bool = False, kept: int | None = None) -> None:
    """Accuracy and loss side by side where there is room; with `table` one row an epoch instead.

    The epoch `kept` (from 1) is the one whose network was published, where that is not the last.
    """
    if table:
        st.dataframe(
            [training.epoch_row(row) for row in curves.epochs],
            hide_index=True,
            alt="Training and validation loss and accuracy after each epoch",
            column_config={
                "Accuracy": st.column_config.NumberColumn(format="percent"),
                "Validation accuracy": st.column_config.NumberColumn(format="percent"),
                "Loss": st.column_config.NumberColumn(format="%.4f"),
                "Validation loss": st.column_config.NumberColumn(format="%.4f"),
                "Seconds": st.column_config.NumberColumn(format="%.3g"),
                "Images/s": st.column_config.NumberColumn(format="%.0f"),
            },
        )
        return
    with st.grid(2, min_column_width=320):
        for quantity in training.QUANTITIES:
            st.vega_lite_chart(
                training.curve_chart(curves, quantity, kept),
                theme=None,
                alt=training.describe_curve(curves, quantity, kept),
                key=f"{key}_curve_{quantity}",
            )


def matrix(
    counts: Sequence[Sequence[int]], classes: Sequence[str], kind: str, key: str, *, table: bool = False
) -> None:
    """Return a confusion matrix as a chart while it can be read, and else as a table; its sentence above."""
    words = training.describe_confusion(counts, classes, kind)
    st.markdown(plain(words))
    if len(classes) > MAX_TABLE_CLASSES:
        return
    if len(classes) <= training.MAX_MATRIX_CLASSES and not table:
        st.vega_lite_chart(training.confusion_chart(counts, classes), theme=None, alt=words, key=f"{key}_confusion")
    else:
        st.dataframe(training.confusion_rows(counts, classes), hide_index=True, alt=words)
