"""One figure of several trainings over their epochs, each with a sentence and rows of a table that say the same."""

from collections.abc import Sequence

import numpy as np

from imgrec.charts.colors import COLORS
from imgrec.charts.learning_curves import HEIGHT_PX, MAX_POINTED_EPOCHS, MAX_POINTS, QUANTITIES
from imgrec.charts.line_chart import SOLID, Axis, Styles, line_chart
from imgrec.charts.theme import Rows, Spec, told_apart
from imgrec.training.training_log import VALIDATION, Floats, TrainingLog, smoothed, text_of

DASHES = (5, 3)

# Each training has a color of its own.
MAX_LOGS = len(COLORS)


def log_chart(
    logs: Sequence[TrainingLog],
    quantity: str,
    *,
    among: Sequence[TrainingLog],
    batches: bool,
    smoothing: float,
    x_title: str,
) -> Spec:
    """Return training as lines and validation as dashes, of one log or of several in a color each.

    Args:
        logs: Those that have the quantity.
        among: All logs of the page, up to `MAX_LOGS`: each has its color by its place there.
        quantity: One of their `quantities`.
        batches: Whether the figures of batches are drawn where a log has them; else those of epochs.
        smoothing: The weight of the past in a moving average, from 0 to below 1.
        x_title: What the positions count.
    """
    rows = log_rows(logs, quantity, among=among, batches=batches, smoothing=smoothing)
    values = [row["y"] for row in rows]
    is_share = "accuracy" in quantity and bool(values) and min(values) >= 0 and max(values) <= 1
    end = max((row["x"] for row in rows), default=1.0)
    shown = {row["series"] for row in rows}
    return line_chart(
        rows,
        {name: style for name, style in styles_of(among, quantity).items() if name in shown},
        Axis(x_title, "whole", max(1.0, end)),
        Axis(title_of(quantity)) if is_share else Axis(title_of(quantity), "number", None),
        points=[row for row in rows if row["is_epoch"]] if end <= MAX_POINTED_EPOCHS else [],
        height_px=HEIGHT_PX + 60,
    )


def log_rows(
    logs: Sequence[TrainingLog], quantity: str, *, among: Sequence[TrainingLog], batches: bool, smoothing: float
) -> Rows:
    """Return one row a point: `series`, `x`, `y` and whether it is that of a whole epoch. What is not finite has none.

    Arguments are those of `log_chart`. A series has at most about `MAX_POINTS`.
    """
    rows: Rows = []
    names = dict(zip(map(id, among), _names(among), strict=True))
    for log in logs:
        training, validation = names[id(log)]
        for series, name in ((training, quantity), (validation, VALIDATION + quantity)):
            values, positions, is_epoch = _points(log, name, batches)
            drawn = smoothed(values, smoothing)
            places = np.flatnonzero(np.isfinite(drawn))
            for i in places[:: max(1, len(places) // MAX_POINTS)].tolist():
                rows.append(
                    {
                        "series": series,
                        "x": float(positions[i]),
                        "y": float(drawn[i]),
                        "is_epoch": is_epoch,
                        "Log": log.title,
                        "Set": "validation" if name.startswith(VALIDATION) else "training",
                        "Epoch": f"{positions[i]:.2f}".rstrip("0").rstrip("."),
                        title_of(quantity): text_of(quantity, float(drawn[i])),
                    }
                )
    return rows


def styles_of(logs: Sequence[TrainingLog], quantity: str) -> Styles:
    """Return the color and dash of each series of `logs`; a single log has the colors of other learning curves."""
    one = QUANTITIES[quantity][0] if quantity in QUANTITIES else COLORS[1]
    colors = [one] if len(logs) == 1 else COLORS
    pairs = zip(_names(logs), colors, strict=False)
    both = (SOLID, DASHES)
    return {name: (color, dash) for names, color in pairs for name, dash in zip(names, both, strict=True)}


def title_of(quantity: str) -> str:
    """Return the name of a quantity on an axis.

    >>> title_of("learning_rate")
    'Learning rate'
    """
    return quantity.replace("_", " ").capitalize()


def describe_log(log: TrainingLog, quantity: str) -> str:
    """Return the last values of a log in a sentence."""
    parts = [
        f"{part} {text_of(quantity, value)}"
        for part, name in (("training", quantity), ("validation", VALIDATION + quantity))
        if (value := log.last(name)) is not None
    ]
    where = f"after epoch {log.count}" if log.count else f"at value {log.positions[-1]:,.0f}" if log.is_list else ""
    return f"{log.title}, {quantity.replace('_', ' ')} {where}: {', '.join(parts) or 'none'}."


def epoch_rows(logs: Sequence[TrainingLog]) -> Rows:
    """Return one row for each epoch of each log, with all its figures; of a log without epochs one for each batch."""
    rows: Rows = []
    for log in logs:
        columns, places = (log.epochs, np.arange(1, log.count + 1)) if log.count else (log.batches, log.positions)
        for i, place in enumerate(places.tolist()):
            figures = {name: _cell(values[i]) for name, values in columns.items()}
            rows.append({"Log": log.title, "Epoch": place} | figures)
            if log.count and np.isfinite(log.seconds[i]):
                rows[-1]["seconds"] = float(log.seconds[i])
    return rows


def _points(log: TrainingLog, name: str, batches: bool) -> tuple[Floats, Floats, bool]:
    """Return values, positions, and whether these are epochs."""
    if name in log.batches and (batches or name not in log.epochs):
        return log.batches[name], log.positions, False
    return log.epochs.get(name, np.empty(0)), np.arange(1.0, log.count + 1), True


def _names(logs: Sequence[TrainingLog]) -> list[tuple[str, str]]:
    """Return the names of training and validation of each log, no two of them the same."""
    if len(logs) == 1:
        return [("training", "validation")]
    titles = told_apart([log.title for log in logs])
    return [(title, f"{title}, validation") for title in titles]


def _cell(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
