"""The leaderboard: the chosen metrics of all models, each with its difference to one model, the best ones marked."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from imgrec.evaluation import comparisons, model_facts
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.evaluation.comparisons import METRICS, Metric
from imgrec.evaluation.model_facts import ModelFacts
from imgrec.formatting import THIN_SPACE, duration, interval
from imgrec.metrics.significance import SIGNIFICANCE, p_number
from imgrec.models import cards
from imgrec.settings import MIB
from imgrec.ui import caches, query_params
from imgrec.ui.benchmarks.measurements import pair_test, title
from imgrec.ui.widget_keys import key_of

# As many as fit on a screen beside the differences; all others are one click away.
FIRST_METRICS = ("top_1", "log_loss", "ece", "latency_p50_ms")

_TITLES = {metric.key: metric.title for metric in METRICS}

# Marks besides the star and the words, on both themes: the best of a column, and differences.
_BEST = "font-weight: 600"
_BETTER = "background-color: rgba(30, 120, 80, 0.22)"
_WORSE = "background-color: rgba(200, 70, 20, 0.16)"
_STAR = "★ "

# Facts beside the metrics: the value, its form in words, and where it is from.
FACTS: dict[str, tuple[Callable[[ModelFacts], float | None], Any, str]] = {
    "MACs": (
        lambda facts: None if facts.macs is None else facts.macs / 1e6,
        "{:,.1f} M",
        "Derived from the layers: multiply-accumulates of one image. The Models page lists them.",
    ),
    "Depth": (lambda facts: facts.depth, "{:.0f}", "Derived: layers with weights on the longest way through it."),
    "Layers": (lambda facts: facts.layers, "{:.0f}", "Derived: all layers, as Keras counts them."),
    "Training": (
        lambda facts: facts.training_seconds,
        duration,
        "Measured: the sum over its epochs, of models that were trained with imgrec. Others do not publish it.",
    ),
    "ms/step": (
        lambda facts: facts.step_ms,
        "{:,.1f}",
        "Measured: one training step of one batch, of models that were trained from scratch with imgrec.",
    ),
}

# All rows of as many models are shown, more are scrolled.
MAX_ROWS = 25
_ROW_PX = 35


def leaderboard(results: AlignedResults) -> None:
    """Show the chosen metrics of all models, and the difference to one of them."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        reference = st.selectbox(
            "Compare with",
            results.models,
            key=key_of("bench_reference", results.name, len(results.models)),
            format_func=lambda model: title(results, model),
            width=320,
            help="Differences are to this model. Those in top-1 are tested: green is better, red is worse.",
        )
        chosen = st.multiselect(
            "Metrics",
            list(_TITLES),
            default=FIRST_METRICS,
            key=query_params.named(
                "bench_figures", "figure", list(_TITLES), FIRST_METRICS, title=lambda key: _TITLES[key]
            ),
            format_func=lambda key: _TITLES.get(key, str(key)),
            placeholder="All",
        )
    _table(results, reference, [metric for metric in METRICS if metric.key in chosen or not chosen])
    machines = {results.rows[model].get("hardware") for model in results.models}
    several = " Times of different machines are not compared." if len(machines) > 1 else ""
    st.caption(
        f"{_STAR.strip()} Best of its column.{several} Click a column header to sort.",
        help="95 % intervals: Wilson for shares, bootstrap for the rest. Differences in top-1 are tested by McNemar's "
        f"mid-p on the same {results.images:,} images, Holm-corrected for all pairs of models, at {SIGNIFICANCE}. "
        "Provenance names the machine of each latency.",
    )
    with st.expander("What the metrics mean"):
        st.markdown("\n".join(f"- **{metric.title}**: {metric.sentence}" for metric in METRICS))


