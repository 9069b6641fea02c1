"""Views of the Benchmarks page on all models at once: speed against accuracy, and pairs."""

import streamlit as st

from imgrec.charts import confusion_matrix, pareto
from imgrec.evaluation import comparisons
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.formatting import percent
from imgrec.metrics.classification import Floats
from imgrec.metrics.significance import agreement, error_correlation, p_text
from imgrec.ui.benchmarks.measurements import chart_or_table, compared_models, count, pair_tests, title
from imgrec.ui.widget_keys import key_of


def speed(results: AlignedResults, table: bool) -> None:
    """Show accuracy against latency, with the frontier."""
    points, left_out = comparisons.frontier(results, _machine(results))
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
        chart_or_table(pareto.pareto_chart(points, results.models), words, rows, table, key="bench_pareto")
        numbers = "" if table else f" Numbers, the fastest first: {pareto.numbers(points)}."
        st.caption(
            f"Diamonds and dashed line: the Pareto frontier.{numbers}",
            help=f"{words}\n\nSize: parameters. Bars: 95 % intervals. Latency: the median of one image, resized and "
            "predicted, after a warm-up.",
        )
    if left_out:
        with st.expander(f"Not shown: {len(left_out)} of {count(len(results.models), 'model')}"):
            st.markdown("\n".join(f"- {sentence}" for sentence in left_out))


def pairs(results: AlignedResults, table: bool) -> None:
    """Show how often models agree, whether they fail together, and which differences are significant."""
    titles = {model: title(results, model) for model in results.models}
    found = results.per_image.values()
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Same prediction**, in percent")
        same = agreement([one.choice for one in found])
        st.caption(_square(same, list(titles.values()), "Same prediction", True, table, "bench_agreement"))
    with right:
        st.markdown("**Correlation of errors**")
        together = error_correlation([one.right for one in found])
        words = _square(together, list(titles.values()), "Correlation of errors", False, table, "bench_correlation")
        st.caption(words, help="The lower, the more an ensemble of the two can gain.")
    st.markdown(
        "**Significance of the differences**",
        help=f"McNemar's mid-p on the same {results.images:,} images. Holm-corrected for the number of pairs, so that "
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
                "p (Holm)": p_text(test.corrected),
                "Result": "no clear difference" if test.better is None else f"{titles[test.better]} is better",
            }
            for test in pair_tests(results)
        ],
        hide_index=True,
        key="bench_pairs",
        alt="Paired tests between all models",
    )


def _machine(results: AlignedResults) -> str | None:
    """Show a chooser of the machine whose latencies are shown, at first that of most models of the Compare page."""
    found = comparisons.machines(results)
    if len(found) < 2:
        return None
    names = list(found)
    first = max(names, key=lambda name: len({*found[name]} & {*compared_models()}))
    return st.selectbox(
        "Latency measured on",
        names,
        index=names.index(first),
        key=key_of("bench_machine", results.name, len(results.models), names.index(first)),
        format_func=lambda name: f"{name} ({count(len(found[name]), 'model')})" if name in found else str(name),
        width=420,
        help="Latencies of different machines cannot be compared.",
    )


def _square(values: Floats, titles: list[str], what: str, as_percent: bool, table: bool, key: str) -> str:
    """Show a value for each pair of models; return it in words."""
    words = confusion_matrix.describe_square(values, titles, what, as_percent=as_percent)
    spec = confusion_matrix.square_chart(values, titles, domain=(0.0, 1.0), as_percent=as_percent)
    rows = [
        {"": name} | dict(zip(titles, line, strict=True))
        for name, line in zip(titles, values.round(4).tolist(), strict=True)
    ]
    chart_or_table(spec, words, rows, table, key=key)
    return words
