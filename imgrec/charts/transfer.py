"""A fine-tuning run as words and Vega-Lite charts: its stages, its trials, and the preview of its classifier.

Like `learning`, it knows no Streamlit: a chart is a plain `dict`, and each has a sentence and a table that say as much.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from imgrec.charts.theme import FONT_PX, NEUTRAL, PERCENT_AXIS, Rows, Spec, labeled_bars
from imgrec.charts.top_k import COLORS
from imgrec.formatting import THIN_SPACE, duration, percent
from imgrec.predictions.prediction import MAX_TOP_K
from imgrec.reports import accuracy
from imgrec.training import transfer_job
from imgrec.training.transfer_job import Extraction, Lesson, Progress
from imgrec.training.trial_results import Summary, Trial

RATES_HEIGHT_PX = 240

# Seconds on two cores, of a network of MobileNet's size: the features of a image, an epoch of a head whatever it
# learns from and for each image besides, and a image in an epoch of fine-tuning. Only the progress bar needs them.
_FEATURE_S = 0.008
_HEAD_EPOCH_S, _HEAD_IMAGE_S = 0.001, 0.00002
_TUNED_IMAGE_S = 0.02

NO_TEST_SET = "The dataset has no test set."

STAGES = ("Images", "Features", "Trials", "Final training", "Test")
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


def stages(progress: Progress, lesson: Lesson) -> tuple[str, ...]:
    """`STAGES` as this lesson has them: one split has its best head already, and without a test set is no test."""
    final = "Fine-tuning" if lesson.unfreeze else STAGES[FINAL] if lesson.folds else "Selection"
    return (*STAGES[:FINAL], final, *(STAGES[TESTING:] if has_test(progress) else ()))


def has_test(progress: Progress) -> bool:
    """Whether the images have a test set, as far as is known by now."""
    counts = (progress.curves.data or {}).get("counts", {})
    return any(part.part == "test" for part in progress.features) or any(test for _, test in counts.values())


def share_done(progress: Progress, lesson: Lesson) -> float:
    """About how much of a lesson is behind it, in [0, 1]: by what is to be computed, features from the disk not."""
    at = stage(progress)
    if at == len(STAGES):
        return 1.0
    counts = (progress.curves.data or {}).get("counts", {})
    known = sum(part.count for part in progress.features)
    unknown = max(0, sum(train + test for train, test in counts.values()) - known)
    if any(part.cached for part in progress.features):
        unknown = 0  # where one part is on the disk, the other most likely is, too
    computed = [part for part in progress.features if not part.cached]
    images = (progress.curves.data or {}).get("trained_on", known)
    head_s = lesson.epochs * (_HEAD_EPOCH_S + _HEAD_IMAGE_S * images)
    tuned_s = lesson.tuning_epochs * _TUNED_IMAGE_S * images if lesson.unfreeze else 0.0
    # (seconds, how much of it is done)
    work = [
        (_FEATURE_S * (sum(part.count for part in computed) + unknown), _features_done(progress, unknown)),
        (lesson.trials * head_s, 1.0 if at >= FINAL else len(progress.trials) / lesson.trials),
        (head_s if lesson.folds else 0.0, float(bool(progress.curves.epochs))),
        (tuned_s, _tuning_done(progress, lesson)),
    ]
    total = sum(seconds for seconds, _ in work)
    return min(sum(seconds * done for seconds, done in work) / total, 1.0) if total else 0.0


def _features_done(progress: Progress, unknown: int) -> float:
    """The share of the features that have to be computed; `unknown` images are still to be looked for."""
    parts = [part for part in progress.features if not part.cached]
    count = sum(part.count for part in parts) + unknown
    return sum(part.done for part in parts) / count if count else 0.0


def _tuning_done(progress: Progress, lesson: Lesson) -> float:
    """The share of the epochs of fine-tuning, steps counted."""
    curves = progress.curves
    if not lesson.unfreeze or curves.plan is None:
        return 0.0
    before = int(curves.plan["epochs"]) - lesson.tuning_epochs
    done = float(len(curves.epochs) - before)
    last = curves.steps[-1] if curves.steps else None
    if last is not None and last["epoch"] > len(curves.epochs):
        done += last["step"] / curves.plan["steps"]
    return min(max(done / lesson.tuning_epochs, 0.0), 1.0)


def describe_features(part: Extraction) -> str:
    """What was computed of one part of the images, and how fast.

    >>> describe_features(Extraction("train", 400, 400, 8.0, False))
    'Features of 400 training images: 8.0 s, 50 images/s.'
    """
    images = f"{part.count:,} {'training' if part.part == 'train' else part.part} images"
    if part.cached:
        return f"Features of {images}: read from cache."
    if part.done < part.count:
        return f"Features: {part.done:,} of {images}."
    speed = f", {part.done / part.seconds:,.0f} images/s" if part.seconds else ""
    return f"Features of {images}: {duration(part.seconds)}{speed}."


def describe_plan(lesson: Lesson, *, tested: bool | None = None) -> str:
    """What will be tried, in a sentence; `tested`: whether there is a test set, None while nobody knows.

    >>> describe_plan(Lesson("mobilenet", learning_rates=(0.01, 0.001), folds=5), tested=False)
    '2 learning rates × 5 folds = 10 trials of 20 epochs, then final training.'
    """
    rates = f"{len(lesson.learning_rates)} learning rate{'s' * (len(lesson.learning_rates) > 1)}"
    tried = f"{rates} × {lesson.folds} folds = " if lesson.folds else f"{rates}, single split: "
    heads = f"{lesson.trials} trial{'s' * (lesson.trials > 1)} of {lesson.epochs} epoch{'s' * (lesson.epochs > 1)}"
    tuned = (
        f", then {lesson.tuning_epochs} epoch{'s' * (lesson.tuning_epochs > 1)} of fine-tuning"
        if lesson.unfreeze
        else ""
    )
    test = {
        True: " The test set is used once, at the end.",
        False: "",
        None: " A test set, if there is one, is used once, at the end.",
    }
    return f"{tried}{heads}{', then final training' if lesson.folds else ''}{tuned}.{test[tested]}"


def status(progress: Progress, state: str) -> str:
    """One line: where the lesson is, and how well it does."""
    if state == "running" and stage(progress) == TRIALS and not progress.trials:
        return "starting TensorFlow"
    return transfer_job.status(progress, state)


def outcome(progress: Progress) -> str:
    """What came of a finished lesson, with its times from the log."""
    if progress.curves.finished is None:
        return ""
    metrics = progress.curves.finished["metrics"]
    computed = sum(part.seconds for part in progress.features if not part.cached)
    tuned = sum(row["seconds"] for row in progress.curves.epochs[-progress.tuned.epochs :]) if progress.tuned else 0.0
    features = f"features in {duration(computed)}" if computed else "cached features"
    heads = sum(trial.seconds for trial in progress.trials)
    count = len(progress.trials)
    return (
        f"{accuracy.in_words(metrics['accuracy'], metrics['pictures'], metrics['set'])}; {features}, "
        f"{count} trial{'s' * (count != 1)} in {duration(heads)}"
        f"{f', fine-tuning in {duration(tuned)}' if tuned else ''}"
    )


def describe_choice(chosen: Mapping[str, Any]) -> str:
    """Which head was chosen, and why.

    >>> describe_choice({"learning_rate": 0.01, "epochs": 12, "why": "validation accuracy 66.4 %"})
    'Learning rate 0.01, 12 epochs: validation accuracy 66.4 %.'
    """
    return f"Learning rate {chosen['learning_rate']:g}, {chosen['epochs']} epochs: {chosen['why']}."


def kept_epoch(progress: Progress, lesson: Lesson) -> int | None:
    """The epoch (from 1) of the curves after which the published model was; None where that is not to be marked."""
    if progress.tuned is not None:
        return len(progress.curves.epochs) - progress.tuned.epochs + progress.tuned.kept
    if lesson.folds or lesson.unfreeze or progress.chosen is None:
        return None  # the last one, or not known yet
    return int(progress.chosen["epochs"])


def describe_curves(progress: Progress, lesson: Lesson) -> tuple[str, str]:
    """What the curves are of: a title, and how to read them."""
    folds = f"The validation curve is the mean over {lesson.folds} folds" if lesson.folds else ""
    kept = kept_epoch(progress, lesson)
    if lesson.unfreeze:
        head = len(progress.curves.epochs) - progress.tuned.epochs if progress.tuned else None
        ring = f" The ring marks the saved model: epoch {kept}." if kept is not None else ""
        until = f"Classifier only up to epoch {head}" if head else "Classifier only at first"
        means = f"; there {folds[0].lower()}{folds[1:]}, then of one held-out part" if folds else ""
        return "Classifier, then fine-tuning", f"{until}{means}.{ring}"
    if lesson.folds:
        return "Final training", f"{folds} at the same epoch; the training curve is of the final classifier."
    ring = f"The ring marks the saved model: epoch {kept}." if kept is not None else ""
    return "Best trial", ring


def describe_measured(progress: Progress, lesson: Lesson) -> tuple[str, str]:
    """What the final accuracy was measured on: a title, and a remark."""
    if progress.curves.finished is None:
        return "", ""
    if progress.curves.finished["metrics"]["set"] == "test":
        share = percent(lesson.test_fraction, 0)
        held = f"{share} of each class, held out before training." if lesson.test_fraction else ""
        return "Test set", held
    if lesson.unfreeze:
        return "Validation set", f"{NO_TEST_SET} It also selected the epoch, so expect slightly less on new images."
    if lesson.folds:
        return "Cross-validation", (
            f"{NO_TEST_SET} Each image was predicted by a classifier not trained on it; this accuracy also selected "
            "the learning rate."
        )
    return "Validation set", f"{NO_TEST_SET} It also selected the classifier, so expect slightly less on new images."


def validated_on(progress: Progress) -> int | None:
    """How many images each trial was validated on; None where nothing is known yet."""
    count: int | None = (progress.curves.data or {}).get("validated_on")
    return count


def trial_rows(progress: Progress) -> Rows:
    """One row a head that was tried, in the order of the trials; of one that failed, without figures."""
    return [
        {
            "Learning rate": f"{trial.learning_rate:g}",
            "Fold": str(trial.fold) if trial.fold else "single split",
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
    """The learning rates that failed, in a sentence; empty where none did.

    >>> describe_failures([Trial(1.0, 2, 0, 0.0, 0.0, 0.0, 0.0, 0.1, "Expected a loss that is a number. …")])
    'The loss became NaN at learning rate 1.'
    """
    rates = [f"{rate:g}" for rate in sorted({trial.learning_rate for trial in trials if trial.error}, reverse=True)]
    if not rates:
        return ""
    if len(rates) == 1:
        return f"The loss became NaN at learning rate {rates[0]}."
    return f"The loss became NaN at learning rates {', '.join(rates)}."


def summary_rows(summaries: Sequence[Summary]) -> Rows:
    """One row a learning rate: mean ± standard deviation over its folds."""
    return [
        {
            "Learning rate": f"{row.learning_rate:g}",
            "Trials": row.trials,
            "Validation accuracy": spread(row.validation_accuracy, row.validation_accuracy_sd, row.trials),
            "Validation loss": f"{row.validation_loss:.3f} ± {row.validation_loss_sd:.3f}",
            "Training accuracy": spread(row.train_accuracy, row.train_accuracy_sd, row.trials),
            "Best epoch": round(row.best_epoch, 1),
        }
        for row in summaries
    ]


def spread(mean: float, sd: float, count: int) -> str:
    """Mean ± standard deviation in per cent; the mean alone of one.

    >>> [text.replace(THIN_SPACE, " ") for text in (spread(0.912, 0.0105, 5), spread(0.912, 0.0, 1))]
    ['91.2 ± 1.1 %', '91.2 %']
    """
    return f"{100 * mean:.1f} ± {100 * sd:.1f}{THIN_SPACE}%" if count > 1 else percent(mean)


def describe_rates(summaries: Sequence[Summary], *, folds: bool, images: int | None = None) -> str:
    """The best learning rate so far, in a sentence.

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


