"""Train: teach a famous network, train one from scratch, or search for one; runs that cannot be lost, live."""

import streamlit as st

from imgrec.ui import runs, trained, training

left, right = st.columns([2, 3], gap="large")
with left:
    training.scratch_panel()
with right:
    runs.run_list()
trained.trained()
