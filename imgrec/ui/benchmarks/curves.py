"""Views of the Benchmarks page over thresholds and classes: bars by class, ROC, precision-recall, reliability."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from imgrec.charts import metric_curves
from imgrec.charts.colors import COLORS, swatch_of, swatches_of
from imgrec.evaluation import comparisons
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.formatting import PERCENT_COLUMN, interval, percent
from imgrec.metrics import curves
from imgrec.metrics.classification import calibration_gap
from imgrec.metrics.confusion import AVERAGES, Average, ClassFigures
from imgrec.metrics.curves import Bin, Curve
from imgrec.ui.benchmarks.measurements import calibration, chart_or_table, model_chooser, stored, title

# Bars a chart: worst first when there are more.
MAX_BARS = 20

# Images a class, on average: with fewer, the lowest classes are all at 0.
MIN_IMAGES = 5

# Points of a curve: as many as a plot of 400 px can show, twenty curves of them without a wait.
CURVE_POINTS = 120

# Curves in one chart: as many as there are colors.
MAX_CURVES = len(COLORS)

CLASS_FIGURES = ("f1", "precision", "recall", "specificity", "accuracy")


def has_bars(board: AlignedResults) -> bool:
    """Return whether classes have so many images that the lowest of them differ."""
    return board.images >= MIN_IMAGES * int(board.about["classes"])


def classes(board: AlignedResults, table: bool) -> None:
    """Figures of each class, worst first."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = model_chooser(board, "Model", "bench_classes_model")
        which = st.segmented_control(
            "Metric", CLASS_FIGURES, default="f1", required=True, key="bench_class_figure", format_func=_figure_title
        )
    which = which or "f1"
    figures = comparisons.figures_by_class(board, model)
    # A figure that cannot be said is that of a class which is never chosen: worse than any.
    values = np.nan_to_num(getattr(figures, which), nan=-1)
    shown = [i for i in np.argsort(values, kind="stable") if figures.support[i] > 0]
    if table:
        labels = [board.labels[i] for i in shown]
        st.dataframe(
            _numbers(figures, labels, shown),
            column_config={
                _figure_title(name): st.column_config.NumberColumn(format=PERCENT_COLUMN) for name in CLASS_FIGURES
            },
            placeholder="–",
            hide_index=True,
            key="bench_classes_table",
            alt="Metrics by class",
        )
    else:
        worst = shown[:MAX_BARS]
        words = metric_curves.describe_classes(figures, board.labels, which, worst)
        spec = metric_curves.class_bars(figures, board.labels, which, swatch_of(model, board.models).color, worst)
        st.vega_lite_chart(spec, theme=None, alt=words, key="bench_classes")
        limited = f"the {len(worst)} lowest of {len(shown)} classes" if len(worst) < len(shown) else "lowest first"
        st.caption(f"{_figure_title(which)} of {title(board, model)}: {limited}. The table has all classes.")
    averages = comparisons.averages(board, model)
    rows = [_average_row(how, averages[how]) for how in AVERAGES]
    st.markdown(
        "**Averages over the classes**",
        help="\n\n".join(f"**{how.capitalize()}**: {sentence}" for how, sentence in AVERAGES.items()),
    )
    st.table(rows, border="horizontal", alt="Averages over the classes")


def over_thresholds(board: AlignedResults, table: bool) -> None:
    """ROC, precision-recall and reliability: of one class for all models."""
    counts = np.bincount(board.target, minlength=len(board.labels))
    names = [int(i) for i in np.flatnonzero(counts)]
    label = st.selectbox(
        "Class (one-vs-rest)",
        names,
        # Of a large dataset the class with the most images: a curve of one image is one step.
        index=int(np.argmax(counts[names])),
        key=f"bench_curve_class_{board.name}",
        format_func=lambda i: f"{board.labels[i]} ({counts[i]:,})",
        width=320,
        help="In parentheses: the images of the class.",
    )
    if counts[label] < MIN_IMAGES:
        st.caption(
            f"{counts[label]} of {board.images:,} images in this class: too few for a curve that tells models apart."
        )
    models = board.models[:MAX_CURVES]
    positive = board.target == label
    scores = {model: _scores(board, model, label) for model in models}
    titles = {model: title(board, model) for model in models}
    swatches = swatches_of(board.models)
    colors = {titles[model]: swatches[model].color for model in models}
    left, right = st.columns(2, gap="large")
    with left:
        found = {titles[m]: curves.thinned(curves.roc_curve(scores[m], positive), CURVE_POINTS) for m in models}
        words = metric_curves.describe_curves(found, f"Area under the ROC of {board.labels[label]}")
        st.markdown("**ROC**", help=words)
        spec = metric_curves.curve_chart(found, ("false positive rate", "true positive rate"), colors, diagonal=True)
        chart_or_table(spec, words, _areas(found, "AUC"), table, key="bench_roc")
    with right:
        found = {
            titles[m]: curves.thinned(curves.precision_recall_curve(scores[m], positive), CURVE_POINTS) for m in models
        }
        words = metric_curves.describe_curves(found, f"Average precision of {board.labels[label]}")
        st.markdown("**Precision–recall**", help=words)
        spec = metric_curves.curve_chart(found, ("recall", "precision"), colors, steps=True)
        chart_or_table(spec, words, _areas(found, "Average precision"), table, key="bench_pr")
    if len(board.models) > MAX_CURVES:
        st.caption(f"The first {MAX_CURVES} of {len(board.models)} models. Choose others above.")
    _reliability(board, table)


