"""A run's progress as words and Vega-Lite charts: learning curves, the confusion matrix, and the time left.

Like `charts`, it knows no Streamlit: a chart is a plain `dict`, and each has a sentence that says the same.
"""

from collections.abc import Sequence
from typing import Any

from imgrec.charts.theme import FONT_PX, NEUTRAL, PERCENT_AXIS, Rows, Spec, percent_field
from imgrec.charts.top_k import COLORS
from imgrec.formatting import duration, percent
from imgrec.models.cards import Card
from imgrec.reports import accuracy
from imgrec.settings import MIB
from imgrec.training.training_job import Curves

CURVE_HEIGHT_PX = 220

# Of the files that were left out; the log has more.
MAX_NAMED = 3

# More points than pixels say nothing.
MAX_POINTS = 600

# More epochs than this, and their points would run into a band.
MAX_POINTED_EPOCHS = 40

# As in the figures that people know from course books: accuracy blue, loss green.
QUANTITIES = {
    "accuracy": ("Accuracy", COLORS[0], PERCENT_AXIS),
    "loss": ("Loss", COLORS[2], {"format": ".2f"}),
}

# A confusion matrix of more classes has cells that nobody can read; the table has them all.
MAX_MATRIX_CLASSES = 20

CELL_PX = 30

# Below the cells: the slanted names of the classes, and the title of the axis. A chart's height has them in it.
BELOW_CELLS_PX = 100


def curves_of(card: Card) -> Curves:
    """The curves of a model that was trained before, from its card."""
    rows = card.curves
    rates = tuple((int(epoch), float(rate)) for epoch, rate in card.fields.get("learning_rate_from_epoch", ()))
    return Curves(rows, [], {"epochs": len(rows), "steps": 1}, None, None, learning_rates=rates)


def card_row(card: Card) -> dict[str, Any]:
    """One line of the table of all models that were trained here; its time is the sum of its epochs'."""
    metrics, data = card.metrics, card.fields["data"]
    return {
        "Model": card.fields["model"]["title"],
        "Parameters": card.fields["model"]["parameters"],
        "Trainable": card.fields.get("trained_parameters"),
        "Images": data["trained_on"],
        "Epochs": epochs_of(card),
        "Training time": duration(card.training_seconds),
        "Accuracy": None if accuracy.is_few(metrics["pictures"]) else metrics["accuracy"],
        "Measured on": _measured_on(metrics),
        "Finished": card.fields["finished_at"][:10],
        "Name": card.name,
    }


def _measured_on(metrics: dict[str, Any]) -> str:
    """How many images of which kind; of few, how many were correct besides."""
    count: int = metrics["pictures"]
    if not accuracy.is_few(count):
        return f"{count:,} {metrics['set']} images"
    figures = accuracy.short(metrics["accuracy"], count), accuracy.interval(metrics["accuracy"], count)
    return f"{figures[0]} {metrics['set']} images ({figures[1]})"


def epochs_of(card: Card) -> int:
    """How long the published model learned: of a taught one up to the epoch that was kept, fine-tuning included.

    Of its curves that may be a part: they go on, where one split was validated on, to the end of the trial.
    """
    chosen, tuned = card.fields.get("chosen"), card.fields.get("tuned")
    if not chosen or (card.fields.get("lesson", {}).get("unfreeze") and not tuned):
        return len(card.curves)
    return int(chosen["epochs"]) + (int(tuned["kept"]) if tuned else 0)


def epoch_row(row: dict[str, Any]) -> dict[str, Any]:
    """One line of the table that says the same as the curves."""
    return {
        "Epoch": row["epoch"],
        "Loss": row["loss"],
        "Validation loss": row["validation_loss"],
        "Accuracy": row["accuracy"],
        "Validation accuracy": row["validation_accuracy"],
        "Seconds": row["seconds"],
        "Images/s": row.get("images_per_second"),
    }


