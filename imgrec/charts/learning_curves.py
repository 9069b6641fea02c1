"""Accuracy and loss of a training over its epochs, each with a sentence and a table that say the same."""

from imgrec.charts.colors import COLORS
from imgrec.charts.line_chart import SOLID, Axis, line_chart
from imgrec.charts.theme import Rows, Spec
from imgrec.formatting import percent
from imgrec.training.training_job import Curves

HEIGHT_PX = 170

# More points than pixels show nothing new.
MAX_POINTS = 600

# More epochs than this, and their points would run into a band.
MAX_POINTED_EPOCHS = 40

# As in the figures of course books: accuracy blue, loss green.
QUANTITIES = {
    "accuracy": (COLORS[0], Axis("Accuracy")),
    "loss": (COLORS[2], Axis("Loss", "number", None)),
}


def curve_rows(curves: Curves, quantity: str) -> Rows:
    """Return one row a point: `x` (the epoch, counted with fractions), `y`, `series` (training or validation)."""
    steps = curves.plan.steps if curves.plan else 1
    stride = max(1, len(curves.steps) // MAX_POINTS)
    training = [(row.epoch - 1 + row.step / steps, getattr(row, quantity)) for row in curves.steps[::stride]]
    # Rows of the epochs besides, so that runs of short epochs have points too.
    training += [(row.epoch, getattr(row, quantity)) for row in curves.epochs]
    validation = [(row.epoch, getattr(row, f"validation_{quantity}")) for row in curves.epochs]
    return [
        {
            "series": name,
            "x": epoch,
            "y": value,
            "Set": name,
            "Epoch": f"{epoch:.2f}".rstrip("0").rstrip("."),
            QUANTITIES[quantity][1].title: _text(value, quantity),
        }
        for name, points in (("training", sorted(training)), ("validation", validation))
        for epoch, value in points
    ]


def curve_chart(curves: Curves, quantity: str, kept: int | None = None) -> Spec:
    """Return training as a line and validation as dashes, with points where these stand apart; a ring at `kept`.

    `quantity` is a key of `QUANTITIES`, `kept` the epoch (from 1) whose network was published.
    """
    color, axis = QUANTITIES[quantity]
    epochs = curves.plan.epochs if curves.plan else 1
    rows = curve_rows(curves, quantity)
    validation = [row for row in rows if row["series"] == "validation"]
    return line_chart(
        rows,
        {"training": (color, SOLID), "validation": (color, (5, 3))},
        Axis("epoch", "whole", epochs),
        axis,
        points=validation if epochs <= MAX_POINTED_EPOCHS else [],
        rings=[row for row in validation if row["x"] == kept],
        height_px=HEIGHT_PX,
    )


def describe_curve(curves: Curves, quantity: str, kept: int | None = None) -> str:
    """Return the last value of training and validation in a sentence, and which epoch was `kept` if not the last."""
    title = QUANTITIES[quantity][1].title
    if not curves.epochs:
        return f"{title} of training and validation; no epoch finished yet."
    last = curves.epochs[-1]
    ending = "" if kept is None or kept == last.epoch else f"; epoch {kept} was kept"
    return (
        f"{title} after epoch {last.epoch}: training {_text(getattr(last, quantity), quantity)}, "
        f"validation {_text(getattr(last, f'validation_{quantity}'), quantity)}{ending}."
    )


def _text(value: float, quantity: str) -> str:
    return percent(value) if quantity == "accuracy" else f"{value:.3f}"