def class_rows(figures: ClassFigures, labels: Sequence[str]) -> list[dict[str, str]]:
    """One line a class, for people, with the columns of tables 9 and 10."""
    return [
        {
            "Class": label,
            "TP": f"{figures.tp[i]:,}",
            "TN": f"{figures.tn[i]:,}",
            "FP": f"{figures.fp[i]:,}",
            "FN": f"{figures.fn[i]:,}",
            # Two decimals, as the papers print.
            **{_figure_title(name): _share(getattr(figures, name)[i], 2) for name in CLASS_FIGURES},
        }
        for i, label in enumerate(labels)
    ]


def _reliability(board: AlignedResults, table: bool) -> None:
    """Confidence against accuracy, before and after temperature scaling."""
    model = model_chooser(board, "Reliability diagram of", "bench_reliability_model")
    found, scaled = board.found[model], calibration(board, model)
    color = swatch_of(model, board.models).color
    left, right = st.columns(2, gap="large")
    if scaled is None:
        bins = curves.reliability(found.confidence, found.right)
        with left:
            _bins("All images", bins, calibration_gap(found.confidence, found.right), color, table, "bench_rel")
    else:
        with left:
            _bins("Before temperature scaling", scaled.before, scaled.ece_before, color, table, "bench_rel")
        with right:
            after = f"After temperature scaling, T = {scaled.temperature:.2f}"
            _bins(after, scaled.after, scaled.ece_after, color, table, "bench_rel_scaled")
        fitted = board.rows[model]["temperature"]
        st.caption(
            f"Log loss {fitted['log_loss_before']:.3f} before, {fitted['log_loss_after']:.3f} after, on "
            f"{fitted['tested']:,} images that T was not fitted on.",
            help=f"Temperature scaling divides the logits by T, fitted on {fitted['fitted']:,} held-out images. "
            "Predictions stay the same. Bars below the dashed line: overconfident. Faint bars: few images.",
        )


def _bins(heading: str, bins: Sequence[Bin], ece: float, color: str, table: bool, key: str) -> None:
    words = metric_curves.describe_reliability(bins, ece)
    rows: list[dict[str, Any]] = [
        {
            "Confidence": interval(b.low, b.high),
            "Mean confidence": percent(b.confidence),
            "Accuracy": percent(b.accuracy),
            "Images": b.count,
        }
        for b in bins
        if b.count
    ]
    st.markdown(f"**{heading}**")
    chart_or_table(metric_curves.reliability_chart(bins, color), words, rows, table, key=key)
    st.caption(words)


def _scores(board: AlignedResults, model: str, label: int) -> np.ndarray:
    """The stored probability of one class for the images of the board."""
    found = stored(board, model)
    column = found.probabilities[:, label] if label < found.probabilities.shape[1] else np.zeros(len(found))
    if found.ids == board.ids:
        return np.asarray(column, np.float64)
    place = {name: i for i, name in enumerate(found.ids)}
    return np.asarray([column[place[name]] for name in board.ids], np.float64)


def _areas(found: dict[str, Curve], name: str) -> list[dict[str, Any]]:
    return [{"Model": title, name: round(curve.area, 4)} for title, curve in found.items()]


def _numbers(figures: ClassFigures, labels: Sequence[str], places: Sequence[int]) -> list[dict[str, Any]]:
    return [
        {"Class": label, "Images": int(figures.support[i])}
        | {name.upper(): int(getattr(figures, name)[i]) for name in ("tp", "tn", "fp", "fn")}
        | {_figure_title(name): 100 * float(getattr(figures, name)[i]) for name in CLASS_FIGURES}
        for label, i in zip(labels, places, strict=True)
    ]


def _average_row(how: str, line: Average) -> dict[str, str]:
    names = ("precision", "recall", "specificity", "f1")
    return {"Average": how} | {_figure_title(name): _share(getattr(line, name)) for name in names}


def _figure_title(name: str) -> str:
    return "F1" if name == "f1" else name.capitalize()


def _share(value: float, decimals: int = 1) -> str:
    return "–" if np.isnan(value) else percent(float(value), decimals)
