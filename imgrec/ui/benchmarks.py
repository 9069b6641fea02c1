"""The Benchmarks page: which set and which models, the leaderboard, speed, provenance. Reads artefacts only.

Each view is drawn when it is looked at, and none of them runs a model. `benchmark_views` has confusions and errors,
`benchmark_ensembles` the ensemble builder.
"""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from imgrec import benchmark_charts, comparisons, published, verdicts
from imgrec.catalogue import CATALOGUE
from imgrec.comparisons import FIGURES, Board, Figure
from imgrec.errors import ImgrecError
from imgrec.metrics import Floats
from imgrec.statistics import SIGNIFICANCE, agreement, error_correlation, p_text
from imgrec.ui import benchmark_answers, benchmark_curves, benchmark_ensembles, benchmark_views, choices
from imgrec.ui.benchmark_answers import chart_or_table, title

Row = Mapping[str, Any]

TITLES = {
    "cifar10": "CIFAR-10, test set",
    "imagenet_val_a": "ImageNet, 668 validation pictures",
    "imagenet_sample_even": "ImageNet, 500 training pictures",
    "catsdogs": "Cats and dogs, test set",
    "catsdogs_first_100": "Cats and dogs, first 100 of each",
}


def chooser() -> Board | None:
    """The set and the models to look at; None, with a sentence, where there is nothing measured."""
    try:
        names = benchmark_answers.set_names()
    except ImgrecError as error:
        st.error(str(error), icon=":material/broken_image:")
        return None
    if not names:
        st.info(
            "Nothing has been measured yet. `imgrec evaluate --data cifar10 --out assets/benchmarks` does it.",
            icon=":material/leaderboard:",
        )
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = st.selectbox(
            "Pictures",
            names,
            key="bench_set",
            bind="query-params",
            format_func=lambda name: TITLES.get(name, str(name)),
            width=320,
        )
        board = _board(name if name in names else names[0])
        if board is None:
            return None
        chosen = st.multiselect(
            "Models",
            board.models,
            key=f"bench_models_{board.name}",
            format_func=lambda model: title(board, model),
            placeholder=f"All {len(board.models)}",
        )
    _about(board)
    return comparisons.narrowed(board, chosen) if chosen else board


