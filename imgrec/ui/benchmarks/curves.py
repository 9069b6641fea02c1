"""Views of the Benchmarks page over classes and thresholds: bars by class, ROC, precision-recall, reliability."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from imgrec.charts import metric_curves
from imgrec.charts.colors import COLORS, swatch_of, swatches_of
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.formatting import PERCENT_COLUMN, interval, percent
from imgrec.metrics import curves
from imgrec.metrics.calibration import calibration_error, reliability
from imgrec.metrics.classification import Booleans, Floats
from imgrec.metrics.confusion import AVERAGES, ClassFigures, average, class_figures
from imgrec.ui.benchmarks.measurements import calibration, chart_or_table, model_chooser, stored, title
from imgrec.ui.widget_keys import key_of

# Bars a chart: the lowest classes where there are more.
MAX_BARS = 20

# Images a class, on average: with fewer, the lowest classes are all at 0.
MIN_IMAGES = 5

# Points of a curve: as many as a plot of 400 px can show.
CURVE_POINTS = 120

# Curves in one chart: as many as there are colors.
MAX_CURVES = len(COLORS)

CLASS_FIGURES = ("f1", "precision", "recall", "specificity", "accuracy")
TITLES = {name: "F1" if name == "f1" else name.capitalize() for name in CLASS_FIGURES}


def has_bars(results: AlignedResults) -> bool:
    """Return whether classes have so many images that the lowest of them differ."""
    return results.images >= MIN_IMAGES * int(results.about["classes"])


def classes(results: AlignedResults, table: bool) -> None:
    """Show the metrics of each class, the lowest first, and their averages."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = model_chooser(results, "Model", "bench_classes_model")
        which = st.segmented_control(
            "Metric",
            CLASS_FIGURES,
            default="f1",
            required=True,
            key="bench_class_figure",
            format_func=TITLES.__getitem__,
        )
    which = which or "f1"
    figures = class_figures(results.per_image[model].matrix)
    # A figure that is not defined is that of a class which is never predicted: lower than any.
    values = np.nan_to_num(getattr(figures, which), nan=-1)
    shown = [int(i) for i in np.argsort(values, kind="stable") if figures.support[i] > 0]
    if table:
        columns: dict[str, Any] = {"Class": [results.labels[i] for i in shown], "Images": figures.support[shown]}
        columns |= {name.upper(): getattr(figures, name)[shown] for name in ("tp", "tn", "fp", "fn")}
        columns |= {TITLES[name]: 100 * getattr(figures, name)[shown] for name in CLASS_FIGURES}
        st.dataframe(
            columns,
            column_config={name: st.column_config.NumberColumn(format=PERCENT_COLUMN) for name in TITLES.values()},
            placeholder="–",
            hide_index=True,
            key="bench_classes_table",
            alt="Metrics by class",
        )
    else:
        worst = shown[:MAX_BARS]
        words = metric_curves.describe_classes(figures, results.labels, which, worst)
        spec = metric_curves.class_bars(figures, results.labels, which, swatch_of(model, results.models).color, worst)
        st.vega_lite_chart(spec, theme=None, alt=words, key="bench_classes")
        limited = f"the {len(worst)} lowest of {len(shown)} classes" if len(worst) < len(shown) else "lowest first"
        st.caption(f"{TITLES[which]} of {title(results, model)}: {limited}. The table has all classes.")
    st.markdown(
        "**Averages over the classes**",
        help="\n\n".join(f"**{how.capitalize()}**: {sentence}" for how, sentence in AVERAGES.items()),
    )
    names = ("precision", "recall", "specificity", "f1")
    lines = {how: average(figures, how) for how in AVERAGES}
    st.table(
        [{"Average": how} | {TITLES[name]: _share(getattr(lines[how], name)) for name in names} for how in lines],
        border="horizontal",
        alt="Averages over the classes",
    )