def curve_rows(curves: Curves, quantity: str) -> Rows:
    """One row a point: `epoch` (counted with fractions), `value`, `set` (training or validation)."""
    steps = curves.plan["steps"] if curves.plan else 1
    stride = max(1, len(curves.steps) // MAX_POINTS)
    training = [
        {"epoch": row["epoch"] - 1 + row["step"] / steps, "value": row[quantity], "set": "training"}
        for row in curves.steps[::stride]
    ]
    # What was told within the seconds of a short epoch, so that fast runs have points too.
    training += [{"epoch": row["epoch"], "value": row[quantity], "set": "training"} for row in curves.epochs]
    validation = [
        {"epoch": row["epoch"], "value": row[f"validation_{quantity}"], "set": "validation"} for row in curves.epochs
    ]
    return sorted(training, key=lambda row: row["epoch"]) + validation


def curve_chart(curves: Curves, quantity: str, kept: int | None = None) -> Spec:
    """Training as a line, validation dashed with a point an epoch where these stand apart; a ring round the one `kept`.

    `quantity` is accuracy or loss.
    """
    title, color, form = QUANTITIES[quantity]
    epochs = curves.plan["epochs"] if curves.plan else 1
    number = {"field": "value", "title": title, "format": ".3f"}
    is_validation = "datum.set === 'validation'"
    points: list[tuple[str, dict[str, Any]]] = []
    if epochs <= MAX_POINTED_EPOCHS:
        points.append((is_validation, {"filled": True, "size": 45}))
    if kept is not None:
        points.append((f"{is_validation} && datum.epoch === {kept}", {"size": 220, "strokeWidth": 2.5}))
    return {
        "height": CURVE_HEIGHT_PX,
        "data": {"values": curve_rows(curves, quantity)},
        "transform": [percent_field("value")],
        "encoding": {
            "x": {
                "field": "epoch",
                "type": "quantitative",
                "title": "epoch",
                "scale": {"domain": [0, epochs], "nice": False},
                "axis": {"tickMinStep": 1, "grid": False, "labelFontSize": FONT_PX},
            },
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": title,
                "scale": {"domain": [0, 1]} if quantity == "accuracy" else {"zero": True},
                "axis": form | {"labelFontSize": FONT_PX, "tickCount": 5},
            },
            "strokeDash": {
                "field": "set",
                "type": "nominal",
                "scale": {"domain": ["training", "validation"], "range": [[1, 0], [5, 3]]},
                "legend": {
                    "orient": "bottom",
                    "title": None,
                    "labelFontSize": FONT_PX,
                    "symbolType": "stroke",
                    "symbolSize": 500,
                    "symbolStrokeWidth": 2,
                },
            },
            "tooltip": [
                {"field": "set", "title": "Set"},
                {"field": "epoch", "title": "Epoch", "format": ".2~f"},
                {"field": "percent", "title": title} if quantity == "accuracy" else number,
            ],
        },
        "layer": [
            {"mark": {"type": "line", "color": color, "strokeWidth": 2}},
            *(
                {
                    "transform": [{"filter": shown}],
                    "mark": {"type": "point", "color": color} | mark,
                    "encoding": {"strokeDash": {"value": [1, 0]}},  # of the line alone
                }
                for shown, mark in points
            ),
        ],
        "config": {"view": {"stroke": None}},
    }


def describe_curve(curves: Curves, quantity: str, kept: int | None = None) -> str:
    """The last value of both sets, in a sentence, and that of the epoch that was `kept`."""
    if not curves.epochs:
        return f"{QUANTITIES[quantity][0]} of training and validation; no epoch finished yet."
    last = curves.epochs[-1]
    text = percent if quantity == "accuracy" else _number
    return (
        f"{QUANTITIES[quantity][0]} after epoch {last['epoch']}: training {text(last[quantity])}, "
        f"validation {text(last[f'validation_{quantity}'])}{_kept(curves, kept)}."
    )


def _kept(curves: Curves, kept: int | None) -> str:
    """Which epoch was kept, where that is not the last."""
    return "" if kept is None or kept == curves.epochs[-1]["epoch"] else f"; epoch {kept} was kept"


