"""Learning curves and confusion matrices as elements of a page: each a chart with its words, or a table of the same."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from imgrec.charts.confusion_matrix import describe_run_matrix, matrix_chart
from imgrec.charts.learning_curves import QUANTITIES, curve_chart, describe_curve
from imgrec.training.training_job import Curves
from imgrec.ui.markdown import plain

# The columns of the table of epochs: the fields of the log that they show, and the format.
COLUMNS = {
    "Epoch": ("epoch", None),
    "Loss": ("loss", "%.4f"),
    "Validation loss": ("validation_loss", "%.4f"),
    "Accuracy": ("accuracy", "percent"),
    "Validation accuracy": ("validation_accuracy", "percent"),
    "Seconds": ("seconds", "%.3g"),
    "Images/s": ("images_per_second", "%.0f"),
}

# A table of more columns cannot be read, and a browser has trouble with ten thousand cells.
MAX_TABLE_CLASSES = 100

# A confusion matrix of more classes has cells that cannot be read; the table has them all.
MAX_MATRIX_CLASSES = 20


def learning_curves(curves: Curves, key: str, *, table: bool = False, kept: int | None = None) -> None:
    """Show accuracy and loss side by side where there is room; with `table` one row an epoch instead.

    The epoch `kept` (from 1) is the one whose network was published, where that is not the last.
    """
    if table:
        st.dataframe(
            [{title: getattr(row, field) for title, (field, _) in COLUMNS.items()} for row in curves.epochs],
            hide_index=True,
            alt="Training and validation loss and accuracy after each epoch",
            column_config={
                title: st.column_config.NumberColumn(format=format) for title, (_, format) in COLUMNS.items()
            },
        )
        return
    with st.grid(2, min_column_width=320):
        for quantity in QUANTITIES:
            st.vega_lite_chart(
                curve_chart(curves, quantity, kept),
                theme=None,
                alt=describe_curve(curves, quantity, kept),
                key=f"{key}_curve_{quantity}",
            )


def matrix(
    counts: Sequence[Sequence[int]] | None, classes: Sequence[str], kind: str, key: str, *, table: bool = False
) -> None:
    """Show a confusion matrix as a chart while it can be read, and else as a table; its sentence above."""
    if counts is not None and {len(counts), *map(len, counts)} != {len(classes)}:
        counts = None  # of a file that was changed by hand
    words = describe_run_matrix(counts, classes, kind)
    st.markdown(plain(words))
    if counts is None or len(classes) > MAX_TABLE_CLASSES:
        return
    if len(classes) <= MAX_MATRIX_CLASSES and not table:
        titles = ("true class", "predicted class")
        spec = matrix_chart(np.array(counts), classes, classes, counts=True, titles=titles)
        st.vega_lite_chart(spec, theme=None, alt=words, key=f"{key}_confusion")
    else:
        rows = [
            {"true class": truth} | {f"predicted {name}": count for name, count in zip(classes, row, strict=True)}
            for truth, row in zip(classes, counts, strict=True)
        ]
        st.dataframe(rows, hide_index=True, alt=words)