def over_thresholds(results: AlignedResults, table: bool) -> None:
    """Show ROC and precision-recall curves of one class for all models, and the reliability of one model."""
    counts = np.bincount(results.target, minlength=len(results.labels))
    names = np.flatnonzero(counts).tolist()
    label = st.selectbox(
        "Class (one-vs-rest)",
        names,
        # Of a large dataset the class with the most images: a curve of one image is one step.
        index=int(np.argmax(counts[names])),
        key=key_of("bench_curve_class", results.name),
        format_func=lambda i: f"{results.labels[i]} ({counts[i]:,})",
        width=320,
        help="In parentheses: the images of the class.",
    )
    if counts[label] < MIN_IMAGES:
        st.caption(
            f"{counts[label]} of {results.images:,} images in this class: too few for a curve that tells models apart."
        )
    models = results.models[:MAX_CURVES]
    positive = results.target == label
    scores = {title(results, model): _scores(results, model, label) for model in models}
    swatches = swatches_of(results.models)
    colors = {title(results, model): swatches[model].color for model in models}
    roc, precision_recall = (
        {name: curves.thinned(curve(values, positive), CURVE_POINTS) for name, values in scores.items()}
        for curve in (curves.roc_curve, curves.precision_recall_curve)
    )
    left, right = st.columns(2, gap="large")
    with left:
        words = metric_curves.describe_curves(roc, f"Area under the ROC of {results.labels[label]}")
        st.markdown("**ROC**", help=words)
        spec = metric_curves.curve_chart(roc, ("false positive rate", "true positive rate"), colors, diagonal=True)
        rows = [{"Model": name, "AUC": round(curve.area, 4)} for name, curve in roc.items()]
        chart_or_table(spec, words, rows, table, key="bench_roc")
    with right:
        words = metric_curves.describe_curves(precision_recall, f"Average precision of {results.labels[label]}")
        st.markdown("**Precision–recall**", help=words)
        spec = metric_curves.curve_chart(precision_recall, ("recall", "precision"), colors, steps=True)
        rows = [{"Model": name, "Average precision": round(curve.area, 4)} for name, curve in precision_recall.items()]
        chart_or_table(spec, words, rows, table, key="bench_pr")
    if len(results.models) > MAX_CURVES:
        st.caption(f"The first {MAX_CURVES} of {len(results.models)} models. Choose others above.")
    _reliability(results, table)


def class_rows(figures: ClassFigures, labels: Sequence[str]) -> list[dict[str, str]]:
    """Return one line a class in words, to two decimals."""
    return [
        {"Class": label}
        | {name.upper(): f"{getattr(figures, name)[i]:,}" for name in ("tp", "tn", "fp", "fn")}
        | {TITLES[name]: _share(getattr(figures, name)[i], 2) for name in CLASS_FIGURES}
        for i, label in enumerate(labels)
    ]


def _reliability(results: AlignedResults, table: bool) -> None:
    """Show confidence against accuracy, before and after temperature scaling."""
    model = model_chooser(results, "Reliability diagram of", "bench_reliability_model")
    found, scaled = results.per_image[model], calibration(results, model)
    color = swatch_of(model, results.models).color
    left, right = st.columns(2, gap="large")
    if scaled is None:
        with left:
            _bins("All images", found.confidence, found.right, color, table, "bench_rel")
        return
    with left:
        _bins("Before temperature scaling", scaled.before, scaled.right, color, table, "bench_rel")
    with right:
        after = f"After temperature scaling, T = {scaled.temperature:.2f}"
        _bins(after, scaled.after, scaled.right, color, table, "bench_rel_scaled")
    fitted = results.rows[model]["temperature"]
    st.caption(
        f"Log loss {fitted['log_loss_before']:.3f} before, {fitted['log_loss_after']:.3f} after, on "
        f"{fitted['tested']:,} images that T was not fitted on.",
        help=f"Temperature scaling divides the logits by T, fitted on {fitted['fitted']:,} held-out images. "
        "Predictions stay the same. Bars below the dashed line: overconfident. Faint bars: few images.",
    )


def _bins(heading: str, confidence: Floats, right: Booleans, color: str, table: bool, key: str) -> None:
    bins = reliability(confidence, right)
    words = metric_curves.describe_reliability(bins, calibration_error(confidence, right))
    rows = [
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


def _scores(results: AlignedResults, model: str, label: int) -> Floats:
    """Return the stored probability of one class for each image."""
    probabilities = stored(results, model).probabilities
    known = label < probabilities.shape[1]
    return np.asarray(probabilities[:, label] if known else np.zeros(results.images), np.float64)


def _share(value: float, decimals: int = 1) -> str:
    return "–" if np.isnan(value) else percent(float(value), decimals)
