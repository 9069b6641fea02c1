"""The ensemble builder: any members and any rule over stored predictions, and a search for the best members."""

from math import comb

import numpy as np
import streamlit as st

from imgrec import formatting
from imgrec.errors import ImgrecError
from imgrec.evaluation import comparisons
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.evaluation.comparisons import FIGURES, PairTest
from imgrec.formatting import PERCENT_COLUMN, percent
from imgrec.metrics.classification import first_choices
from imgrec.metrics.curves import held_out
from imgrec.metrics.ensemble_selection import MAX_SUBSETS, best_subset, combine_stack
from imgrec.metrics.significance import mcnemar, wilson
from imgrec.predictions.ensembles import ENSEMBLE, RULES
from imgrec.reports import sentences
from imgrec.ui.benchmarks.measurements import compared_models, stack, title

# Members that are chosen at first where the models of the Compare page were not measured: the best few.
FIRST_MEMBERS = 3

QUALITY = ("top_1", "top_5", "macro_f1", "log_loss", "brier", "ece")


def builder(board: AlignedResults) -> None:
    """Members, rule and weights; the ensemble's metrics beside theirs, and whether the difference is significant."""
    if len(board.models) < 2:
        st.info("Choose two or more models to combine.", icon=":material/join_inner:")
        return
    best_first = sorted(board.models, key=board.top_1, reverse=True)
    first = _first_members(best_first)
    # In a row with others, chosen members would stay on one line, however many there are.
    members = st.multiselect(
        "Members",
        best_first,
        default=first,
        # Other models on the Compare page are other members to begin with.
        key=f"bench_members_{board.name}_{len(best_first)}_{'_'.join(first)}",
        format_func=lambda model: title(board, model),
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
    weights = _weights(board, members) if RULES[rule].takes_weights and len(members) > 1 else None
    try:
        whole = stack(board)
        chosen = [board.models.index(model) for model in members]
        probabilities = combine_stack(whole[chosen], rule, weights)
    except ImgrecError as error:
        st.error(str(error), icon=":material/error:")
        return
    _verdict(board, members, first_choices(probabilities))
    figures = [figure for figure in FIGURES if figure.key in QUALITY]
    together = comparisons.judge(probabilities, board)
    rows = [_row("Ensemble", together, figures)]
    rows += [_row(title(board, model), comparisons.figures_of(board, model), figures) for model in members]
    st.dataframe(
        rows,
        column_config={
            figure.title: st.column_config.NumberColumn(
                format=PERCENT_COLUMN if figure.percent else f"%.{figure.decimals}f", help=figure.sentence
            )
            for figure in figures
        },
        hide_index=True,
        key="bench_ensemble_table",
        alt="Metrics of the ensemble and its members",
    )
    _subset(board, whole, rule)


def _first_members(best_first: list[str]) -> list[str]:
    """Return the models of the Compare page that are among these; where fewer than two are, the best few."""
    compared = compared_models()
    members = [model for model in best_first if model in compared]
    return members if len(members) > 1 else best_first[:FIRST_MEMBERS]


def _verdict(board: AlignedResults, members: list[str], choice: np.ndarray) -> None:
    """The ensemble against its best member, in a sentence."""
    right = choice == board.target
    best = max(members, key=board.top_1)
    test = mcnemar(right, board.found[best].right)
    found = wilson(int(right.sum()), len(right))
    st.markdown(
        f"**{sentences.title_of(ENSEMBLE)}: {percent(float(right.mean()))}** "
        f"({formatting.interval(found.low, found.high)}). "
        + PairTest(ENSEMBLE, best, test, test.p_value, 1).sentence({ENSEMBLE: "the ensemble", best: title(board, best)})
    )


def _weights(board: AlignedResults, members: list[str]) -> list[float]:
    with st.grid(4, min_column_width=160):
        values = [
            st.slider(title(board, model), 0.0, 1.0, 1.0, 0.05, key=f"bench_weight_{board.name}_{model}")
            for model in members
        ]
    return values if sum(values) else [1.0] * len(members)


def _subset(board: AlignedResults, whole: np.ndarray, rule: str) -> None:
    """The best members by validation on one half, judged on the other."""
    st.markdown(
        "**Search for the best members**",
        help="Members are chosen on half of the images (by a hash of their names) and judged on the other half: "
        "on the half that they were chosen on, the accuracy would be too high.",
    )
    count = len(board.models)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        size = st.slider("Members", 1, count, min(FIRST_MEMBERS, count), key=f"bench_k_{board.name}_{count}", width=240)
        asked = st.button("Search", key="bench_find", icon=":material/search:")
    ways = comb(count, size)
    equal = " All members have the same weight here." if RULES[rule].takes_weights else ""
    st.caption(f"{ways:,} combinations of {size}.{equal}")
    if ways > MAX_SUBSETS:
        st.info(f"{ways:,} combinations are too many to try (at most {MAX_SUBSETS:,}). Choose fewer models above.")
        return
    key = ("bench_best", board.name, tuple(board.models), size, rule)
    if asked:
        with st.spinner("Searching"):
            try:
                st.session_state["bench_best"] = (
                    key,
                    best_subset(whole, board.target, size, held_out(board.ids), rule),
                )
            except ImgrecError as error:
                st.error(str(error), icon=":material/error:")
    remembered = st.session_state.get("bench_best")
    if remembered is not None and remembered[0] == key:
        found = remembered[1]
        names = ", ".join(title(board, board.models[i]) for i in found.members)
        st.success(
            f"{names}: {percent(found.test_top_1)} on the half of the images that they were not chosen on "
            f"({percent(found.validation_top_1)} on the other half; {found.tried:,} combinations tried).",
            icon=":material/join_inner:",
        )


def _row(name: str, values: dict[str, float], figures: list[comparisons.Figure]) -> dict[str, object]:
    return {"": name} | {
        figure.title: values[figure.key] * (100 if figure.percent else 1) for figure in figures if figure.key in values
    }
