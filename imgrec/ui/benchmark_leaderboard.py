"""The leaderboard: the figures that one wants to see, each with its difference to one model, the best ones marked."""

from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from imgrec import comparisons, verdicts
from imgrec.boards import Board
from imgrec.catalogue import CATALOGUE
from imgrec.comparisons import FIGURES, Figure
from imgrec.statistics import SIGNIFICANCE, p_text
from imgrec.ui import links
from imgrec.ui.benchmark_answers import pair_test, title

if TYPE_CHECKING:
    import pandas

# What fits on a screen beside the differences; all others are one click away.
FIRST_FIGURES = ("top_1", "macro_f1", "log_loss", "ece", "latency_p50_ms")

_TITLES = {figure.key: figure.title for figure in FIGURES}

# Marks the best cell of a column besides the words in "Best in"; reads on both themes.
_BEST = "background-color: rgba(30, 120, 80, 0.22); font-weight: 600"


def leaderboard(board: Board) -> None:
    """The chosen figures of all models, and the difference to one of them."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        reference = st.selectbox(
            "Compare with",
            board.models,
            key=f"bench_reference_{board.name}_{len(board.models)}",
            format_func=lambda model: title(board, model),
            width=320,
            help="▲ is better than this model, ▼ is worse, whichever way the figure runs.",
        )
        chosen = st.multiselect(
            "Figures",
            list(_TITLES),
            default=FIRST_FIGURES,
            key=links.named("bench_figures", "figure", list(_TITLES), FIRST_FIGURES, title=lambda key: _TITLES[key]),
            format_func=lambda key: _TITLES.get(key, str(key)),
            placeholder="All",
        )
    figures = [figure for figure in FIGURES if figure.key in chosen or not chosen]
    _table(board, reference, figures)
    st.caption(
        "95 % intervals: Wilson for shares, bootstrap for the rest. Differences of top-1 are tested by McNemar's "
        f"mid-p on the same {board.images:,} pictures, raised for all pairs of models (Holm), at {SIGNIFICANCE}. Click "
        "a column's head to sort. Timings are of the machine that Provenance names; published figures stand beside, "
        "never in between."
    )
    with st.expander("What the figures mean"):
        st.markdown("\n".join(f"- **{figure.title}**: {figure.sentence}" for figure in FIGURES))
    _published_accuracy(board)


def _table(board: Board, reference: str, figures: list[Figure]) -> None:
    import pandas

    rows = [_line(board, model, reference, figures) for model in board.models]
    best = {figure.title: comparisons.best_at(board, figure) for figure in figures}

    def marked(column: "pandas.Series[Any]") -> list[str]:
        return [_BEST if best.get(str(column.name)) == model else "" for model in board.models]

    # Numbers under their words, so that a click on the head sorts by how large a difference is.
    changes: dict[Any, Any] = {_delta(figure): partial(comparisons.change_text, figure) for figure in figures}
    table = pandas.DataFrame(rows).astype(dict.fromkeys(changes, float))
    st.dataframe(
        table.style.apply(marked).format(changes, na_rep="–"),
        column_config=_columns(figures),
        hide_index=True,
        key="bench_leaderboard",
        alt=f"{len(figures)} figures of {len(rows)} models on {board.name}, and their differences to one of them",
    )


def _line(board: Board, model: str, reference: str, figures: list[Figure]) -> dict[str, Any]:
    row, other = board.rows[model], board.rows[reference]
    line: dict[str, Any] = {"Model": title(board, model)}
    for figure in figures:
        value = row.get(figure.key)
        line[figure.title] = value if value is None or not figure.percent else value * 100
        line[_delta(figure)] = comparisons.change(figure, value, other.get(figure.key))
        if figure.key == "top_1":
            line["95 %"] = f"{row['top_1_low'] * 100:.1f} to {row['top_1_high'] * 100:.1f}"
            line["Test"] = "" if model == reference else _verdict(board, model, reference)
    line["Parameters"] = row["parameters"]
    line["MiB"] = None if row.get("memory_bytes") is None else row["memory_bytes"] / 2**20
    line["Pictures"] = row["images"]
    best = [figure.title for figure in figures if comparisons.best_at(board, figure) == model]
    return line | {"Best in": ", ".join(best) or "–"}


def _delta(figure: Figure) -> str:
    return f"Δ {figure.title}"


def _verdict(board: Board, model: str, reference: str) -> str:
    test = pair_test(board, model, reference)
    return p_text(test.raised) if test.better else f"not distinguishable ({p_text(test.raised)})"


def _columns(figures: list[Figure]) -> dict[str, Any]:
    columns: dict[str, Any] = {
        figure.title: st.column_config.NumberColumn(
            format=f"%.{figure.decimals}f" + (" %%" if figure.percent else ""), help=figure.sentence
        )
        for figure in figures
    }
    columns["Model"] = st.column_config.TextColumn(pinned=True)
    columns["Test"] = st.column_config.TextColumn(
        help="Whether top-1 differs: McNemar's mid-p, raised for all pairs of models (Holm)."
    )
    columns["Best in"] = st.column_config.TextColumn(help="The shown figures at which no other is better.")
    columns["Parameters"] = st.column_config.NumberColumn(format="localized")
    columns["MiB"] = st.column_config.NumberColumn(format="%.0f", help="Memory that the loaded network holds.")
    columns["Pictures"] = st.column_config.NumberColumn(format="localized")
    return columns


def _published_accuracy(board: Board) -> None:
    """What the publishers of ImageNet models say, beside what was measured on this set."""
    rows = [
        {
            "Model": title(board, model),
            "Published top-1": verdicts.percent(spec.published.top1),
            "Measured on these pictures": verdicts.percent(board.top_1(model)),
            "Source": spec.published.source,
        }
        for model in board.models
        if (spec := CATALOGUE.get(model)) is not None and spec.published is not None
    ]
    if rows and board.about["label_space"] == "imagenet_1k":
        with st.expander("Beside what their publishers say of all 50,000 validation pictures"):
            st.table(rows, border="horizontal", alt="Published and measured accuracy")
