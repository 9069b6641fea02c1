"""A lesson's progress as words and Vega-Lite charts: its stages, what was tried, and what the head says by now.

Like `learning`, it knows no Streamlit: a chart is a plain `dict`, and each has a sentence and a table that say as much.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from imgrec.charts import COLOURS
from imgrec.learning import duration
from imgrec.predictions import MAX_TOP_K
from imgrec.training import lessons
from imgrec.training.figures import Summary, Trial
from imgrec.training.lessons import Extraction, Lesson, Progress
from imgrec.vega import FONT_PX, NEUTRAL, Rows, Spec, labelled_bars
from imgrec.verdicts import percent

RATES_HEIGHT_PX = 240

# Of a lesson's time, as it was on two cores with a few thousand pictures; only the progress bar depends on it.
_FEATURES_SHARE, _TRIALS_SHARE = 0.6, 0.3

STAGES = ("Pictures", "Features", "Trials", "Final training", "Test")
READING, FEATURES, TRIALS, FINAL, TESTING = range(len(STAGES))


def stage(progress: Progress) -> int:
    """The index in `STAGES` of what is going on; their count when all is done."""
    curves = progress.curves
    if curves.finished is not None:
        return len(STAGES)
    if curves.plan is not None and len(curves.epochs) >= curves.plan["epochs"]:
        return TESTING
    if progress.chosen is not None or curves.epochs:
        return FINAL
    if progress.trials_planned or progress.trials:
        return TRIALS
    if progress.features and all(part.done == part.count for part in progress.features):
        return TRIALS
    return FEATURES if progress.features or progress.preparing or curves.data is not None else READING


def share_done(progress: Progress) -> float:
    """About how much of a lesson is behind it, in [0, 1]."""
    at = stage(progress)
    if at == len(STAGES):
        return 1.0
    features = 0.0
    if progress.features:
        count = sum(part.count for part in progress.features)
        features = sum(part.done for part in progress.features) / count if count else 1.0
    trials = len(progress.trials) / progress.trials_planned if progress.trials_planned else 0.0
    final = 0.0
    if at >= FINAL and progress.curves.plan is not None:
        trials, final = 1.0, len(progress.curves.epochs) / progress.curves.plan["epochs"]
    rest = 1 - _FEATURES_SHARE - _TRIALS_SHARE
    share = _FEATURES_SHARE * (1.0 if at >= TRIALS else features) + _TRIALS_SHARE * trials + rest * final
    return float(min(max(share, 0.0), 1.0))


def describe_features(part: Extraction) -> str:
    """What was computed of one part of the pictures, and how fast.

    >>> describe_features(Extraction("train", 400, 400, 8.0, False))
    'Features of 400 training pictures: 8.0 s, 50 a second.'
    """
    pictures = f"{part.count:,} {'training' if part.part == 'train' else part.part} pictures"
    if part.cached:
        return f"Features of {pictures}: on the disk already, nothing computed."
    if part.done < part.count:
        return f"Features: {part.done:,} of {pictures}."
    speed = f", {part.done / part.seconds:,.0f} a second" if part.seconds else ""
    return f"Features of {pictures}: {duration(part.seconds)}{speed}."


def describe_plan(lesson: Lesson) -> str:
    """What will be tried, in a sentence.

    >>> describe_plan(Lesson("mobilenet", learning_rates=(0.01, 0.001), folds=5))
    '2 learning rates × 5 folds = 10 heads of 20 epochs, then the final one. A test set is looked at once, at the end.'
    """
    rates = f"{len(lesson.learning_rates)} learning rate{'s' * (len(lesson.learning_rates) > 1)}"
    tried = f"{rates} × {lesson.folds} folds = " if lesson.folds else f"{rates}, one split: "
    return (
        f"{tried}{lesson.trials} head{'s' * (lesson.trials > 1)} of {lesson.epochs} epochs"
        f"{', then the final one' if lesson.folds else ''}. A test set is looked at once, at the end."
    )


def status(progress: Progress, state: str) -> str:
    """One line: where the lesson is, and how well it does."""
    if state == "running" and stage(progress) == TRIALS and not progress.trials:
        return "making the head; its runtime takes some seconds to start"
    return lessons.status(progress, state)


def outcome(progress: Progress) -> str:
    """What came of a finished lesson, with its times from the log."""
    if progress.curves.finished is None:
        return ""
    metrics = progress.curves.finished["metrics"]
    computed = sum(part.seconds for part in progress.features if not part.cached)
    features = f"features in {duration(computed)}" if computed else "features from the disk"
    heads = sum(trial.seconds for trial in progress.trials)
    count = len(progress.trials)
    return (
        f"{percent(metrics['accuracy'])} of {metrics['pictures']:,} {metrics['set']} pictures right; {features}, "
        f"{count} head{'s' * (count != 1)} in {duration(heads)}"
    )


def describe_choice(chosen: Mapping[str, Any]) -> str:
    """Which head was chosen, and why.

    >>> describe_choice({"learning_rate": 0.01, "epochs": 12, "why": "66.40 % of validation right"})
    'Learning rate 0.01, 12 epochs: 66.40 % of validation right.'
    """
    return f"Learning rate {chosen['learning_rate']:g}, {chosen['epochs']} epochs: {chosen['why']}."


def trial_rows(progress: Progress) -> Rows:
    """One row a head that was tried, in the order of the trials; of one that failed, without figures."""
    return [
        {
            "Learning rate": f"{trial.learning_rate:g}",
            "Fold": str(trial.fold) if trial.fold else "one split",
            "Best epoch": None if trial.error else trial.best_epoch,
            "Validation accuracy": None if trial.error else trial.validation_accuracy,
            "Validation loss": None if trial.error else trial.validation_loss,
            "Training accuracy": None if trial.error else trial.train_accuracy,
            "Training loss": None if trial.error else trial.train_loss,
            "Seconds": round(trial.seconds, 2),
        }
        for trial in progress.trials
    ]


def describe_failures(trials: Sequence[Trial]) -> str:
    """Which learning rates are out, in a sentence; empty where none is.

    >>> describe_failures([Trial(1.0, 2, 0, 0.0, 0.0, 0.0, 0.0, 0.1, "Expected a loss that is a number. …")])
    'At the learning rate 1 the loss was no longer a number; it is left out.'
    """
    rates = [f"{rate:g}" for rate in sorted({trial.learning_rate for trial in trials if trial.error}, reverse=True)]
    if not rates:
        return ""
    if len(rates) == 1:
        return f"At the learning rate {rates[0]} the loss was no longer a number; it is left out."
    return f"At the learning rates {', '.join(rates)} the loss was no longer a number; they are left out."


def summary_rows(summaries: Sequence[Summary]) -> Rows:
    """One row a learning rate: mean ± standard deviation over its folds."""
    return [
        {
            "Learning rate": f"{row.learning_rate:g}",
            "Heads": row.trials,
            "Validation accuracy": spread(row.validation_accuracy, row.validation_accuracy_sd, row.trials),
            "Validation loss": f"{row.validation_loss:.3f} ± {row.validation_loss_sd:.3f}",
            "Training accuracy": spread(row.train_accuracy, row.train_accuracy_sd, row.trials),
            "Best epoch": round(row.best_epoch, 1),
        }
        for row in summaries
    ]


def spread(mean: float, sd: float, count: int) -> str:
    """Mean ± standard deviation in per cent; the mean alone of one.

    >>> spread(0.912, 0.0105, 5), spread(0.912, 0.0, 1)
    ('91.2 ± 1.1 %', '91.2 %')
    """
    return f"{100 * mean:.1f} ± {100 * sd:.1f} %" if count > 1 else f"{100 * mean:.1f} %"


def describe_rates(summaries: Sequence[Summary], *, folds: bool) -> str:
    """The best learning rate so far, in a sentence; `folds`: each trial is one of several folds."""
    if not summaries:
        return "No head has been tried yet."
    best = max(summaries, key=lambda row: (row.validation_accuracy, -row.validation_loss))
    figure = spread(best.validation_accuracy, best.validation_accuracy_sd, best.trials)
    heads = f"{best.trials} fold{'s' * (best.trials > 1)}" if folds else "one split"
    if len(summaries) == 1:
        return f"Learning rate {best.learning_rate:g}: {figure} of the validation pictures right, on {heads}."
    return f"Of {len(summaries)} learning rates {best.learning_rate:g} does best: {figure} on {heads}."


def rates_chart(progress: Progress) -> Spec:
    """Validation accuracy by learning rate: each trial as a ring, the mean as a disc, ± one standard deviation."""
    rows = progress.summaries
    order = [f"{row.learning_rate:g}" for row in sorted(rows, key=lambda row: row.learning_rate)]
    x = {
        "field": "rate",
        "type": "nominal",
        "sort": order,
        "title": "learning rate",
        "axis": {"labelAngle": 0, "labelFontSize": FONT_PX, "grid": False},
    }
    y = {
        "field": "value",
        "type": "quantitative",
        "title": "Validation accuracy",
        "scale": {"zero": False, "nice": True},
        # Means that lie within a point or two of each other need the tenths.
        "axis": {"format": ".1%", "labelFontSize": FONT_PX, "tickCount": 5},
    }
    means = [
        {
            "rate": f"{row.learning_rate:g}",
            "value": row.validation_accuracy,
            "low": max(row.validation_accuracy - row.validation_accuracy_sd, 0.0),
            "high": min(row.validation_accuracy + row.validation_accuracy_sd, 1.0),
            "Learning rate": f"{row.learning_rate:g}",
            "Mean": spread(row.validation_accuracy, row.validation_accuracy_sd, row.trials),
            "Heads": row.trials,
        }
        for row in rows
    ]
    each = [
        {
            "rate": f"{trial.learning_rate:g}",
            "value": trial.validation_accuracy,
            "Learning rate": f"{trial.learning_rate:g}",
            "Fold": str(trial.fold) if trial.fold else "one split",
            "Accuracy": percent(trial.validation_accuracy),
        }
        for trial in progress.trials
        if not trial.error
    ]
    told = [{"field": name, "type": "nominal"} for name in ("Learning rate", "Mean", "Heads")]
    told_each = [{"field": name, "type": "nominal"} for name in ("Learning rate", "Fold", "Accuracy")]
    return {
        "height": RATES_HEIGHT_PX,
        "layer": [
            {
                "data": {"values": means},
                "mark": {"type": "rule", "color": COLOURS[0], "strokeWidth": 3, "aria": False},
                "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "tooltip": told},
            },
            {
                "data": {"values": each},
                "mark": {"type": "point", "color": NEUTRAL, "size": 36, "aria": False},
                "encoding": {"x": x, "y": y, "tooltip": told_each},
            },
            {
                "data": {"values": means},
                "mark": {"type": "point", "color": COLOURS[0], "filled": True, "size": 90, "aria": False},
                "encoding": {"x": x, "y": y, "tooltip": told},
            },
        ],
        "config": {"view": {"stroke": None}},
    }


def preview_lines(probabilities: np.ndarray, classes: Sequence[str]) -> list[tuple[str, float]]:
    """(class, probability) of one picture (C,), in the order of the classes; of many classes the likeliest.

    The order does not follow the figures: bars that grow and shrink are easier to watch than ones that jump.
    """
    places = list(range(len(classes)))
    if len(classes) > MAX_TOP_K:
        places = sorted(np.argsort(-probabilities, kind="stable")[:MAX_TOP_K].tolist())
    return [(classes[place], float(probabilities[place])) for place in places]


def preview_chart(lines: Sequence[tuple[str, float]]) -> Spec:
    """Bars on the axis from 0 to 100 % that every answer here has."""
    bars: Rows = [
        {"line": i, "start": 0.0, "end": value, "opacity": 1.0, "Class": label, "Probability": percent(value)}
        for i, (label, value) in enumerate(lines)
    ]
    return labelled_bars(bars, [label for label, _ in lines], [percent(value) for _, value in lines], colour=COLOURS[0])


def describe_preview(lines: Sequence[tuple[str, float]]) -> str:
    """What the head says, likeliest first."""
    return ", ".join(f"{label} {percent(value)}" for label, value in sorted(lines, key=lambda line: -line[1]))
