"""The leaderboard: the chosen metrics of all models, each with its difference to one model, the best ones marked."""

from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from imgrec.evaluation import comparisons
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.evaluation.comparisons import FIGURES, Figure
from imgrec.formatting import THIN_SPACE, interval
from imgrec.metrics.significance import SIGNIFICANCE, p_text
from imgrec.ui import query_params
from imgrec.ui.benchmarks.measurements import pair_test, title

if TYPE_CHECKING:
    import pandas

# What fits on a screen beside the differences; all others are one click away.
FIRST_FIGURES = ("top_1", "log_loss", "ece", "latency_p50_ms")

_TITLES = {figure.key: figure.title for figure in FIGURES}

# Marks besides the star and the words, on both themes: the best of a column, and differences.
_BEST = "font-weight: 600"
_BETTER = "background-color: rgba(30, 120, 80, 0.22)"
_WORSE = "background-color: rgba(200, 70, 20, 0.16)"
_STAR = "★ "

# All rows of as many models are shown, more are scrolled.
MAX_ROWS = 25
_ROW_PX = 35


def leaderboard(board: AlignedResults) -> None:
    """The chosen metrics of all models, and the difference to one of them."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        reference = st.selectbox(
            "Compare with",
            board.models,
            key=f"bench_reference_{board.name}_{len(board.models)}",
            format_func=lambda model: title(board, model),
            width=320,
            help="Differences are to this model: green is better, red is worse.",
        )
        chosen = st.multiselect(
            "Metrics",
            list(_TITLES),
            default=FIRST_FIGURES,
            key=query_params.named(
                "bench_figures", "figure", list(_TITLES), FIRST_FIGURES, title=lambda key: _TITLES[key]
            ),
            format_func=lambda key: _TITLES.get(key, str(key)),
            placeholder="All",
        )
    figures = [figure for figure in FIGURES if figure.key in chosen or not chosen]
    _table(board, reference, figures)
    machines = {board.rows[model].get("hardware") for model in board.models}
    several = " Times of different machines are not compared." if len(machines) > 1 else ""
    st.caption(
        f"{_STAR.strip()} Best of its column.{several} Click a column header to sort.",
        help="95 % intervals: Wilson for shares, bootstrap for the rest. Differences in top-1 are tested by McNemar's "
        f"mid-p on the same {board.images:,} images, Holm-corrected for all pairs of models, at {SIGNIFICANCE}. "
        "Provenance names the machine of each latency.",
    )
    with st.expander("What the metrics mean"):
        st.markdown("\n".join(f"- **{figure.title}**: {figure.sentence}" for figure in FIGURES))


def _table(board: AlignedResults, reference: str, figures: list[Figure]) -> None:
    import pandas

    rows = [_line(board, model, reference, figures) for model in board.models]
    best = {figure.title: comparisons.best_at(board, figure) for figure in figures}
    unclear = [model != reference and pair_test(board, model, reference).better is None for model in board.models]
    by_change = {_difference(figure): figure for figure in figures if len(rows) > 1}

    def marked(column: "pandas.Series[Any]") -> list[str]:
        name = str(column.name)
        if name not in by_change:
            return [_BEST if best.get(name) == model else "" for model in board.models]
        figure = by_change[name]
        return [
            "" if figure.key == "top_1" and vague else _tint(figure, value)
            for value, vague in zip(column, unclear, strict=True)
        ]

    # Numbers under their words, so that a click on the header sorts by how large a difference is.
    numbers: dict[Any, Any] = {figure.title: partial(_number, figure) for figure in figures}
    changes: dict[Any, Any] = {name: partial(comparisons.change_text, figure) for name, figure in by_change.items()}
    table = pandas.DataFrame(rows).astype(dict.fromkeys(changes, float))
    style = table.style.apply(marked).format(numbers | changes | {"Parameters": "{:,}", "MiB": "{:.0f}"}, na_rep="–")
    for figure in figures:
        if (model := best[figure.title]) is not None:
            cell = ([board.models.index(model)], [figure.title])
            style = style.format(partial(_number, figure, mark=_STAR), subset=cell, na_rep="–")
        if figure.key == "top_1" and any(unclear):
            cells = ([i for i, vague in enumerate(unclear) if vague], [_difference(figure)])
            style = style.format(lambda _: "no clear difference", subset=cells)
    st.dataframe(
        style,
        column_config=_columns(figures),
        hide_index=True,
        height=_ROW_PX * (min(len(rows), MAX_ROWS) + 1) + 3,
        row_height=_ROW_PX,
        placeholder="–",
        key="bench_leaderboard",
        alt=f"{len(figures)} metrics of {len(rows)} models on {board.name}, and their differences to one of them",
    )


def _line(board: AlignedResults, model: str, reference: str, figures: list[Figure]) -> dict[str, Any]:
    row, other = board.rows[model], board.rows[reference]
    line: dict[str, Any] = {"Model": title(board, model)}
    for figure in figures:
        value = row.get(figure.key)
        line[figure.title] = value if value is None or not figure.percent else value * 100
        if figure.key == "top_1":
            line["95 %"] = interval(row["top_1_low"], row["top_1_high"])
        if len(board.models) == 1:
            continue
        comparable = not figure.is_time or row.get("hardware") == other.get("hardware")
        line[_difference(figure)] = comparisons.change(figure, value, other.get(figure.key)) if comparable else None
        if figure.key == "top_1":
            line["p"] = "–" if model == reference else _p(board, model, reference)
    line["Parameters"] = row["parameters"]
    line["MiB"] = None if row.get("memory_bytes") is None else row["memory_bytes"] / 2**20
    return line


def _difference(figure: Figure) -> str:
    return f"{figure.title} diff."


def _p(board: AlignedResults, model: str, reference: str) -> str:
    return p_text(pair_test(board, model, reference).raised).removeprefix("p ").removeprefix("= ")


def _number(figure: Figure, value: float, mark: str = "") -> str:
    return f"{mark}{value:,.{figure.decimals}f}" + (f"{THIN_SPACE}%" if figure.percent else "")


def _tint(figure: Figure, change: float) -> str:
    # No change, or none known.
    if not change or change != change:
        return ""
    return _BETTER if comparisons.is_better(figure, change) else _WORSE


def _columns(figures: list[Figure]) -> dict[str, Any]:
    columns: dict[str, Any] = {figure.title: st.column_config.NumberColumn(help=figure.sentence) for figure in figures}
    columns |= {
        _difference(figure): st.column_config.NumberColumn(help=f"{figure.title} compared with the chosen model.")
        for figure in figures
    }
    columns["Model"] = st.column_config.TextColumn(pinned=True)
    columns["95 %"] = st.column_config.TextColumn("95 % interval", help="Confidence interval of top-1 (Wilson).")
    columns["p"] = st.column_config.TextColumn(
        "p (Holm)", help="Of the difference in top-1: McNemar's mid-p, Holm-corrected for all pairs of models."
    )
    columns["MiB"] = st.column_config.NumberColumn(help="Memory that the loaded model takes.")
    return columns
