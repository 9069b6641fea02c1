"""Views of the Benchmarks page over all models at once: speed against accuracy, and pairs."""

from typing import Any

import streamlit as st

from imgrec.charts import confusion_matrix, pareto
from imgrec.evaluation import comparisons
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.formatting import percent
from imgrec.metrics.classification import Floats
from imgrec.metrics.significance import agreement, error_correlation, p_text
from imgrec.ui.benchmarks.measurements import chart_or_table, compared_models, pair_tests, title


def speed(board: AlignedResults, table: bool) -> None:
    """Accuracy against latency, with the frontier."""
    points, left_out = comparisons.frontier(board, _machine(board))
    if points:
        words = pareto.describe_pareto(points)
        rows = [
            {
                "Model": point.title,
                "p50 ms": round(point.latency_ms, 1),
                "Top-1": percent(point.top_1),
                "Parameters": f"{point.parameters:,}",
                "On the Pareto frontier": "yes" if point.on_frontier else "no",
            }
            for point in points
        ]
        chart_or_table(pareto.pareto_chart(points, board.models), words, rows, table, key="bench_pareto")
        numbers = "" if table else f" Numbers, the fastest first: {pareto.numbers(points)}."
        st.caption(
            f"Diamonds and dashed line: the Pareto frontier.{numbers}",
            help=f"{words}\n\nSize: parameters. Bars: 95 % intervals. Latency: the median of one image, resized and "
            "predicted, after a warm-up.",
        )
    if left_out:
        with st.expander(f"Not shown: {len(left_out)} of {_models(len(board.models))}"):
            st.markdown("\n".join(f"- {sentence}" for sentence in left_out))


def _machine(board: AlignedResults) -> str | None:
    """Return the machine whose latencies are shown: at first that of most models of the Compare page."""
    found = comparisons.machines(board)
    if len(found) < 2:
        return None
    compared = compared_models()
    names = list(found)
    first = max(names, key=lambda name: len({*found[name]} & {*compared}))
    return st.selectbox(
        "Latency measured on",
        names,
        index=names.index(first),
        key=f"bench_machine_{board.name}_{len(board.models)}_{names.index(first)}",
        format_func=lambda name: f"{name} ({_models(len(found[name]))})" if name in found else str(name),
        width=420,
        help="Latencies of different machines cannot be compared.",
    )


def _models(count: int) -> str:
    return f"{count} {'model' if count == 1 else 'models'}"


def pairs(board: AlignedResults, table: bool) -> None:
    """Who differs from whom, how often they agree, and whether they fail together."""
    if len(board.models) < 2:
        st.info("Choose two or more models to compare.", icon=":material/compare_arrows:")
        return
    titles = {model: title(board, model) for model in board.models}
    names = list(titles.values())
    left, right = st.columns(2, gap="large")
    same = agreement([one.choice for one in board.found.values()])
    together = error_correlation([one.right for one in board.found.values()])
    with left:
        st.markdown("**Same prediction**, in percent")
        words = confusion_matrix.describe_square(same, names, "Same prediction", as_percent=True)
        spec = confusion_matrix.square_chart(same, names, domain=(0.0, 1.0), as_percent=True)
        chart_or_table(spec, words, _square_rows(same, names), table, key="bench_agreement")
        st.caption(words)
    with right:
        st.markdown("**Correlation of errors**")
        words = confusion_matrix.describe_square(together, names, "Correlation of errors", as_percent=False)
        spec = confusion_matrix.square_chart(together, names, domain=(0.0, 1.0), as_percent=False)
        chart_or_table(spec, words, _square_rows(together, names), table, key="bench_correlation")
        st.caption(words, help="The lower, the more an ensemble of the two can gain.")
    st.markdown(
        "**Significance of the differences**",
        help=f"McNemar's mid-p on the same {board.images:,} images. Holm-corrected for the number of pairs, so that "
        "the chance of one false result among all of them stays at 5 %.",
    )
    st.dataframe(
        [
            {
                "A": titles[test.a],
                "B": titles[test.b],
                "Only A correct": test.paired.only_a,
                "Only B correct": test.paired.only_b,
                "p": p_text(test.paired.p_value),
                "p (Holm)": p_text(test.raised),
                "Result": "no clear difference" if test.better is None else f"{titles[test.better]} is better",
            }
            for test in pair_tests(board)
        ],
        hide_index=True,
        key="bench_pairs",
        alt="Paired tests between all models",
    )


def _square_rows(values: Floats, titles: list[str]) -> list[dict[str, Any]]:
    return [
        {"": titles[r]} | {titles[c]: round(float(value), 4) for c, value in enumerate(row)}
        for r, row in enumerate(values)
    ]
