"""The leaderboard: the chosen metrics of all models, each with its difference to one model, the best ones marked."""

from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from imgrec.evaluation import comparisons
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.evaluation.comparisons import METRICS, Metric
from imgrec.formatting import THIN_SPACE, interval
from imgrec.metrics.significance import SIGNIFICANCE, p_number
from imgrec.ui import query_params
from imgrec.ui.benchmarks.measurements import pair_test, title

if TYPE_CHECKING:
    import pandas

# What fits on a screen beside the differences; all others are one click away.
FIRST_METRICS = ("top_1", "log_loss", "ece", "latency_p50_ms")

_TITLES = {metric.key: metric.title for metric in METRICS}

# Marks besides the star and the words, on both themes: the best of a column, and differences.
_BEST = "font-weight: 600"
_BETTER = "background-color: rgba(30, 120, 80, 0.22)"
_WORSE = "background-color: rgba(200, 70, 20, 0.16)"
_STAR = "★ "

# All rows of as many models are shown, more are scrolled.
MAX_ROWS = 25
_ROW_PX = 35


def leaderboard(results: AlignedResults) -> None:
    """Show the chosen metrics of all models, and the difference to one of them."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        reference = st.selectbox(
            "Compare with",
            results.models,
            key=f"bench_reference_{results.name}_{len(results.models)}",
            format_func=lambda model: title(results, model),
            width=320,
            help="Differences are to this model: green is better, red is worse.",
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
    metrics = [metric for metric in METRICS if metric.key in chosen or not chosen]
    _table(results, reference, metrics)
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
    import pandas

    rows = [_line(results, model, reference, metrics) for model in results.models]
    best = {metric.title: comparisons.best_at(results, metric) for metric in metrics}
    unclear = [model != reference and pair_test(results, model, reference).better is None for model in results.models]
    by_change = {_difference(metric): metric for metric in metrics if len(rows) > 1}

    def marked(column: "pandas.Series[Any]") -> list[str]:
        name = str(column.name)
        if name not in by_change:
            return [_BEST if best.get(name) == model else "" for model in results.models]
        metric = by_change[name]
        return [
            "" if metric.key == "top_1" and vague else _tint(metric, value)
            for value, vague in zip(column, unclear, strict=True)
        ]

    # Numbers under their words, so that a click on the header sorts by how large a difference is.
    numbers: dict[Any, Any] = {metric.title: partial(_number, metric) for metric in metrics}
    changes: dict[Any, Any] = {name: partial(comparisons.change_text, metric) for name, metric in by_change.items()}
    table = pandas.DataFrame(rows).astype(dict.fromkeys(changes, float))
    style = table.style.apply(marked).format(numbers | changes | {"Parameters": "{:,}", "MiB": "{:.0f}"}, na_rep="–")
    for metric in metrics:
        if (model := best[metric.title]) is not None:
            cell = ([results.models.index(model)], [metric.title])
            style = style.format(partial(_number, metric, mark=_STAR), subset=cell, na_rep="–")
        if metric.key == "top_1" and any(unclear):
            cells = ([i for i, vague in enumerate(unclear) if vague], [_difference(metric)])
            style = style.format(lambda _: "no clear difference", subset=cells)
    st.dataframe(
        style,
        column_config=_columns(metrics),
        hide_index=True,
        height=_ROW_PX * (min(len(rows), MAX_ROWS) + 1) + 3,
        row_height=_ROW_PX,
        placeholder="–",
        key="bench_leaderboard",
        alt=f"{len(metrics)} metrics of {len(rows)} models on {results.name}, and their differences to one of them",
    )


def _line(results: AlignedResults, model: str, reference: str, metrics: list[Metric]) -> dict[str, Any]:
    row, other = results.rows[model], results.rows[reference]
    line: dict[str, Any] = {"Model": title(results, model)}
    for metric in metrics:
        value = row.get(metric.key)
        line[metric.title] = value if value is None or not metric.percent else value * 100
        if metric.key == "top_1":
            line["95 %"] = interval(row["top_1_low"], row["top_1_high"])
        if len(results.models) == 1:
            continue
        comparable = not metric.is_time or row.get("hardware") == other.get("hardware")
        line[_difference(metric)] = comparisons.change(metric, value, other.get(metric.key)) if comparable else None
        if metric.key == "top_1":
            line["p"] = "–" if model == reference else p_number(pair_test(results, model, reference).corrected)
    line["Parameters"] = row["parameters"]
    line["MiB"] = None if row.get("memory_bytes") is None else row["memory_bytes"] / 2**20
    return line


def _difference(metric: Metric) -> str:
    return f"{metric.title} diff."


def _number(metric: Metric, value: float, mark: str = "") -> str:
    return f"{mark}{value:,.{metric.decimals}f}" + (f"{THIN_SPACE}%" if metric.percent else "")


def _tint(metric: Metric, change: float) -> str:
    # No change, or none known.
    if not change or change != change:
        return ""
    return _BETTER if comparisons.is_better(metric, change) else _WORSE


def _columns(metrics: list[Metric]) -> dict[str, Any]:
    columns: dict[str, Any] = {metric.title: st.column_config.NumberColumn(help=metric.sentence) for metric in metrics}
    columns |= {
        _difference(metric): st.column_config.NumberColumn(help=f"{metric.title} compared with the chosen model.")
        for metric in metrics
    }
    columns["Model"] = st.column_config.TextColumn(pinned=True)
    columns["95 %"] = st.column_config.TextColumn("95 % interval", help="Confidence interval of top-1 (Wilson).")
    columns["p"] = st.column_config.TextColumn(
        "p (Holm)", help="Of the difference in top-1: McNemar's mid-p, Holm-corrected for all pairs of models."
    )
    columns["MiB"] = st.column_config.NumberColumn(help="Memory that the loaded model takes.")
    return columns
