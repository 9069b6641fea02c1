"""Benchmarks: models measured on labeled images. Reads stored predictions and runs no model."""

import streamlit as st

from imgrec.ui.benchmarks import overview

st.header("Benchmarks", anchor=False)
results = overview.chooser()
if results is not None:
    overview.show(results)
