"""Train: fine-tune a pretrained model, train from scratch, search hyperparameters, live; logs from anywhere."""

import streamlit as st

from imgrec.ui import settings_bar
from imgrec.ui.models import trained_models
from imgrec.ui.train import form_fields, runs, scratch_form, search_form, search_progress, training_logs, transfer_form

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    method = form_fields.method()
    st.space("stretch")
    table = settings_bar.view()
shown = None
left, right = st.columns([2, 3], gap="large")
if method == form_fields.TUNE:
    with left:
        search_form.form()
    with right:
        search_progress.search_list(table=table)
elif method == form_fields.LOGS:
    with left:
        logs = training_logs.sources()
    with right:
        training_logs.curves(logs, table=table)
else:
    with left:
        scratch_form.form() if method == form_fields.SCRATCH else transfer_form.form()
    with right:
        shown = runs.run_list(table=table)
if method != form_fields.LOGS:
    trained_models.trained(table=table, shown=shown)