def describe_rate(row: Summary, images: int | None) -> str:
    """One learning rate in a line; `images` is how many each of its trials was validated on."""
    figure = spread(row.validation_accuracy, row.validation_accuracy_sd, row.trials)
    if row.trials == 1:
        figure = accuracy.short(row.validation_accuracy, images)
    return f"learning rate {row.learning_rate:g}: validation accuracy {figure}, best after {row.best_epoch:.1f} epochs"


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
        "axis": PERCENT_AXIS | {"labelFontSize": FONT_PX, "tickCount": 5},
    }
    means = [
        {
            "rate": f"{row.learning_rate:g}",
            "value": row.validation_accuracy,
            "low": max(row.validation_accuracy - row.validation_accuracy_sd, 0.0),
            "high": min(row.validation_accuracy + row.validation_accuracy_sd, 1.0),
            "Learning rate": f"{row.learning_rate:g}",
            "Mean": spread(row.validation_accuracy, row.validation_accuracy_sd, row.trials),
            "Trials": row.trials,
        }
        for row in rows
    ]
    each = [
        {
            "rate": f"{trial.learning_rate:g}",
            "value": trial.validation_accuracy,
            "Learning rate": f"{trial.learning_rate:g}",
            "Fold": str(trial.fold) if trial.fold else "single split",
            "Accuracy": percent(trial.validation_accuracy),
        }
        for trial in progress.trials
        if not trial.error
    ]
    told = [{"field": name, "type": "nominal"} for name in ("Learning rate", "Mean", "Trials")]
    told_each = [{"field": name, "type": "nominal"} for name in ("Learning rate", "Fold", "Accuracy")]
    return {
        "height": RATES_HEIGHT_PX,
        "layer": [
            {
                "data": {"values": means},
                "mark": {"type": "rule", "color": COLORS[0], "strokeWidth": 3, "aria": False},
                "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "tooltip": told},
            },
            {
                "data": {"values": each},
                "mark": {"type": "point", "color": NEUTRAL, "size": 36, "aria": False},
                "encoding": {"x": x, "y": y, "tooltip": told_each},
            },
            {
                "data": {"values": means},
                "mark": {"type": "point", "color": COLORS[0], "filled": True, "size": 90, "aria": False},
                "encoding": {"x": x, "y": y, "tooltip": told},
            },
        ],
        "config": {"view": {"stroke": None}},
    }


def preview_lines(probabilities: np.ndarray, classes: Sequence[str]) -> list[tuple[str, float]]:
    """(class, probability) of one image (C,), in the order of the classes; of many classes the likeliest.

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
    return labeled_bars(bars, [label for label, _ in lines], [percent(value) for _, value in lines], color=COLORS[0])


def describe_preview(lines: Sequence[tuple[str, float]]) -> str:
    """The predicted probabilities, highest first."""
    return ", ".join(f"{label} {percent(value)}" for label, value in sorted(lines, key=lambda line: -line[1]))
