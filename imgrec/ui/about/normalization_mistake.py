"""A preprocessing bug of a published system, as measured by `bench.one_sided_normalization`."""

import json

import streamlit as st

from imgrec.charts.colors import COLORS
from imgrec.charts.line_chart import SOLID, Axis, line_chart
from imgrec.formatting import percent
from imgrec.settings import ASSETS

FIGURE = ASSETS / "protocols" / "one_sided_normalization.json"
FIELDS = {"accuracy": "training", "alike": "validation, normalized", "one_sided": "validation, not normalized"}
STYLES = dict(zip(FIELDS.values(), ((COLORS[0], SOLID), (COLORS[2], (5, 3)), (COLORS[1], (2, 2))), strict=True))


def show() -> None:
    """Show a training that was validated with correct and with wrong preprocessing."""
    found = json.loads(FIGURE.read_text(encoding="utf-8"))
    epochs = found["networks"][0]["epochs"]
    rows = [
        {"series": title, "x": row["epoch"], "y": row[field]}
        | {"Curve": title, "Epoch": row["epoch"], "Accuracy": percent(row[field])}
        for field, title in FIELDS.items()
        for row in epochs
    ]
    words = (
        f"A pretrained network after epoch {epochs[-1]['epoch']}: validation accuracy {percent(epochs[-1]['alike'])} "
        f"with normalization and {percent(epochs[-1]['one_sided'])} without; chance level "
        f"{percent(1 / found['classes'])}."
    )
    st.markdown(
        "A published system fine-tuned a pretrained network on ten classes and reported a training accuracy of "
        "**14.4\u202f% to 51.0\u202f%** but a validation accuracy of **9.3\u202f% to 10.5\u202f%**, and called it "
        "overfitting. The cause was a bug: training images were normalized, validation images were not."
    )
    spec = line_chart(rows, STYLES, Axis("epoch", "whole", len(epochs)), Axis("Accuracy"), height_px=200)
    st.vega_lite_chart(spec, width=480, theme=None, alt=words, key="one_sided")
    st.caption(f"{words} CIFAR-10, measured on {found['measured_at'][:10]}.")
