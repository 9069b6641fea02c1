"""Charts of transfer learning: the learning rates that were tried, and the preview of a classifier."""

from collections.abc import Sequence
from functools import cache

import altair as alt
import numpy as np

from imgrec.charts.bars import labeled_bars
from imgrec.charts.colors import COLORS, NEUTRAL, Swatch
from imgrec.charts.theme import PERCENT, PLACED, SILENT, Rows, Spec, fill, framed, placed, tooltip
from imgrec.formatting import percent
from imgrec.predictions.prediction import MAX_TOP_K
from imgrec.reports import accuracy
from imgrec.training.transfer_job import Progress
from imgrec.training.trial_results import Summary, spread

RATES_PX = 190


def rates_chart(progress: Progress) -> Spec:
    """Return validation accuracy by learning rate: each trial a ring, the mean a disc, ± one standard deviation."""
    rates = sorted(row.learning_rate for row in progress.summaries)
    means = [
        {
            "rate": placed(rates.index(row.learning_rate), f"{row.learning_rate:g}"),
            "value": row.validation_accuracy,
            "low": max(row.validation_accuracy - row.validation_accuracy_sd, 0.0),
            "high": min(row.validation_accuracy + row.validation_accuracy_sd, 1.0),
            "Learning rate": f"{row.learning_rate:g}",
            "Mean": spread(row.validation_accuracy, row.validation_accuracy_sd, row.trials),
            "Trials": row.trials,
        }
        for row in progress.summaries
    ]
    trials = [
        {
            "rate": placed(rates.index(trial.learning_rate), f"{trial.learning_rate:g}"),
            "value": trial.validation_accuracy,
            "Learning rate": f"{trial.learning_rate:g}",
            "Fold": str(trial.fold) if trial.fold else "single split",
            "Accuracy": percent(trial.validation_accuracy),
        }
        for trial in progress.trials
        if not trial.error
    ]
    return fill(_rates(), RATES_PX, means=means, trials=trials)


@cache
def _rates() -> Spec:
    x = alt.X("rate:O", axis=alt.Axis(title="learning rate", labelAngle=0, labelExpr=PLACED, grid=False))
    # Means that lie within a point or two of each other need the tenths: the axis does not begin at 0.
    scale = alt.Scale(zero=False, nice=True)
    axis = alt.Axis(title="Validation accuracy", tickCount=5, labelExpr=PERCENT)
    y = alt.Y("value:Q", scale=scale, axis=axis)
    means, trials = (alt.Chart(alt.NamedData(name=name)) for name in ("means", "trials"))
    told = tooltip(["Learning rate", "Mean", "Trials"])
    return framed(
        alt.layer(
            means.mark_rule(color=COLORS[0], strokeWidth=3, **SILENT).encode(
                x=x, y=alt.Y("low:Q", scale=scale, axis=axis), y2="high", tooltip=told
            ),
            trials.mark_point(color=NEUTRAL, size=36, **SILENT).encode(
                x=x, y=y, tooltip=tooltip(["Learning rate", "Fold", "Accuracy"])
            ),
            means.mark_point(color=COLORS[0], filled=True, size=90, opacity=1, **SILENT).encode(x=x, y=y, tooltip=told),
        )
    )


def describe_rates(summaries: Sequence[Summary], *, folds: bool, images: int | None = None) -> str:
    """Return the best learning rate so far, in a sentence.

    `folds`: each trial is one of several folds; else each was validated on `images` images.
    """
    if not summaries:
        return "No trial is finished yet."
    best = max(summaries, key=lambda row: (row.validation_accuracy, -row.validation_loss))
    figure = spread(best.validation_accuracy, best.validation_accuracy_sd, best.trials)
    if not folds and images is not None and accuracy.is_few(images):
        figure = f"{accuracy.short(best.validation_accuracy, images)} images"
    where = f" over {best.trials} fold{'s' * (best.trials > 1)}" if folds else ""
    if len(summaries) == 1:
        return f"Learning rate {best.learning_rate:g}: validation accuracy {figure}{where}."
    return f"Best of {len(summaries)} learning rates: {best.learning_rate:g}, validation accuracy {figure}{where}."


def preview_lines(probabilities: np.ndarray, classes: Sequence[str]) -> list[tuple[str, float]]:
    """Return (class, probability) of one image (C,), in the order of the classes; of many classes the likeliest.

    The order does not follow the figures: bars that grow and shrink are easier to watch than ones that jump.
    """
    places = list(range(len(classes)))
    if len(classes) > MAX_TOP_K:
        places = sorted(np.argsort(-probabilities, kind="stable")[:MAX_TOP_K].tolist())
    return [(classes[place], float(probabilities[place])) for place in places]


def preview_chart(lines: Sequence[tuple[str, float]]) -> Spec:
    """Return bars on the axis from 0 to 100 % that every prediction has."""
    bars: Rows = [
        {"line": i, "start": 0.0, "end": value, "Class": label, "Probability": percent(value)}
        for i, (label, value) in enumerate(lines)
    ]
    return labeled_bars(bars, [(label, percent(value)) for label, value in lines], swatches=Swatch(COLORS[0]))


def describe_preview(lines: Sequence[tuple[str, float]]) -> str:
    """Return the predicted probabilities, highest first."""
    return ", ".join(f"{label} {percent(value)}" for label, value in sorted(lines, key=lambda line: -line[1]))
