"""The ensemble builder: any members and any rule over stored predictions, and a search for the best members."""

from math import comb

import numpy as np
import streamlit as st

from imgrec import formatting
from imgrec.errors import ImgrecError
from imgrec.evaluation import metrics_row
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.evaluation.comparisons import METRICS, PairTest
from imgrec.evaluation.metrics_row import PerImage
from imgrec.evaluation.stored_predictions import Answers
from imgrec.formatting import PERCENT_COLUMN, percent
from imgrec.metrics.calibration import held_out
from imgrec.metrics.ensemble_selection import MAX_SUBSETS, best_subset, combine_stack
from imgrec.metrics.significance import mcnemar, wilson
from imgrec.predictions.ensembles import ENSEMBLE, RULES
from imgrec.reports import sentences
from imgrec.ui.benchmarks.measurements import best_networks, compared_models, stack, title
from imgrec.ui.widget_keys import key_of

# Members that are chosen at first where the models of the Compare page were not measured: the best few.
FIRST_MEMBERS = 3

SHOWN = ("top_1", "top_5", "macro_f1", "log_loss", "brier", "ece")


def builder(results: AlignedResults) -> None:
    """Show the metrics of an ensemble beside those of its members, and whether the difference is significant."""
    best_first = sorted(results.models, key=results.top_1, reverse=True)
    compared = [model for model in best_first if model in compared_models()]
    first = compared if len(compared) > 1 else best_networks(results, FIRST_MEMBERS)
    # In a row with others, chosen members would stay on one line, however many there are.
    members = st.multiselect(
        "Members",
        best_first,
        default=first,
        # Other models on the Compare page are other members to begin with.
        key=key_of("bench_members", results.name, len(best_first), "_".join(first)),
        format_func=lambda model: title(results, model),
        help="At first the models of the Compare page, as far as they are evaluated on this dataset.",
    )
    rule = st.selectbox(
        "Combine by",
        list(RULES),
        key="bench_rule",
        format_func=lambda name: RULES[name].title,
        width=240,
        help="\n\n".join(f"**{one.title}**: {one.sentence}" for one in RULES.values()),
    )
    if not members:
        st.info("Choose at least one member.", icon=":material/join_inner:")
        return
    weights = _weights(results, members) if RULES[rule].takes_weights and len(members) > 1 else None
    whole = stack(results)
    try:
        probabilities = combine_stack(whole[[results.models.index(model) for model in members]], rule, weights)
    except ImgrecError as error:
        st.error(str(error), icon=":material/error:")
        return
    ensemble = metrics_row.per_image([Answers(results.ids, results.target, probabilities)])
    _verdict(results, members, ensemble)
    metrics = [metric for metric in METRICS if metric.key in SHOWN]
    lines = {"Ensemble": ensemble} | {title(results, model): results.per_image[model] for model in members}
    rows = []
    for name, found in lines.items():
        figures = metrics_row.figures(found)
        values = {metric.title: figures[metric.key] * (100 if metric.percent else 1) for metric in metrics}
        rows.append({"": name} | values)
    st.dataframe(
        rows,
        column_config={
            metric.title: st.column_config.NumberColumn(
                format=PERCENT_COLUMN if metric.percent else f"%.{metric.decimals}f", help=metric.sentence
            )
            for metric in metrics
        },
        hide_index=True,
        key="bench_ensemble_table",
        alt="Metrics of the ensemble and its members",
    )
    _search(results, whole, rule)


def _verdict(results: AlignedResults, members: list[str], ensemble: PerImage) -> None:
    """Show the ensemble against its best member, in a sentence."""
    best = max(members, key=results.top_1)
    test = mcnemar(ensemble.right, results.per_image[best].right)
    found = wilson(int(ensemble.right.sum()), len(ensemble))
    titles = {ENSEMBLE: "the ensemble", best: title(results, best)}
    st.markdown(
        f"**{sentences.title_of(ENSEMBLE)}: {percent(float(ensemble.right.mean()))}** "
        f"({formatting.interval(found.low, found.high)}). "
        + PairTest(ENSEMBLE, best, test, test.p_value, 1).sentence(titles)
    )


def _weights(results: AlignedResults, members: list[str]) -> list[float]:
    with st.grid(4, min_column_width=160):
        values = [
            st.slider(title(results, model), 0.0, 1.0, 1.0, 0.05, key=key_of("bench_weight", results.name, model))
            for model in members
        ]
    return values if sum(values) else [1.0] * len(members)


def _search(results: AlignedResults, whole: np.ndarray, rule: str) -> None:
    """Show a search for the best members on one half of the images, and their accuracy on the other."""
    st.markdown(
        "**Search for the best members**",
        help="Members are chosen on half of the images (by a hash of their names) and judged on the other half: "
        "on the half that they were chosen on, the accuracy would be too high.",
    )
    count = len(results.models)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = key_of("bench_k", results.name, count)
        size = st.slider("Members", 1, count, min(FIRST_MEMBERS, count), key=key, width=240)
        is_asked = st.button("Search", key="bench_find", icon=":material/search:")
    ways = comb(count, size)
    equal = " All members have the same weight here." if RULES[rule].takes_weights else ""
    st.caption(f"{ways:,} combinations of {size}.{equal}")
    if ways > MAX_SUBSETS:
        st.info(f"{ways:,} combinations are too many to try (at most {MAX_SUBSETS:,}). Choose fewer models above.")
        return
    search = (results.name, tuple(results.models), size, rule)
    if is_asked:
        with st.spinner("Searching"):
            try:
                found = best_subset(whole, results.target, size, held_out(results.ids), rule)
                st.session_state["bench_best"] = (search, found)
            except ImgrecError as error:
                st.error(str(error), icon=":material/error:")
    last, found = st.session_state.get("bench_best", (None, None))
    if found is not None and last == search:
        names = ", ".join(title(results, results.models[i]) for i in found.members)
        st.success(
            f"{names}: {percent(found.test_top_1)} on the half of the images that they were not chosen on "
            f"({percent(found.validation_top_1)} on the other half; {found.tried:,} combinations tried).",
            icon=":material/join_inner:",
        )
