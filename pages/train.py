"""Train: fine-tune a pretrained model, train from scratch, or search hyperparameters; runs are shown live."""

import streamlit as st

from imgrec.ui import settings_bar
from imgrec.ui.models import trained_models
from imgrec.ui.train import runs, scratch_form, search_form, transfer_form

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    way = scratch_form.method()
    st.space("stretch")
    table = settings_bar.view()
shown = None
if way == scratch_form.TUNE:
    search_form.tuning_panel(table=table)
else:
    left, right = st.columns([2, 3], gap="large")
    with left:
        scratch_form.scratch_panel() if way == scratch_form.SCRATCH else transfer_form.teach_panel()
    with right:
        shown = runs.run_list(table=table)
trained_models.trained(table=table, shown=shown)
