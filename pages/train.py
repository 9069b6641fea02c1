"""Train: fine-tune a pretrained model, train from scratch, or search hyperparameters; runs are shown live."""

import streamlit as st

from imgrec.ui import choices, demonstrations, runs, teaching, trained, training, tuning

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    way = training.method()
    st.space("stretch")
    table = choices.view()
shown = None
if way == training.TUNE:
    tuning.tuning_panel(table=table)
else:
    left, right = st.columns([2, 3], gap="large")
    with left:
        training.scratch_panel() if way == training.SCRATCH else teaching.teach_panel()
    with right:
        shown = runs.run_list(table=table)
trained.trained(table=table, shown=shown)
demonstrations.one_sided(table=table)