def _table(results: AlignedResults, reference: str, metrics: list[Metric]) -> None:
    models, rows = results.models, [results.rows[model] for model in results.models]
    tests = [None if model == reference else pair_test(results, model, reference) for model in models]
    unclear = [test is not None and test.better is None for test in tests]
    columns: dict[str, list[Any]] = {"Model": [title(results, model) for model in models]}
    config: dict[str, Any] = {"Model": st.column_config.TextColumn(pinned=True)}
    # Numbers under their words, so that a click on a header sorts by how large a difference is.
    words: dict[Any, Any] = {"Parameters": "{:,}", "MiB": "{:.0f}"}
    for metric in metrics:
        values = [row.get(metric.key) for row in rows]
        columns[metric.title] = [v if v is None or not metric.percent else v * 100 for v in values]
        config[metric.title] = st.column_config.NumberColumn(help=metric.sentence)
        words[metric.title] = partial(_number, metric)
        if metric.key == "top_1":
            columns["95 %"] = [interval(row["top_1_low"], row["top_1_high"]) for row in rows]
        if len(models) > 1:
            name = _difference(metric)
            columns[name] = _changes(results, reference, metric)
            config[name] = st.column_config.NumberColumn(help=f"{metric.title} compared with the chosen model.")
            words[name] = partial(comparisons.change_text, metric)
            if metric.key == "top_1":
                columns["p"] = ["–" if test is None else p_number(test.corrected) for test in tests]
    columns["Parameters"] = [row["parameters"] for row in rows]
    columns["MiB"] = [row["memory_bytes"] / MIB if row.get("memory_bytes") else None for row in rows]
    parameters = {model: int(row["parameters"]) for model, row in zip(models, rows, strict=True)}
    facts = model_facts.facts_of(parameters, cards.all_cards(caches.settings()))
    for name, (read, form, meaning) in FACTS.items():
        columns[name] = [read(facts[model]) for model in models]
        words[name] = form
        config[name] = st.column_config.NumberColumn(help=meaning)
    config["95 %"] = st.column_config.TextColumn("95 % interval", help="Confidence interval of top-1 (Wilson).")
    config["p"] = st.column_config.TextColumn(
        "p (Holm)", help="Of the difference in top-1: McNemar's mid-p, Holm-corrected for all pairs of models."
    )
    config["MiB"] = st.column_config.NumberColumn(help="Memory that the loaded model takes.")
    numbers = [*FACTS, *(_difference(metric) for metric in metrics if len(models) > 1)]
    table = pd.DataFrame(columns).astype(dict.fromkeys(numbers, float))
    style = table.style.format(words, na_rep="–")
    for metric in metrics:
        best, name = comparisons.best_at(results, metric), _difference(metric)
        if best is not None:
            cell = ([models.index(best)], [metric.title])
            style = style.format(partial(_number, metric, mark=_STAR), subset=cell, na_rep="–")
            style = style.map(lambda _: _BEST, subset=cell)
        if len(models) > 1:
            vague = [i for i, is_unclear in enumerate(unclear) if is_unclear and metric.key == "top_1"]
            clear = [i for i in range(len(models)) if i not in vague]
            if metric.key == "top_1":  # alone is tested
                style = style.map(partial(_tint, metric), subset=(clear, [name]))
            style = style.format(lambda _: "no clear difference", subset=(vague, [name]))
    st.dataframe(
        style,
        column_config=config,
        hide_index=True,
        height=_ROW_PX * (min(len(rows), MAX_ROWS) + 1) + 3,
        row_height=_ROW_PX,
        placeholder="–",
        key="bench_leaderboard",
        alt=f"{len(metrics)} metrics of {len(rows)} models on {results.name}, and their differences to one of them",
    )


def _changes(results: AlignedResults, reference: str, metric: Metric) -> list[float | None]:
    """Return the differences to the model `reference`; None for times of different machines."""
    other = results.rows[reference]
    return [
        comparisons.change(metric, row.get(metric.key), other.get(metric.key))
        if not metric.is_time or row.get("hardware") == other.get("hardware")
        else None
        for row in (results.rows[model] for model in results.models)
    ]


def _difference(metric: Metric) -> str:
    return f"{metric.title} diff."


def _number(metric: Metric, value: float, mark: str = "") -> str:
    return f"{mark}{value:,.{metric.decimals}f}" + (f"{THIN_SPACE}%" if metric.percent else "")


def _tint(metric: Metric, change: float) -> str:
    if not change or change != change:
        return ""  # no change, or none known
    return _BETTER if comparisons.is_better(metric, change) else _WORSE