def confusion_chart(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> Spec:
    """Rows are true classes, columns predicted ones; each row's shares as shades, counts as figures."""
    cells = []
    for row, (truth, counts) in enumerate(zip(classes, matrix, strict=True)):
        total = sum(counts) or 1
        cells += [
            {"true": truth, "said": said, "count": count, "share": count / total, "row": row, "column": column}
            for column, (said, count) in enumerate(zip(classes, counts, strict=True))
        ]
    axis = {"ticks": False, "domain": False, "labelFontSize": FONT_PX, "labelLimit": 110}
    return {
        "height": CELL_PX * len(classes) + BELOW_CELLS_PX,
        "data": {"values": cells},
        "transform": [percent_field("share")],
        "encoding": {
            "x": {
                "field": "said",
                "type": "nominal",
                "title": "predicted class",
                "sort": list(classes),
                "axis": axis | {"labelAngle": -45},
            },
            "y": {"field": "true", "type": "nominal", "title": "true class", "sort": list(classes), "axis": axis},
            "tooltip": [
                {"field": "true", "title": "True"},
                {"field": "said", "title": "Predicted"},
                {"field": "count", "title": "Images"},
                {"field": "percent", "title": "Share of the true class"},
            ],
        },
        "layer": [
            {
                "mark": {"type": "rect", "color": COLORS[0]},
                "encoding": {
                    "opacity": {
                        "field": "share",
                        "type": "quantitative",
                        "scale": {"domain": [0, 1], "range": [0.04, 1]},
                        "legend": None,
                    }
                },
            },
            {
                "mark": {"type": "text", "fontSize": FONT_PX - 1},
                "encoding": {
                    "text": {"field": "count"},
                    "color": {"condition": {"test": "datum.share > 0.45", "value": "white"}, "value": NEUTRAL},
                },
            },
        ],
        "config": {"view": {"stroke": None}},
    }


def confusion_rows(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> Rows:
    """The same as a table: a row for each true class, a column for each predicted one."""
    return [
        {"true class": truth} | {f"predicted {said}": count for said, count in zip(classes, counts, strict=True)}
        for truth, counts in zip(classes, matrix, strict=True)
    ]


def describe_confusion(matrix: Sequence[Sequence[int]] | None, classes: Sequence[str], kind: str = "validation") -> str:
    """How many were correct, and the most frequent error; of very many classes no matrix is stored."""
    if matrix is None:
        return f"No confusion matrix is stored for {len(classes):,} classes."
    total = sum(map(sum, matrix))
    right = sum(row[i] for i, row in enumerate(matrix))
    words = f"{right:,} of {total:,} {kind} images correct"
    if kind != "training" and total and accuracy.is_few(total):
        words = accuracy.in_words(right / total, total, kind)
    mistakes = [
        (count, row, column)
        for row, counts in enumerate(matrix)
        for column, count in enumerate(counts)
        if row != column and count
    ]
    if not mistakes:
        return f"{words}."
    count, row, column = max(mistakes)
    times = f"{count:,} times" if count > 1 else "once"
    return f"{words}. Most frequent error: {classes[row]} predicted as {classes[column]} ({times})."


def status(curves: Curves, state: str) -> str:
    """One line: where the run is, how well it does, how fast, and how long it will still take."""
    if curves.plan is None:
        if state == "running" and curves.weights is not None and "done_bytes" in curves.weights:
            return f"downloading {curves.weights['model']}{_share(curves.weights)}"
        return {"queued": "queued", "running": "reading the images"}.get(state, state)
    parts = []
    if curves.steps:
        last = curves.steps[-1]
        parts.append(f"epoch {last['epoch']} of {curves.plan['epochs']}")
        if curves.plan["steps"] > 1:
            parts.append(f"step {last['step']} of {curves.plan['steps']}")
        parts.append(f"loss {_number(last['loss'])}, accuracy {percent(last['accuracy'])}")
    else:
        parts.append("building the network")
    if curves.epochs:
        parts.append(f"validation accuracy {_validated(curves)}")
    if state == "running" and curves.steps:
        parts.append(f"{curves.steps[-1]['images_per_second']:,.0f} images/s")
        if (left := curves.remaining_seconds) is not None:
            parts.append(f"{duration(left)} left")
    return " · ".join(parts)


def _validated(curves: Curves) -> str:
    """The newest validation accuracy; of few images as counts."""
    images = (curves.data or {}).get("validated_on")
    return accuracy.short(curves.epochs[-1]["validation_accuracy"], images)


def share_done(curves: Curves) -> float:
    """How much of the training is behind it, in [0, 1]; steps count."""
    if curves.plan is None:
        return 0.0
    done = float(len(curves.epochs))
    last = curves.steps[-1] if curves.steps else None
    if last is not None and last["epoch"] > len(curves.epochs):
        done += last["step"] / curves.plan["steps"]
    return min(done / int(curves.plan["epochs"]), 1.0)


def _share(download: dict[str, Any]) -> str:
    """How far a download is, in MiB, as far as that is known."""
    done, total = download["done_bytes"], download["total_bytes"]
    return f", {done / MIB:,.0f} of {total / MIB:,.0f} MiB" if total else f", {done / MIB:,.0f} MiB" if done else ""


def outcome(curves: Curves) -> str:
    """What came of a finished run, with its time derived from the log."""
    if curves.finished is None:
        return ""
    metrics: dict[str, Any] = curves.finished["metrics"]
    words = (
        f"{accuracy.in_words(metrics['accuracy'], metrics['pictures'], metrics['set'])}; "
        f"{len(curves.epochs)} epoch{'s' * (len(curves.epochs) != 1)} in {duration(curves.training_seconds)}"
    )
    return f"{words}, {rates}" if (rates := learning_rates(curves)) else words


def learning_rates(curves: Curves) -> str:
    """Which learning rate held from which epoch on; empty unless a resumed run was given another.

    >>> learning_rates(Curves([], [], None, None, None, learning_rates=((1, 0.5), (6, 0.01))))
    'with the learning rate 0.5, from epoch 6 on 0.01'
    """
    first, *later = curves.learning_rates or ((1, 0.0),)
    if not later:
        return ""
    return f"with the learning rate {first[1]:g}" + "".join(
        f", from epoch {epoch} on {rate:g}" for epoch, rate in later
    )


def left_out(curves: Curves) -> tuple[str, ...]:
    """How many files a run could not use, and the first of them; empty where there are none."""
    data = curves.data
    if data is None or not data["left_out"]:
        return ()
    named = data["notes"][:MAX_NAMED]
    more = data["left_out"] - len(named)
    rest = [f"skipped: {more:,} more; see the run's log"] if more else []
    return (*(f"skipped: {note}" for note in named), *rest)


def _number(value: float) -> str:
    return f"{value:.3f}"
