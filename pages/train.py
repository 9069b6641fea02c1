"""Train: teach a famous network, train one from scratch, or search for one; runs that cannot be lost, live."""

import streamlit as st

from imgrec.ui import choices, demonstrations, runs, teaching, trained, training, tuning

TEACH, SCRATCH, SEARCH = "Teach a famous network", "Train from scratch", "Search"

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    way = st.segmented_control(
        "Way to learn",
        [TEACH, SCRATCH, SEARCH],
        default=TEACH,
        required=True,
        key="learn",
        bind="query-params",
        label_visibility="collapsed",
        wrap=True,
    )
    st.space("stretch")
    table = choices.view()
if way == SEARCH:
    tuning.tuning_panel(table=table)
else:
    left, right = st.columns([2, 3], gap="large")
    with left:
        training.scratch_panel() if way == SCRATCH else teaching.teach_panel()
    with right:
        runs.run_list(table=table)
trained.trained(table=table)
demonstrations.one_sided(table=table)