def show(board: Board) -> None:
    """The chosen view of `board`."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = st.pills(
            "View",
            list(VIEWS),
            default="Leaderboard",
            required=True,
            key="bench_view",
            bind="query-params",
            label_visibility="collapsed",
        )
        st.space("stretch")
        table = choices.view()
    with st.container(key="bench_panel"):
        VIEWS.get(name or "Leaderboard", leaderboard)(board, table)


def leaderboard(board: Board, table: bool) -> None:
    """All figures of all models, and the difference to one of them."""
    reference = st.selectbox(
        "Compare with",
        board.models,
        index=board.models.index(_leader(board)),
        key=f"bench_reference_{board.name}_{len(board.models)}",
        format_func=lambda model: title(board, model),
        width=320,
        help="▲ is better than this model, ▼ is worse, whichever way the figure runs.",
    )
    rows = [_line(board, model, reference) for model in sorted(board.models, key=lambda m: -_top_1(board, m))]
    st.dataframe(
        rows,
        column_config=_columns(),
        hide_index=True,
        key="bench_leaderboard",
        alt=f"All figures of {len(rows)} models on {board.name}",
    )
    st.caption(
        f"95 % intervals: Wilson for shares, bootstrap for the rest. Differences of top-1 by McNemar's mid-p on the "
        f"same {board.images:,} pictures, at {SIGNIFICANCE}. Click a column's head to sort. Timings are of the machine "
        "that Provenance names; published figures stand beside, never in between."
    )
    with st.expander("What the figures mean"):
        st.markdown("\n".join(f"- **{figure.title}**: {figure.sentence}" for figure in FIGURES))
    _published_accuracy(board)


def speed(board: Board, table: bool) -> None:
    """Accuracy against latency, with the frontier."""
    points, left_out = comparisons.frontier(board)
    if points:
        words = benchmark_charts.describe_pareto(points)
        rows = [
            {
                "Model": point.title,
                "p50 ms": point.latency_ms,
                "Top-1": verdicts.percent(point.top_1),
                "Parameters": f"{point.parameters:,}",
                "On the frontier": "yes" if point.on_frontier else "no",
            }
            for point in points
        ]
        chart_or_table(benchmark_charts.pareto_chart(points), words, rows, table, key="bench_pareto")
        st.caption(
            f"{words} Diamonds and the dashed line: the frontier; size: parameters; bars: 95 % intervals. The latency "
            "is that of one picture, resized and answered, warm. Which point is right depends on what waiting costs: "
            "this is no recommendation."
        )
    if left_out:
        st.markdown("**Left out**\n" + "\n".join(f"- {sentence}" for sentence in left_out))


def pairs(board: Board, table: bool) -> None:
    """Who differs from whom, how often they agree, and whether they fail together."""
    if len(board.models) < 2:
        st.info("Expected two models or more to compare.", icon=":material/compare_arrows:")
        return
    titles = [title(board, model) for model in board.models]
    left, right = st.columns(2, gap="large")
    same = agreement([one.choice for one in board.found.values()])
    together = error_correlation([one.right for one in board.found.values()])
    with left:
        st.markdown("**Same first choice**")
        words = benchmark_charts.describe_square(same, titles, "Same first choice", as_percent=True)
        spec = benchmark_charts.square_chart(same, titles, domain=(0.0, 1.0), as_percent=True)
        chart_or_table(spec, words, _square_rows(same, titles), table, key="bench_agreement")
        st.caption(words)
    with right:
        st.markdown("**Correlation of errors**")
        words = benchmark_charts.describe_square(together, titles, "Correlation of errors", as_percent=False)
        spec = benchmark_charts.square_chart(together, titles, domain=(0.0, 1.0), as_percent=False)
        chart_or_table(spec, words, _square_rows(together, titles), table, key="bench_correlation")
        st.caption(f"{words} The lower, the more two models can help each other.")
    st.markdown("**Which differences are real?**")
    st.dataframe(
        [
            {
                "A": title(board, a),
                "B": title(board, b),
                "Only A right": test.only_a,
                "Only B right": test.only_b,
                "mid-p": test.p_value,
                "for all pairs": raised,
                "Verdict": "not distinguishable"
                if raised >= SIGNIFICANCE
                else f"{title(board, a if test.only_a > test.only_b else b)} is better",
            }
            for a, b, test, raised in comparisons.paired_tests(board)
        ],
        column_config={
            "mid-p": st.column_config.NumberColumn(format="%.2g"),
            "for all pairs": st.column_config.NumberColumn(
                format="%.2g", help="Raised for the number of pairs (Holm): one false alarm among all stays at 5 %."
            ),
        },
        hide_index=True,
        key="bench_pairs",
        alt="Paired tests between all models",
    )
    st.caption(f"McNemar's mid-p on {board.images:,} pictures; the verdict goes by the raised p.")


def printed(board: Board, table: bool) -> None:
    """The tables of three published comparisons, with what was measured here beside."""
    st.caption("Quoted as printed; *Measured here* is of the set above, and empty where nothing here repeats a row.")
    for one in published.TABLES:
        st.markdown(f"**{one.title}** · {one.source}")
        rows = [
            dict(zip(one.columns, row, strict=True)) | {"Measured here": _measured(board, model)}
            for row, model in zip(one.rows, one.measured_as, strict=True)
        ]
        st.table(rows, border="horizontal", alt=one.title)
        st.caption(one.remark)
    for counts in published.COUNTS:
        st.markdown(f"**{counts.title}** · {counts.source}")
        st.table(benchmark_curves.class_rows(counts.figures, counts.classes), border="horizontal", alt=counts.title)
        st.caption(f"TP, TN, FP and FN as printed, the rest computed from them: accuracy {counts.accuracy:.4f}.")


def provenance(board: Board, table: bool) -> None:
    """Where every number comes from."""
    st.markdown(
        f"**Pictures**: {board.about['source']}. {board.about['images']:,} in {board.about['classes']} classes; "
        f"`digest {board.about['digest'][:12]}`."
    )
    for model in board.models:
        row = board.rows[model]
        with st.expander(title(board, model), icon=":material/fact_check:"):
            if row.get("note"):
                st.info(row["note"], icon=":material/info:")
            st.table(_facts(row), border="horizontal", alt=f"Provenance of {title(board, model)}")
            if row.get("command"):
                st.code(row["command"], language="bash", wrap_lines=True)
            if row["failures"]:
                st.markdown(f"**{len(row['failures'])} pictures could not be read**")
                st.dataframe(row["failures"], hide_index=True, key=f"bench_failures_{model}")


VIEWS: dict[str, Callable[[Board, bool], None]] = {
    "Leaderboard": leaderboard,
    "Speed": speed,
    "Pairs": pairs,
    "Confusion": benchmark_views.confusion,
    "A against B": benchmark_views.duel,
    "Classes": benchmark_curves.classes,
    "Curves": benchmark_curves.over_thresholds,
    "Errors": benchmark_views.gallery,
    "Ensembles": benchmark_ensembles.builder,
    "Published": printed,
    "Provenance": provenance,
}


def _board(name: str) -> Board | None:
    try:
        return benchmark_answers.board(name)
    except ImgrecError as error:
        st.error(str(error), icon=":material/broken_image:")
        return None


def _about(board: Board) -> None:
    """What a reader of the numbers must know, before them."""
    st.caption(f"**{board.images:,} pictures**, {board.about['classes']} classes. {board.about['source']}.")
    remarks = list(board.about["flaws"])
    rolled_up = board.labels[-1] == comparisons.REST
    if rolled_up and board.about["unreachable"]:
        remarks.append(
            f"ImageNet has no class for {', '.join(board.about['unreachable'])}: its networks cannot name it."
        )
    if rolled_up:
        remarks.append(
            "ImageNet's classes are counted as these by WordNet; what has no place among them is "
            f"“{comparisons.REST}”, which is always wrong here."
        )
    if any(board.rows[model].get("note") for model in board.models):
        remarks.append("Some networks have weights that are not their publisher's own: see Provenance.")
    if remarks:
        st.caption(f":material/info: {' '.join(remarks)}")
    for problem in board.problems:
        st.warning(problem, icon=":material/broken_image:")


def _leader(board: Board) -> str:
    return max(board.models, key=lambda model: _top_1(board, model))


def _top_1(board: Board, model: str) -> float:
    return float(board.found[model].right.mean())


def _line(board: Board, model: str, reference: str) -> dict[str, Any]:
    row, other = board.rows[model], board.rows[reference]
    best = [figure.title for figure in FIGURES if comparisons.best_at(board, figure) == model]
    line: dict[str, Any] = {"Model": title(board, model)}
    for figure in FIGURES:
        value = row.get(figure.key)
        line[figure.title] = value if value is None or not figure.percent else value * 100
        if figure.key == "top_1":
            line["95 %"] = f"{row['top_1_low'] * 100:.1f} to {row['top_1_high'] * 100:.1f}"
            line["Δ top-1"] = _change(figure, row, other, same=model == reference)
            line["Test"] = "" if model == reference else _verdict(board, model, reference)
        if figure.key in {"log_loss", "latency_p50_ms"}:
            line[f"Δ {figure.title}"] = _change(figure, row, other, same=model == reference)
    line["Parameters"] = row["parameters"]
    line["MiB"] = None if row.get("memory_bytes") is None else row["memory_bytes"] / 2**20
    line["Pictures"] = row["images"]
    line["Best in"] = ", ".join(best) or "–"
    return line


def _change(figure: Figure, row: Row, other: Row, *, same: bool) -> str:
    return "" if same else comparisons.difference(figure, row.get(figure.key), other.get(figure.key))


def _verdict(board: Board, model: str, reference: str) -> str:
    paired = comparisons.versus(board, model, reference).paired
    return p_text(paired.p_value) if paired.distinguishable else f"not distinguishable ({p_text(paired.p_value)})"


def _columns() -> dict[str, Any]:
    columns: dict[str, Any] = {
        figure.title: st.column_config.NumberColumn(
            format=f"%.{figure.decimals}f" + (" %%" if figure.percent else ""), help=figure.sentence
        )
        for figure in FIGURES
    }
    columns["Model"] = st.column_config.TextColumn(pinned=True)
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
            "Measured on these pictures": verdicts.percent(_top_1(board, model)),
            "Source": spec.published.source,
        }
        for model in board.models
        if (spec := CATALOGUE.get(model)) is not None and spec.published is not None
    ]
    if rows and board.about["label_space"] == "imagenet_1k":
        with st.expander("Beside what their publishers say of all 50,000 validation pictures"):
            st.table(rows, border="horizontal", alt="Published and measured accuracy")


def _measured(board: Board, model: str | None) -> str:
    if model is None or model not in board.found:
        return "–"
    row = board.rows[model]
    return f"{verdicts.percent(_top_1(board, model))} of {board.images:,}, {row['latency_p50_ms']:.1f} ms"


def _square_rows(values: Floats, titles: list[str]) -> list[dict[str, Any]]:
    return [
        {"": titles[r]} | {titles[c]: round(float(value), 4) for c, value in enumerate(row)}
        for r, row in enumerate(values)
    ]


def _facts(row: Row) -> dict[str, str]:
    versions = row["versions"]
    scaled = row.get("temperature")
    facts = {
        "Weights, sha256": str(row["weights_sha256"]),
        "Preprocessing": f"{row['preprocess']}, {row['framing']} to {row['input_size']}, {row['resampling']}",
        "Runtime": str(row["runtime"]),
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "Hardware": str(row.get("hardware", "–")),
        "Measured": str(row["measured_at"]),
        "Timed": str(row.get("timed_at", "–")),
        "Answers, sha256": str(row["predictions_sha256"]),
    }
    if isinstance(scaled, dict):
        facts["Temperature"] = (
            f"{scaled['temperature']:.3f}, fitted on {scaled['fitted']:,} pictures; on {scaled['tested']:,} others "
            f"log-loss {scaled['log_loss_before']:.3f} → {scaled['log_loss_after']:.3f}, "
            f"ECE {scaled['ece_before'] * 100:.1f} % → {scaled['ece_after'] * 100:.1f} %"
        )
    return facts
